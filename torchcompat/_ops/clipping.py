"""Norms over lists of tensors, and scaling them down: gradient clipping in one program each."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import numpy as jnp

from torchcompat._ops._common import cast, dtype_of, promote
from torchcompat._ops._registry import Array, op
from torchcompat._ops.norms import linalg_vector_norm


@op()
def total_norm(tensors: Sequence[Array], norm_type: float) -> Array:
    """The `norm_type`-norm of the norms of all tensors."""
    norms = promote(*(linalg_vector_norm(t, norm_type) for t in tensors))
    return linalg_vector_norm(jnp.stack(norms), norm_type)


@op()
def norm_clipped(tensors: Sequence[Array], max_norm: Array, total_norm: Array) -> list[jax.Array]:
    """Each tensor times `max_norm / total_norm` where that is below 1."""
    limit, norm = promote(max_norm, total_norm)
    # A NaN norm passes through minimum(): the gradients become NaN, as in torch.
    scale = jnp.minimum(limit / (norm + jnp.asarray(1e-6, norm.dtype)), 1)
    return [cast(t * scale, dtype_of(t)) for t in tensors]


@op()
def value_clipped(tensors: Sequence[Array], clip_value: Array) -> list[jax.Array]:
    """Each tensor's elements moved into [-clip_value, clip_value].

    Raises:
        NotImplementedError: a tensor is complex.
    """
    if any(dtype_of(t).is_complex for t in tensors):
        raise NotImplementedError("clamp is not supported for complex types")
    limits = (jnp.asarray(clip_value, t.dtype) for t in tensors)
    return [jnp.clip(t, -limit, limit) for t, limit in zip(tensors, limits)]
