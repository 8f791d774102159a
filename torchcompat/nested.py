"""`torch.nested`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "tensors have one size a dimension here; pad them and mask",
    functions="""nested_tensor as_nested_tensor nested_tensor_from_jagged to_padded_tensor narrow
    masked_select""",
)
