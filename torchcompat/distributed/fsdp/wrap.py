"""`torch.distributed.fsdp.wrap`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="ModuleWrapPolicy CustomPolicy",
    functions="""transformer_auto_wrap_policy size_based_auto_wrap_policy enable_wrap wrap always_wrap_policy
    lambda_auto_wrap_policy""",
)
