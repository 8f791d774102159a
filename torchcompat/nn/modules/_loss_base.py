"""The bases of loss layers."""

from __future__ import annotations

from torchcompat._tensor import Tensor
from torchcompat.nn import _reduction as _Reduction
from torchcompat.nn.modules.module import Module


class _Loss(Module):
    """Holds `reduction`: "none", "mean" or "sum"."""

    reduction: str

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = _Reduction.legacy_get_string(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """Holds the buffer `weight` as well."""

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.weight: Tensor | None
