"""Draws of gamma distributions, differentiable by the shape (JAX's own implicit derivative).

The numbers are JAX's, not torch's; under the same seed they repeat.
"""

from __future__ import annotations

from typing import Any

import jax

import torchcompat as torch
from torchcompat import _random
from torchcompat._tensor import ops


def standard_gamma(concentration: Any) -> Any:
    """A draw for each element of `concentration`, at rate 1."""
    stream = _random.state.rng_key
    if stream is not None:
        return ops.standard_gamma(concentration, jax.random.key_data(stream.next_key()))
    if _random.is_staging():
        key = _random.default_generator.key_cell.next_key()
        return ops.standard_gamma(concentration, jax.random.key_data(key))
    words = torch.randint(0, 2**32, (2,), dtype=torch.int64)
    return ops.standard_gamma(concentration, words)
