"""Ops that users define: `torch.ops.namespace.name` calls their function, which traces like any other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import jax

from torchcompat import autograd, ops
from torchcompat._tensor import Tensor, is_traced
from torchcompat._tensor._state import state
from torchcompat.library._schema import infer_schema
from torchcompat.library._traced import TRACED
from torchcompat.utils._pytree import tree_leaves


class CustomOpDef:
    """An op made of a Python function; calling it calls the function.

    Args:
        qualified: `namespace::name`.
        fn: the implementation for every device, or None until one is registered.
        schema: its schema, or None.
    """

    def __init__(self, qualified: str, fn: Callable | None, schema: str | None) -> None:
        self._qualname = qualified
        self._namespace, _, self._name = qualified.partition("::")
        self._schema = schema
        self._kernels: dict[str, Callable] = {} if fn is None else {"": fn}
        self._init_fn = fn
        self._fake: Callable | None = None
        self._backward: Callable | None = None
        self._setup: Callable | None = None
        self._function: Any = None
        self._casts: dict[str, Any] = {}
        self.__name__ = self._name
        ops.define(qualified, self)

    def __repr__(self) -> str:
        return f"<CustomOpDef({self._qualname})>"

    @property
    def _opoverload(self) -> ops.OpOverload:
        """The op as `torch.ops` has it."""
        return getattr(getattr(ops, self._namespace), self._name).default

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        needs = state.grad_enabled and any(t.requires_grad for t in tensors)
        if self._backward is not None and needs:
            return self._recorded(args, kwargs)
        return self._run(tensors, args, kwargs)

    def _run(self, tensors: list[Tensor], args: tuple, kwargs: dict) -> Any:
        if self._fake is not None and any(
            isinstance(t._cell.value, jax.ShapeDtypeStruct) for t in tensors
        ):
            return self._fake(*args, **kwargs)
        if self._qualname in TRACED and any(map(is_traced, tensors)):
            return TRACED[self._qualname](*args, **kwargs)
        kind = tensors[0].device.type if tensors else "cpu"
        kernel = self._kernels.get(kind) or self._kernels.get("")
        if kernel is None:
            raise NotImplementedError(f"{self._qualname}: no implementation for device {kind!r}")
        return kernel(*args, **kwargs)

    def _recorded(self, args: tuple, kwargs: dict) -> Any:
        if kwargs:
            bound = inspect.signature(self._init_fn).bind(*args, **kwargs)  # type: ignore[arg-type]
            bound.apply_defaults()
            args = tuple(bound.arguments.values())
        if self._function is None:
            self._function = _function_of(self)
        return self._function.apply(*args)

    def register_fake(self, fn: Callable, /) -> Callable:
        """Has `fn` answer for tensors on the device "meta"; returns it."""
        self._fake = fn
        return fn

    def register_kernel(self, device_types: Any, fn: Callable | None = None, /) -> Any:
        """Has `fn` compute on devices of some types; without `fn`, a decorator."""

        def inner(fn: Callable) -> Callable:
            kinds = [device_types] if isinstance(device_types, str) else device_types
            for kind in kinds or [""]:
                self._kernels[kind] = fn
            self._init_fn = self._init_fn or fn
            return fn

        return inner if fn is None else inner(fn)

    def register_autograd(
        self, backward: Callable, /, *, setup_context: Callable | None = None
    ) -> None:
        """Gives the op a derivative.

        Args:
            backward: `backward(ctx, *gradients)` gives a gradient or None for each argument.
            setup_context: `setup_context(ctx, inputs, output)` keeps what `backward` needs.
        """
        self._backward, self._setup, self._function = backward, setup_context, None

    def register_vmap(self, func: Callable | None = None, /) -> Any:
        """Takes a rule for `vmap`, which is not needed: the function is traced. Returns it."""
        return (lambda f: f) if func is None else func

    def register_torch_dispatch(self, torch_dispatch_class: Any, fn: Any = None, /) -> Any:
        """Takes a rule for a subclass or mode, which is never asked. Returns it."""
        return (lambda f: f) if fn is None else fn

    def register_autocast(self, device_type: str, cast_inputs: Any) -> None:
        """Refused: autocast casts by torch's own lists."""
        raise NotImplementedError(f"register_autocast: {self._qualname}")


def _function_of(op: CustomOpDef) -> Any:
    def forward(ctx: Any, *args: Any) -> Any:
        tensors = [x for x in tree_leaves(args) if isinstance(x, Tensor)]
        output = op._run(tensors, args, {})
        if op._setup is not None:
            op._setup(ctx=ctx, inputs=args, output=output)
        return output

    def backward(ctx: Any, *gradients: Any) -> Any:
        return op._backward(ctx, *gradients)  # type: ignore[misc]

    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type(op._name, (autograd.Function,), members)  # type: ignore[attr-defined]


_made: dict[str, CustomOpDef] = {}
# What was said of ops that are supplied here, whose derivative and shapes JAX knows.
_noted: dict[str, dict[str, Callable]] = {}


def _qualified(op: Any) -> str:
    if isinstance(op, CustomOpDef):
        return op._qualname
    if isinstance(op, str):
        if "::" not in op:
            raise ValueError(f"Expected `{op}` to be of the form `namespace::name`")
        return op.partition(".")[0]
    return op.name().partition(".")[0]


def _is_supplied(qualified: str) -> bool:
    namespace, _, name = qualified.partition("::")
    return qualified not in _made and hasattr(getattr(ops, namespace), name)


def _op(op: Any, what: str, fn: Callable) -> CustomOpDef | None:
    """The op of a name, made if nobody has; None for a supplied one, of which `fn` is only noted."""
    qualified = _qualified(op)
    if _is_supplied(qualified):
        _noted.setdefault(qualified, {})[what] = fn
        return None
    if qualified not in _made:
        _made[qualified] = CustomOpDef(qualified, None, None)
    return _made[qualified]


def custom_op(
    name: str,
    fn: Callable | None = None,
    /,
    *,
    mutates_args: str | Iterable[str],
    device_types: Any = None,
    schema: str | None = None,
    tags: Any = None,
) -> Any:
    """Makes a function the op `torch.ops.namespace.name`; without `fn`, a decorator.

    Args:
        name: `namespace::name`.
        mutates_args: names of arguments that are written to.
        device_types: the devices it computes on; all by default.
        schema: its schema; by default from the annotations.
    """

    def inner(fn: Callable) -> CustomOpDef:
        described = schema or infer_schema(fn, mutates_args=mutates_args)
        made = _made[name] = CustomOpDef(name, None, described)
        made.register_kernel(device_types, fn)
        made.__doc__ = fn.__doc__
        return made

    return inner if fn is None else inner(fn)


def _decorator(register: Callable[[Callable], Any], func: Callable | None) -> Any:
    def inner(fn: Callable) -> Callable:
        register(fn)
        return fn

    return inner if func is None else inner(func)


def register_fake(
    op: Any,
    func: Callable | None = None,
    /,
    *,
    lib: Any = None,
    _stacklevel: int = 1,
    allow_override: bool = True,
) -> Any:
    """Has a function answer for tensors on the device "meta"; without `func`, a decorator."""

    def register(fn: Callable) -> None:
        found = _op(op, "fake", fn)
        if found is not None:
            found.register_fake(fn)

    return _decorator(register, func)


def register_kernel(
    op: Any, device_types: Any, func: Callable | None = None, /, *, lib: Any = None
) -> Any:
    """Has a function compute an op on devices of some types; without `func`, a decorator."""

    def register(fn: Callable) -> None:
        found = _op(op, "kernel", fn)
        if found is not None:
            found.register_kernel(device_types, fn)

    return _decorator(register, func)


def register_autograd(
    op: Any, backward: Callable, /, *, setup_context: Callable | None = None, lib: Any = None
) -> None:
    """Gives an op a derivative; one that is supplied here keeps its own."""
    found = _op(op, "backward", backward)
    if found is not None:
        found.register_autograd(backward, setup_context=setup_context)


def register_vmap(op: Any, func: Callable | None = None, /, *, lib: Any = None) -> Any:
    """Takes a rule for `vmap`, which is not needed: functions are traced."""
    return _decorator(lambda fn: None, func)


def register_torch_dispatch(
    op: Any, torch_dispatch_class: Any, func: Callable | None = None, /, *, lib: Any = None
) -> Any:
    """Takes a rule for a subclass or mode, which is never asked."""
    return _decorator(lambda fn: None, func)


def register_autocast(op: Any, device_type: str, cast_inputs: Any, /, *, lib: Any = None) -> None:
    """Refused: autocast casts by torch's own lists."""
    raise NotImplementedError(f"torch.library.register_autocast: {_qualified(op)}")


def define(qualname: str, schema: Any, *, lib: Any = None, tags: Any = ()) -> Any:
    """Names an op, which `impl` gives a function."""
    if not isinstance(schema, str):
        raise ValueError(
            f"define(qualname, schema): expected schema to be of type str, got {schema}"
        )
    _made.setdefault(qualname, CustomOpDef(qualname, None, schema))
    return lambda fn: impl(qualname, "default", fn)


def impl(qualname: Any, types: Any, func: Callable | None = None, *, lib: Any = None) -> Any:
    """Has a function compute an op on devices of some types ("default" for all)."""
    kinds = (types,) if isinstance(types, str) else tuple(types)
    return register_kernel(qualname, "" if "default" in kinds else kinds, func)


_OF_AUTOGRAD = ("Autograd", "Autocast", "ADInplaceOrView", "Functionalize", "Python")
_KINDS = {"CPU": "cpu", "CUDA": "cuda", "XPU": "xpu", "MPS": "mps"}


class Library:
    """Ops of one namespace.

    Args:
        ns: the namespace.
        kind: "DEF" for a new one, "IMPL" or "FRAGMENT" for one there is.
        dispatch_key: the key that `impl` registers under by default.

    Raises:
        ValueError: there is no such kind.
    """

    def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
        if kind not in ("IMPL", "DEF", "FRAGMENT"):
            raise ValueError(f"Unsupported kind: {kind}")
        self.ns, self.kind, self.dispatch_key = ns, kind, dispatch_key

    def define(self, schema: str, alias_analysis: str = "", *, tags: Any = ()) -> str:
        """Names an op by its schema; returns the name."""
        name = schema.partition("(")[0].strip()
        qualified = f"{self.ns}::{name.partition('.')[0]}"
        _made.setdefault(qualified, CustomOpDef(qualified, None, schema))
        return name

    def impl(
        self,
        op_name: Any,
        fn: Callable,
        dispatch_key: str = "",
        *,
        with_keyset: bool = False,
        allow_override: bool = False,
    ) -> None:
        """Has `fn` compute an op under a dispatch key.

        Keys of autograd and autocast are noted only: JAX differentiates, and autocast has torch's lists.
        """
        name = op_name if isinstance(op_name, str) else op_name.__name__.partition(".")[0]
        key = dispatch_key or self.dispatch_key
        qualified = f"{self.ns}::{name.rpartition('::')[2].partition('.')[0]}"
        found = _op(qualified, key, fn)
        if found is None or key.startswith(_OF_AUTOGRAD):
            return
        if key == "Meta":
            found.register_fake(fn)
        else:
            found.register_kernel(_KINDS.get(key, ""), fn)

    def fallback(self, fn: Callable, dispatch_key: str = "", **options: Any) -> None:
        """Refused: there is no dispatcher to fall back in."""
        raise NotImplementedError("torch.library.Library.fallback")

    def _destroy(self) -> None:
        """Nothing to do: ops stay."""


class _Context:
    """What a fake implementation is given to make sizes that depend on data: refused."""

    def new_dynamic_size(self, *, min: int = 0, max: int | None = None) -> Any:
        """Refused: sizes are static."""
        raise NotImplementedError("new_dynamic_size: sizes are static")

    create_unbacked_symint = new_dynamic_size


def get_ctx() -> _Context:
    """The context of a fake implementation."""
    return _Context()
