"""`torch.distributed.pipelining`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="Pipe PipelineStage ScheduleGPipe Schedule1F1B SplitPoint",
    functions="pipeline pipe_split build_stage",
)
