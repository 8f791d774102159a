"""Linear algebra, `torch.linalg`: the op registry's functions of that face."""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat._tensor._linalg import LINALG as _LINALG

globals().update(_FUNCTIONS["linalg"] | _LINALG)

if _TYPE_CHECKING:  # the functions of the op registry

    def __getattr__(name: str) -> _Any: ...
