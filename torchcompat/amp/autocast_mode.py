"""`autocast`: runs certain ops in a lower dtype, by torch's lists."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from torchcompat import _device, _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor import _autocast as _modes

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_HALVES = (_dtype.get("bfloat16"), _dtype.get("float16"))


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast knows a device type."""
    return device_type in _modes._DEFAULTS


def _missing(device_type: str) -> bool:
    return device_type == "cuda" and _device.default_accelerator() != "cuda"


class autocast:
    """Casts what certain ops are given, inside a `with` block or a decorated function.

    Matrix products, convolutions and attention run in the lower dtype; ops that need it run in float32;
    some run in the widest type among their inputs; all others run in the type of what they are given.

    Args:
        device_type: tensors of which device are cast.
        dtype: the lower dtype; default: what `get_autocast_dtype` says.
        enabled: False turns casting off inside an enabled region.
        cache_enabled: cast each trained leaf once.

    Raises:
        ValueError: `device_type` is no string.
        RuntimeError: autocast does not know the device type.

    Example:
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     output = model(input)
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not is_autocast_available(device_type):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{device_type}'"
            )
        self.device = device_type
        self.fast_dtype = dtype or _modes.lower_dtype(device_type)
        self._cache_enabled = _modes.switches().caches if cache_enabled is None else cache_enabled
        self._enabled = bool(enabled) and self._is_possible()
        self._before: list[tuple] = []

    def _is_possible(self) -> bool:
        if _missing(self.device):
            warnings.warn(
                "User provided device_type of 'cuda', but CUDA is not available. Disabling"
            )
            return False
        if self.device == "cpu" and self.fast_dtype not in _HALVES:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtype of torch.bfloat16, torch.float16 currently."
            )
            return False
        return True

    def __enter__(self) -> autocast:
        modes = _modes.switches()
        former = modes.enabled.get(self.device, False), modes.dtypes.get(self.device), modes.caches
        self._before.append(former)
        modes.enabled[self.device] = self._enabled
        modes.dtypes[self.device] = self.fast_dtype
        modes.caches = self._cache_enabled
        modes.nesting += 1
        modes.publish()
        return self

    def __exit__(self, *exc: Any) -> None:
        modes = _modes.switches()
        modes.nesting -= 1
        if not modes.nesting:
            modes.cache.clear()
        modes.enabled[self.device], modes.dtypes[self.device], modes.caches = self._before.pop()
        modes.publish()

    def __call__(self, func: Callable) -> Callable:
        """`func`, run inside this context."""

        @functools.wraps(func)
        def decorate_autocast(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return decorate_autocast


def _cast(value: Any, device_type: str, dtype: Any) -> Any:
    """Every floating-point tensor (not float64) of a device in `value`, cast."""
    if isinstance(value, Tensor):
        fits = (
            value.dtype.is_floating_point
            and value.device.type == device_type
            and value.dtype is not _dtype.get("float64")
        )
        return value.to(dtype) if fits else value
    if isinstance(value, (str, bytes)):
        return value
    if isinstance(value, Mapping):
        items = {
            _cast(k, device_type, dtype): _cast(v, device_type, dtype) for k, v in value.items()
        }
        return type(value)(items)  # type: ignore[call-arg]
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, device_type, dtype) for v in value)
    return value


def custom_fwd(fwd: Callable | None = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """For the `forward` of an `autograd.Function`: keeps the autocast state, or casts and turns it off.

    Args:
        device_type: which device's autocast.
        cast_inputs: where autocast is on, tensors come in this dtype and autocast is off inside.

    Raises:
        ValueError: `device_type` is no string.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorate_fwd(*args: Any, **kwargs: Any) -> Any:
        args[0]._dtype = _modes.lower_dtype(device_type)
        enabled = _modes.is_enabled(device_type)
        if cast_inputs is None:
            args[0]._fwd_used_autocast = enabled
            return fwd(*args, **kwargs)
        args[0]._fwd_used_autocast = False
        if not enabled:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(
                *_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs)
            )

    return decorate_fwd


def custom_bwd(bwd: Callable | None = None, *, device_type: str) -> Any:
    """For the `backward` of an `autograd.Function`: runs it under the state of its `custom_fwd`.

    Raises:
        ValueError: `device_type` is no string.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorate_bwd(*args: Any, **kwargs: Any) -> Any:
        used, dtype = args[0]._fwd_used_autocast, args[0]._dtype
        with autocast(device_type, enabled=used and not _missing(device_type), dtype=dtype):
            return bwd(*args, **kwargs)

    return decorate_bwd
