"""Linear algebra, `torch.linalg`: the op registry's functions of that face."""

from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat._tensor._linalg import LINALG as _LINALG

globals().update(_FUNCTIONS["linalg"] | _LINALG)
