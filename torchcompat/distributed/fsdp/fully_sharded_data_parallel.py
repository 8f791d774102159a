"""`torch.distributed.fsdp.fully_sharded_data_parallel`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="""FullyShardedDataParallel FullStateDictConfig StateDictType FullOptimStateDictConfig
    CPUOffload MixedPrecision ShardingStrategy BackwardPrefetch""",
)
