"""`torch.backends.xeon`: a launcher of torch processes, which is not here."""

from __future__ import annotations

__all__: list[str] = []
