"""`torch.ao.quantization.quantize_fx`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    functions="prepare_fx prepare_qat_fx convert_fx convert_to_reference_fx fuse_fx",
)
