"""The discrete Fourier transforms of `torch.fft`, one dimension after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import dtype_of, float_input, wrap_dim
from torchcompat._ops._pointwise import register
from torchcompat._ops._registry import Array, op

_KINDS = {"fft": lax.FftType.FFT, "ifft": lax.FftType.IFFT}


def _floating(input: jax.Array) -> jax.Array:
    x = float_input(input)
    name = _dtype.scalar_name(dtype_of(x))
    if name not in ("Float", "Double", "ComplexFloat", "ComplexDouble"):
        raise RuntimeError(f"Unsupported dtype {name}")
    return x


def _complex(x: jax.Array) -> jax.Array:
    return x.astype(dtype_of(x).to_complex().numpy)


def _check_real(name: str, x: jax.Array) -> None:
    kind = dtype_of(x)
    if not kind.is_complex:
        return
    title = _dtype.scalar_name(kind)
    if name.startswith("ihfft") and name != "ihfft":
        raise RuntimeError(f"Only supports floating-point dtypes, but found: {title}")
    real = "real-valued" if name != name.rstrip("2n") else "real"
    raise RuntimeError(f"{name.replace('2', 'n')} expects a {real} input tensor, but got {title}")


def _scale(norm: str | None, count: int, inverse: bool) -> float:
    """What the sums are divided by."""
    if norm not in (None, "backward", "forward", "ortho"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return math.sqrt(count)
    return count if inverse == (norm != "forward") else 1


def _check_points(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _resized(x: jax.Array, dim: int, n: int) -> jax.Array:
    """`x` cut, or filled up with zeros, to `n` elements along a dimension."""
    size = x.shape[dim]
    if n <= size:
        return lax.slice_in_dim(x, 0, n, axis=dim)
    width = [(0, 0)] * x.ndim
    width[dim] = (0, n - size)
    return jnp.pad(x, width)


def _along(kind: lax.FftType, x: jax.Array, dim: int, n: int) -> jax.Array:
    """An unnormalized transform of length `n` along one dimension."""
    if x.size == 0:
        size = n // 2 + 1 if kind is lax.FftType.RFFT else n
        shape = (*x.shape[:dim], size, *x.shape[dim + 1 :])
        like = x.real if kind is lax.FftType.IRFFT else _complex(x)
        return jnp.zeros(shape, like.dtype)
    result = jnp.moveaxis(lax.fft(jnp.moveaxis(x, dim, -1), kind, (n,)), -1, dim)
    return result * n if kind in (lax.FftType.IFFT, lax.FftType.IRFFT) else result


def _each(x: jax.Array, dims: Sequence[int], inverse: bool) -> jax.Array:
    """Complex transforms along `dims`."""
    x = _complex(x)
    for dim in dims:
        x = _along(_KINDS["ifft" if inverse else "fft"], x, dim, x.shape[dim])
    return x


def _complex_to_complex(x: jax.Array, dims: tuple, sizes: tuple, inverse: bool) -> jax.Array:
    for dim, n in zip(dims, sizes):
        x = _resized(x, dim, n)
    return _each(x, dims, inverse)


def _real_to_half(x: jax.Array, dims: tuple, sizes: tuple, inverse: bool) -> jax.Array:
    """The half of a transform of real values that their symmetry leaves open."""
    for dim, n in zip(dims, sizes):
        x = _resized(x, dim, n)
    half = _along(lax.FftType.RFFT, x, dims[-1], sizes[-1])
    return _each(jnp.conj(half) if inverse else half, dims[:-1], inverse)


def _half_to_real(x: jax.Array, dims: tuple, sizes: tuple, inverse: bool) -> jax.Array:
    x = _complex(x)
    for dim, n in zip(dims[:-1], sizes):
        x = _resized(x, dim, n)
    x = _each(_resized(x, dims[-1], sizes[-1] // 2 + 1), dims[:-1], inverse)
    return _along(lax.FftType.IRFFT, x if inverse else jnp.conj(x), dims[-1], sizes[-1])


# Name without its number of dimensions -> the transform, whether it is an inverse one.
_FAMILIES: dict[str, tuple[Callable, bool, str]] = {
    "fft": (_complex_to_complex, False, "The discrete Fourier transform"),
    "ifft": (_complex_to_complex, True, "The inverse discrete Fourier transform"),
    "rfft": (_real_to_half, False, "The Fourier transform of real values"),
    "irfft": (_half_to_real, True, "The inverse of `rfft`"),
    "hfft": (_half_to_real, False, "The Fourier transform of Hermitian symmetric values"),
    "ihfft": (_real_to_half, True, "The inverse of `hfft`"),
}


def _transform(
    name: str, input: jax.Array, sizes: Sequence[int | None], dims: tuple, norm: str | None
) -> jax.Array:
    family = name.rstrip("2n")
    compute, inverse, _ = _FAMILIES[family]
    if compute is _real_to_half:
        _check_real(name, input)
    x = _floating(input)
    if compute is not _complex_to_complex and not dims:
        raise RuntimeError(f"{name.replace('2', 'n')} must transform at least one axis")
    lengths = [x.shape[dim] if n is None else n for n, dim in zip(sizes, dims)]
    if compute is _half_to_real and sizes[-1] is None:
        lengths[-1] = 2 * (lengths[-1] - 1)
    for n in lengths:
        _check_points(n)
    scale = _scale(norm, math.prod(lengths), inverse)
    result = compute(x, dims, tuple(lengths), inverse)
    return _complex(result) / scale if compute is _complex_to_complex else result / scale


def _wrapped(dim: int, ndim: int) -> int:
    if ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, ndim)


def _axes(
    x: jax.Array, s: Sequence[int] | int | None, dim: Sequence[int] | int | None
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """Lengths (None or -1: as they are) and dimensions of a transform over several."""
    s = (s,) if isinstance(s, int) else s
    dims = (dim,) if isinstance(dim, int) else dim
    if dims is not None:
        dims = tuple(_wrapped(d, x.ndim) for d in dims)
        if len(set(dims)) < len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is None:
        dims = tuple(range(x.ndim)) if dims is None else dims
        return (None,) * len(dims), dims
    if dims is not None and len(dims) != len(s):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    if len(s) > x.ndim:
        raise RuntimeError(
            f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions."
        )
    if dims is None:
        dims = tuple(range(x.ndim - len(s), x.ndim))
    return tuple(None if n == -1 else n for n in s), dims


def _tensor_first(name: str) -> Callable:
    """A row's check: its input is a tensor."""

    def check(input: object, *rest: object) -> None:
        if not hasattr(input, "shape"):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
            )

    return check


def _register(family: str, doc: str) -> None:
    def one(input: Array, n: int | None = None, dim: int = -1, norm: str | None = None) -> Array:
        return _transform(family, input, (n,), (_wrapped(dim, input.ndim),), norm)

    def two(
        input: Array,
        s: Sequence[int] | None = None,
        dim: Sequence[int] = (-2, -1),
        norm: str | None = None,
    ) -> Array:
        return _transform(f"{family}2", input, *_axes(input, s, dim), norm)

    def many(
        input: Array,
        s: Sequence[int] | None = None,
        dim: Sequence[int] | None = None,
        norm: str | None = None,
    ) -> Array:
        return _transform(f"{family}n", input, *_axes(input, s, dim), norm)

    forms = {
        f"fft_{family}": (one, "one dimension"),
        f"fft_{family}2": (two, "two dimensions"),
        f"fft_{family}n": (many, "several dimensions, all by default"),
    }
    for name, (run, along) in forms.items():
        register(run, name, f"{doc} along {along}.", ("fft",), check=_tensor_first(name))


for _family, (_, _, _doc) in _FAMILIES.items():
    _register(_family, _doc)


def _shifted(input: jax.Array, dim: Sequence[int] | int | None, back: bool) -> jax.Array:
    dims = (dim,) if isinstance(dim, int) else dim
    dims = tuple(range(input.ndim)) if dims is None else dims
    if not dims:
        raise RuntimeError("`shifts` required")
    dims = tuple(wrap_dim(d, input.ndim) for d in dims)
    shifts = tuple((input.shape[d] + back) // 2 for d in dims)
    return jnp.roll(input, shifts, dims)


@op("fft", grad="RollBackward0")
def fft_fftshift(input: Array, dim: Sequence[int] | None = None) -> Array:
    """The zero frequency moved to the middle."""
    return _shifted(input, dim, False)


@op("fft", grad="RollBackward0")
def fft_ifftshift(input: Array, dim: Sequence[int] | None = None) -> Array:
    """The inverse of `fftshift`."""
    return _shifted(input, dim, True)
