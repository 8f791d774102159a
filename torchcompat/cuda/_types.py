"""`torch.cuda.FloatTensor` and its like: legacy names for dtypes on a GPU."""

from __future__ import annotations

from typing import Any

from torchcompat import _device, _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._factory import _TypedMeta


class _OnDevice(_TypedMeta):
    """Makes tensors of one dtype on the GPU."""

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        if _device.default_accelerator() != "cuda":
            raise TypeError(
                f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled."
            )
        return super().__call__(*data, device=device or "cuda")

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) and instance.device.type == "cuda"


_KINDS = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool"
TYPES = {}
for _name in _KINDS.split():
    _kind = _dtype.get(_name)
    _title = f"{_dtype.scalar_name(_kind)}Tensor"
    TYPES[_title] = _OnDevice(_title, (), {"dtype": _kind, "__module__": "torch.cuda"})
