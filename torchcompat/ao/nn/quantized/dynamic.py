"""`torch.ao.nn.quantized.dynamic`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    classes="""Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d GRU GRUCell LSTM
    LSTMCell Linear RNNCell""",
)
