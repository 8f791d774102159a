"""`autograd.Function`: operations with a derivative of one's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import Tensor, _dispatch, is_traced, wrap
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._forward import paused
from torchcompat._tensor._graph import returned_as_is, same_storage, writing
from torchcompat._tensor._nodes import edge_of
from torchcompat._tensor._state import state
from torchcompat.autograd._context import BackwardCFunction, FunctionCtx, Saved
from torchcompat.autograd._custom_vjp import traced
from torchcompat.autograd._custom_vmap import has_rule, mapped
from torchcompat.autograd._once import once_differentiable
from torchcompat.autograd._pushing import push

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "FunctionMeta",
    "InplaceFunction",
    "NestedIOFunction",
    "once_differentiable",
]


class FunctionMeta(type):
    """Gives each Function class the class of the nodes that it records."""

    def __init__(cls, name: str, bases: tuple, attributes: dict) -> None:
        cls._backward_cls = type(f"{name}Backward", (BackwardCFunction,), {"_forward_cls": cls})
        super().__init__(name, bases, attributes)


class _SingleLevelFunction(FunctionCtx, metaclass=FunctionMeta):
    """The methods that a Function may override."""

    _backward_cls: Any

    @classmethod
    def _overridden(cls, name: str) -> bool:
        return getattr(cls, name) is not getattr(_SingleLevelFunction, name)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The operation itself; with `ctx` first, unless `setup_context` is overridden."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Notes in `ctx` what `backward` needs, for a `forward` without `ctx`."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments (None where there is none) from those of the results."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name for `backward`."""
        return Function.backward(ctx, *grad_outputs)

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The derivative of the results along a direction."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )


class Function(_SingleLevelFunction):
    """An operation with a derivative of its own: override the static `forward` and `backward`.

    Under JAX's own transformations (`jax.grad`, `func.grad`, a compiled call that is differentiated)
    the derivative is given to JAX as a `jax.custom_vjp`, under `func.jvp` as a `jax.custom_jvp`, and
    under `func.vmap` the static `vmap` as a `jax.custom_vmap`.

    Example:
        >>> class Double(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return x * 2
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         return g * 2
        >>> Double.apply(torch.ones(2, requires_grad=True))
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The operation on batched arguments."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or "
            "set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs `forward` and records the node that `backward` belongs to."""
        if not _dispatch.holds(Tensor, args) and _dispatch.holds(_dispatch.ARRAYS, args):
            tensors = _dispatch.map_nested(_dispatch.to_tensor, args)
            return _dispatch.map_nested(_dispatch.as_array, cls.apply(*tensors, **kwargs))
        args, kwargs = _bound(cls, args, kwargs)
        ctx = cls._backward_cls()
        given = (*args, *kwargs.values())
        ctx.needs_input_grad = tuple(isinstance(x, Tensor) and x.requires_grad for x in given)
        tensors = [x for x in given if isinstance(x, Tensor)]
        ctx._places = [isinstance(x, Tensor) and (tuple(x.shape), x.dtype) for x in given]
        ctx.edges = [edge_of(x) for x in tensors]
        if any(map(is_traced, tensors)) and not kwargs:
            result = _transformed(cls, ctx, args)
        else:
            with paused():
                result = _run(cls, ctx, args, kwargs)
        recording = state.grad_enabled and any(ctx.needs_input_grad)
        outs = _finished(ctx, given, result, recording)
        if state.forward is not None:
            push(ctx, given, result, outs)
        return outs


def _bound(cls: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """With `setup_context`, every argument in its place, defaults included."""
    if not cls._overridden("setup_context"):
        return args, kwargs
    bound = inspect.signature(cls.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args, bound.kwargs


def _run(cls: Any, ctx: Any, args: tuple, kwargs: dict) -> Any:
    with no_grad():
        if not cls._overridden("setup_context"):
            return cls.forward(ctx, *args, **kwargs)
        result = cls.forward(*args, **kwargs)
        cls.setup_context(ctx, (*args, *kwargs.values()), result)
        return result


def _transformed(cls: Any, ctx: Any, args: tuple) -> Any:
    """Runs the Function on what JAX traces.

    Raises:
        RuntimeError: `torch.func` transforms it, and it lacks what torch asks of it then.
    """
    if state.transforms and not cls._overridden("setup_context"):
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
            "...), it must override the setup_context staticmethod. For more details, please see "
            "https://pytorch.org/docs/main/notes/extending.func.html"
        )
    if state.transforms[-1:] == ("vmap",) and has_rule(cls, Function):
        return mapped(cls, args)
    return traced(cls, ctx, args, _run)


def _has(tensors: Sequence, x: Any) -> bool:
    return any(x is one for one in tensors)


def _finished(ctx: Any, given: tuple, result: Any, recording: bool) -> Any:
    """Gives the results their place in the graph, and settles what the node keeps."""
    results = result if isinstance(result, tuple) else (result,)
    for x in ctx.dirty_tensors:
        if not _has(given, x):
            warnings.warn(
                "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that "
                "have been mutated should be passed to ctx.mark_dirty().",
                stacklevel=3,
            )
        if _has(given, x) and not _has(results, x):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
    placed: dict[int, Any] = {}
    for i, x in enumerate(results):
        if id(x) not in placed:
            placed[id(x)] = _placed(ctx, given, x, i, recording)
    outs = tuple(placed[id(x)] for x in results)
    if len(ctx.outputs) > 1:
        for x in outs:
            if isinstance(x, Tensor) and x._closed:
                x._closed = "several"
    if recording:
        ctx._results = [
            (tuple(x.shape), x._cell.value.dtype) if isinstance(x, Tensor) else None for x in outs
        ]
        ctx._kept = [_kept(x, results) for x in _savable(ctx.to_save)]
    ctx.to_save = ()
    return outs if isinstance(result, tuple) else outs[0]


def _savable(tensors: tuple) -> tuple:
    for i, x in enumerate(tensors):
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {i} is of type "
                f"{type(x).__name__}"
            )
    return tensors


def _kept(tensor: Tensor | None, results: tuple) -> Saved | None:
    if tensor is None:
        return None
    place = next((i for i, x in enumerate(results) if x is tensor), None)
    return Saved(tensor, place if place is not None and tensor._grad_fn is not None else None)


def _placed(ctx: Any, given: tuple, x: Any, number: int, recording: bool) -> Any:
    """One result, marked as made by the node."""
    if not isinstance(x, Tensor):
        return x
    floating = x.dtype.is_floating_point or x.dtype.is_complex
    differentiable = recording and floating and not _has(ctx.non_differentiable, x)
    entered = _has(given, x)
    if entered and differentiable and _has(ctx.dirty_tensors, x):
        return _rewritten(ctx, x, number)
    if entered or x._requires_grad:
        x = returned_as_is(x) if entered and differentiable else same_storage(x)
    elif x._is_view_of is not None:
        x._graph_version, x._closed = x._cell.version, "custom"
    if differentiable:
        ctx.outputs.append((number, tuple(x.shape), x._cell.value.dtype))
        x._grad_fn, x._output_nr, x._requires_grad = ctx, number, True
    return x


def _rewritten(ctx: Any, x: Tensor, number: int) -> Tensor:
    """An argument that `forward` has written to: the node now stands between it and its past."""
    if x._requires_grad and x._grad_fn is None:
        raise RuntimeError(
            "a leaf Variable that requires grad has been used in an in-place operation."
        )
    value = wrap(x._read())
    ctx.outputs.append((number, tuple(x.shape), x._cell.value.dtype))
    value._grad_fn, value._output_nr, value._requires_grad = ctx, number, True
    writing(x, value)()
    return x


class InplaceFunction(Function):
    """A Function with a flag `inplace`, as older code has it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """Not built.

    Raises:
        NotImplementedError: always; pass and return flat tuples instead.
    """

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("NestedIOFunction: pass and return flat tuples instead")
