"""`torch.ao.quantization.observer`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    classes="""ObserverBase MinMaxObserver MovingAverageMinMaxObserver HistogramObserver
    PerChannelMinMaxObserver default_observer default_weight_observer""",
)
