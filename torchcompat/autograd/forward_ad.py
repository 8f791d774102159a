"""`autograd.forward_ad`: dual tensors, whose tangents go through every op beside them."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from torchcompat._tensor import Tensor
from torchcompat._tensor._forward import Level, paused, zeros
from torchcompat._tensor._state import state
from torchcompat.autograd.grad_mode import _Mode

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """A tensor and its tangent.

    Attributes:
        tangent: None where the tensor does not change.
    """

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Opens the level; returns its number, 0.

    Raises:
        RuntimeError: it is open.
    """
    if state.forward is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    state.forward = Level()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes the level: all tangents are forgotten.

    Args:
        level: its number, 0.

    Raises:
        RuntimeError: it is not open, or `level` is another one.
    """
    if state.forward is None and level is None:
        raise RuntimeError("Dual level must be a positive number.")
    if state.forward is None or level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    state.forward = None


class dual_level(contextlib.ContextDecorator):
    """A `with` block in which dual tensors can be made.

    Example:
        >>> with dual_level():
        ...     x = make_dual(torchcompat.tensor(3.0), torchcompat.tensor(1.0))
        ...     print(unpack_dual(x * x).tangent)
        tensor(6.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level(level=0)


def _floating(x: Tensor) -> bool:
    return x.dtype.is_floating_point or x.dtype.is_complex


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The tensor, seen with a tangent: a direction in which it changes.

    Args:
        tangent: of the tensor's shape.
        level: the number of the open level, 0.

    Raises:
        RuntimeError: no level is open, or the sizes differ.
        ValueError: a type is neither floating nor complex.
    """
    if state.forward is None or (level is not None and level < 0):
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not _floating(x):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the given "
            f"forward gradient is of size {list(tangent.shape)}."
        )
    if level:
        raise RuntimeError("Invalid level given to _make_dual")
    if state.forward.tangent(tensor) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same "
            "level 0 is not supported."
        )
    with paused():
        dual = tensor.view_as(tensor)
        if tensor._layout != tangent._layout or tensor.dtype is not tangent.dtype:
            tangent = zeros(tensor).copy_(tangent)
    state.forward.set(dual, tangent)
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The tensor without its tangent, and the tangent.

    Args:
        level: the number of the open level, 0; without one there is no tangent.
    """
    if state.forward is None:
        return UnpackedDualTensor(tensor, None)
    tangent = state.forward.tangent(tensor)
    with paused():
        primal = tensor.view_as(tensor)
    state.forward.set(primal, None)
    return UnpackedDualTensor(primal, tangent)


class _set_fwd_grad_enabled(_Mode):
    """Turns forward differentiation on or off, at once and as a `with` block."""

    def get(self) -> bool:
        return _is_fwd_grad_enabled()

    def put(self, mode: bool) -> None:
        state.forward_enabled = mode


def _is_fwd_grad_enabled() -> bool:
    return state.forward_enabled


def __getattr__(name: str) -> Any:
    if name == "_current_level":
        return -1 if state.forward is None else 0
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
