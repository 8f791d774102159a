"""`Tracer`: runs a module or function on proxies and keeps the graph of what it did."""

from __future__ import annotations

import collections
import copy
import functools
import inspect
import math
import types
import warnings
from collections.abc import Callable
from typing import Any

from torchcompat import nn
from torchcompat._tensor import Tensor
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._patching import (
    _autowrap_check,
    _create_wrapped_func,
    _find_proxy,
    _patch_wrapped_functions,
    _Patcher,
    _wrapped_fns_to_patch,
    _wrapped_methods_to_patch,
    wrap,
)
from torchcompat.fx._tracing import (
    PH,
    PHBase,
    PHWithMeta,
    ProxyableClassMeta,
    _proxyable_classes,
    _Running,
    is_fx_symbolic_tracing,
    is_fx_tracing,
)
from torchcompat.fx.graph import Graph, _PyTreeCodeGen, _PyTreeInfo
from torchcompat.fx.graph_module import GraphModule
from torchcompat.fx.node import Argument, Node, base_types
from torchcompat.fx.proxy import ParameterProxy, Scope, ScopeContextManager, TracerBase
from torchcompat.utils import _pytree as pytree

__all__ = [
    "PH",
    "PHBase",
    "PHWithMeta",
    "ProxyableClassMeta",
    "Tracer",
    "_create_wrapped_func",
    "_find_proxy",
    "_wrapped_fns_to_patch",
    "_wrapped_methods_to_patch",
    "is_fx_symbolic_tracing",
    "is_fx_tracing",
    "symbolic_trace",
    "wrap",
]

_orig_module_call: Callable = nn.Module.__call__
_orig_module_getattr: Callable = nn.Module.__getattr__


@compatibility(is_backward_compatible=True)
class Tracer(TracerBase):
    """Traces modules and functions; subclass it to change what is traced through.

    Args:
        autowrap_modules: modules whose functions are recorded as calls wherever they are used.
        autowrap_functions: functions recorded as calls wherever they are used.
        param_shapes_constant: whether shapes of parameters are constants of the graph.
    """

    def __init__(
        self,
        autowrap_modules: tuple[types.ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable, ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        super().__init__()
        self._autowrap_function_ids = {
            id(value)
            for name, value in (
                item for one in autowrap_modules for item in list(vars(one).items())
            )
            if not name.startswith("_") and callable(value)
        } | {id(one) for one in autowrap_functions}
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[nn.Module, str] | None = None
        self.root_module_name = ""
        self._fresh_state()

    def _fresh_state(self) -> None:
        self.scope = Scope("", None)
        self.module_stack = collections.OrderedDict()
        self.num_calls: dict[str, int] = {}
        self.node_name_to_scope = {}
        self._qualname_counter: dict[str, int] = collections.defaultdict(int)

    @compatibility(is_backward_compatible=False)
    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the root module has no attribute of yet: `prefix` and a number."""
        number = self._qualname_counter[prefix]
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        self._qualname_counter[prefix] = number + 1
        return f"{prefix}{number}"

    # -- arguments -----------------------------------------------------------------------------------

    @compatibility(is_backward_compatible=True)
    def create_arg(self, a: Any) -> Argument:
        """A value as a node's argument; parameters, buffers and constants as `get_attr` nodes."""
        if isinstance(a, nn.Parameter):
            for name, parameter in self.root.named_parameters():
                if a is parameter:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, Tensor):
            for name, buffer in self.root.named_buffers():
                if a is buffer:
                    return self.create_node("get_attr", name, (), {})
            return self._constant(a, "_tensor_constant")
        if isinstance(a, nn.Module):
            for name, module in self.root.named_modules():
                if a is module:
                    return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            args = tuple(self.create_arg(one) for one in a)
            return self.create_node("call_function", a.__class__, args, {})
        if type(a) in _proxyable_classes:
            name = self.get_fresh_qualname(f"_{a.__class__.__name__}_constant_")
            setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)

    def _constant(self, a: Any, prefix: str) -> Argument:
        name = self.tensor_attrs.get(a)
        if not name:
            name = self.get_fresh_qualname(prefix)
            self.tensor_attrs[a] = name
            setattr(self.root, name, a)
        return self.create_node("get_attr", name, (), {})

    # -- modules -------------------------------------------------------------------------------------

    @compatibility(is_backward_compatible=True)
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is recorded as one call: those of `torch.nn`, but for Sequential."""
        own = type(m).__module__.startswith(("torchcompat.nn", "torchcompat.ao.nn"))
        return own and not isinstance(m, nn.Sequential)

    @compatibility(is_backward_compatible=True)
    def path_of_module(self, mod: nn.Module) -> str:
        """The path of a submodule from the root.

        Raises:
            NameError: the root does not have it.
        """
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, one in self.root.named_modules():
            if mod is one:
                return name
        raise NameError("module is not installed as a submodule")

    @compatibility(is_backward_compatible=True)
    def call_module(
        self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        """Called for every call of a module: records it, or runs `forward` to trace through it."""
        path = self.path_of_module(m)
        with ScopeContextManager(self.scope, Scope(path, type(m))) as scope:
            count = self.num_calls.get(path, 0)
            key = f"{scope.module_path}@{count}" if count else scope.module_path
            self.module_stack[key] = (scope.module_path, scope.module_type)
            self.num_calls[path] = count + 1
            try:
                if self.is_leaf_module(m, path):
                    return self.create_proxy("call_module", path, args, kwargs)
                return forward(*args, **kwargs)
            finally:
                self.module_stack.popitem(last=True)

    @compatibility(is_backward_compatible=False)
    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Called for every member of a module that is read: parameters become proxies."""
        if isinstance(attr_val, nn.Parameter):
            return self._member(attr_val, self.root.named_parameters(), parameter_proxy_cache)
        if self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            return self._member(attr_val, self.root.named_buffers(), parameter_proxy_cache)
        return attr_val

    def _member(self, value: Any, members: Any, cache: dict[str, Any]) -> Any:
        for name, one in members:
            if value is one:
                if name not in cache:
                    options: dict[str, Any] = {}
                    if self.param_shapes_constant:
                        options["proxy_factory_fn"] = functools.partial(
                            self._parameter, name, value
                        )
                    cache[name] = self.create_proxy("get_attr", name, (), {}, **options)
                return cache[name]
        return value

    def _parameter(self, name: str, value: nn.Parameter, node: Node) -> ParameterProxy:
        return ParameterProxy(self, node, name, value)

    # -- tracing -------------------------------------------------------------------------------------

    @compatibility(is_backward_compatible=True)
    def trace(
        self, root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
    ) -> Graph:
        """Runs `root` on proxies and returns the graph of what it did.

        Args:
            concrete_args: values for arguments that are not to be proxies.
        """
        function = self._begin(root)
        self.graph = Graph(
            tracer_cls=getattr(self, "__class__", None),
            tracer_extras={"param_shapes_constant": True} if self.param_shapes_constant else {},
        )
        self._fresh_state()
        self.tensor_attrs: dict[Tensor, str] = {}
        _collect_tensors(self.root, [], self.tensor_attrs)
        function, args = self.create_args_for_root(
            function, isinstance(root, nn.Module), concrete_args
        )
        with _Patcher() as patcher, _Running():
            self._patch(patcher, function)
            result = function(*args)
            self.create_node(
                "output",
                "output",
                (self.create_arg(result),),
                {},
                type_expr=inspect.unwrap(function).__annotations__.get("return", None),
            )
        self.submodule_paths = None
        return self.graph

    def _begin(self, root: Any) -> Callable:
        if isinstance(root, nn.Module):
            self.root = root
            if not hasattr(type(root), self.traced_func_name):
                raise AssertionError(
                    f"traced_func_name={self.traced_func_name} doesn't exist in "
                    f"{type(root).__name__}"
                )
            self.root_module_name = root._get_name()
            self.submodule_paths = {module: name for name, module in root.named_modules()}
            return getattr(type(root), self.traced_func_name)
        self.root = nn.Module()
        return root

    def _patch(self, patcher: _Patcher, function: Callable) -> None:
        cache: dict[str, Any] = {}

        @functools.wraps(_orig_module_getattr)
        def read(mod: Any, attr: str) -> Any:
            return self.getattr(attr, _orig_module_getattr(mod, attr), cache)

        @functools.wraps(_orig_module_call)
        def call(mod: Any, *args: Any, **kwargs: Any) -> Any:
            def forward(*args: Any, **kwargs: Any) -> Any:
                return _orig_module_call(mod, *args, **kwargs)

            home = getattr(getattr(mod, "forward", mod), "__globals__", {})
            _autowrap_check(patcher, home, self._autowrap_function_ids)
            return self.call_module(mod, forward, args, kwargs)

        patcher.patch_method(nn.Module, "__getattr__", read, deduplicate=False)
        patcher.patch_method(nn.Module, "__call__", call, deduplicate=False)
        _patch_wrapped_functions(patcher)
        _autowrap_check(patcher, getattr(function, "__globals__", {}), self._autowrap_function_ids)
        for module in self._autowrap_search:
            _autowrap_check(patcher, module.__dict__, self._autowrap_function_ids)

    @compatibility(is_backward_compatible=False)
    def create_args_for_root(
        self, root_fn: Callable, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable, list]:
        """The proxies (or values of `concrete_args`) that the traced function is called with."""
        analysed = inspect.unwrap(root_fn)
        code = analysed.__code__
        total = code.co_argcount + code.co_kwonlyargcount
        names = list(code.co_varnames)
        args: list[Any] = []
        skip = 0
        if is_module:
            if total == 0:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            skip, args = 1, [self.root]
        chosen = names[skip:total]
        if isinstance(concrete_args, tuple):
            if len(concrete_args) != len(chosen):
                raise RuntimeError(
                    f"Tracing expected {len(chosen)} arguments but got {len(concrete_args)} "
                    "concrete arguments"
                )
            concrete_args = dict(zip(chosen, concrete_args))
        signature = inspect.signature(analysed)
        make = functools.partial(self._placeholder, concrete_args, signature, analysed)
        args += map(make, chosen)
        more = total
        if code.co_kwonlyargcount > 0 or code.co_flags & _VARIADIC:
            if code.co_flags & inspect.CO_VARARGS:
                args.append(make("*" + names[more]))
                more += 1
            if code.co_flags & inspect.CO_VARKEYWORDS:
                args.append(make("**" + names[more]))
            root_fn = _taking(root_fn, len(args))
        if concrete_args is None:
            return root_fn, args
        return self._flattened(root_fn, args, names[:total], is_module)

    def _flattened(
        self, root_fn: Callable, args: list, names: list[str], is_module: bool
    ) -> tuple[Callable, list]:
        """For concrete arguments that nest: a graph that takes their leaves."""
        leaves, spec = pytree.tree_flatten(tuple(args))
        if all(one.is_leaf() for one in spec.children()):
            return root_fn, args
        self.graph._codegen = _PyTreeCodeGen(_PyTreeInfo(names, spec, None))

        @functools.wraps(root_fn)
        def flatten_fn(*args: Any) -> Any:
            result = root_fn(*pytree.tree_unflatten(list(args), spec))
            leaves, out_spec = pytree.tree_flatten(result)
            codegen: Any = self.graph._codegen
            codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
            return leaves

        return flatten_fn, leaves

    def _placeholder(
        self, concrete_args: Any, signature: inspect.Signature, function: Callable, name: str
    ) -> Any:
        if concrete_args is not None and name in concrete_args:
            return self._concrete(name, concrete_args[name], _default(signature, name))
        default = _default(signature, name)
        kind = function.__annotations__.get(name, None)
        return self.create_proxy("placeholder", name, default, {}, type_expr=kind)

    def _concrete(self, name: str, value: Any, default: tuple) -> Any:
        count = 0

        def replace(x: Any) -> Any:
            nonlocal count
            count += 1
            title = f"{name}_{count}"
            if isinstance(x, PHBase):
                out = self.create_proxy("placeholder", title, default, {})
                if isinstance(x, PHWithMeta) and x.ph_key is not None:
                    out.node.meta["ph_key"] = x.ph_key
                return out
            if type(x) is bool or (type(x) in base_types and not isinstance(x, Tensor)):
                self._check_equal(title, name, x, default)
            elif x is None:
                out = self.create_proxy("placeholder", title, default, {})
                args = (
                    out,
                    f"{name} has been specialized to have value None but got another value",
                )
                self.create_proxy("call_function", _assert_is_none, args, {})
            else:
                warnings.warn(
                    "Was not able to add assertion to guarantee correct input "
                    f"{name} to specialized function. It is up to the user to make sure that your "
                    "inputs match the inputs you specialized the function with."
                )
            return x

        return pytree.tree_map(replace, value)

    def _check_equal(self, title: str, name: str, value: Any, default: tuple) -> None:
        import torchcompat  # the public function, which the generated code names

        out = self.create_proxy("placeholder", title, default, {})
        text = f"{name} has been specialized to have value {value} but got another value"
        torchcompat._assert(out == value, text)  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict) -> Tracer:
        # The root stays the same module, so that the copy records onto it.
        new = Tracer.__new__(type(self))
        for key, value in self.__dict__.items():
            kept = key in ("root", "_autowrap_search")
            new.__dict__[key] = copy.copy(value) if not kept else value
        return new


def _default(signature: inspect.Signature, name: str) -> tuple:
    """The default value of a parameter, if it has one."""
    parameter = signature.parameters.get(name)
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return ()
    return (parameter.default,)


_VARIADIC = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


def _collect_tensors(module: nn.Module, path: list[str], found: dict) -> None:
    """Notes the tensors that stand as plain attributes of a module and those below it."""
    for name, value in module.__dict__.items():
        if isinstance(value, Tensor):
            found[value] = ".".join([*path, name])
    for name, child in module.named_children():
        _collect_tensors(child, [*path, name], found)


def _taking(fn: Callable, nargs: int) -> Callable:
    """`fn` with all its arguments by position, `*args` and `**kwargs` as one argument each."""
    code = fn.__code__
    kept = code.replace(
        co_flags=code.co_flags & ~_VARIADIC,
        co_argcount=nargs,
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
    )
    return types.FunctionType(kept, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)


@compatibility(is_backward_compatible=True)
def symbolic_trace(
    root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """Traces a module or function and returns a GraphModule that does the same.

    Args:
        root: what is traced; it must not branch on its inputs' values.
        concrete_args: values for arguments that are not to be proxies.
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = root.__class__.__name__ if isinstance(root, nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
