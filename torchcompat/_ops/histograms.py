"""How many points fall into each cell of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jax import numpy as jnp

from torchcompat._ops._registry import Array, op


@op(differentiable=False)
def _histogram_cells(points: Array, edges: Sequence[Array], weight: Array | None) -> Array:
    """The (weighted) count of points in each cell; the last cell of a dimension holds its end too.

    Shape:
        points `(M, N)`, edges N vectors of `B_i + 1`, weight `(M)`; output `(B_1, ..., B_N)`.
    """
    counts = tuple(edge.shape[0] - 1 for edge in edges)
    places = jnp.zeros(points.shape[0], jnp.int64)
    inside = jnp.ones(points.shape[0], bool)
    for column, (edge, count) in enumerate(zip(edges, counts)):
        x = points[:, column]
        inside &= (x >= edge[0]) & (x <= edge[-1])
        place = jnp.searchsorted(edge, x, side="right") - 1
        places = places * count + jnp.clip(place, 0, max(count - 1, 0))
    size = math.prod(counts)
    if not size:
        return jnp.zeros(counts, points.dtype)
    share = jnp.ones(points.shape[0], points.dtype) if weight is None else weight
    share = jnp.where(inside, share, 0)
    return jnp.zeros(size, points.dtype).at[places].add(share).reshape(counts)
