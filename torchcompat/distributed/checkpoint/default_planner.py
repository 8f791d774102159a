"""`torch.distributed.checkpoint.default_planner`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="DefaultLoadPlanner DefaultSavePlanner",
)
