"""`torch.utils.deterministic`: a setting of `use_deterministic_algorithms`."""

from __future__ import annotations

# Whether `empty` fills its memory under deterministic algorithms; it always fills it here.
fill_uninitialized_memory = True
