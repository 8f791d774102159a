"""A Function in forward-mode differentiation: its `jvp`, and what torch asks of what that returns."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._forward import paused
from torchcompat._tensor._state import state

_VIEW = "A custom Function is returning a view but the jvp is not returning a view of the "


def push(ctx: Any, given: tuple, result: Any, outs: Any) -> None:
    """Gives the results of a Function's call the tangents that its `jvp` finds for them.

    Args:
        given: the arguments of the call.
        result: what `forward` returned; `outs` are the same as the call returns them.

    Raises:
        RuntimeError: `jvp` returns too few or too many, or something that cannot be a tangent.
    """
    level = state.forward
    tangents = [level.tangent(x) if isinstance(x, Tensor) else None for x in given]
    if not state.forward_enabled or all(t is None for t in tangents):
        return
    outs, results = _several(outs), _several(result)
    with paused():
        tangents = ctx.materialized(tangents)
        found = _several(ctx.pushed(tangents))
    if len(found) != len(outs):
        raise RuntimeError(
            "Function's jvp returned an invalid number of forward gradients (expected "
            f"{len(outs)} but got {len(found)})"
        )
    for i, (x, raw, tangent) in enumerate(zip(outs, results, found)):
        if tangent is None:
            continue
        _check(ctx, i, x, tangent)
        _check_alias(ctx, given, tangents, raw, tangent)
        level.set(x, tangent)


def _several(x: Any) -> tuple:
    return x if isinstance(x, tuple) else (x,)


def _check(ctx: Any, i: int, x: Any, tangent: Any) -> None:
    if not isinstance(tangent, Tensor):
        raise RuntimeError(
            f"expected Variable or None (got {type(tangent).__name__}) for grad output {i}."
        )
    floating = isinstance(x, Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex)
    if not floating or ctx.is_marked(x):
        raise RuntimeError(
            f"Function's jvp returned a gradient at position {i}, but  the corresponding forward "
            "output is not a differentiable Tensor.You should return None at that position instead."
        )
    if tangent.shape != x.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(x.shape)} while the given "
            f"forward gradient is of size {list(tangent.shape)}."
        )


def _check_alias(ctx: Any, given: tuple, tangents: list, raw: Tensor, tangent: Tensor) -> None:
    """What shares memory with an argument needs a tangent that shares it with that one's."""
    base = raw if raw._is_view_of is None else raw._is_view_of
    for x, step in zip(given, tangents):
        if not isinstance(x, Tensor) or step is None:
            continue
        if raw is x and any(x is one for one in ctx.dirty_tensors):
            if tangent is not step:
                raise RuntimeError(
                    "An inplace custom Function is not modifying the forward mode gradients inplace. "
                    "If the forward is modifying an input inplace, then the jvp function must modify "
                    "the corresponding gradient inplace."
                )
        elif x is base or x._is_view_of is base:
            _check_view(step, tangent)


def _check_view(step: Tensor, tangent: Tensor) -> None:
    if tangent._is_view_of is None:
        raise RuntimeError(
            "A custom Function's forward is returning a view (or an input as-is) but the jvp is not "
            "returning a view."
        )
    if tangent._is_view_of is not step and tangent._is_view_of is not step._is_view_of:
        whose = "given" if step._is_view_of is None else "same base as the given"
        raise RuntimeError(f"{_VIEW}{whose} grad input.")
