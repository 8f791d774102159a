"""`torch.sparse`: names for imports; jax.experimental.sparse has sparse arrays."""

from torchcompat._absent import fill

fill(
    globals(),
    "tensors are dense here",
    classes="""SparseSemiStructuredTensor SparseSemiStructuredTensorCUTLASS
    SparseSemiStructuredTensorCUSPARSELT""",
    functions="""addmm mm sum softmax log_softmax to_sparse_semi_structured as_sparse_gradcheck spdiags
    sampled_addmm""",
)
