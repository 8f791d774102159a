"""`torch.distributed.tensor`: names for imports; jax.Array is the sharded tensor here."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="DTensor Placement Shard Replicate Partial DeviceMesh _StridedShard",
    functions="""distribute_tensor distribute_module init_device_mesh empty full ones zeros rand randn""",
)
