"""The options of `LinearCrossEntropyLoss`."""

from __future__ import annotations

import dataclasses

from torchcompat import _dtype
from torchcompat._dtype import dtype

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("auto", "accurate", "balanced", "compact")
_SUMS = (_dtype.float16, _dtype.bfloat16, _dtype.float32, _dtype.float64)


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How torch splits the work of `linear_cross_entropy`; here XLA chooses.

    Args:
        allow_retain_graph: accepted; gradients can always be taken again.
        batch_chunk_size: samples a part, or None.
        chunking_method: None, "auto", "aspect_ratio" or "aspect_ratio:N".
        acc_policy: "auto", "accurate", "balanced" or "compact".
        acc_dtype: the type of sums, or None.

    Raises:
        ValueError: a value that torch refuses.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if not _is_method(self.chunking_method):
            raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in _SUMS:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {self.acc_dtype!r}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )


def _is_method(name: str | None) -> bool:
    if name is None or name == "auto":
        return True
    kind, colon, factor = name.partition(":")
    return kind == "aspect_ratio" and (not colon or (factor.isdigit() and int(factor) > 0))
