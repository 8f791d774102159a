"""`torch.distributed._composable.fsdp`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="CPUOffloadPolicy FSDPModule MixedPrecisionPolicy OffloadPolicy",
    functions="fully_shard register_fsdp_forward_method",
)
