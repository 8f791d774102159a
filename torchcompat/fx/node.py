"""`Node`: one operation of a graph, linked to its neighbours, its inputs and its users."""

from __future__ import annotations

import builtins
import operator
import re
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchcompat import _overrides
from torchcompat._device import device
from torchcompat._dtype import dtype
from torchcompat._memory_format import layout, memory_format
from torchcompat._tensor import Tensor
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx.immutable_collections import immutable_dict, immutable_list
from torchcompat.fx.operator_schemas import normalize_function, normalize_module

if TYPE_CHECKING:
    from torchcompat.fx.graph import Graph

__all__ = ["Node", "map_arg", "map_aggregate", "has_side_effect"]

BaseArgumentTypes = (
    str | int | float | bool | complex | dtype | Tensor | device | memory_format | range | slice
)
base_types = (str, int, float, bool, complex, dtype, Tensor, device, memory_format, layout)
Target = Callable[..., Any] | str
Argument = Any
_legal_ops = (
    "placeholder",
    "call_method",
    "call_module",
    "call_function",
    "get_attr",
    "output",
    "root",
)
_side_effectful_functions: set[Callable] = set()
# What makes a call random or in place, and so not to be dropped although nobody reads the result.
_IMPURE_METHOD = re.compile(r"[A-Za-z0-9]_$")


@compatibility(is_backward_compatible=False)
def has_side_effect(fn: Callable) -> Callable:
    """Keeps calls of `fn` in the graph although nothing uses their result; returns `fn`."""
    _side_effectful_functions.add(fn)
    return fn


def _find_module_of_method(orig_method: Callable) -> str:
    """Name of the namespace in which a compiled function of torch's is found."""
    known = _overrides.known(orig_method)
    if known is not None:
        return known.title.rpartition(".")[0]
    raise RuntimeError(f"cannot find module for {orig_method}")


def _in_torch_terms(text: str) -> str:
    """A type's or object's text with our module names as torch's."""
    text = text.replace("torchcompat.ported.", "")
    text = re.sub(r"\btorchcompat\.((?:_\w+\.)+)(?=[A-Za-z])", "torch.", text)
    return re.sub(r"\btorchcompat\.", "torch.", text)


def _type_repr(obj: Any) -> str:
    """The text of a type in a printed graph: `torch.Tensor`, `int`, `typing.Optional[int]`."""
    if isinstance(obj, type) and not isinstance(obj, types.GenericAlias):
        if obj.__module__ == "builtins":
            return obj.__qualname__
        return _in_torch_terms(f"{obj.__module__}.{obj.__qualname__}")
    if obj is ...:
        return "..."
    if isinstance(obj, types.FunctionType):
        return obj.__name__
    return _in_torch_terms(repr(obj))


def _get_qualified_name(func: Callable) -> str:
    """Where a function is found, as torch has it: `torch.nn.functional.relu`, `_operator.add`."""
    name = getattr(func, "__name__", None)
    if name is not None and getattr(builtins, name, None) is func:
        return name
    known = _overrides.known(func)
    if known is not None:
        return known.title
    if isinstance(func, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return f"{func.__objclass__.__module__}.{func.__objclass__.__name__}.{func.__name__}"
    if name is None:
        return _in_torch_terms(str(func))
    module = getattr(func, "__module__", None) or _find_module_of_method(func)
    return _in_torch_terms(f"{module}.{name}")


def _format_arg(arg: Any, max_list_len: float = float("inf")) -> str:
    """An argument as a printed graph shows it: nodes with a percent sign."""
    if hasattr(arg, "_custom_fx_repr_fn"):
        return arg._custom_fx_repr_fn()
    if isinstance(arg, (list, tuple)):
        items = [_format_arg(a) for i, a in enumerate(arg) if i < max_list_len]
        more = "" if len(arg) < max_list_len + 1 else f", ...[total_len={len(arg)}]"
        if isinstance(arg, list):
            return f"[{', '.join(items)}{more}]"
        return f"({', '.join(items)}{more}{',' if len(arg) == 1 else ''})"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k}: {_format_arg(v)}" for k, v in arg.items()) + "}"
    return f"%{arg}" if isinstance(arg, Node) else str(arg)


@compatibility(is_backward_compatible=True)
class Node:
    """One operation: `name = op target(*args, **kwargs)`.

    Attributes:
        op: `placeholder`, `get_attr`, `call_function`, `call_module`, `call_method` or `output`.
        target: the function, or the name of the argument, attribute, module or method.
        args, kwargs: the arguments; other nodes stand for their results. Assign to change them.
        users: the nodes that use this one's result, as the keys of a dict.
        meta: whatever passes note down.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Target,
        args: tuple,
        kwargs: dict[str, Any],
        return_type: Any = None,
    ) -> None:
        _check_target(op, target)
        self.graph = graph
        self.name = name
        self.op = op
        self.target = target
        self._input_nodes: dict[Node, None] = {}
        self.users: dict[Node, None] = {}
        self.type = return_type
        self.meta: dict[str, Any] = {}
        self._repr_fn: Callable | None = None
        self._erased = False
        self._prev = self._next = self
        self._update_args_kwargs(args, kwargs)

    # -- neighbours ------------------------------------------------------------------------------

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def prepend(self, x: Node) -> None:
        """Moves (or puts) `x` before this node."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if self is x:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x
        self.graph._order = None

    def append(self, x: Node) -> None:
        """Moves (or puts) `x` after this node."""
        self._next.prepend(x)

    def _remove_from_list(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev
        self.graph._order = None

    def __lt__(self, other: Node) -> bool:
        return self.graph._place(self) < self.graph._place(other)

    def __gt__(self, other: Node) -> bool:
        return self.graph._place(self) > self.graph._place(other)

    def __le__(self, other: Node) -> bool:
        return self is other or self < other

    def __ge__(self, other: Node) -> bool:
        return self is other or self > other

    # -- arguments -------------------------------------------------------------------------------

    @property
    def args(self) -> tuple:
        """The arguments given by position."""
        return self._args

    @args.setter
    def args(self, a: tuple) -> None:
        self._update_args_kwargs(a, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments given by keyword."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, k: dict[str, Any]) -> None:
        self._update_args_kwargs(self._args, k)

    def _update_args_kwargs(self, new_args: Any, new_kwargs: Any) -> None:
        for old in self._input_nodes:
            old.users.pop(self, None)
        self._input_nodes = {}

        def note(n: Node) -> Node:
            self._input_nodes.setdefault(n)
            n.users.setdefault(self)
            return n

        self._args = _map_nodes(tuple(new_args), note)
        self._kwargs = _map_nodes(dict(new_kwargs), note)

    @property
    def all_input_nodes(self) -> list[Node]:
        """Every node among the arguments, once each, in order."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Replaces one argument given by position."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Puts an argument before the one at `idx`."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Replaces or adds one argument given by keyword."""
        self.kwargs = {**self.kwargs, key: arg}

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Puts `new_input` wherever `old_input` is among the arguments."""
        self._replace_input_with(old_input, new_input)

    def _replace_input_with(self, old_input: Node, new_input: Node) -> None:
        def swap(n: Node) -> Node:
            return new_input if n is old_input else n

        for hook in getattr(self.graph.owning_module, "_replace_hooks", None) or ():
            hook(old=old_input, new=new_input.name, user=self)
        self._update_args_kwargs(map_arg(self.args, swap), map_arg(self.kwargs, swap))

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Has all users take `replace_with` instead of this node.

        Args:
            delete_user_cb: says of each user whether to change it.
            propagate_meta: also copies `meta` to `replace_with`, which must have none.

        Returns:
            The nodes that were changed.
        """
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), but "
                    "replace_with already has .meta keys"
                )
            replace_with.meta.update(self.meta)
        changed = [user for user in list(self.users) if delete_user_cb(user)]
        for user in changed:
            user._replace_input_with(self, replace_with)
        return changed

    # -- meaning ---------------------------------------------------------------------------------

    @property
    def stack_trace(self) -> str | None:
        """The Python stack that recorded this node, if the tracer noted it."""
        return self.meta.get("stack_trace", None)

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the node does something besides making its result, so that it has to stay."""
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            return _is_impure_function(self)
        if self.op == "call_method":
            return _IMPURE_METHOD.search(str(self.target)) is not None
        if self.op == "call_module":
            owner = self.graph.owning_module
            if owner is None:
                raise AssertionError("self.graph.owning_module not set for purity check")
            module = owner.get_submodule(self.target)
            return bool(getattr(module, "_is_impure", False))
        return False

    def normalized_arguments(
        self,
        root: Any,
        arg_types: tuple | None = None,
        kwarg_types: dict[str, Any] | None = None,
        normalize_to_only_use_kwargs: bool = False,
    ) -> Any:
        """The arguments brought into the order of the target's signature, as `(args, kwargs)`.

        None where the target has no signature that can be read.
        """
        if self.op == "call_function":
            return normalize_function(
                self.target, self.args, self.kwargs, arg_types, kwarg_types,
                normalize_to_only_use_kwargs,
            )  # fmt: skip
        if self.op == "call_module":
            return normalize_module(
                root, self.target, self.args, self.kwargs, normalize_to_only_use_kwargs
            )
        return None

    # -- text ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn else self.name

    def _rename(self, candidate: str) -> None:
        if candidate != self.name:
            self.name = self.graph._graph_namespace.create_name(candidate, None)
            self.graph._graph_namespace._rename_object(self, self.name)

    def _pretty_print_target(self, target: Any) -> str:
        if isinstance(target, str):
            return target
        home = getattr(target, "__module__", None)
        if home in ("builtins", "_operator") and hasattr(target, "__name__"):
            return f"{home.lstrip('_')}.{target.__name__}"
        return _get_qualified_name(target)

    def format_node(
        self,
        placeholder_names: list[str] | None = None,
        maybe_return_typename: list[str] | None = None,
        *,
        include_tensor_metadata: bool = False,
    ) -> str | None:
        """The node's line in a printed graph.

        Args:
            placeholder_names: if given and not empty, a placeholder adds itself to it and has no line.
            maybe_return_typename: the output's type is put in its first place.
        """
        kind = f"{_type_repr(self.type)} " if self.type else ""
        head = f"%{self.name} : {kind}[num_users={len(self.users)}] = {self.op}"
        if self.op == "placeholder":
            title = str(self.target) + (f": {_type_repr(self.type)}" if self.type else "")
            if placeholder_names:
                placeholder_names.append(title)
                return None
            default = f"(default={self.args[0]})" if self.args else ""
            return f"{head}[target={self.target}]{default}"
        if self.op == "get_attr":
            return f"{head}[target={self._pretty_print_target(self.target)}]"
        if self.op == "output":
            if self.type and maybe_return_typename:
                maybe_return_typename[0] = f" -> {_type_repr(self.type)}"
            return f"return {self.args[0]}"
        return (
            f"{head}[target={self._pretty_print_target(self.target)}]"
            f"(args = {_format_arg(self.args)}, kwargs = {_format_arg(self.kwargs)})"
        )

    # -- copies ----------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__}


def _check_target(op: str, target: Any) -> None:
    if op not in _legal_ops:
        raise AssertionError(f"op '{op}' is not in _legal_ops")
    if op == "call_function":
        if not callable(target):
            raise ValueError(
                f"Node [graph = ..., name = ''] target {target} has type {type(target)} but a "
                "Callable is expected"
            )
    elif not isinstance(target, str):
        raise ValueError(
            f"Node [graph = ..., name = ''] target {target} has type {type(target)} but a str is "
            "expected"
        )


def _is_impure_function(node: Node) -> bool:
    target: Any = node.target
    if target in _side_effectful_functions:
        return True
    if target in (operator.setitem, setattr):
        return True
    if getattr(target, "__module__", "") == "_operator" and target.__name__ in _INPLACE:
        return True
    known = _overrides.known(target)
    return known is not None and known.title in ("torch._assert", "torch.ops.inductor")


_INPLACE = frozenset(
    "iadd iand ifloordiv ilshift imod imul imatmul ior ipow irshift isub itruediv ixor".split()
)


@compatibility(is_backward_compatible=True)
def map_arg(a: Any, fn: Callable[[Node], Any]) -> Any:
    """`fn` of every Node in nested arguments, all else as it is."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return _map_nodes(a, fn)


def _map_nodes(a: Any, fn: Callable) -> Any:
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


@compatibility(is_backward_compatible=True)
def map_aggregate(a: Any, fn: Callable[[Any], Any]) -> Any:
    """`fn` of every leaf of nested tuples, lists, dicts and slices; lists and dicts come back immutable."""
    if isinstance(a, tuple):
        items = [map_aggregate(x, fn) for x in a]
        return type(a)(*items) if hasattr(a, "_fields") else tuple(items)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(v, fn) for k, v in a.items()})
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)
