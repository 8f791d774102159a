"""`torch.distributed.checkpoint._consolidate_hf_safetensors`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    functions="consolidate_safetensors_files consolidate_safetensors_files_on_every_rank",
)
