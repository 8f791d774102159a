"""Special functions, `torch.special`: the op registry's functions of that face."""

from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS

globals().update(_FUNCTIONS["special"])
