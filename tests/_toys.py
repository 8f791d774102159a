"""Small modules, written once and made for either library."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any


@functools.cache
def toys(torch: Any) -> SimpleNamespace:
    """The classes below, on top of `torch.nn.Module`."""
    nn = torch.nn

    class Affine(nn.Module):
        """`x * weight + bias`, with a buffer that is saved and one that is not."""

        def __init__(self, size: int = 2, start: float = 1.0) -> None:
            super().__init__()
            self.size = size
            self.weight = nn.Parameter(torch.arange(float(size)) + start)
            self.bias = nn.Parameter(torch.zeros(size))
            self.register_buffer("count", torch.zeros(1))
            self.register_buffer("scratch", torch.ones(1), persistent=False)

        def forward(self, x: Any, scale: float = 1.0) -> Any:
            return (x * self.weight + self.bias) * scale

        def extra_repr(self) -> str:
            return f"size={self.size}"

    class Plus(nn.Module):
        """Adds a number; has no state."""

        def forward(self, x: Any) -> Any:
            return x + 1

    class Net(nn.Module):
        """Two layers and a head, one of them nested."""

        def __init__(self) -> None:
            super().__init__()
            self.stem = Affine(2, 1.0)
            self.body = nn.Sequential(Affine(2, 2.0), Plus(), Affine(2, 3.0))
            self.head = Affine(2, 4.0)

        def forward(self, x: Any) -> Any:
            return self.head(self.body(self.stem(x)))

    return SimpleNamespace(Affine=Affine, Plus=Plus, Net=Net)
