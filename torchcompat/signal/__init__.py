"""Signal processing, `torch.signal`: the module `windows`."""

from torchcompat.signal import windows as windows

__all__ = ["windows"]
