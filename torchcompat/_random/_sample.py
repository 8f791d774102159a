"""`sample`: one row a distribution, each with its check, its host form and its traced form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from torchcompat._random import _checks, _host, _key, _ranges, _traced
from torchcompat._random._mt19937 import Generator
from torchcompat._random._streams import current


class Distribution(NamedTuple):
    """A row.

    Attributes:
        check: `(shape, dtype, **params)` -> the parameters that the forms take, or torch's error.
        host: `(generator, shape, dtype, **params)` -> NumPy array with torch's bits.
        traced: `(key, shape, dtype, **params)` -> `jax.Array` with the same distribution.
        complex: whether complex numbers are drawn as pairs of real ones.
    """

    check: Callable[..., dict[str, Any]]
    host: Callable[..., np.ndarray]
    traced: Callable[..., jax.Array]
    complex: bool = False


def _row(name: str, checks: Any = _checks, complex: bool = False) -> Distribution:
    """The functions called `name` of the three files."""
    check, host, traced = (getattr(file, name) for file in (checks, _host, _traced))
    return Distribution(check, host, traced, complex)


DISTRIBUTIONS: dict[str, Distribution] = {
    "uniform": _row("uniform", complex=True),  # low=0.0, high=1.0
    "normal": _row("normal", complex=True),  # mean=0.0, std=1.0, contiguous=True
    "log_normal": _row("log_normal"),  # mean=1.0, std=2.0
    "trunc_normal": _row("trunc_normal"),  # mean=0.0, std=1.0, a=-2.0, b=2.0
    "random": _row("random", _ranges),  # low=None, high=None: random_() and randint
    "randperm": _row("randperm"),  # shape is (n,)
    "bernoulli": _row("bernoulli"),  # p=0.5, a number or an array
    "exponential": _row("exponential"),  # lambd=1.0
    "geometric": _row("geometric"),  # p
    "cauchy": _row("cauchy"),  # median=0.0, sigma=1.0
    "multinomial": _row("multinomial"),  # probs, replacement=False; shape ends in num_samples
}


def sample(
    name: str, generator: Generator | None, shape: tuple[int, ...], dtype: Any, **params: Any
) -> Any:
    """Random numbers: torch's own where they are drawn on the host, JAX's where JAX is tracing.

    Args:
        name: a key of `DISTRIBUTIONS`.
        generator: None for the default one.
        dtype: a NumPy or ml_dtypes type.
        **params: those noted at the row. An array that JAX is tracing is allowed.

    Returns:
        A NumPy array; a `jax.Array` inside `rng_key`, while JAX is staging out a program, and
        where a parameter is traced.

    Raises:
        RuntimeError: the program being staged out carries no key; or torch's own errors.
    """
    row, shape, dtype = DISTRIBUTIONS[name], tuple(shape), np.dtype(dtype)
    generator = current() if generator is None else generator
    if row.complex and dtype.kind == "c":
        return _complex(name, generator, shape, dtype, params)
    params = row.check(shape, dtype, **params)
    if _host_draws(params):
        with generator.lock:
            return row.host(generator, shape, dtype, **params)
    with jax.enable_x64(True):
        return row.traced(_key.next_key(generator), shape, dtype, **params)


def _host_draws(params: dict[str, Any]) -> bool:
    traced = any(isinstance(value, jax.core.Tracer) for value in params.values())
    return not traced and _key.state.rng_key is None and not _key.is_staging()


def _complex(
    name: str, generator: Generator, shape: tuple[int, ...], dtype: np.dtype, params: dict[str, Any]
) -> Any:
    """Real and imaginary parts in turn; normal ones share the variance."""
    if name == "normal":
        params = params | {"std": params.get("std", 1.0) / np.sqrt(2.0)}
    real = np.dtype(f"f{dtype.itemsize // 2}")
    parts = sample(name, generator, (*shape, 2), real, **params)
    if isinstance(parts, np.ndarray):
        return parts.view(dtype)[..., 0]
    with jax.enable_x64(True):
        return jax.lax.complex(parts[..., 0], parts[..., 1])
