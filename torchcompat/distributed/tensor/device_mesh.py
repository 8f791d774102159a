"""`torch.distributed.tensor.device_mesh`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="DeviceMesh",
    functions="init_device_mesh",
)
