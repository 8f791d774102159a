"""Types for annotations: `Number`, `Device`, `FileLike`, `Storage`."""

import builtins
import os
from collections.abc import Sequence
from typing import IO, Any, TypeAlias

from torchcompat._device import device as _device_class
from torchcompat._dtype import dtype as _dtype_class
from torchcompat._memory_format import layout as _layout_class
from torchcompat._random import Generator as _Generator
from torchcompat._tensor import Size
from torchcompat._tensor import Tensor as _Tensor
from torchcompat._tensor._storage import UntypedStorage as Storage

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number: TypeAlias = builtins.int | builtins.float | builtins.bool
FileLike: TypeAlias = str | os.PathLike[str] | IO[bytes]
Device: TypeAlias = _device_class | str | int | None

_TensorOrTensors: TypeAlias = _Tensor | Sequence[_Tensor]
_TensorOrTensorsOrGradEdge: TypeAlias = _Tensor | Sequence[_Tensor] | Any
_dtype, _device, _layout = _dtype_class, _device_class, _layout_class
_size: TypeAlias = Size | list[builtins.int] | tuple[builtins.int, ...]
_symsize: TypeAlias = _size
_int, _float, _bool, _complex = builtins.int, builtins.float, builtins.bool, builtins.complex
_dispatchkey: TypeAlias = str
_qscheme: TypeAlias = Any
IntLikeType: TypeAlias = builtins.int
FloatLikeType: TypeAlias = builtins.float
BoolLikeType: TypeAlias = builtins.bool
PySymType: TypeAlias = builtins.int | builtins.float | builtins.bool
Generator = _Generator
