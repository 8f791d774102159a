"""`torch.distributed.fsdp`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="""BackwardPrefetch CPUOffload FullOptimStateDictConfig FullStateDictConfig
    FullyShardedDataParallel LocalOptimStateDictConfig LocalStateDictConfig MixedPrecision
    OptimStateDictConfig OptimStateKeyType ShardedOptimStateDictConfig
    ShardedStateDictConfig ShardingStrategy StateDictConfig StateDictSettings StateDictType
    CPUOffloadPolicy DataParallelMeshDims FSDPModule MixedPrecisionPolicy OffloadPolicy
    UnshardHandle""",
    functions="fully_shard register_fsdp_forward_method share_comm_ctx",
)
