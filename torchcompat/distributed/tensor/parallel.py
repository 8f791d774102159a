"""`torch.distributed.tensor.parallel`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="""ParallelStyle ColwiseParallel RowwiseParallel SequenceParallel PrepareModuleInput
    PrepareModuleOutput PrepareModuleInputOutput""",
    functions="parallelize_module loss_parallel",
)
