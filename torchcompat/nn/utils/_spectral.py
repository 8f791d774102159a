"""What both forms of spectral normalisation share."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import no_grad


def rows_dim(module: Any, dim: int | None) -> int:
    """`dim`, or by default the dimension of a layer's weight that counts its outputs."""
    if dim is None:
        return 1 if getattr(module, "transposed", False) else 0
    return dim


def check_iterations(n_power_iterations: int) -> None:
    """Raises torch's error unless the number is positive."""
    if n_power_iterations <= 0:
        raise ValueError(
            "Expected n_power_iterations to be positive, but got "
            f"n_power_iterations={n_power_iterations}"
        )


@no_grad()
def random_vectors(matrix: Tensor, eps: float) -> list[Tensor]:
    """A random unit vector as long as the columns of `matrix`, and one as long as its rows."""
    drawn = [matrix.new_empty(length).normal_(0, 1) for length in matrix.shape]
    return [ops.normalize(one, dim=0, eps=eps) for one in drawn]
