"""`torch.jit.mobile`: names for imports."""

from torchcompat._absent import fill

fill(globals(), "there is no TorchScript", functions="_load_for_lite_interpreter")
