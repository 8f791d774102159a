"""`torch.nn.qat`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    classes="Conv1d Conv2d Conv3d Linear Embedding EmbeddingBag",
)
