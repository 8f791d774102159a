"""Draws of gamma and Dirichlet distributions: JAX's numbers, not torch's; under one seed they repeat."""

from __future__ import annotations

from typing import Any

import jax

from torchcompat import _dtype, _random
from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._sampling import randint
from torchcompat._tensor._tensor import Tensor

__all__ = ["_sample_dirichlet", "_standard_gamma"]


@lifted
def _standard_gamma(input: Tensor, generator: Any = None) -> Tensor:
    """A draw for each shape in `input`, at rate 1; differentiable by `input`."""
    stream = _random.state.rng_key
    if stream is not None:
        return ops.standard_gamma(input, jax.random.key_data(stream.next_key()))
    if _random.is_staging():
        source = _random.default_generator if generator is None else generator
        return ops.standard_gamma(input, jax.random.key_data(source.key_cell.next_key()))
    words = randint(0, 2**32, (2,), generator=generator, dtype=_dtype.get("int64"), device="cpu")
    return ops.standard_gamma(input, words)


@lifted
def _sample_dirichlet(input: Tensor, generator: Any = None) -> Tensor:
    """A draw for each vector of concentrations in `input`; differentiable by `input`."""
    drawn = _standard_gamma(input, generator)
    return drawn / drawn.sum(-1, keepdim=True)
