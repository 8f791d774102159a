"""`torch.backends.miopen`: XLA chooses the algorithms itself."""

from __future__ import annotations

from torchcompat.backends._settings import settle

immediate = False
settle(__name__)
