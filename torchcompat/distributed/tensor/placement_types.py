"""`torch.distributed.tensor.placement_types`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="Placement Shard Replicate Partial _StridedShard DTensorSpec",
)
