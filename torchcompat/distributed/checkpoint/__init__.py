"""`torch.distributed.checkpoint`: names for imports; torch.save and Orbax write checkpoints."""

from torchcompat._absent import fill

fill(
    globals(),
    "there is one process; JAX spreads one program over devices (jax.sharding)",
    classes="""FileSystemReader FileSystemWriter StorageReader StorageWriter DefaultLoadPlanner
    DefaultSavePlanner HuggingFaceStorageReader HuggingFaceStorageWriter""",
    functions="save load async_save load_state_dict save_state_dict",
)
