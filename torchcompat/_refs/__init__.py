"""`torch._refs`: torch's reference implementations, under whose names its own functions stand here."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import torchcompat
from torchcompat._absent import absent_function
from torchcompat._ops._registry import ROWS


class _References(ModuleType):
    """The functions of a namespace of torch, or the methods of that name.

    Args:
        name: that of the module.
        source: where its functions are.
    """

    def __init__(self, name: str, source: Any) -> None:
        super().__init__(name, __doc__)
        self.__path__: list[str] = []
        self._source = source

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return sorted(set(vars(self._source)) & set(ROWS))
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        for source in (self._source, torchcompat.Tensor):
            found = getattr(source, name, None)
            if callable(found):
                return found
        return absent_function(self.__name__, name, "not built")


_PLACES = {
    "": torchcompat,
    ".fft": torchcompat.fft,
    ".linalg": torchcompat.linalg,
    ".special": torchcompat.special,
    ".nn": torchcompat.nn,
    ".nn.functional": torchcompat.nn.functional,
    "._conversions": torchcompat,
}
_modules = {place: _References(__name__ + place, source) for place, source in _PLACES.items()}
for _place, _module in _modules.items():
    _parent, _, _last = _place.rpartition(".")
    if _place:
        setattr(_modules[_parent], _last, _module)
    sys.modules[_module.__name__] = _module
