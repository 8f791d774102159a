"""Where loaded storages go: `map_location`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torchcompat import _device
from torchcompat.serialization._storage import TypedStorage, UntypedStorage

Restore = Callable[[UntypedStorage, str], UntypedStorage]
MAP_LOCATION: TypeAlias = Restore | _device.device | str | dict[str, str] | None
_DEVICE_TYPES = ("cpu", "cuda", "tpu", "mps", "meta")


def tag_of(where: _device.device) -> str:
    """The tag that a file keeps for storages on `where`, such as `cuda:0`.

    Torch knows no `tpu` tag, so what lives on a TPU is tagged `cpu`.
    """
    if where.type in ("cpu", "tpu"):
        return "cpu"
    return f"{where.type}:{where.index or 0}" if where.type == "cuda" else where.type


def location_tag(storage: UntypedStorage | TypedStorage) -> str:
    """The tag that a file keeps for where a storage is."""
    return tag_of(storage.device)


def default_restore_location(storage: UntypedStorage, location: str) -> UntypedStorage:
    """Puts a storage on the device that its tag names.

    Raises:
        RuntimeError: this process has no such device.
    """
    if location == "cpu":
        return storage.cpu()
    kind = location.partition(":")[0]
    if kind not in _DEVICE_TYPES:
        raise RuntimeError(
            "don't know how to restore data location of torch.storage.UntypedStorage "
            f"(tagged with {location})"
        )
    where = _device.device(location)
    if kind != "meta":
        _check_present(where)
    return storage.to(where)


def _check_present(where: _device.device) -> None:
    try:
        _device.to_jax(where)
        return
    except RuntimeError as error:
        missing = error
    try:
        _device.to_jax(_device.device(where.type))
    except RuntimeError:
        raise RuntimeError(
            f"Attempting to deserialize object on a {where.type.upper()} device but "
            f"torch.{where.type}.is_available() is False. If you are running on a CPU-only "
            "machine, please use torch.load with map_location=torch.device('cpu') to map your "
            "storages to the CPU."
        ) from missing
    raise RuntimeError(
        f"Attempting to deserialize object on {where.type.upper()} device {where.index}, but this "
        "process has fewer. Please use torch.load with map_location to map your storages to an "
        "existing device."
    ) from missing


def restorer(map_location: Any) -> Restore:
    """The function that `map_location` asks for: (storage, tag) -> the storage in its place."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, tag: default_restore_location(
            storage, str(map_location.get(tag, tag))
        )
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, _device.device)):
        return lambda storage, tag: default_restore_location(storage, str(map_location))
    return lambda storage, tag: _from_call(map_location(storage, tag), storage, tag)


def _from_call(result: Any, storage: UntypedStorage, tag: str) -> UntypedStorage:
    if result is None:
        return default_restore_location(storage, tag)
    if not isinstance(result, UntypedStorage):
        raise TypeError(f"map_location must return an UntypedStorage, but got {type(result)}")
    return result


def is_meta(map_location: Any) -> bool:
    """Whether nothing but shapes is asked for."""
    return str(map_location) == "meta" if not callable(map_location) else False
