"""`assert_close`: tensors, numbers and nests of them, compared with torch's tolerances and texts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import to_tensor

_PRECISIONS = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}


def default_tolerances(*kinds: _dtype.dtype) -> tuple[float, float]:
    """Relative and absolute tolerance: the larger of those of the types."""
    found = [_PRECISIONS.get(str(k).removeprefix("torch."), (0.0, 0.0)) for k in kinds]
    return max(r for r, _ in found), max(a for _, a in found)


class _Options:
    """What `assert_close` was asked to check."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, **checks: bool):
        if (rtol is None) != (atol is None):
            given = "atol" if rtol is not None else "rtol"
            raise ValueError(
                f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {given}."
            )
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self.checks = checks

    def tolerances(self, *kinds: _dtype.dtype) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        return default_tolerances(*kinds)


class _Mismatch(Exception):
    """What does not match, and where."""

    def __init__(self, message: str, kind: type = AssertionError, path: tuple = ()) -> None:
        super().__init__(message)
        self.message, self.kind, self.path = message, kind, path

    def text(self) -> str:
        if not self.path:
            return self.message
        place = "".join(f"[{key!r}]" for key in self.path)
        return f"{self.message}\n\nThe failure occurred for item {place}"


def _compare(actual: Any, expected: Any, options: _Options, path: tuple) -> None:
    try:
        if _are(Sequence, actual, expected) and not isinstance(actual, str):
            _compare_sequences(actual, expected, options, path)
        elif _are(Mapping, actual, expected):
            _compare_mappings(actual, expected, options, path)
        else:
            _compare_leaves(actual, expected, options)
    except _Mismatch as error:
        error.path = error.path or path
        raise


def _are(kind: Any, *values: Any) -> bool:
    return all(isinstance(x, kind) for x in values)


def _compare_sequences(actual: Any, expected: Any, options: _Options, path: tuple) -> None:
    if len(actual) != len(expected):
        raise _Mismatch(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}")
    for i, pair in enumerate(zip(actual, expected)):
        _compare(*pair, options, (*path, i))


def _compare_mappings(actual: Any, expected: Any, options: _Options, path: tuple) -> None:
    missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
    if missing or extra:
        raise _Mismatch(
            "The keys of the mappings do not match:\n"
            f"Missing keys in the actual mapping: {sorted(missing)}\n"
            f"Additional keys in the actual mapping: {sorted(extra)}"
        )
    for key in sorted(actual, key=str):
        _compare(actual[key], expected[key], options, (*path, key))


_NUMBERS = (int, float, complex, np.number)
_BOOLS = (bool, np.bool_)


def _compare_leaves(actual: Any, expected: Any, options: _Options) -> None:
    if actual is None or expected is None:
        if actual is not expected:
            raise _Mismatch(f"None mismatch: {actual} is not {expected}")
    elif _are(_BOOLS, actual, expected):
        if actual != expected:
            raise _Mismatch(f"Booleans mismatch: {actual} is not {expected}")
    elif _are(_NUMBERS, actual, expected) and not _are(np.ndarray, actual, expected):
        _compare_numbers(actual, expected, options)
    elif _comparable(actual, expected, options):
        _compare_tensors(to_tensor(actual), to_tensor(expected), options)
    else:
        raise _Mismatch(
            "No comparison pair was able to handle inputs of type "
            f"{_class(actual)} and {_class(expected)}.",
            TypeError,
        )


def _class(x: Any) -> str:
    return str(type(x)).replace("'torchcompat._tensor._tensor.Tensor'", "'torch.Tensor'")


def _comparable(actual: Any, expected: Any, options: _Options) -> bool:
    if not options.checks["allow_subclasses"] and type(actual) is not type(expected):
        return False
    return all(hasattr(x, "shape") and hasattr(x, "dtype") for x in (actual, expected))


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> None:
    if options.checks["check_dtype"] and type(actual) is not type(expected):
        raise _Mismatch(f"The (d)types do not match: {type(actual)} != {type(expected)}.")
    kinds = {int: "int64", float: "float64", complex: "complex128"}
    pair = [_dtype.get(kinds.get(type(x), np.dtype(type(x)).name)) for x in (actual, expected)]
    rtol, atol = options.tolerances(*pair)
    close = np.isclose(actual, expected, rtol, atol, options.equal_nan)
    if close:
        return
    raise _Mismatch(_scalar_report(actual, expected, rtol, atol))


def _scalar_report(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    equal = rtol == 0 and atol == 0
    absolute = abs(actual - expected)
    relative = absolute / abs(expected) if expected else float("inf")
    allowed = ("", "") if equal else (f" (up to {atol} allowed)", f" (up to {rtol} allowed)")
    return (
        f"Scalars are not {'equal' if equal else 'close'}!\n\n"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {absolute}{allowed[0]}\n"
        f"Relative difference: {relative}{allowed[1]}"
    )


def _compare_tensors(actual: Tensor, expected: Tensor, options: _Options) -> None:
    _compare_attributes(actual, expected, options.checks)
    if actual.device.type == "meta" or expected.device.type == "meta":
        return
    kinds = actual.dtype, expected.dtype
    rtol, atol = options.tolerances(*kinds)
    a, e = (_wide(np.asarray(x.detach()._read())) for x in (actual, expected))
    with np.errstate(all="ignore"):
        close = _is_close(a, e, rtol, atol, options.equal_nan)
        if not close.all():
            raise _Mismatch(_report(a, e, close, rtol, atol, _double(kinds)))


def _compare_attributes(actual: Tensor, expected: Tensor, checks: dict[str, bool]) -> None:
    pairs: list[tuple[str, bool, Any, Any]]
    pairs = [("shape", True, actual.shape, expected.shape)]
    pairs += [("layout", checks["check_layout"], actual.layout, expected.layout)]
    pairs += [("device", checks["check_device"], actual.device, expected.device)]
    pairs += [("dtype", checks["check_dtype"], actual.dtype, expected.dtype)]
    if checks["check_stride"]:
        pairs += [("stride()", True, actual.stride(), expected.stride())]
    for name, checked, mine, other in pairs:
        if checked and mine != other:
            raise _Mismatch(f"The values for attribute '{name}' do not match: {mine} != {other}.")


def _wide(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "b":
        return x.astype(np.int64)
    if x.dtype.kind in "iu":
        return x.astype(np.int64)
    return x.astype(np.complex128 if x.dtype.kind == "c" else np.float64)


def _is_close(a: np.ndarray, e: np.ndarray, rtol: float, atol: float, equal_nan: bool) -> Any:
    if a.dtype.kind == "i" and e.dtype.kind == "i" and rtol == 0 and atol == 0:
        return np.asarray(a == e)
    close = np.asarray((a == e) | (np.isfinite(a - e) & (abs(a - e) <= atol + rtol * abs(e))))
    return close | (np.isnan(a) & np.isnan(e)) if equal_nan else close


def _double(kinds: tuple) -> bool:
    return any(k.numpy.name in ("float64", "complex128") for k in kinds)


def _report(
    a: np.ndarray, e: np.ndarray, close: np.ndarray, rtol: float, atol: float, double: bool
) -> str:
    difference = abs(a - e)
    # torch divides in the type of what it compares.
    wide = np.float64 if double else np.float32
    relative = difference.astype(wide) / abs(e).astype(wide)
    if a.ndim == 0:
        return _scalar_report(a.item(), e.item(), rtol, atol)
    equal = rtol == 0 and atol == 0
    wrong = ~close
    count = int(wrong.sum())
    lines = [
        f"Tensor-likes are not {'equal' if equal else 'close'}!\n",
        f"Mismatched elements: {count} / {a.size} ({100 * count / a.size:.1f}%)",
    ]
    for name, values, limit in (("absolute", difference, atol), ("relative", relative, rtol)):
        masked = np.where(wrong, values, 0)
        place = np.unravel_index(int(np.argmax(masked)), masked.shape)
        where = tuple(int(i) for i in place)
        allowed = "" if equal else f" (up to {limit} allowed)"
        lines.append(
            f"Greatest {name} difference: {masked[place].item()} at index {where}{allowed}"
        )
    return "\n".join(lines)


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raises AssertionError unless `actual` is close to `expected`, element by element.

    Close is `|actual - expected| <= atol + rtol * |expected|`.

    Args:
        actual, expected: tensors, arrays, numbers, or sequences and mappings of them.
        allow_subclasses: compare tensors and arrays of different classes.
        rtol, atol: tolerances; by default those of the dtypes.
        equal_nan: two values that are no numbers are close.
        check_device, check_dtype, check_layout, check_stride: these must be equal too.
        msg: the text of the error, or a function of the text that makes one.

    Raises:
        AssertionError: they are not close, or differ in shape or another attribute.
        ValueError: one tolerance is given without the other.
        TypeError: the inputs cannot be compared.
    """
    options = _Options(
        rtol,
        atol,
        equal_nan,
        allow_subclasses=allow_subclasses,
        check_device=check_device,
        check_dtype=check_dtype,
        check_layout=check_layout,
        check_stride=check_stride,
    )
    try:
        _compare(actual, expected, options, ())
    except _Mismatch as error:
        text = error.text()
        if error.kind is AssertionError and msg is not None:
            text = msg(text) if callable(msg) else msg
        raise error.kind(text) from None


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older `assert_close`, which looks at values only."""
    warnings.warn(
        "`torch.testing.assert_allclose()` is deprecated since 1.12 and will be removed in a future "
        "release. Please use `torch.testing.assert_close()` instead.",
        FutureWarning,
        stacklevel=2,
    )
    if rtol is None and atol is None:
        kinds = [x.dtype for x in map(to_tensor, (actual, expected)) if isinstance(x, Tensor)]
        rtol, atol = default_tolerances(*kinds) if kinds else (1e-7, 1e-7)
    assert_close(
        actual,
        expected,
        rtol=rtol,
        atol=atol,
        equal_nan=equal_nan,
        check_device=True,
        check_dtype=False,
        msg=msg or None,
    )
