"""Initialisers: each fills a tensor in place, without recording gradients, and returns it.

Under one seed they write torch's own numbers, bit for bit; `orthogonal_` up to the rounding of QR.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _device, _random
from torchcompat._ops._errors import not_implemented
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._faces import write
from torchcompat._tensor._place import put
from torchcompat._tensor._sampling import fill
from torchcompat._tensor._tensor import Tensor, as_array

__all__ = [
    "calculate_gain",
    "uniform_",
    "normal_",
    "trunc_normal_",
    "constant_",
    "ones_",
    "zeros_",
    "eye_",
    "dirac_",
    "xavier_uniform_",
    "xavier_normal_",
    "kaiming_uniform_",
    "kaiming_normal_",
    "orthogonal_",
    "sparse_",
    "uniform",
    "normal",
    "constant",
    "eye",
    "dirac",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
    "sparse",
]

_UNIT_GAIN = {
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps a signal's variance through a nonlinearity.

    Args:
        param: the negative slope of `leaky_relu`, 0.01 by default.

    Raises:
        ValueError: the name or the slope is not known.
    """
    if nonlinearity in _UNIT_GAIN:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


# -- filling -------------------------------------------------------------------------------------


def _store(tensor: Tensor, values: Any) -> Tensor:
    """Writes a NumPy or JAX array of the tensor's shape, on the tensor's device."""
    with no_grad():
        if isinstance(values, np.ndarray):
            values = put(values, tensor.device)
        return write(tensor, values)


@no_grad()
def _draw(tensor: Tensor, name: str, generator: Any, **parameters: float) -> Tensor:
    return fill(tensor, name, generator, **parameters)


def _no_grad_uniform_(tensor: Tensor, a: float, b: float, generator: Any = None) -> Tensor:
    return _draw(tensor, "uniform", generator, low=a, high=b)


def _no_grad_normal_(tensor: Tensor, mean: float, std: float, generator: Any = None) -> Tensor:
    return _draw(tensor, "normal", generator, mean=mean, std=std)


def _no_grad_trunc_normal_(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any = None
) -> Tensor:
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    return _draw(tensor, "trunc_normal", generator, mean=mean, std=std, a=a, b=b)


def _no_grad_fill_(tensor: Tensor, val: float) -> Tensor:
    if tensor.device == _device.META:
        return tensor
    return _store(tensor, np.full(tuple(tensor.shape), val).astype(tensor.dtype.numpy))


def _no_grad_zero_(tensor: Tensor) -> Tensor:
    return _no_grad_fill_(tensor, 0)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with numbers drawn uniformly from [a, b)."""
    return _no_grad_uniform_(tensor, a, b, generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with normally distributed numbers."""
    return _no_grad_normal_(tensor, mean, std, generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fills with numbers of a normal distribution cut to [a, b]."""
    return _no_grad_trunc_normal_(tensor, mean, std, a, b, generator)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with `val`."""
    return _no_grad_fill_(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones."""
    return _no_grad_fill_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros."""
    return _no_grad_zero_(tensor)


def eye_(tensor: Tensor) -> Tensor:
    """Makes a matrix the identity.

    Raises:
        ValueError: the tensor has not 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _store(tensor, np.eye(*tensor.shape, dtype=tensor.dtype.numpy))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Makes a convolution's weight pass its input channels through, as many as it can.

    Args:
        groups: groups of output channels, each of which begins with the first input channel.

    Raises:
        ValueError: the tensor has not 3 to 5 dimensions, or `groups` does not divide its first.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    shape = tuple(tensor.shape)
    if shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = shape[0] // groups
    values = np.zeros(shape, tensor.dtype.numpy)
    centre = tuple(n // 2 for n in shape[2:])
    for group in range(groups):
        for channel in range(min(per_group, shape[1])):
            values[(group * per_group + channel, channel, *centre)] = 1
    return _store(tensor, values)


# -- scaled by the number of connections ---------------------------------------------------------


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output of a weight sums, and how many outputs each input feeds."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    outputs, inputs, *kernel = tensor.shape
    field = math.prod(kernel)
    return inputs * field, outputs * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def _glorot_std(tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills uniformly from [-a, a), a = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", 2010.
    """
    bound = math.sqrt(3.0) * _glorot_std(tensor, gain)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with normal numbers of deviation gain * sqrt(2 / (fan_in + fan_out)).

    Source: as `xavier_uniform_`.
    """
    return _no_grad_normal_(tensor, 0.0, _glorot_std(tensor, gain), generator)


def _he_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _is_empty(tensor: Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return True


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills uniformly from [-b, b), b = gain * sqrt(3 / fan).

    Args:
        a: the negative slope of the `leaky_relu` that follows.
        mode: `fan_in` keeps the variance forward, `fan_out` backward.

    Source: He et al., "Delving deep into rectifiers", 2015.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _he_std(tensor, a, mode, nonlinearity)
    return _no_grad_uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills with normal numbers of deviation gain / sqrt(fan); arguments as `kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return _no_grad_normal_(tensor, 0, _he_std(tensor, a, mode, nonlinearity), generator)


# -- structured ----------------------------------------------------------------------------------


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Makes the rows (or columns, if those are fewer) orthonormal, times `gain`.

    A tensor of more dimensions counts as a matrix of its first by all others.

    Source: Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear
        neural networks", 2013.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if 0 in tensor.shape or tensor.device == _device.META:
        return tensor
    if tensor.dtype.itemsize < 4:
        raise not_implemented("geqrf_cpu", tensor)
    shape = tensor.shape[0], math.prod(tensor.shape[1:])
    matrix = _random.sample("normal", generator, shape, tensor.dtype.numpy, mean=0.0, std=1.0)
    with jax.enable_x64(True):
        values = _orthonormal(matrix) * np.asarray(gain, matrix.dtype)
    return _store(tensor, values.reshape(tuple(tensor.shape)))


def _orthonormal(matrix: Any) -> Any:
    """The Q of a QR decomposition with R's diagonal positive, which makes it unique."""
    xp = np if isinstance(matrix, np.ndarray) else jnp
    wide = matrix.shape[0] < matrix.shape[1]
    q, r = xp.linalg.qr(matrix.T if wide else matrix)
    q = q * xp.sign(xp.diagonal(r))
    return q.T if wide else q


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fills a matrix with normal numbers, a fraction `sparsity` of each column with zeros.

    Source: Martens, "Deep learning via Hessian-free optimization", 2010.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    _no_grad_normal_(tensor, 0, std, generator)
    if tensor.device == _device.META:
        return tensor
    keep = []
    for _ in range(columns):
        order = _random.sample("randperm", None, (rows,), np.int64)
        with jax.enable_x64(True):
            keep.append(jnp.ones(rows, bool).at[order[:zeros]].set(False))
    with jax.enable_x64(True):
        return _store(tensor, jnp.where(jnp.stack(keep, axis=1), as_array(tensor), 0))


# -- names of old --------------------------------------------------------------------------------


def _make_deprecate(meth: Callable) -> Callable:
    """The function without the underscore: warns, then does the same."""
    new, old = meth.__name__, meth.__name__[:-1]

    @functools.wraps(meth)
    def deprecated_init(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return meth(*args, **kwargs)

    deprecated_init.__doc__ = f"`{new}` under its deprecated name."
    deprecated_init.__name__ = deprecated_init.__qualname__ = old
    return deprecated_init


uniform = _make_deprecate(uniform_)
normal = _make_deprecate(normal_)
constant = _make_deprecate(constant_)
eye = _make_deprecate(eye_)
dirac = _make_deprecate(dirac_)
xavier_uniform = _make_deprecate(xavier_uniform_)
xavier_normal = _make_deprecate(xavier_normal_)
kaiming_uniform = _make_deprecate(kaiming_uniform_)
kaiming_normal = _make_deprecate(kaiming_normal_)
orthogonal = _make_deprecate(orthogonal_)
sparse = _make_deprecate(sparse_)
