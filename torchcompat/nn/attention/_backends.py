"""The choice of an attention kernel: kept and reported, while XLA compiles one form for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(Enum):
    """The kernels that torch has for `scaled_dot_product_attention`."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self) -> int:
        return self.value


# In the order in which torch reports those that are allowed, and tries them unless told otherwise.
_ORDER = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.OVERRIDEABLE,
]
_PRIORITY = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.OVERRIDEABLE,
]
_allowed: list[Any] = list(_ORDER)
_priority: list[Any] = list(_PRIORITY)


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """The kernels that are allowed now; `with_priority`, in the order in which they are tried."""
    order = _priority if with_priority else _ORDER
    return [one for one in order if one in _allowed]


@contextmanager
def sdpa_kernel(
    backends: list[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[dict]:
    """Within the block only these kernels are allowed.

    Every one of them is the same XLA program here, so the results do not depend on the choice.

    Args:
        set_priority: try them in the order given.

    Raises:
        AssertionError: `backends` is neither a kernel nor a list.
    """
    global _allowed, _priority
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, "
            f"got {type(backends).__name__}"
        )
    chosen = [backends] if isinstance(backends, SDPBackend) else list(dict.fromkeys(backends))
    before = _allowed, _priority
    _allowed = chosen
    if set_priority:
        _priority = chosen + [one for one in _priority if one not in chosen]
    try:
        yield {}
    finally:
        _allowed, _priority = before
