"""`torch.distributed.rpc`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="RRef PyRRef",
    functions="init_rpc rpc_sync rpc_async remote shutdown",
)
