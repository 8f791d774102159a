"""Parametrizations that torch has ready: orthogonal, weight and spectral normalisation."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import jax

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._choosing import where
from torchcompat._tensor._creation import eye, zeros_like
from torchcompat._tensor._faces import write
from torchcompat._tensor._overloads import allclose
from torchcompat._tensor._sampling import randn
from torchcompat._tensor._types import finfo
from torchcompat.nn.modules.module import Module
from torchcompat.nn.utils import _spectral, parametrize

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _tensor_named(module: Module, name: str) -> Tensor:
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# -- orthogonal ------------------------------------------------------------------------------------


class _OrthMaps(Enum):
    matrix_exp = auto()
    cayley = auto()
    householder = auto()


def _is_orthogonal(Q: Tensor, eps: float | None = None) -> bool:
    """Whether the columns of `Q` are orthonormal up to rounding; False while that is not known."""
    if isinstance(Q._read(), jax.core.Tracer):
        return False
    rows, columns = Q.shape[-2:]
    tolerance = 10.0 * rows * finfo(Q.dtype).eps if eps is None else eps
    return allclose(Q.mH @ Q, eye(columns, dtype=Q.dtype), atol=tolerance)


def _make_orthogonal(A: Tensor) -> Tensor:
    """The Q factor of `A` whose R has a positive diagonal."""
    Q, R = ops.linalg_qr(A)
    return Q * R.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """Matrices with orthonormal columns (or rows, if those are fewer)."""

    base: Tensor | None

    def __init__(
        self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True
    ) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == _OrthMaps.householder:
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        tall = X.mT if wide else X
        reflected = self.orthogonal_map == _OrthMaps.householder
        Q = _reflections(tall) if reflected else self._rotation(tall)
        if hasattr(self, "base"):
            Q = self.base @ Q  # type: ignore[operator]
        return Q.mT if wide else Q

    def _rotation(self, X: Tensor) -> Tensor:
        """The first columns of the rotation that the skew-symmetric matrix under X stands for."""
        rows, columns = X.shape[-2:]
        A = X.tril()
        if rows != columns:
            zeros = A.new_zeros((*A.shape[:-1], rows - columns))
            A = ops.cat([A, zeros], dim=-1)
        A = A - A.mH
        if self.orthogonal_map == _OrthMaps.matrix_exp:
            Q = ops.matrix_exp(A)
        else:
            identity = eye(rows, dtype=A.dtype)
            Q = ops.linalg_solve(identity - A / 2, identity + A / 2)
        return Q if rows == columns else Q[..., :columns]

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        if not hasattr(self, "base"):
            A = self._unreflected(tall)
            return A.mT if wide else A
        self._rebase(tall)
        # Minus the identity: the Householder map takes the signs of the columns from the diagonal.
        origin = zeros_like(Q)
        origin.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return origin

    def _rebase(self, Q: Tensor) -> None:
        """Moves the origin of the parametrization to `Q`."""
        rows, columns = Q.shape[-2:]
        if rows != columns:
            rest = randn(*Q.shape[:-1], rows - columns, dtype=Q.dtype)
            base = _make_orthogonal(ops.cat([Q, rest], dim=-1))
        elif _is_orthogonal(Q):
            base = Q.clone()
        else:
            base = _make_orthogonal(Q)
        if self.base is None:
            self.base = base
        else:
            write(self.base, base)

    def _unreflected(self, Q: Tensor) -> Tensor:
        if self.orthogonal_map != _OrthMaps.householder:
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        A, tau = ops.geqrf(Q)
        diagonal = A.diagonal(dim1=-2, dim2=-1)
        # A column that needed no reflection is reflected all the same by `forward`: turn it back.
        diagonal.copy_(where(tau == 0, -diagonal.sign(), diagonal.sign()))
        return A


def _reflections(X: Tensor) -> Tensor:
    """The product of the Householder reflections under the diagonal of X, its columns signed."""
    A = X.tril(diagonal=-1)
    tau = 2.0 / (1.0 + (A * A).sum(dim=-2))
    Q = ops.linalg_householder_product(A, tau)
    return Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keeps a matrix (or batch of matrices) of `module` orthogonal, unitary if it is complex.

    Args:
        name: the parameter or buffer; where it is not square, its shorter side is orthonormal.
        orthogonal_map: `matrix_exp`, `cayley` or `householder`. Default: `matrix_exp` for square
            and complex matrices, else `householder`.
        use_trivialization: keep a matrix as the origin of the map, which makes it possible to
            assign and to start from the present value, at the cost of one more buffer.

    Raises:
        ValueError: there is no such tensor, it is no matrix, or there is no such map.

    Source: Lezcano-Casado, "Trivializations for gradient-based optimization on manifolds", 2019.
    """
    weight = _tensor_named(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    chosen = getattr(_OrthMaps, orthogonal_map, None)
    if chosen is None:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    map = _Orthogonal(weight, chosen, use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, map, unsafe=True)


# -- weight normalisation --------------------------------------------------------------------------


class _WeightNorm(Module):
    """`original0` holds the norms of the slices along `dim`, `original1` their directions."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return ops._weight_norm(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return ops.norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Splits a weight into its norm (`original0`) and its direction (`original1`).

    Checkpoints of the older `nn.utils.weight_norm`, with `weight_g` and `weight_v`, load as well.

    Args:
        dim: the norm is taken of each slice along this dimension; None for the whole tensor.

    Source: Salimans and Kingma, "Weight normalization", 2016.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: Any, prefix: str, *rest: Any) -> None:
        older = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in older):
            for i, key in enumerate(older):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# -- spectral normalisation ------------------------------------------------------------------------


class _SpectralNorm(Module):
    """Divides a weight by its largest singular value, as a running power iteration finds it."""

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] "
                f"but got {dim})"
            )
        _spectral.check_iterations(n_power_iterations)
        self.dim = dim if dim >= 0 else dim + ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = ops.rows_first(weight.detach(), self.dim)
            u, v = _spectral.random_vectors(matrix, eps)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self._power_method(matrix, 15)

    @no_grad()
    def _power_method(self, matrix: Tensor, count: int) -> None:
        u, v = ops.power_iterations(matrix, self._u, self._v, count, self.eps)
        write(self._u, u)
        write(self._v, v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return ops.normalize(weight, dim=0, eps=self.eps)
        if self.training:
            self._power_method(ops.rows_first(weight.detach(), self.dim), self.n_power_iterations)
        return ops.spectrally_normalized(weight, self._u, self._v, self.dim)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides a weight by its largest singular value.

    Each access in training mode makes some steps of the power iteration that finds it.

    Args:
        n_power_iterations: steps each time.
        eps: smallest norm that a vector is divided by.
        dim: the dimension whose slices are the rows of the weight as a matrix. Default: 1 for
            transposed convolutions, else 0.

    Raises:
        ValueError: there is no such tensor, or the number of steps is not positive.
        IndexError: the weight has no dimension `dim`.

    Source: Miyato et al., "Spectral normalization for generative adversarial networks", 2018.
    """
    weight = _tensor_named(module, name)
    dim = _spectral.rows_dim(module, dim)
    norm = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, norm)
