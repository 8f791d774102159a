"""`autograd.grad_mode`: the gradient modes under torch's module name."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor._autograd import (
    enable_grad,
    inference_mode,
    no_grad,
    set_grad_enabled,
)

__all__ = [
    "enable_grad",
    "enforce_grad_layout_policy",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
    "set_multithreading_enabled",
]


class _Accepted:
    """A mode that has nothing to change here."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        return None

    def clone(self) -> Any:
        """Another one of the same mode."""
        return type(self)(self.mode)


class set_multithreading_enabled(_Accepted):
    """Accepted for torch's sake: a backward pass here runs in one thread, and XLA in several."""


class enforce_grad_layout_policy(_Accepted):
    """Accepted for torch's sake: a gradient here is a storage of its own, in row-major order."""

    def __init__(self, enable: bool = True) -> None:
        super().__init__(enable)
