"""The unpickler of `weights_only=False`: Python's own, with torch's names leading to ours."""

from __future__ import annotations

import importlib
import io
import pickletools
import sys
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from torchcompat.serialization._allowed import GLOBALS

# Functions by their full name in files, besides the table of `weights_only=True`.
FUNCTIONS: dict[str, Callable[..., Any]] = {}
# Modules of torch that only exist in its C extension, and where their functions are here.
_MOVED = {
    "torch._C._nn": "torchcompat.nn.functional",
    "torch._C": "torchcompat",
    "torch._VF": "torchcompat",
    "torch.tensor": "torchcompat._tensor",
}


def find_torch_global(module: str, name: str) -> Any:
    """What `module.name` of torch is in torchcompat.

    Raises:
        AttributeError: torchcompat has no such module or name.
    """
    full = f"{module}.{name}"
    known = GLOBALS.get(full) or FUNCTIONS.get(full)
    if known is not None:
        return known
    ours = _MOVED.get(module) or "torchcompat" + module.removeprefix("torch")
    try:
        found = importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if error.name is None or not ours.startswith(error.name):
            raise
        raise AttributeError(
            f"Can't get attribute {name!r} of {module!r}: torchcompat has no module {ours!r}"
        ) from None
    for part in name.split("."):
        if not hasattr(found, part):
            raise AttributeError(f"Can't get attribute {name!r} on {sys.modules[ours]}")
        found = getattr(found, part)
    return found


def make_unpickler(pickle_module: Any, **pickle_load_args: Any) -> Callable[..., Any]:
    """Builds unpicklers of `pickle_module` that know storages and torch's names."""

    class Unpickler(pickle_module.Unpickler):  # type: ignore[misc, name-defined]
        def __init__(self, stream: Any, size: int, load_storage: Callable[[tuple], Any]) -> None:
            _check_claims(stream)
            super().__init__(stream, **pickle_load_args)
            self._load_storage = load_storage

        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" or module.startswith("torch."):
                return find_torch_global(module, name)
            return super().find_class(module, name)

        def persistent_load(self, identity: Any) -> Any:
            if type(identity) is not tuple or not identity:
                raise UnpicklingError(f"invalid persistent id of type {type(identity)}")
            tag = identity[0].decode("ascii") if isinstance(identity[0], bytes) else identity[0]
            if tag == "storage":
                return self._load_storage(identity)
            if tag == "module":
                return identity[1]  # the older format keeps a module's source beside its class
            raise RuntimeError(f"Unknown saved id type: {tag!r:.80}")

    return Unpickler


def _check_claims(stream: io.BytesIO) -> None:
    """Walks the opcodes once, so that no length or memo index exceeds what the pickle holds.

    Python's unpickler allocates by such numbers before it looks whether the data are there.
    """
    size = len(stream.getbuffer())
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if "PUT" in opcode.name and int(argument or 0) > size:
                raise ValueError(f"memo index {argument} is out of range")
    except ValueError as error:
        raise UnpicklingError(f"invalid pickle: {error}") from error
    stream.seek(0)
