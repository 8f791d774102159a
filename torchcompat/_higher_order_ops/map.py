"""`map`: a function of each slice along the first dimension."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._higher_order_ops.scan import scan

__all__ = ["map"]


def map(f: Callable, xs: Any, *args: Any) -> Any:
    """`f(x, *args)` of each slice `x` of `xs` along its first dimension, stacked."""
    return scan(lambda carry, x: (carry, f(x, *args)), (), xs)[1]
