"""`torch._subclasses.meta_utils`: what makes two tensors alike but for their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor

__all__ = ["assert_metadata_eq"]


def assert_metadata_eq(
    assert_eq: Callable[[Any, Any], None],
    m1: Tensor,
    m2: Tensor,
    *,
    skip_symbolic: bool = False,
    skip_leaf: bool = False,
) -> None:
    """Calls `assert_eq` on each property of the two: type, size, strides and place in the graph.

    Args:
        skip_symbolic: leave out sizes, strides and offsets.
        skip_leaf: leave out whether they are leaves.
    """
    names = ["dtype", "requires_grad"] + ["is_leaf"] * (not skip_leaf)
    for name in names:
        assert_eq(getattr(m1, name), getattr(m2, name))
    if not skip_symbolic:
        for name in ("size", "stride", "storage_offset"):
            assert_eq(getattr(m1, name)(), getattr(m2, name)())
    for one, other in ((m1.grad, m2.grad), (m1._base, m2._base)):
        assert_eq(one is None, other is None)
        if one is not None and other is not None:
            assert_metadata_eq(
                assert_eq, one, other, skip_symbolic=skip_symbolic, skip_leaf=skip_leaf
            )
