"""`Proxy`: what flows through a traced function; each operation on it adds a node to a graph."""

from __future__ import annotations

import collections
import copy
import dis
import enum
import inspect
import operator
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torchcompat import _overrides
from torchcompat.fx._codegen import magic_methods, reflectable_magic_methods
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx.graph import Graph
from torchcompat.fx.node import Argument, Node, Target, base_types, map_aggregate

__all__ = [
    "Attribute",
    "GraphAppendingTracer",
    "ParameterProxy",
    "Proxy",
    "Scope",
    "ScopeContextManager",
    "TraceError",
    "TracerBase",
]


@compatibility(is_backward_compatible=False)
class Scope:
    """Which module is running: its path from the root and its type."""

    def __init__(self, module_path: str, module_type: Any) -> None:
        self.module_path, self.module_type = module_path, module_type


@compatibility(is_backward_compatible=False)
class ScopeContextManager:
    """Makes `scope` describe another module until the `with` block ends."""

    def __init__(self, scope: Scope, current_scope: Scope) -> None:
        self._before = copy.copy(scope)
        scope.module_path = current_scope.module_path
        scope.module_type = current_scope.module_type
        self._scope = scope

    def __enter__(self) -> Scope:
        return self._scope

    def __exit__(self, *error: Any) -> None:
        self._scope.module_path = self._before.module_path
        self._scope.module_type = self._before.module_type


@compatibility(is_backward_compatible=True)
class TraceError(ValueError):
    """A traced function did what cannot be recorded, such as branching on a value."""


@compatibility(is_backward_compatible=True)
class TracerBase:
    """Turns operations on proxies into nodes of `graph`.

    Attributes:
        record_stack_traces: whether nodes note the Python stack that made them.
        trace_asserts: whether `assert` of a traced comparison is recorded as a check.
        proxy_buffer_attributes: whether buffers that are read give proxies too.
    """

    graph: Graph
    scope: Scope
    module_stack: OrderedDict[str, tuple[str, Any]]
    node_name_to_scope: dict[str, tuple[str, type]]
    record_stack_traces: bool = False
    _record_forward_stack_traces_only: bool = False
    check_mutable_operations: bool = False
    trace_asserts: bool = False
    proxy_buffer_attributes: bool = False
    traced_func_name: str = "forward"

    @compatibility(is_backward_compatible=True)
    def create_node(
        self,
        kind: str,
        target: Target,
        args: tuple,
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a node, with the module it stands in noted."""
        if self.check_mutable_operations:
            raise NotImplementedError("Tracer.check_mutable_operations=True")
        node = self.graph.create_node(kind, target, args, kwargs, name, type_expr)
        scope = getattr(self, "scope", None)
        if scope is not None:
            self.node_name_to_scope[node.name] = (scope.module_path, scope.module_type)
        stack = getattr(self, "module_stack", None)
        if stack:
            node.meta["nn_module_stack"] = copy.copy(stack)
        if self.record_stack_traces and not node.stack_trace:
            node.stack_trace = _user_stack()
        return node

    @compatibility(is_backward_compatible=True)
    def proxy(self, node: Node) -> Proxy:
        """The proxy for a node's result."""
        return Proxy(node, self)

    @compatibility(is_backward_compatible=True)
    def create_proxy(
        self,
        kind: str,
        target: Target,
        args: tuple,
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """Adds a node whose arguments may hold proxies, and gives the proxy for its result."""
        given = self.create_arg(args)
        words = self.create_arg(kwargs)
        if not isinstance(given, tuple) or not isinstance(words, dict):
            raise AssertionError("create_arg must keep tuples and dicts")
        node = self.create_node(kind, target, given, words, name, type_expr)
        return proxy_factory_fn(node) if proxy_factory_fn else self.proxy(node)

    @compatibility(is_backward_compatible=True)
    def create_arg(self, a: Any) -> Argument:
        """A value as a node's argument: proxies as their nodes, containers searched.

        Raises:
            NotImplementedError: values of its type cannot be arguments.
        """
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            items = [self.create_arg(one) for one in a]
            return type(a)(*items) if hasattr(a, "_fields") else type(a)(items)
        if isinstance(a, list):
            return [self.create_arg(one) for one in a]
        if isinstance(a, dict):
            return {_key(self.create_arg(k)): self.create_arg(v) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(*(self.create_arg(one) for one in (a.start, a.stop, a.step)))
        if isinstance(a, range):
            return range(*(self.create_arg(one) for one in (a.start, a.stop, a.step)))
        if is_dataclass(a) and not isinstance(a, type):
            words = {f.name: self.create_arg(getattr(a, f.name)) for f in fields(a)}
            return self.create_node("call_function", a.__class__, (), words)
        if isinstance(a, (*base_types, enum.Enum)) or a is None or a is ...:
            return a
        if isinstance(a, (Node, type)) or callable(a) and _overrides.known(a) is not None:
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    @compatibility(is_backward_compatible=True)
    def to_bool(self, obj: Proxy) -> bool:
        """Called where a proxy decides control flow; a subclass may return a value."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    @compatibility(is_backward_compatible=True)
    def iter(self, obj: Proxy) -> Iterator:
        """Called where a proxy is iterated; a subclass may return an iterator."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a "
            "loop or as a *args or **kwargs function argument. See the torch.fx docs on "
            "pytorch.org for a more detailed explanation of what types of control flow can be "
            "traced, and check out the Proxy docstring for help troubleshooting Proxy iteration "
            "errors"
        )

    @compatibility(is_backward_compatible=True)
    def keys(self, obj: Proxy) -> Any:
        """Called where a proxy is unpacked as keywords; a subclass may return the names."""
        return Attribute(obj, "keys")()


def _key(k: Any) -> Any:
    def refuse(one: Any) -> Any:
        if isinstance(one, Node):
            raise RuntimeError(
                f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {k}"
            )
        return one

    map_aggregate(k, refuse)
    return k


_OURS = ("/torchcompat/_overrides.py", "/torchcompat/nn/modules/_call.py")


def _user_stack() -> str:
    """The Python stack of the traced code, from the traced function on."""
    frames = traceback.extract_stack()
    starts = [i for i, one in enumerate(frames) if one.name == "trace" and _is_fx(one)]
    frames = traceback.StackSummary.from_list(frames[starts[-1] + 1 :] if starts else frames)
    kept = [f for f in frames if not _is_fx(f) and not f.filename.endswith(_OURS)]
    return "".join(traceback.StackSummary.from_list(kept).format()).strip()


def _is_fx(frame: traceback.FrameSummary) -> bool:
    return "/torchcompat/fx/" in frame.filename


@compatibility(is_backward_compatible=True)
class GraphAppendingTracer(TracerBase):
    """Adds nodes to an existing graph, for `Proxy`s made by hand."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.scope = Scope("", None)
        self.module_stack = collections.OrderedDict()
        self.node_name_to_scope = {}


@compatibility(is_backward_compatible=True)
class Proxy:
    """Stands for a node's result: operators, methods and torch functions on it add nodes.

    Args:
        node: the node.
        tracer: what adds the nodes; the end of the node's graph if None.
    """

    node: Node
    tracer: TracerBase

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        # While proxies live, torch functions look at their arguments.
        _overrides.hold()
        self.__dict__["_holds"] = True
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __del__(self) -> None:
        if self.__dict__.get("_holds") and not sys.is_finalizing():
            _overrides.release()

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        # A missing field of a half-made proxy must not become an attribute of its value.
        if k in ("tracer", "node"):
            raise AttributeError(k)
        return Attribute(self, k)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_holds"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __deepcopy__(self, memo: dict) -> Proxy:
        return Proxy(copy.deepcopy(self.node, memo), copy.copy(self.tracer))

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        frame = inspect.currentframe()
        caller = None if frame is None else frame.f_back
        count = None if caller is None else _unpacked_into(caller)
        if count is not None:
            return (operator.getitem(self, i) for i in range(count))
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts and _recorded_assert(self):
            return True
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """Asked for by `**proxy`."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be "
            "recorded, please call torch.fx.wrap('len') at module scope"
        )

    @classmethod
    def __torch_function__(
        cls, orig_method: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        tracers: dict[Any, None] = {}

        def find(a: Any) -> Any:
            if isinstance(a, cls):
                tracers[a.tracer] = None
            return a

        kwargs = kwargs or {}
        map_aggregate((args, kwargs), find)
        if len(tracers) > 1:
            raise RuntimeError(
                f"Found multiple different tracers {list(tracers)} while trying to trace "
                f"operations {orig_method}"
            )
        (tracer,) = tracers
        known = _overrides.known(orig_method)
        if known is not None and known.method is not None:
            return tracer.create_proxy("call_method", known.method, args, kwargs)
        return tracer.create_proxy("call_function", orig_method, args, kwargs)


def _unpacked_into(frame: Any) -> int | None:
    """How many names the running instruction of `frame` unpacks a value into: `a, b = proxy`."""

    for one in dis.get_instructions(frame.f_code):
        if one.offset == frame.f_lasti:
            return one.argval if one.opname == "UNPACK_SEQUENCE" else None
    return None


def _recorded_assert(proxy: Proxy) -> bool:
    """Records `assert proxy` as a check; False where something else asks for the truth value."""

    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    if frame is None:
        return False
    after = [one for one in dis.get_instructions(frame.f_code) if one.offset >= frame.f_lasti]
    names = [one.opname for one in after[:3]]
    if len(names) < 2 or not names[0].startswith("POP_JUMP") or "ASSERT" not in "".join(names):
        return False
    check = sys.modules["torchcompat"]._assert  # type: ignore[attr-defined]
    proxy.tracer.create_proxy("call_function", check, (proxy, "assertion error"), {})
    return True


@compatibility(is_backward_compatible=True)
class Attribute(Proxy):
    """An attribute of a proxy's value: a method when it is called, else a `getattr` node."""

    def __init__(self, root: Proxy, attr: str) -> None:
        _overrides.hold()
        self.__dict__["_holds"] = True
        self.root = root
        self.attr = attr
        self.tracer = root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute, added when it is first needed."""
        if self._node is None:
            made = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {})
            self._node = made.node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


@compatibility(is_backward_compatible=False)
class ParameterProxy(Proxy):
    """A parameter that was read: its shape is known and needs no node."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param = param
        self.name = name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        return self.param.shape

    def size(self, *args: Any) -> Any:
        """The parameter's size."""
        return self.param.size(*args)

    def dim(self) -> int:
        """The parameter's number of dimensions."""
        return self.param.dim()

    @property
    def ndim(self) -> int:
        return self.param.ndim

    def numel(self) -> int:
        """The parameter's number of elements."""
        return self.param.numel()

    def nelement(self) -> int:
        """The parameter's number of elements."""
        return self.param.nelement()


def _operator_method(name: str) -> Callable:
    target = getattr(operator, name)

    def method(*args: Any, **kwargs: Any) -> Proxy:
        return args[0].tracer.create_proxy("call_function", target, args, kwargs)

    method.__name__ = f"__{name.strip('_')}__"
    return method


def _reflected_method(name: str) -> Callable:
    target = getattr(operator, name)

    def method(self: Proxy, other: Any) -> Proxy:
        return self.tracer.create_proxy("call_function", target, (other, self), {})

    method.__name__ = f"__r{name.strip('_')}__"
    return method


for _title in magic_methods:
    if hasattr(operator, _title):
        setattr(Proxy, f"__{_title.strip('_')}__", _operator_method(_title))
for _title in reflectable_magic_methods:
    if hasattr(operator, _title):
        setattr(Proxy, f"__r{_title.strip('_')}__", _reflected_method(_title))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]
