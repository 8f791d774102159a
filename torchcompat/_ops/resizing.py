"""Resizing of the spatial dimensions: nearest elements, (bi-, tri-)linear, bicubic, wide filters.

One dimension after the other, last one first; each is a gather of constant positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops import _resampling
from torchcompat._ops._common import wide
from torchcompat._ops._errors import not_implemented, sizes
from torchcompat._ops._registry import Array, op
from torchcompat._ops._resampling import Resizing, Taps

# Up to this many taps are added up one by one, which XLA fuses.
_UNROLLED = 32

# op -> (dimensions, rule of its taps, torch's kernel, autograd node, whether bytes are taken)
_ROWS: dict[str, tuple[int, Callable, str, str, bool]] = {
    f"{prefix}{n}d": (n, rule, "compute_indices_weights_nearest", f"{node}{n}DBackward0", True)
    for prefix, rule, node in (
        ("upsample_nearest", _resampling.nearest, "UpsampleNearest"),
        ("upsample_nearest_exact", _resampling.nearest_exact, "UpsampleNearestExact"),
    )
    for n in (1, 2, 3)
}
for _name, _n, _node in (
    ("linear", 1, "Linear1D"),
    ("bilinear", 2, "Bilinear2D"),
    ("trilinear", 3, "Trilinear3D"),
):
    _ROWS[f"upsample_{_name}{_n}d"] = (
        *(_n, _resampling.linear, "compute_indices_weights_linear"),
        *(f"Upsample{_node}Backward0", _n == 2),
    )
_ROWS["upsample_bicubic2d"] = (
    *(2, _resampling.cubic, "compute_indices_weights_cubic"),
    *("UpsampleBicubic2DBackward0", True),
)
for _name, _filter in (("bilinear", "linear"), ("bicubic", "cubic"), ("lanczos", "lanczos")):
    _ROWS[f"upsample_{_name}2d_aa"] = (
        *(2, partial(_resampling.antialiased, title=_filter), "compute_index_ranges_weights"),
        *(f"Upsample{_name.title()}2DAaBackward0", True),
    )


def _make(name: str) -> None:
    n, rule, kernel, node, bytes_too = _ROWS[name]

    def upsample(
        input: Array,
        output_size: Sequence[int],
        align_corners: bool = False,
        scales: Sequence[float] | None = None,
    ) -> Array:
        """The input at another size.

        Args:
            output_size: of each spatial dimension, in elements.
            align_corners: the first and last elements keep their places.
            scales: the factors that were asked for, from which positions then follow.
        """
        _check(n, input, output_size, kernel, bytes_too)
        factors = scales or (None,) * n
        number = np.dtype(np.float64 if input.dtype.name in ("float64", "uint8") else np.float32)
        chosen = _for_planes(rule, n, output_size)
        wanted = [
            Resizing(size, out, scale, align_corners, number)
            for size, out, scale in zip(input.shape[2:], output_size, factors)
        ]
        if input.dtype == np.uint8:  # torch leaves a dimension of bytes alone that keeps its size
            chosen = partial(_unless_kept, chosen)
        return _resampled(input, [chosen(one) for one in wanted])

    op(name=name, grad=node)(upsample)


def _for_planes(rule: Callable, n: int, out: Sequence[int]) -> Callable:
    """torch has another kernel for small planes, which rounds nearest positions its own way."""
    if rule in (_resampling.nearest, _resampling.nearest_exact):
        return partial(rule, small=n == 2 and sum(out) <= 128)
    return rule


def _unless_kept(rule: Callable, one: Resizing) -> Taps:
    return _resampling.linear(one) if one.size == one.out else rule(one)


def _resampled(x: Array, plan: Sequence[Taps]) -> Array:
    along = _along_bytes if x.dtype == np.uint8 else _along
    out = wide(x) if any(taps.weight is not None for taps in plan) else x
    for axis, taps in reversed(list(enumerate(plan, 2))):
        copied = taps.weight is None
        out = _copied(out, axis, taps.index[:, 0]) if copied else along(out, axis, taps)
    return out.astype(x.dtype)


def _copied(x: Array, axis: int, index: np.ndarray) -> Array:
    """`x[index]` along an axis; repetition and regular steps need no gather."""
    size, out = x.shape[axis], len(index)
    if out == size and np.array_equal(index, np.arange(size)):
        return x
    if out % size == 0 and np.array_equal(index, np.arange(out) // (out // size)):
        return jnp.repeat(x, out // size, axis=axis)
    step = int(index[1] - index[0]) if out > 1 else 1
    if step > 0 and np.array_equal(index, index[0] + step * np.arange(out)):
        return lax.slice_in_dim(x, int(index[0]), int(index[-1]) + 1, step, axis)
    return _take(x, axis, index)


def _take(x: Array, axis: int, index: np.ndarray) -> Array:
    # 32 bits: the transpose is traced outside of the op, where JAX may know no others
    where = (slice(None),) * axis + (index.astype(np.int32),)
    return x.at[where].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _along(x: Array, axis: int, taps: Taps) -> Array:
    """The weighted sums along one axis."""
    weight = taps.weight.astype(x.dtype)
    shape = (1,) * (x.ndim - axis - 1)
    if weight.shape[1] > _UNROLLED:
        return (_take(x, axis, taps.index) * weight.reshape(*weight.shape, *shape)).sum(axis + 1)
    terms = [
        _take(x, axis, index) * column.reshape(-1, *shape)
        for index, column in zip(taps.index.T, weight.T)
    ]
    return sum(terms[1:], terms[0])


def _along_bytes(x: Array, axis: int, taps: Taps) -> Array:
    """The same for bytes: sums of 16-bit weights, rounded and clamped after each axis."""
    whole, places = _resampling.fixed_point(taps)
    total = _along(x.astype(np.int32), axis, whole)
    rounded = (total + (1 << (places - 1))) >> places
    return jnp.clip(rounded, 0, 255).astype(np.uint8)


def _check(n: int, input: Array, out: Sequence[int], kernel: str, bytes_too: bool) -> None:
    before = input.shape[2:]
    if min(before) <= 0 or min(out) <= 0:
        held, made = (
            ", ".join(f"{x}: {s}" for x, s in zip("DHW"[3 - n :], v)) for v in (before, out)
        )
        joint = "and output" if n == 1 else "output"
        raise RuntimeError(
            "Input and output sizes should be greater than 0, "
            f"but got input ({held}) {joint} ({made})"
        )
    if input.shape[1] == 0:
        raise RuntimeError(
            f"Non-empty {n + 2}D data tensor expected but got a tensor with sizes {sizes(input)}"
        )
    if jnp.issubdtype(input.dtype, jnp.floating) or (bytes_too and input.dtype == np.uint8):
        return
    nearest_or_linear = "nearest" in kernel or "linear" in kernel
    if n == 2 and nearest_or_linear and sum(out) <= 128:
        title = "nearest" if "nearest" in kernel else "bilinear"
        raise not_implemented(f"upsample_{title}2d_channels_last", input)
    raise not_implemented(kernel, input)


for _name in _ROWS:
    _make(_name)
