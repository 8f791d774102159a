"""`compare`: two checkpoints key by key, one pair of tensors at a time."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from converters.files._checkpoint import Checkpoint, release
from converters.files._open import open_checkpoint


class Difference(NamedTuple):
    """A name under which two checkpoints differ.

    Attributes:
        kind: "only in a", "only in b", "dtype", "shape" or "values".
        detail: what differs, in words.
        max_abs, max_rel: largest errors of values; None where there are none to compare.
    """

    name: str
    kind: str
    detail: str
    max_abs: float | None = None
    max_rel: float | None = None


class Comparison(NamedTuple):
    """What `compare` found: how many names are equal, and where the others differ."""

    same: int
    differences: list[Difference]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def compare(
    a: str | os.PathLike,
    b: str | os.PathLike,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    key_a: str | None = None,
    key_b: str | None = None,
    check_dtype: bool = True,
) -> Comparison:
    """Compares two checkpoints of any formats.

    Args:
        rtol, atol: values are equal if `|a - b| <= atol + rtol * |b|`. With both 0 they must be the
            same values; NaN is equal to NaN.
        key_a, key_b: the top-level name to take of a torch file.
        check_dtype: whether a difference of dtype counts.
    """
    if rtol < 0 or atol < 0:
        raise ValueError("rtol and atol must not be negative")
    with open_checkpoint(a, key_a) as left, open_checkpoint(b, key_b) as right:
        names = list(dict.fromkeys([*left.infos, *right.infos]))
        found = [_compare(left, right, name, rtol, atol, check_dtype) for name in names]
    differences = [one for one in found if one is not None]
    return Comparison(len(names) - len(differences), differences)


def _compare(
    left: Checkpoint, right: Checkpoint, name: str, rtol: float, atol: float, check_dtype: bool
) -> Difference | None:
    a, b = left.infos.get(name), right.infos.get(name)
    if a is None or b is None:
        kind, info = ("only in a", a) if b is None else ("only in b", b)
        detail = f"{info.dtype.name} {info.shape}" if info else ""
        return Difference(name, kind, detail)
    if a.shape != b.shape:
        return Difference(name, "shape", f"{a.shape} against {b.shape}")
    if check_dtype and a.dtype is not b.dtype:
        return Difference(name, "dtype", f"{a.dtype.name} against {b.dtype.name}")
    release()
    x, y = (np.asarray(one.read(name).detach()) for one in (left, right))
    return _values(name, x, y, rtol, atol)


def _values(name: str, x: np.ndarray, y: np.ndarray, rtol: float, atol: float) -> Difference | None:
    if x.dtype == y.dtype and x.tobytes() == y.tobytes():
        return None
    if not rtol and not atol:
        wrong = ~((x == y) | ((x != x) & (y != y)))
        if not wrong.any():
            return None
    abs_error, rel_error, wrong = errors(x, y, rtol, atol)
    if not wrong:
        return None
    detail = f"{wrong} of {x.size} values"
    return Difference(name, "values", detail, abs_error, rel_error)


def errors(
    x: np.ndarray, y: np.ndarray, rtol: float = 0.0, atol: float = 0.0
) -> tuple[float, float, int]:
    """The largest absolute and relative error of `x` against `y`, and how many values are wrong.

    Equal values and pairs of NaN have no error; a NaN or infinity against anything else has an
    infinite one.
    """
    wide = np.complex128 if np.iscomplexobj(x) or np.iscomplexobj(y) else np.float64
    exact = (x == y) | ((x != x) & (y != y))
    with np.errstate(all="ignore"):
        p, q = x.astype(wide), y.astype(wide)
        error = np.where(exact, 0.0, np.abs(p - q))
        error = np.where(np.isnan(error), np.inf, error)
        scale = np.abs(q)
        relative = np.where(error == 0, 0.0, error / scale)
        relative = np.where(np.isnan(relative), np.inf, relative)
        wrong = ~exact & (np.isinf(error) | (error > atol + rtol * scale))
    if not x.size:
        return 0.0, 0.0, 0
    return float(error.max()), float(relative.max()), int(wrong.sum())
