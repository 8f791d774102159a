"""Undoing a load that failed: what a module tree holds, remembered and put back."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._state import epoch


class Snapshot:
    """The members of a module tree and their values (references: arrays are immutable)."""

    def __init__(self, root: Any) -> None:
        self.homes: list[tuple[dict, dict]] = []
        self.tensors: list[tuple] = []
        self.cells: list[tuple] = []
        for module in root.modules():
            for home in (module._parameters, module._buffers, module._modules):
                self.homes.append((home, dict(home)))
            for tensor in (*module._parameters.values(), *module._buffers.values()):
                if isinstance(tensor, Tensor):
                    self._remember(tensor)

    def _remember(self, tensor: Tensor) -> None:
        cell = tensor._cell
        ahead = tensor.__dict__.get("_version_ahead", 0)
        self.tensors.append((tensor, cell, tensor._layout, tensor._requires_grad, ahead))
        self.cells.append((cell.root, cell.root.value, cell.root.version))

    def restore(self) -> None:
        """Puts members and values back as they were."""
        for home, members in self.homes:
            if not _same(home, members):
                home.clear()
                home.update(members)
        for tensor, cell, layout, requires_grad, ahead in self.tensors:
            if tensor._cell is not cell or tensor._layout != layout:
                tensor._cell, tensor._layout = cell, layout
                tensor._seen = None
                tensor.__dict__["_version_ahead"] = ahead
                epoch.advance()
            tensor._requires_grad = requires_grad
        for cell, value, version in self.cells:
            cell.value, cell.version = value, version


def _same(home: dict, members: dict) -> bool:
    return list(home) == list(members) and all(home[k] is members[k] for k in members)
