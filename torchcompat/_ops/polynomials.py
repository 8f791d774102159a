"""Orthogonal polynomials of degree `n`, by their recurrences; Chebyshev's inside [-1, 1] by angles."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import cast
from torchcompat._ops._pointwise import operands, register, reject, some_tensor
from torchcompat._ops._registry import Array

# A recurrence is p[k + 1] = step(x, k, p[k], p[k - 1]).
Step = Callable[[jax.Array, jax.Array, jax.Array, jax.Array], jax.Array]


def _recurrence(step: Step, x: jax.Array, first: jax.Array, n: jax.Array) -> jax.Array:
    """`p[n]` for p[0] = 1, p[1] = `first`; 0 below degree 0. Ends early where all is NaN."""

    def running(state: tuple) -> jax.Array:
        k, now, _ = state
        return jnp.any((k < n) & ~jnp.isnan(now))

    def advance(state: tuple) -> tuple:
        k, now, before = state
        following = jnp.where(k < n, step(x, k.astype(x.dtype), now, before), now)
        return k + 1, following, now

    start = jnp.where(n >= 1, first, 1)
    _, found, _ = lax.while_loop(running, advance, (jnp.int64(1), start, jnp.ones_like(start)))
    return jnp.where(n < 0, 0, found)


def _degree(n: jax.Array) -> jax.Array:
    """`n` cut to a whole number; what is not finite counts as below 0, as torch's cast has it."""
    return jnp.where(jnp.isfinite(n), jnp.trunc(n), -1).astype(jnp.int64)


def _doubled(x: jax.Array, k: jax.Array, now: jax.Array, before: jax.Array) -> jax.Array:
    return (x + x) * now - before


def _sign(n: jax.Array, dtype: object) -> jax.Array:
    return jnp.where(n % 2 == 0, 1, -1).astype(dtype)


def _chebyshev_t(x, n):
    ends = jnp.where(x > 0, 1, _sign(n, x.dtype))
    return x, ends, jnp.cos(n * jnp.arccos(x))


def _chebyshev_u(x, n):
    angle = jnp.arccos(x)
    ends = (n + 1) * jnp.where(x > 0, 1, _sign(n, x.dtype))
    return x + x, ends, jnp.sin((n + 1) * angle) / jnp.sin(angle)


def _chebyshev_v(x, n):
    angle = jnp.arccos(x)
    ends = jnp.where(x > 0, 1, (2 * n + 1) * _sign(n, x.dtype))
    return x + x - 1, ends, jnp.cos((n + 0.5) * angle) / jnp.cos(angle / 2)


def _chebyshev_w(x, n):
    angle = jnp.arccos(x)
    ends = jnp.where(x > 0, 2 * n + 1, _sign(n, x.dtype))
    return x + x + 1, ends, jnp.sin((n + 0.5) * angle) / jnp.sin(angle / 2)


def _chebyshev(parts: Callable, angles_above: int) -> Callable:
    """A Chebyshev polynomial from its p[1], its values at -1 and 1, and its form in angles.

    Args:
        angles_above: the degree above which torch turns from the recurrence to angles.
    """

    def compute(x: jax.Array, n: jax.Array) -> jax.Array:
        inside, end = jnp.abs(x) < 1, jnp.abs(x) == 1
        held = jnp.where(inside | end, x, 0)
        ends, wave = (part.astype(x.dtype) for part in parts(held, n.astype(x.dtype))[1:])
        by_angle = inside & (n > angles_above)
        first = parts(x, n.astype(x.dtype))[0]
        stepped = _recurrence(_doubled, x, first, jnp.where(by_angle | end, jnp.minimum(n, 0), n))
        return jnp.where(n < 0, 0, jnp.where(end, ends, jnp.where(by_angle, wave, stepped)))

    return compute


def _shifted(compute: Callable) -> Callable:
    return lambda x, n: compute(x + x - 1, n)


def _hermite_h(x: jax.Array, n: jax.Array) -> jax.Array:
    step: Step = lambda x, k, now, before: (x + x) * now - (k + k) * before  # noqa: E731
    return _recurrence(step, x, x + x, n)


def _hermite_he(x: jax.Array, n: jax.Array) -> jax.Array:
    return _recurrence(lambda x, k, now, before: x * now - k * before, x, x, n)


def _laguerre(x: jax.Array, n: jax.Array) -> jax.Array:
    step: Step = lambda x, k, now, before: ((k + k + 1 - x) * now - k * before) / (k + 1)  # noqa: E731
    return _recurrence(step, x, 1 - x, n)


def _legendre(x: jax.Array, n: jax.Array) -> jax.Array:
    step: Step = lambda x, k, now, before: ((k + k + 1) * x * now - k * before) / (k + 1)  # noqa: E731
    return _recurrence(step, x, x, n)


_TABLE = {
    "chebyshev_polynomial_t": (_chebyshev(_chebyshev_t, 6), "first kind"),
    "chebyshev_polynomial_u": (_chebyshev(_chebyshev_u, 8), "second kind"),
    "chebyshev_polynomial_v": (_chebyshev(_chebyshev_v, 8), "third kind"),
    "chebyshev_polynomial_w": (_chebyshev(_chebyshev_w, 8), "fourth kind"),
}
_SHIFTED = {
    "shifted_chebyshev_polynomial_t": (_shifted(_chebyshev(_chebyshev_t, 6)), "first kind"),
    "shifted_chebyshev_polynomial_u": (_shifted(_chebyshev(_chebyshev_u, 6)), "second kind"),
    "shifted_chebyshev_polynomial_v": (_shifted(_chebyshev(_chebyshev_v, 6)), "third kind"),
    "shifted_chebyshev_polynomial_w": (_shifted(_chebyshev(_chebyshev_w, 4)), "fourth kind"),
}
_OTHER = {
    "hermite_polynomial_h": (_hermite_h, "The physicist's Hermite polynomial of degree `n`."),
    "hermite_polynomial_he": (_hermite_he, "The probabilist's Hermite polynomial of degree `n`."),
    "laguerre_polynomial_l": (_laguerre, "The Laguerre polynomial of degree `n`."),
    "legendre_polynomial_p": (_legendre, "The Legendre polynomial of degree `n`."),
}


def _register(name: str, compute: Callable, doc: str) -> None:
    def run(x: Array, n: Array) -> Array:
        (point, degree), to = operands(x, n, floating=True)
        reject(f"{name}_cpu", cast(point, to), complexes=True, halves=True)
        point, degree = jnp.broadcast_arrays(point, degree)
        return cast(compute(point, _degree(degree)), to)

    register(run, name, doc, ("special",), check=some_tensor(name), differentiable=False)


for _name, (_compute, _kind) in _TABLE.items():
    _register(_name, _compute, f"The Chebyshev polynomial of the {_kind} and degree `n`.")
for _name, (_compute, _kind) in _SHIFTED.items():
    _register(_name, _compute, f"The Chebyshev polynomial of the {_kind} at `2 x - 1`.")
for _name, (_compute, _doc) in _OTHER.items():
    _register(_name, _compute, _doc)
