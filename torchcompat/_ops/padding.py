"""Padding: with a constant, mirrored, with the edge's values, or wrapped around."""

from __future__ import annotations

from collections.abc import Sequence

from jax import lax
from jax import numpy as jnp

from torchcompat._ops._errors import not_implemented, sizes
from torchcompat._ops._registry import Array, op

_COMBINATIONS = """Supported combinations for non-constant padding:
  - 2D or 3D input: padding size = 2 (pads last dimension)
  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)
  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"""


@op("functional", grad="ConstantPadNdBackward0")
def pad(
    input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Array:
    """The input with elements added (or, for negative numbers, cut off) at both ends of dimensions.

    Args:
        pad: `(before, after)` of the last dimension, then of the one before it, and so on.
        mode: `constant` (`value`, 0 by default), `reflect`, `replicate` or `circular`.

    Raises:
        RuntimeError, NotImplementedError: `pad` does not fit the input or the mode.
    """
    _check_length(input, pad)
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    if mode == "constant":
        return _constant(input, pairs, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in _EXTENDERS:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if not pairs or len(pairs) > 3 or input.ndim - len(pairs) not in (1, 2):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.ndim}D input tensor.\n"
            + _COMBINATIONS
        )
    check, extend = _EXTENDERS[mode]
    check(input, pairs)
    for back, (before, after) in enumerate(pairs, 1):
        input = extend(input, input.ndim - back, before, after)
    return input


def _check_length(input: Array, pad: Sequence[int]) -> None:
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {len(pad)} and input of dimension {input.ndim}"
        )


def _constant(input: Array, pairs: list[tuple[int, int]], value: float) -> Array:
    widths = [(0, 0, 0)] * (input.ndim - len(pairs)) + [(*pair, 0) for pair in reversed(pairs)]
    for size, (before, after, _) in zip(input.shape, widths):
        if size + before + after < 0 or -min(before, 0) - min(after, 0) > size:
            raise RuntimeError("narrow(): length must be non-negative.")
    return lax.pad(input, jnp.asarray(value).astype(input.dtype), widths)


def _crop(x: Array, axis: int, before: int, after: int) -> Array:
    """Without the elements that negative numbers cut off."""
    start, end = max(-before, 0), x.shape[axis] - max(-after, 0)
    return lax.slice_in_dim(x, start, end, 1, axis)


def _part(x: Array, axis: int, start: int, length: int) -> Array:
    return lax.slice_in_dim(x, start, start + length, 1, axis)


def _reflect(x: Array, axis: int, before: int, after: int) -> Array:
    parts = [x]
    if before > 0:
        parts.insert(0, jnp.flip(_part(x, axis, 1, before), axis))
    if after > 0:
        parts.append(jnp.flip(_part(x, axis, x.shape[axis] - 1 - after, after), axis))
    return _crop(jnp.concatenate(parts, axis), axis, before, after)


def _replicate(x: Array, axis: int, before: int, after: int) -> Array:
    def edge(at: int, times: int) -> Array:
        shape = [*x.shape[:axis], max(times, 0), *x.shape[axis + 1 :]]
        return jnp.broadcast_to(_part(x, axis, at, 1), shape)

    parts = [edge(0, before), x, edge(x.shape[axis] - 1, after)]
    return _crop(jnp.concatenate(parts, axis), axis, before, after)


def _circular(x: Array, axis: int, before: int, after: int) -> Array:
    x = _crop(x, axis, before, after)
    head, tail = max(before, 0), max(after, 0)
    parts = [_part(x, axis, x.shape[axis] - head, head), x, _part(x, axis, 0, tail)]
    return jnp.concatenate(parts, axis)


def _check_type(kernel: str, input: Array, pairs: list) -> None:
    if input.dtype.kind == "b":
        raise not_implemented(f"{kernel}{len(pairs)}d", input)


def _check_not_empty(input: Array, n: int) -> None:
    if 0 in input.shape[-n - 1 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and "
            f"other non-zero dimensions for input, but got: {sizes(input)}"
        )


def _check_reflect(input: Array, pairs: list[tuple[int, int]]) -> None:
    _check_not_empty(input, len(pairs))
    for back, (before, after) in enumerate(pairs, 1):
        dim = input.ndim - back
        if max(before, after) >= input.shape[dim]:
            raise RuntimeError(
                f"Argument #{2 * back + 2}: Padding size should be less than the corresponding "
                f"input dimension, but got: padding ({before}, {after}) at dimension {dim} of "
                f"input {sizes(input)}"
            )
    _check_type("reflection_pad", input, pairs)
    _check_remainder(input, pairs)


def _check_replicate(input: Array, pairs: list[tuple[int, int]]) -> None:
    _check_not_empty(input, len(pairs))
    _check_type("replication_pad", input, pairs)
    _check_remainder(input, pairs)


def _check_remainder(input: Array, pairs: list[tuple[int, int]]) -> None:
    shape = list(input.shape)
    for back, pair in enumerate(pairs, 1):
        shape[-back] += sum(pair)
    for size in shape:
        if size < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {size}: {shape}")


def _check_circular(input: Array, pairs: list[tuple[int, int]]) -> None:
    for back, pair in enumerate(pairs, 1):
        left = input.shape[-back] + sum(min(p, 0) for p in pair)
        if max(pair) > max(left, 0) and (max(pair) > input.shape[-back] or left >= 0):
            raise RuntimeError("Padding value causes wrapping around more than once.")
    for back, pair in enumerate(pairs, 1):
        if input.shape[-back] + sum(pair) < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")


_EXTENDERS = {
    "reflect": (_check_reflect, _reflect),
    "replicate": (_check_replicate, _replicate),
    "circular": (_check_circular, _circular),
}
