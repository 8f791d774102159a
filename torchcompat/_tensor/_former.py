"""Functions that torch has removed, or keeps for old programs only."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor

__all__ = [
    "eig",
    "frobenius_norm",
    "lstsq",
    "matrix_rank",
    "nuclear_norm",
    "solve",
    "symeig",
]

_INSTEAD = {
    "eig": "`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than "
    "real tensors mimicking complex tensors.",
    "lstsq": "`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.",
    "matrix_rank": "Please use the `torch.linalg.matrix_rank` function instead.",
    "solve": "`torch.solve` is deprecated in favor of `torch.linalg.solve`.",
    "symeig": "Use `torch.linalg.eigvalsh` or `torch.linalg.eigh`, with UPLO='U' for upper=True.",
}


def _removed(name: str, instead: str) -> Callable:
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"This function was deprecated since version 1.9 and is now removed. {instead}"
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Removed. {instead}"
    return function


eig, lstsq, matrix_rank, solve, symeig = (
    _removed(name, _INSTEAD[name]) for name in ("eig", "lstsq", "matrix_rank", "solve", "symeig")
)
Tensor.eig, Tensor.lstsq, Tensor.solve, Tensor.symeig = eig, lstsq, solve, symeig


@lifted
def frobenius_norm(
    input: Tensor, dim: int | Sequence[int], keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The root of the sum of squares over `dim`. Use `linalg.vector_norm`."""
    _deprecated("frobenius_norm", "vector_norm(A, 2., dim, keepdim)")
    return ops.linalg_vector_norm(input, 2, dim, keepdim, **({} if out is None else {"out": out}))


@lifted
def nuclear_norm(
    input: Tensor,
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The sum of the singular values. Use `linalg.matrix_norm`."""
    _deprecated("nuclear_norm", "matrix_norm(A, 'nuc', dim, keepdim)")
    extra = {} if out is None else {"out": out}
    return ops.linalg_matrix_norm(input, "nuc", tuple(dim), keepdim, **extra)


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"at::{name} is deprecated and it is just left for JIT compatibility. It will be removed in "
        f"a future PyTorch release. Please use `linalg.{instead}` instead",
        UserWarning,
        stacklevel=4,
    )


def _resize(self: Tensor, *sizes: Any) -> Tensor:
    """The tensor's elements in another size of as many. Use `reshape`."""
    warnings.warn("non-inplace resize is deprecated", UserWarning, stacklevel=2)
    return ops.view(self, sizes[0] if isinstance(sizes[0], (tuple, list)) else sizes)


def _resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The tensor's elements in the size of another of as many. Use `reshape`."""
    warnings.warn("non-inplace resize_as is deprecated", UserWarning, stacklevel=2)
    return ops.view(self, tuple(tensor.shape))


def _volatile(self: Tensor) -> bool:
    warnings.warn(
        "volatile was removed (Variable.volatile is always False)", UserWarning, stacklevel=2
    )
    return False


def _reinforce(self: Tensor, reward: Any) -> None:
    """Removed. Use `torch.distributions`.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("reinforce() was removed.\nUse torch.distributions instead.")


Tensor.resize, Tensor.resize_as = _resize, _resize_as
Tensor.volatile, Tensor.reinforce = property(_volatile), _reinforce
