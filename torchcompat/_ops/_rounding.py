"""The rounding that torch's CPU kernels apply to each step of a calculation of positions."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

Rounding = Callable[[jax.Array], jax.Array]


def rounding(dtype: np.dtype) -> Rounding:
    """Rounds a float32 value as a half type would be; wider types are left as they are.

    Positions in half types are so coarse that other rounding picks other elements. XLA drops the
    rounding of plain conversions, which it takes for excess precision.
    """
    if dtype.itemsize > 2:
        return lambda x: x
    bits = jnp.finfo(dtype)
    return lambda x: lax.reduce_precision(x, bits.nexp, bits.nmant)
