"""`torch.quasirandom`: Sobol' sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._random import Generator
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._factory import from_numpy
from torchcompat._tensor._sampling import randint

__all__ = ["SobolEngine"]

_BITS = 30


def _directions(dimension: int) -> np.ndarray:
    """The direction numbers of Joe and Kuo, (dimension, 30), which SciPy has."""
    from scipy.stats import qmc

    return qmc.Sobol(dimension, scramble=False, bits=_BITS)._sv.astype(np.int64)


class SobolEngine:
    """Draws the points of a Sobol' sequence in the unit cube, one after the other.

    Args:
        dimension: of the points, in [1, 21201].
        scramble: whether the sequence is scrambled: a random linear map of the bits, then a random shift.
        seed: of the scrambling.

    Raises:
        ValueError: there are no direction numbers for the dimension.

    Source: Joe, Kuo, Constructing Sobol sequences with better two-dimensional projections, 2008.
    """

    MAXBIT = _BITS
    MAXDIM = 21201

    def __init__(self, dimension: int, scramble: bool = False, seed: int | None = None) -> None:
        if dimension > self.MAXDIM or dimension < 1:
            raise ValueError(
                f"Supported range of dimensionality for SobolEngine is [1, {self.MAXDIM}]"
            )
        self.seed, self.scramble, self.dimension = seed, scramble, dimension
        self._sobolstate = _directions(dimension)
        self._shift = np.zeros(dimension, np.int64)
        if scramble:
            self._scramble()
        self.reset()

    @property
    def sobolstate(self) -> Tensor:
        """The direction numbers, (dimension, 30)."""
        return from_numpy(self._sobolstate.copy())

    @property
    def shift(self) -> Tensor:
        """The first point, in units of `2**-30`."""
        return from_numpy(self._shift.copy())

    @property
    def quasi(self) -> Tensor:
        """The last point drawn, in units of `2**-30`."""
        return from_numpy(self._quasi.copy())

    def draw(self, n: int = 1, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next `n` points, (n, dimension)."""
        kind = dtype or _dtype.get_default_dtype()
        rows = [self._advance() for _ in range(n)]
        points = np.stack(rows) if rows else np.zeros((0, self.dimension), np.int64)
        result = ops.mul(from_numpy(points).to(kind), 2.0**-_BITS)
        return result if out is None else out.resize_as_(result).copy_(result)

    def draw_base2(self, m: int, out: Tensor | None = None, dtype: Any = None) -> Tensor:
        """The next `2**m` points; the total has to be a power of two, as the points' balance asks.

        Raises:
            ValueError: it is not.
        """
        total = self.num_generated + 2**m
        if total & (total - 1):
            raise ValueError(
                "The balance properties of Sobol' points require n to be a power of 2. "
                f"{self.num_generated} points have been previously generated, then: "
                f"n={self.num_generated}+2**{m}={total}. If you still want to do this, please use "
                "'SobolEngine.draw()' instead."
            )
        return self.draw(2**m, out, dtype)

    def reset(self) -> SobolEngine:
        """Goes back to the first point."""
        self._quasi = self._shift.copy()
        self.num_generated = 0
        return self

    def fast_forward(self, n: int) -> SobolEngine:
        """Passes over `n` points."""
        for _ in range(n):
            self._advance()
        return self

    def _advance(self) -> np.ndarray:
        """The next point: one direction number away from the last, by the order of Gray codes."""
        if self.num_generated:
            last = self.num_generated - 1
            self._quasi = self._quasi ^ self._sobolstate[:, (~last & -~last).bit_length() - 1]
        self.num_generated += 1
        return self._quasi

    def _scramble(self) -> None:
        generator = Generator()
        if self.seed is not None:
            generator.manual_seed(self.seed)
        size = self.dimension, _BITS
        shift = np.asarray(randint(2, size, generator=generator))
        self._shift = shift @ (1 << np.arange(_BITS))
        rows = np.tril(np.asarray(randint(2, (*size, _BITS), generator=generator)), -1)
        rows = rows + np.eye(_BITS, dtype=np.int64)
        places = np.arange(_BITS)[::-1]  # the first bit is the highest
        bits = self._sobolstate[:, None, :] >> places[:, None] & 1
        self._sobolstate = (rows @ bits % 2 << places[:, None]).sum(1)

    def __repr__(self) -> str:
        told = [f"dimension={self.dimension}"]
        told += ["scramble=True"] * self.scramble
        told += [] if self.seed is None else [f"seed={self.seed}"]
        return f"{self.__class__.__name__}({', '.join(told)})"
