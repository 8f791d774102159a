"""A Function under JAX's own transformations: a `jax.custom_vjp`, or `custom_jvp` if JAX goes forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from torchcompat._ops._common import conjugate
from torchcompat._tensor import Tensor, _dispatch, wrap
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._state import state
from torchcompat.autograd._context import Saved


class _Slot:
    """Stands for one Tensor: which argument it is, and its place among the call's results (or None)."""

    __slots__ = ("argument", "index")

    def __init__(self, argument: int | None, index: Any) -> None:
        self.argument, self.index = argument, index


def traced(cls: Any, ctx: Any, args: tuple, run: Callable) -> Any:
    """Runs `forward` so that JAX's own differentiation finds `backward`, or `jvp`."""
    places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
    # What JAX differentiates by is not known here.
    needs = tuple(isinstance(x, Tensor) and _floating(x) for x in args)
    form: dict[str, Any] = {}

    def evaluated(*arrays: Any) -> tuple[Any, tuple]:
        inner, tensors = list(args), []
        for place, array in zip(places, arrays):
            inner[place] = one = wrap(array)
            one._requires_grad = needs[place]
            tensors.append(one)
        own = cls._backward_cls()
        own._places, own.needs_input_grad = ctx._places, needs
        result = run(cls, own, tuple(inner), {})
        out: list = []
        attributes = {k: v for k, v in own.__dict__.items() if k not in _OWN}
        form["result"] = _emptied(result, tensors, out, True)
        form["attributes"] = _emptied(attributes, tensors, out, False)
        form["written"] = [t._cell.value is not a for t, a in zip(tensors, arrays)]
        form["count"] = len(out)
        values = [t._read() for t, w in zip(tensors, form["written"]) if w]
        return own, (*out, *values)

    def forward(*arrays: Any) -> tuple:
        return evaluated(*arrays)[1]

    def along(arrays: tuple, tangents: tuple) -> tuple:
        own, out = evaluated(*arrays)
        given: list = [None] * len(args)
        for place, tangent in zip(places, tangents):
            given[place] = None if tangent.dtype == jax.dtypes.float0 else wrap(tangent)
        with jax.enable_x64(True):
            found = own.pushed(own.materialized(given))
            found = found if isinstance(found, tuple) else (found,)
            moved = {h.index: t for h, t in zip(_holes(form), found) if isinstance(t, Tensor)}
            return out, tuple(
                jax.numpy.asarray(moved[i]._read(), x.dtype) if i in moved else _still(x)
                for i, x in enumerate(out)
            )

    def backward(residual: tuple, cotangents: tuple) -> tuple:
        arrays, out = residual
        own = cls._backward_cls()
        own._places, own.needs_input_grad = ctx._places, needs
        own.edges = [True] * len(places)
        boxes = [wrap(x) for x in arrays]
        result, attributes = _filled((form["result"], form["attributes"]), boxes, out)
        own.__dict__.update(attributes)
        results = result if isinstance(result, tuple) else (result,)
        own._kept = [None if x is None else Saved(x, None) for x in own.to_save]
        holes = form["result"] if isinstance(form["result"], tuple) else (form["result"],)
        given = [_cotangent(own, h, x, cotangents) for h, x in zip(holes, results)]
        with no_grad(), jax.enable_x64(True):
            found = own._checked(own.apply(*given))
        return tuple(None if g is None else conjugate(g._read()) for g in found)

    call: Any
    if state.transforms[-1:] == ("forward",):
        call = jax.custom_jvp(forward)
        call.defjvp(along)
    else:
        call = jax.custom_vjp(forward)
        call.defvjp(lambda *arrays: (lambda out: (out, (arrays, out)))(forward(*arrays)), backward)
    arrays = [args[i]._read() for i in places]
    out = call(*arrays)
    tensors = [args[i] for i in places]
    changed = [i for i, written in enumerate(form["written"]) if written]
    values = dict(zip(changed, out[form["count"] :]))
    # As a result, a changed argument carries the gradient.
    values |= {h.argument: out[h.index] for h in _holes(form) if h.argument in values}
    for place, value in values.items():
        tensors[place]._write(value)
    result, attributes = _filled((form["result"], form["attributes"]), tensors, out)
    ctx.__dict__.update(attributes)
    return result


_OWN = {"_kept", "_places", "_results", "edges", "outputs", "needs_input_grad"}


def _holes(form: dict) -> list[_Slot]:
    result = form["result"] if isinstance(form["result"], tuple) else (form["result"],)
    return [x for x in result if isinstance(x, _Slot)]


def _still(x: Any) -> Any:
    """The tangent of a value that does not change."""
    floating = jax.numpy.issubdtype(x.dtype, jax.numpy.inexact)
    return jax.numpy.zeros_like(x) if floating else np.zeros(x.shape, jax.dtypes.float0)


def _floating(x: Tensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def _emptied(value: Any, tensors: list, out: list, delivered: bool) -> Any:
    """`value` with slots in place of Tensors.

    Args:
        out: where arrays are added: those that are no argument's, and (`delivered`) all.
    """

    def take(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        argument = next((i for i, t in enumerate(tensors) if t is x), None)
        if argument is not None and not delivered:
            return _Slot(argument, None)
        out.append(x._read())
        return _Slot(argument, len(out) - 1)

    return _dispatch.map_nested(take, value)


def _filled(value: Any, tensors: list, out: tuple) -> Any:
    def fill(x: Any) -> Any:
        if not isinstance(x, _Slot):
            return x
        return wrap(out[x.index]) if x.argument is None else tensors[x.argument]

    return _dispatch.map_nested(fill, value)


def _cotangent(own: Any, hole: Any, tensor: Any, cotangents: tuple) -> Any:
    """The gradient of one result as a Tensor."""
    if not isinstance(hole, _Slot):
        return None
    value = cotangents[hole.index]
    if value.dtype == jax.dtypes.float0:
        return own._missing((tuple(tensor.shape), tensor._cell.value.dtype))
    return wrap(conjugate(value))
