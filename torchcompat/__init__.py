"""PyTorch's module API on JAX and Flax."""

from torchcompat import _ops as _ops
from torchcompat._tensor import Size, Tensor
from torchcompat._tensor import _convert as _convert
from torchcompat._tensor import _operators as _operators
from torchcompat._tensor._creation import *
from torchcompat._tensor._factory import *
from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS

globals().update(_FUNCTIONS["torch"])
