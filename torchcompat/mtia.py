"""`torch.mtia`: JAX's devices of that type; truthfully none where it has none."""

from torchcompat._accelerator import Accelerator

ACCELERATOR = Accelerator("mtia", "MTIA")
globals().update(ACCELERATOR.exports())
__all__ = list(ACCELERATOR.exports())
