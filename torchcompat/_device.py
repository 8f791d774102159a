"""Devices: torch's `device` object over JAX's backends. `cuda` is JAX's GPU backend."""

from __future__ import annotations

from typing import Any

import jax

_PLATFORMS = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu", "mps": "METAL"}
_TYPES = {"cpu": "cpu", "gpu": "cuda", "cuda": "cuda", "rocm": "cuda", "tpu": "tpu", "METAL": "mps"}
_KNOWN = ("cpu", "cuda", "tpu", "mps", "meta", "xla", "xpu")


class device:
    """Where a tensor lives: `device("cuda", 0)`, `device("cuda:0")`, `device("cpu")`, `device("meta")`.

    An index alone names an accelerator, or the CPU where there is none.

    Raises:
        RuntimeError: the string names no device type.
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None

    def __new__(cls, type: Any, index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        self = super().__new__(cls)
        kind, number = _parse(type, index)
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", number)
        return self

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        _stack.append(_default)
        set_default_device(self)
        return self

    def __exit__(self, *exc: object) -> None:
        set_default_device(_stack.pop())


_stack: list[device | None] = []


def _parse(spec: Any, index: int | None) -> tuple[str, int | None]:
    if isinstance(spec, int):
        return default_accelerator(), spec
    if not isinstance(spec, str):
        raise TypeError(
            f"device(): argument 'type' (position 1) must be str, not {type(spec).__name__}"
        )
    kind, colon, number = spec.partition(":")
    if kind not in _KNOWN:
        raise RuntimeError(
            f"Expected one of {', '.join(_KNOWN)} device type at start of device string: {spec}"
        )
    if not colon:
        return kind, index
    if index is not None:
        raise RuntimeError(
            f"type (string) must not include an index because index was passed: {spec}"
        )
    if not number.isdigit():
        raise RuntimeError(f"Invalid device string: '{spec}'")
    return kind, int(number)


_default: device | None = None


def get_default_device() -> device:
    """The device new tensors are made on."""
    return _default if _default is not None else device(_TYPES.get(jax.default_backend(), "cpu"))


def set_default_device(d: Any) -> None:
    """Makes new tensors on `d`; `None` returns to JAX's default device."""
    global _default
    _default = None if d is None else device(d)


def default_accelerator() -> str:
    return _TYPES.get(jax.default_backend(), "cpu")


def of_array(array: Any) -> device:
    """The device that holds `array`; under tracing, JAX's default device."""
    if isinstance(array, jax.ShapeDtypeStruct):
        return META
    try:
        where = next(iter(array.devices()))
    except Exception:  # a tracer has no devices; which error says so differs between JAX releases
        return _on(jax.default_backend(), 0)
    return _on(where.platform, where.id)


_made: dict[tuple[str, int], device] = {}


def _on(platform: str, index: int) -> device:
    found = _made.get((platform, index))
    if found is None:
        kind = _TYPES.get(platform, platform)
        found = device(kind) if kind == "cpu" else device(kind, index)
        _made[platform, index] = found
    return found


def to_jax(where: device) -> jax.Device:
    """The JAX device behind `where`.

    Raises:
        RuntimeError: this process has no such device.
    """
    try:
        return jax.devices(_PLATFORMS.get(where.type, where.type))[where.index or 0]
    except (RuntimeError, IndexError) as error:
        raise RuntimeError(f"no device {str(where)!r} in this process: {error}") from None


META = device("meta")
