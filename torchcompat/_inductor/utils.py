"""`torch._inductor.utils`: the kinds of device that torch generates kernels for."""

GPU_TYPES = ["cuda", "mps", "xpu", "mtia"]
