"""`torch.distributed.device_mesh`: names for imports."""

from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="DeviceMesh",
    functions="init_device_mesh",
)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
