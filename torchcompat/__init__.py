"""PyTorch's module API on JAX and Flax."""
from torchcompat import _ops as _ops
from torchcompat._tensor import Tensor
