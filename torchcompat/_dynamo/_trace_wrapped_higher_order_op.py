"""`TransformGetItemToIndex`: a mode in which torch indexes by tensors under vmap; ours always does."""

from __future__ import annotations


class TransformGetItemToIndex:
    """A context that changes nothing: `x[i]` with a 0-dimensional tensor `i` is traced as it is."""

    def __enter__(self) -> TransformGetItemToIndex:
        return self

    def __exit__(self, *exc: object) -> None:
        return None
