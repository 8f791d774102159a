"""`torch.distributed.tensor._utils`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    functions="compute_local_shape_and_global_offset compute_local_shape",
)
