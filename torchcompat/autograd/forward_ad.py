"""`autograd.forward_ad`: dual tensors are not built; `func.jvp` and `autograd.functional.jvp` are."""

from __future__ import annotations

from typing import Any, NamedTuple

from torchcompat._tensor import Tensor

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]

_INSTEAD = "forward-mode dual tensors: use func.jvp, func.jacfwd or autograd.functional.jvp instead"


class UnpackedDualTensor(NamedTuple):
    """A tensor and its tangent."""

    primal: Tensor
    tangent: Tensor | None


class dual_level:
    """Not built.

    Raises:
        NotImplementedError: on entering.
    """

    def __enter__(self) -> int:
        raise NotImplementedError(f"dual_level(): {_INSTEAD}")

    def __exit__(self, *exc: object) -> None:
        return None


def enter_dual_level() -> int:
    """Not built.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(f"enter_dual_level(): {_INSTEAD}")


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Any:
    """Not built: a dual tensor exists only inside of a `dual_level`.

    Raises:
        RuntimeError: there is no level to make it in.
    """
    raise RuntimeError(
        "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
        "enter_dual_level() first."
    )


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The tensor, and no tangent: outside of a level there are none."""
    return UnpackedDualTensor(tensor, None)


def exit_dual_level(*, level: int | None = None) -> None:
    """Leaves a level.

    Raises:
        RuntimeError: there is none.
    """
    raise RuntimeError("Trying to exit a forward AD level but no level is currently active.")
