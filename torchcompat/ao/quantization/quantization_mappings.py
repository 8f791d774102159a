"""`torch.ao.quantization.quantization_mappings`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "there are no quantized kernels",
    functions="""get_default_dynamic_quant_module_mappings get_default_qat_module_mappings
    get_default_qconfig_propagation_list get_default_static_quant_module_mappings""",
)
