"""How far tensors are apart."""

from __future__ import annotations

from typing import NamedTuple


class Error(NamedTuple):
    """How far tensors are apart.

    Attributes:
        max_abs: the largest absolute error.
        max_rel: the same in units of the largest expected value.
        ok: whether it is within the tolerance.
        detail: what differs besides values (a shape, a dtype, a number of tensors), if anything.
    """

    max_abs: float = 0.0
    max_rel: float = 0.0
    ok: bool = True
    detail: str = ""

    def worse(self, other: Error) -> Error:
        """The larger of two errors in each part."""
        return Error(
            max(self.max_abs, other.max_abs),
            max(self.max_rel, other.max_rel),
            self.ok and other.ok,
            self.detail or other.detail,
        )
