"""What torch checks before it draws: each check raises torch's error and returns the parameters."""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from torchcompat._random._kinds import FLOATS, NUMBERS, Kind, kind_of

Params = dict[str, Any]
Shape = tuple[int, ...]


def check_true(holds: Any, message: str, *found: Any) -> None:
    """Raises RuntimeError unless `holds`; what a tracer says is not known and passes."""
    if not isinstance(holds, jax.core.Tracer) and not holds:
        raise RuntimeError(message.format(*found))


def check_kernel(kernel: str, kind: Kind, names: frozenset[str]) -> None:
    """Raises torch's NotImplementedError unless the type is one of `names`."""
    if kind.name not in names:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{kind.title}'")


def check_bounds(value: Any, name: str, kind: Kind) -> None:
    """Raises torch's error unless `value` is in the range of the type."""
    inside = (value >= kind.least) & (value <= kind.greatest)
    check_true(inside, "{} is out of bounds for {}", name, kind.c_name)


def uniform(shape: Shape, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> Params:
    kind = kind_of(dtype)
    check_kernel("check_uniform_bounds", kind, FLOATS)
    check_bounds(low, "from", kind)
    check_bounds(high, "to", kind)
    check_true(
        low <= high,
        "uniform_ expects to return a [from, to) range, but found from={:g} > to={:g}",
        low,
        high,
    )
    check_true(
        high - low <= kind.greatest,
        "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={:g} and "
        "from={:g} which result in to-from to exceed the limit",
        kind.title,
        high,
        low,
    )
    return {"low": low, "high": high}


def normal(
    shape: Shape, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, contiguous: bool = True
) -> Params:
    check_true(std >= 0, "normal expects std >= 0.0, but found std {:g}", std)
    if math.prod(shape):
        check_kernel("normal_kernel_cpu", kind_of(dtype), FLOATS)
    return {"mean": mean, "std": std, "contiguous": contiguous}


def trunc_normal(
    shape: Shape, dtype: np.dtype, mean: float = 0.0, std: float = 1.0, a: float = -2, b: float = 2
) -> Params:
    check_kernel("normal_kernel_cpu", kind_of(dtype), FLOATS)
    return {"mean": mean, "std": std, "a": a, "b": b}


def log_normal(shape: Shape, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> Params:
    check_true(std > 0, "log_normal_ expects std > 0.0, but found std={:g}", std)
    if math.prod(shape):
        check_kernel("log_normal_cpu", kind_of(dtype), FLOATS)
    return {"mean": mean, "std": std}


def exponential(shape: Shape, dtype: np.dtype, lambd: float = 1.0) -> Params:
    kind = kind_of(dtype)
    check_true(lambd > 0, "exponential_ expects lambda > 0.0, but found lambda={:g}", lambd)
    check_true(kind.digits or not math.prod(shape), _CONTINUOUS, "Exponential", kind.title)
    return {"lambd": lambd}


def cauchy(shape: Shape, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> Params:
    kind = kind_of(dtype)
    check_true(sigma > 0, "cauchy_ expects sigma > 0.0, but found sigma={:g}", sigma)
    check_true(kind.digits, _CONTINUOUS, "Cauchy", kind.c_name)
    return {"median": median, "sigma": sigma}


_CONTINUOUS = (
    "{} distribution is a continuous probability distribution. "
    "dtype must be a floating point but you specified {}"
)


def geometric(shape: Shape, dtype: np.dtype, p: float) -> Params:
    check_true((p > 0) & (p < 1), "geometric_ expects p to be in (0, 1), but got p={:g}", p)
    if math.prod(shape):
        check_kernel("geometric_cpu", kind_of(dtype), NUMBERS - {"bool"})
    return {"p": p}


def bernoulli(shape: Shape, dtype: np.dtype, p: Any = 0.5) -> Params:
    if not isinstance(p, (int, float, np.number)):
        return _bernoulli_array(shape, dtype, p)
    p = float(p)
    check_true(0 <= p <= 1, "bernoulli_ expects p to be in [0, 1], but got p={:g}", p)
    if math.prod(shape):
        check_kernel("bernoulli_scalar_cpu_", kind_of(dtype), NUMBERS)
    return {"p": p}


def _bernoulli_array(shape: Shape, dtype: np.dtype, p: Any) -> Params:
    if math.prod(shape):
        check_kernel("bernoulli_tensor_cpu_self_", kind_of(dtype), NUMBERS)
        check_kernel("bernoulli_tensor_cpu_p_", kind_of(np.dtype(p.dtype)), FLOATS)
    if not isinstance(p, jax.core.Tracer):
        p = np.asarray(p)
        check_true(
            bool(((p >= 0) & (p <= 1)).all()),
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message "
            "be improved?  If so, please report an enhancement request to PyTorch.)",
        )
    return {"p": p}


def randperm(shape: Shape, dtype: np.dtype) -> Params:
    (n,), kind = shape, kind_of(dtype)
    check_true(n >= 0, "Trying to create tensor with negative dimension {0}: [{0}]", n)
    check_kernel("randperm", kind, NUMBERS - {"bool"})
    if not kind.digits:
        name = "int" if kind.name == "int32" else f"{kind.name}_t"
        text = "value cannot be converted to type {} without overflow"
        check_true(n - 1 <= kind.greatest, text, name)
    elif kind.name != "bfloat16":
        most = 2**kind.digits + 1
        bound = most if kind.name == "float16" else f"2^{kind.digits}+1"
        check_true(n <= most, "n cannot be greater than {} for {} type.", bound, kind.title)
    return {}


def multinomial(shape: Shape, dtype: np.dtype, probs: Any, replacement: bool = False) -> Params:
    kind = kind_of(np.dtype(probs.dtype))
    check_true(probs.ndim in (1, 2), "prob_dist must be 1 or 2 dim")
    text = "multinomial only supports floating-point dtypes for input, got: {}"
    check_true(kind.digits, text, kind.title)
    count = shape[-1]
    check_true(count > 0, "cannot sample n_sample <= 0 samples")
    check_true(
        replacement or count <= probs.shape[-1],
        "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
    )
    if not isinstance(probs, jax.core.Tracer):
        probs = np.asarray(probs)
        if probs.ndim == 1 or len(probs):
            _check_probabilities(probs.astype(np.float64), replacement and count > 1)
    return {"probs": probs, "replacement": replacement}


def _check_probabilities(probs: np.ndarray, by_row: bool) -> None:
    """The values: torch looks at all of them at once, or row by row where it adds them up."""
    if not by_row:
        check_true(
            probs.size,
            "aminmax(): cannot compute aminmax over an empty dimension "
            "as the operation has no identity.",
        )
        check_true(
            bool(((probs >= 0) & (probs < np.inf)).all()),
            "probability tensor contains either `inf`, `nan` or element < 0",
        )
    text = "invalid multinomial distribution ({})"
    negative = bool((probs >= 0).all())
    check_true(negative, text, "encountering probability entry < 0")
    finite = bool((probs < np.inf).all())
    check_true(finite, text, "encountering probability entry = infinity or NaN")
    check_true(bool((probs.sum(axis=-1) > 0).all()), text, "sum of probabilities <= 0")
