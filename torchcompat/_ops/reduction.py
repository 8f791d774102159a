"""Reductions over one, several or all dimensions. Half types are summed in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of, float_input, wide, wrap_dim, wrap_dims
from torchcompat._ops._errors import not_implemented, scalar
from torchcompat._ops._pointwise import is_bool, is_integral, register
from torchcompat._ops._registry import Array, op

Dims = int | Sequence[int] | None
_METHOD = ("torch", "method")


def axes_of(x: Array, dim: Dims) -> tuple[int, ...]:
    """The dimensions to reduce, counted from the front; none for a 0-d array."""
    dims = wrap_dims(dim, x.ndim)
    return dims if x.ndim else ()


def require_elements(name: str, x: Array, dim: Dims, *, any_dim: bool = False) -> None:
    """Raises torch's error for a reduction without identity over no elements."""
    if x.size:
        return
    if dim is None or dim == ():
        tail = "" if any_dim else " Specify the reduction dim with the 'dim' argument."
        raise (IndexError if any_dim else RuntimeError)(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0.{tail}"
        )
    for d in axes_of(x, dim):
        if x.shape[d] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")


def total_type(x: Array, dtype: Dtype | None) -> Dtype:
    """The type of a sum: int64 for whole numbers unless told."""
    return dtype or (_dtype.int64 if is_integral(x) else dtype_of(x))


@op(*_METHOD)
def sum(
    input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The sum over `dim` (all dimensions by default); whole numbers are summed as int64.

    Args:
        dtype: the input is converted to it first.
    """
    to = total_type(input, dtype)
    x = wide(cast(input, to))
    return cast(jnp.sum(x, axis=axes_of(x, dim), keepdims=keepdim), to)


@op(*_METHOD)
def nansum(
    input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The sum over `dim` with NaN counted as zero."""
    if dtype_of(input).is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return sum(_without_nan(input), dim, keepdim, dtype=dtype)


def _without_nan(x: Array) -> jax.Array:
    return x if is_integral(x) else jnp.where(jnp.isnan(x), jnp.zeros_like(x), x)


@op(*_METHOD)
def prod(
    input: Array, dim: int | None = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The product over `dim` (all dimensions by default); whole numbers are multiplied as int64."""
    if isinstance(dim, tuple):
        raise TypeError(
            "prod() received an invalid combination of arguments - got (tuple), but expected one "
            "of:\n * (*, torch.dtype dtype = None)\n"
            " * (int dim, bool keepdim = False, *, torch.dtype dtype = None)\n"
        )
    to = total_type(input, dtype)
    x = wide(cast(input, to))
    return cast(jnp.prod(x, axis=axes_of(x, dim), keepdims=keepdim), to)


def _mean_type(x: Array, dtype: Dtype | None, name: str = "mean") -> Dtype:
    to = dtype or dtype_of(x)
    if not (to.is_floating_point or to.is_complex):
        which = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"{name}(): could not infer output dtype. {which} dtype must be either a floating "
            f"point or complex dtype. Got: {_dtype.scalar_name(to)}"
        )
    return to


def _count(x: Array, axes: tuple[int, ...]) -> int:
    return math.prod(x.shape[d] for d in axes)


@op(*_METHOD)
def mean(
    input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The mean over `dim` (all dimensions by default) of a floating-point or complex tensor."""
    to = _mean_type(input, dtype)
    x = wide(cast(input, to))
    axes = axes_of(x, dim)
    total = jnp.sum(x, axis=axes, keepdims=keepdim)
    return cast(total / np.array(_count(x, axes), total.dtype), to)


@op(*_METHOD)
def nanmean(
    input: Array, dim: Dims = None, keepdim: bool = False, *, dtype: Dtype | None = None
) -> Array:
    """The mean over `dim` of the elements that are not NaN."""
    if is_integral(input):
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype "
            f"but got {scalar(input)}"
        )
    count = jnp.sum(~jnp.isnan(input), axis=axes_of(input, dim), keepdims=keepdim)
    to = dtype or dtype_of(input)
    total = sum(_without_nan(cast(wide(input), _wide_type(to))), dim, keepdim)
    return cast(total / count.astype(total.dtype), to)


def _wide_type(to: Dtype) -> Dtype:
    return _dtype.float32 if to.itemsize == 2 else to


def moments(x: Array, dim: Dims, correction: float, keepdim: bool, name: str) -> tuple:
    """Variance and mean over `dim`, in `x`'s type (at least float32)."""
    if is_integral(x):
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    z = wide(x)
    axes = axes_of(z, dim)
    count = _count(z, axes)
    center = jnp.sum(z, axis=axes, keepdims=True) / np.array(count, z.dtype)
    gap = z - center
    square = jnp.real(gap * jnp.conj(gap))
    rest = np.array(max(count - correction, 0), square.dtype)
    spread = jnp.sum(square, axis=axes, keepdims=keepdim) / rest
    return spread, center if keepdim else jnp.squeeze(center, axes)


def _real_type(x: Array) -> Dtype:
    return dtype_of(x).to_real()


@op()
def var(input: Array, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Array:
    """The variance over `dim`, divided by the count less `correction`."""
    return cast(moments(input, dim, correction, keepdim, "std and var")[0], _real_type(input))


@op()
def std(input: Array, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Array:
    """The standard deviation over `dim`."""
    return cast(
        _root(moments(input, dim, correction, keepdim, "std and var")[0]), _real_type(input)
    )


def _root(square: jax.Array) -> jax.Array:
    """The square root; its slope at zero is 0, as torch has it for `std` and norms."""
    zero = square == 0
    return jnp.where(zero, 0, jnp.sqrt(jnp.where(zero, 1, square)))


@op()
def var_mean(
    input: Array, dim: Dims = None, correction: float = 1, keepdim: bool = False
) -> tuple[Array, Array]:
    """The variance and the mean over `dim`."""
    spread, center = moments(input, dim, correction, keepdim, "var_mean")
    return cast(spread, _real_type(input)), center.astype(input.dtype)


@op()
def std_mean(
    input: Array, dim: Dims = None, correction: float = 1, keepdim: bool = False
) -> tuple[Array, Array]:
    """The standard deviation and the mean over `dim`."""
    spread, center = moments(input, dim, correction, keepdim, "std_mean")
    return cast(_root(spread), _real_type(input)), center.astype(input.dtype)


def _real_only(x: Array, kernel: str) -> None:
    if dtype_of(x).is_complex:
        raise not_implemented(kernel, x)


@op(*_METHOD)
def amax(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The largest element over `dim`; equal ones share the gradient."""
    _real_only(input, "max_values_cpu")
    require_elements("amax", input, dim)
    return jnp.max(input, axis=axes_of(input, dim), keepdims=keepdim)


@op(*_METHOD)
def amin(input: Array, dim: Dims = (), keepdim: bool = False) -> Array:
    """The smallest element over `dim`; equal ones share the gradient."""
    _real_only(input, "min_values_cpu")
    require_elements("amin", input, dim)
    return jnp.min(input, axis=axes_of(input, dim), keepdims=keepdim)


@op(*_METHOD, returns="min max")
def aminmax(input: Array, *, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """The smallest and the largest element over `dim`."""
    if dtype_of(input).is_complex and dim is not None and not input.ndim:
        raise RuntimeError(f"aminmax not implemented for {scalar(input)}")
    if dtype_of(input).is_complex:
        raise not_implemented("aminmax_cpu", input)
    if dim is None and not input.size:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    if dim is not None and input.ndim and input.shape[wrap_dim(dim, input.ndim)] == 0:
        raise IndexError(f"aminmax: Expected reduction dim {dim} to have non-zero size.")
    axes = axes_of(input, dim)
    return jnp.min(input, axis=axes, keepdims=keepdim), jnp.max(input, axis=axes, keepdims=keepdim)


def take(x: Array, index: jax.Array, dim: int, keepdim: bool) -> jax.Array:
    """The elements of `x` at `index` (of size 1 along `dim`)."""
    found = jnp.take_along_axis(x, index, axis=dim)
    return found if keepdim else jnp.squeeze(found, dim)


def place_of(extreme: Callable, x: jax.Array, axis: int) -> jax.Array:
    """Where the largest (or smallest) element along `axis` first is; of size 1 there.

    By comparison with the extreme: `lax.argmax` of 64-bit values cannot be lowered inside of a
    32-bit `jit`, and is slower on CPUs.
    """
    held = lax.stop_gradient(x)
    found = (held == extreme(held, axis=axis, keepdims=True)) | (held != held)
    place = lax.broadcasted_iota(np.int64, x.shape, axis)
    return jnp.min(jnp.where(found, place, x.shape[axis]), axis=axis, keepdims=True)


def _extreme(name: str, extreme: Callable, backward: str) -> None:
    def everywhere(input: Array) -> Array:
        _real_only(input, f"{name}_all")
        require_elements(name, input, None)
        return extreme(input)

    def along(input: Array, dim: int, keepdim: bool = False) -> tuple[Array, Array]:
        if dtype_of(input).is_complex:
            raise not_implemented(f"{name}_cpu", input)
        require_elements(name, input, dim)
        axis = wrap_dim(dim, input.ndim)
        if not input.ndim:
            return input, jnp.zeros((), np.int64)
        index = place_of(extreme, input, axis)
        return take(input, index, axis, keepdim), index if keepdim else jnp.squeeze(index, axis)

    word = "largest" if name == "max" else "smallest"
    register(everywhere, f"_{name}_all", f"The {word} element.", (), grad=f"{backward}Backward1")
    register(
        along,
        name,
        f"The {word} elements along `dim` and where they are.",
        (),
        returns="values indices",
    )


_extreme("max", jnp.max, "Max")
_extreme("min", jnp.min, "Min")


def _arg_extreme(name: str, extreme: Callable, word: str) -> None:
    def run(input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
        if is_bool(input):
            raise RuntimeError(f"{name}(): does not support bool input")
        if dtype_of(input).is_complex:
            raise RuntimeError(f"{name}(): does not support complex input")
        require_elements(name, input, dim, any_dim=True)
        if dim is None:
            found = place_of(extreme, input.reshape(-1), 0)
            return found.reshape((1,) * input.ndim if keepdim else ())
        axis = wrap_dim(dim, input.ndim)
        if not input.ndim:
            return jnp.zeros((), np.int64)
        found = place_of(extreme, input, axis)
        return found if keepdim else jnp.squeeze(found, axis)

    register(
        run,
        name,
        f"Where the {word} element is, along `dim` or in the flattened input.",
        _METHOD,
        differentiable=False,
    )


_arg_extreme("argmax", jnp.max, "largest")
_arg_extreme("argmin", jnp.min, "smallest")


def _truth(name: str, reduce: Callable, doc: str) -> None:
    def run(input: Array, dim: Dims = None, keepdim: bool = False) -> Array:
        # Unlike in sums, an empty list of dimensions names none.
        axes = () if dim == () else axes_of(input, dim)
        found = reduce(input != 0, axis=axes, keepdims=keepdim)
        return found.astype(np.uint8) if dtype_of(input) is _dtype.uint8 else found

    register(run, name, doc, _METHOD, differentiable=False)


_truth("all", jnp.all, "Whether every element over `dim` is nonzero.")
_truth("any", jnp.any, "Whether some element over `dim` is nonzero.")


@op(*_METHOD, differentiable=False)
def count_nonzero(input: Array, dim: Dims = None) -> Array:
    """How many elements over `dim` are not zero."""
    return jnp.sum(input != 0, axis=axes_of(input, dim), dtype=np.int64)


@op("torch", "method", "special")
def logsumexp(input: Array, dim: Dims, keepdim: bool = False) -> Array:
    """`log(sum(exp(input)))` over `dim`, without overflow."""
    x = float_input(input)
    axes = axes_of(x, dim)
    if not x.size:
        return jnp.log(jnp.sum(jnp.exp(x), axis=axes, keepdims=keepdim))
    return jax.scipy.special.logsumexp(wide(x), axis=axes, keepdims=keepdim).astype(x.dtype)


@op("method", varargs="size")
def sum_to_size(input: Array, size: Sequence[int]) -> Array:
    """The sum over the dimensions that broadcasting `size` to the input's size would add.

    Raises:
        RuntimeError: `size` does not broadcast to the input's size.
    """
    lead = input.ndim - len(size)
    if lead < 0 or any(n not in (1, m) for n, m in zip(size, input.shape[lead:])):
        raise RuntimeError(
            f"size {{{list(size)}}} is not expandable to size {{{list(input.shape)}}}."
        )
    stretched = [d for d in range(lead, input.ndim) if size[d - lead] != input.shape[d]]
    axes = (*range(lead), *stretched)
    if not axes:
        return input
    return jnp.sum(wide(input), axis=axes, keepdims=True).astype(input.dtype).reshape(size)
