"""`checkpoint_wrapper`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="CheckpointWrapper CheckpointImpl",
    functions="checkpoint_wrapper apply_activation_checkpointing offload_wrapper",
)
