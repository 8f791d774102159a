"""Draws of the gamma distribution from a JAX key."""

from __future__ import annotations

import jax

from torchcompat._ops._common import wide
from torchcompat._ops._registry import Array, op


@op(grad="StandardGammaBackward0")
def standard_gamma(input: Array, key: Array) -> Array:
    """A draw for each shape in `input`, at rate 1, by a key's two words; differentiable by `input`.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000; Figurnov et al.,
    "Implicit reparameterization gradients", 2018.
    """
    made = jax.random.wrap_key_data(key.astype("uint32"), impl="threefry2x32")
    return jax.random.gamma(made, wide(input)).astype(input.dtype)
