"""`compare`: two checkpoints key by key, one pair of tensors at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from converters.files._checkpoint import Checkpoint
from converters.files._convert import Progress
from converters.files._names import PREFIXES, close_names, strip_prefixes, transposition
from converters.files._open import open_checkpoint

_PIECE = 1 << 20


class Difference(NamedTuple):
    """A name under which two checkpoints differ.

    Attributes:
        kind: "only in a", "only in b", "dtype", "shape" or "values".
        detail: what differs, in words.
        max_abs, max_rel: largest errors of values; None where there are none to compare.
        hint: what may have been meant, or "".
    """

    name: str
    kind: str
    detail: str
    max_abs: float | None = None
    max_rel: float | None = None
    hint: str = ""


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
    repair: bool = False,
    check_dtype: bool = True,
    progress: Progress = lambda name, done, total: None,
) -> Comparison:
    """Compares two checkpoints of any formats, holding one tensor of each.

    Args:
        rtol, atol: values are equal if `|a - b| <= atol + rtol * |b|`. With both 0 they must be the
            same values; NaN is equal to NaN.
        key_a, key_b: the top-level name to take.
        repair: compare without the prefixes `module.`, `_orig_mod.` and `model.`.
        check_dtype: whether a difference of dtype counts.
        progress: called after each name, with the bytes of `a` compared so far and in all.
    """
    if rtol < 0 or atol < 0:
        raise ValueError("rtol and atol must not be negative")
    with open_checkpoint(a, key_a) as left, open_checkpoint(b, key_b) as right:
        sides = _Side(left, repair), _Side(right, repair)
        names = list(dict.fromkeys([*sides[0].names, *sides[1].names]))
        total = sum(info.nbytes for info in left.infos.values())
        done, found = 0, []
        for name in names:
            found.append(_compare(*sides, name, rtol, atol, check_dtype))
            done += sides[0].nbytes(name)
            progress(name, done, total)
        differences = [one for one in found if one is not None]
        return Comparison(len(names) - len(differences), _with_guesses(differences, *sides))


class _Side:
    """One of the checkpoints, under the names by which it is compared."""

    def __init__(self, checkpoint: Checkpoint, repair: bool) -> None:
        names = list(checkpoint.infos)
        bare = strip_prefixes(names, PREFIXES) if repair else {}
        self.checkpoint = checkpoint
        self.names = {bare.get(name, name): name for name in names}
        self.infos = {new: checkpoint.infos[old] for new, old in self.names.items()}
        self.shapes = {name: info.shape for name, info in self.infos.items()}

    def nbytes(self, name: str) -> int:
        """Bytes of the tensor of that name; 0 if there is none."""
        return self.infos[name].nbytes if name in self.infos else 0

    def values(self, name: str) -> np.ndarray:
        """Its values."""
        return self.checkpoint.values(self.names[name])


def _compare(
    left: _Side, right: _Side, name: str, rtol: float, atol: float, check_dtype: bool
) -> Difference | None:
    a, b = left.infos.get(name), right.infos.get(name)
    if a is None or b is None:
        kind, info = ("only in a", a) if b is None else ("only in b", b)
        detail = f"{info.dtype.name} {info.shape}" if info else ""
        return Difference(name, kind, detail)
    if a.shape != b.shape:
        order = transposition(a.shape, b.shape)
        hint = f"a permuted by {order} has b's shape" if order else ""
        return Difference(name, "shape", f"{a.shape} against {b.shape}", hint=hint)
    if check_dtype and a.dtype is not b.dtype:
        return Difference(name, "dtype", f"{a.dtype.name} against {b.dtype.name}")
    return _values(name, left.values(name), right.values(name), rtol, atol)


def _values(name: str, x: np.ndarray, y: np.ndarray, rtol: float, atol: float) -> Difference | None:
    abs_error = rel_error = 0.0
    wrong = 0
    for p, q in _pairs(x, y):
        if p.dtype != q.dtype or p.tobytes() != q.tobytes():
            found = errors(p, q, rtol, atol)
            abs_error, rel_error = max(abs_error, found[0]), max(rel_error, found[1])
            wrong += found[2]
    if not wrong:
        return None
    return Difference(name, "values", f"{wrong} of {x.size} values", abs_error, rel_error)


def _pairs(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parts of both, so that what is computed of them takes little memory."""
    if x.size <= _PIECE:
        yield x, y
        return
    rows = max(1, _PIECE * len(x) // x.size)
    for start in range(0, len(x), rows):
        p, q = x[start : start + rows], y[start : start + rows]
        yield from _pairs(p[0], q[0]) if len(p) == 1 else [(p, q)]


def errors(
    x: np.ndarray, y: np.ndarray, rtol: float = 0.0, atol: float = 0.0
) -> tuple[float, float, int]:
    """The largest absolute and relative error of `x` against `y`, and how many values are wrong.

    Equal values and pairs of NaN have no error; a NaN or infinity against anything else has an
    infinite one.
    """
    wide = np.complex128 if np.iscomplexobj(x) or np.iscomplexobj(y) else np.float64
    with np.errstate(all="ignore"):
        p, q = x.astype(wide), y.astype(wide)
        equal = x == y if x.dtype == y.dtype else p == q  # int64 has more digits than float64
        exact = equal | ((p != p) & (q != q))
        error = np.where(exact, 0.0, np.abs(p - q))
        error = np.where(np.isnan(error), np.inf, error)
        scale = np.abs(q)
        relative = np.where(error == 0, 0.0, error / scale)
        relative = np.where(np.isnan(relative), np.inf, relative)
        wrong = ~exact & (np.isinf(error) | (error > atol + rtol * scale))
    if not x.size:
        return 0.0, 0.0, 0
    return float(error.max()), float(relative.max()), int(wrong.sum())


def _with_guesses(found: list[Difference], left: _Side, right: _Side) -> list[Difference]:
    """Names that one side lacks, with the most like of those that the other lacks."""
    lacking = [one.name for one in found if one.kind == "only in a"]
    extra = [one.name for one in found if one.kind == "only in b"]
    close = close_names(lacking, extra, left.shapes, right.shapes)
    return [
        one._replace(hint=f"b has {close[one.name]}") if one.name in close else one for one in found
    ]
