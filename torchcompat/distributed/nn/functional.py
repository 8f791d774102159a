"""`torch.distributed.nn.functional`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    functions="""all_gather all_reduce all_to_all all_to_all_single broadcast gather reduce reduce_scatter
    scatter""",
)
