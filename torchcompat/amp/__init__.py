"""`torch.amp`: lower dtypes where they suffice."""

from torchcompat.amp import autocast_mode, grad_scaler
from torchcompat.amp.autocast_mode import autocast, custom_bwd, custom_fwd, is_autocast_available
from torchcompat.amp.grad_scaler import GradScaler

__all__ = [
    "GradScaler",
    "autocast",
    "autocast_mode",
    "custom_bwd",
    "custom_fwd",
    "grad_scaler",
    "is_autocast_available",
]
