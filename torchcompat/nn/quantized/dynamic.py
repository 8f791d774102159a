"""`torch.nn.quantized.dynamic`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    classes="Linear LSTM GRU LSTMCell RNNCell GRUCell Conv1d Conv2d Conv3d",
)
