"""The two places where safetensors goes past Python to torch's memory, in our terms.

Its compiled module makes torch tensors itself when it is asked for framework "pt", and
`safetensors.torch` reads a tensor's bytes at its `data_ptr()`, which is no address here.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np
import safetensors
from safetensors import SafetensorError

from torchcompat.serialization._safetensors import SafetensorsFile, safetensors_name


def safe_open(
    filename: str | os.PathLike, framework: str, device: Any = "cpu", *, backend: str = "mmap"
) -> Any:
    """Opens a safetensors file whose tensors are read as they are asked for."""
    if framework in ("pt", "torch", "pytorch"):
        return PortedFile(filename, device)
    return safetensors.safe_open(filename, framework, device, backend=backend)


def mend_torch_module(module: ModuleType) -> None:
    """Lets `safetensors.torch` take a tensor's bytes from its array."""

    def bytes_of(tensor: Any) -> tuple[np.ndarray, Any]:
        array = np.asarray(tensor.detach())
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8), tensor

    module._to_ndarray = bytes_of  # type: ignore[attr-defined]


class PortedFile:
    """`safe_open(...)` for torchcompat: the same methods, our tensors."""

    def __init__(self, filename: str | os.PathLike, device: Any) -> None:
        if not os.path.exists(filename):
            raise FileNotFoundError(f"No such file or directory: {filename}")
        self._file = SafetensorsFile(filename, f"cuda:{device}" if type(device) is int else device)

    def __enter__(self) -> PortedFile:
        return self

    def __exit__(self, *exc: Any) -> None:
        self._file.close()

    def keys(self) -> list[str]:
        """The tensors' names, sorted."""
        return sorted(self._file.entries)

    def offset_keys(self) -> list[str]:
        """The tensors' names in the order of their data."""
        return list(self._file.entries)

    def metadata(self) -> dict[str, str] | None:
        """The `__metadata__` of the header."""
        return self._file.metadata

    def get_tensor(self, name: str) -> Any:
        """The tensor called `name`."""
        self._check(name)
        return self._file.tensor(name)

    def get_tensors(self) -> dict[str, Any]:
        """All tensors by name, in the order of their data."""
        return {name: self._file.tensor(name) for name in self.offset_keys()}

    def get_slice(self, name: str) -> PortedSlice:
        """The tensor called `name`, to be indexed before it is read."""
        self._check(name)
        return PortedSlice(self._file, name)

    def _check(self, name: str) -> None:
        if name not in self._file.entries:
            raise SafetensorError(f"File does not contain tensor {name}")


class PortedSlice:
    """What `get_slice` gives: shape and dtype now, values when indexed."""

    def __init__(self, file: SafetensorsFile, name: str) -> None:
        self._file, self._name = file, name

    def get_shape(self) -> list[int]:
        """The tensor's shape."""
        return list(self._file.entries[self._name].shape)

    def get_dtype(self) -> str:
        """The dtype by the name that the file has for it, such as `F32`."""
        return safetensors_name(self._file.entries[self._name].dtype)

    def __getitem__(self, index: Any) -> Any:
        return self._file.tensor(self._name)[index]
