"""`torch.distributed._functional_collectives`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="AsyncCollectiveTensor",
    functions="""all_reduce all_gather_tensor all_to_all_single all_to_all_single_autograd broadcast
    reduce_scatter_tensor wait_tensor all_gather_tensor_autograd
    reduce_scatter_tensor_autograd""",
)
