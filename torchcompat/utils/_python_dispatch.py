"""`torch.utils._python_dispatch`: subclasses made of inner tensors, and modes, which are refused."""

from __future__ import annotations

from typing import Any

from torchcompat._absent import fill
from torchcompat._tensor import Tensor

__all__ = ["TorchDispatchMode", "is_traceable_wrapper_subclass"]


def is_traceable_wrapper_subclass(t: Any) -> bool:
    """Whether `t` is a Tensor subclass that takes itself apart into inner tensors."""
    return (
        isinstance(t, Tensor)
        and type(t) is not Tensor
        and hasattr(t, "__tensor_flatten__")
        and hasattr(t, "__tensor_unflatten__")
    )


def is_traceable_wrapper_subclass_type(t: type) -> bool:
    """`is_traceable_wrapper_subclass` of a class."""
    return (
        issubclass(t, Tensor)
        and t is not Tensor
        and hasattr(t, "__tensor_flatten__")
        and hasattr(t, "__tensor_unflatten__")
    )


class TorchDispatchMode:
    """A context whose `__torch_dispatch__` sees every operator: refused when it is entered."""

    def __init__(self, _dispatch_key: Any = None) -> None:
        return None

    def __enter__(self) -> TorchDispatchMode:
        raise NotImplementedError(f"{type(self).__name__}: TorchDispatchMode")

    def __exit__(self, *exc: object) -> None:
        return None


def _get_current_dispatch_mode() -> None:
    """None: no mode can be entered."""
    return


def _get_current_dispatch_mode_stack() -> list:
    """The empty list: no mode can be entered."""
    return []


def is_in_torch_dispatch_mode(include_infra_modes: bool = True) -> bool:
    """False: no mode can be entered."""
    return False


fill(
    globals(),
    "operators are compiled by JAX and have no __torch_dispatch__",
    functions="_disable_current_modes return_and_correct_aliasing transform_subclass",
)
