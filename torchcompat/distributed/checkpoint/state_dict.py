"""`torch.distributed.checkpoint.state_dict`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="StateDictOptions",
    functions="""get_state_dict set_state_dict get_model_state_dict set_model_state_dict
    get_optimizer_state_dict set_optimizer_state_dict""",
)
