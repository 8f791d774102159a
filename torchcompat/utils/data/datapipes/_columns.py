"""Functions of some columns of a sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def check_callable(fn: Any) -> None:
    """Raises torch's error for what is no function."""
    if not callable(fn):
        raise TypeError(f"A callable function is expected, but {type(fn)} is provided.")


def of_columns(fn: Callable, sample: Any, columns: Any) -> Any:
    """`fn` of the sample, of one of its columns, or of several.

    Args:
        columns: an index or key, a list or tuple of them, or None.
    """
    if columns is None:
        return fn(sample)
    if isinstance(columns, (list, tuple)):
        return fn(*(sample[one] for one in columns))
    return fn(sample[columns])


def put_column(sample: Any, value: Any, source: Any, target: Any) -> Any:
    """The sample with a result in place of what it was computed from.

    Args:
        source: the column or columns that it was computed from; None: the whole sample.
        target: the column it goes to: -1 appends, None replaces the (first) source, the others go.
    """
    if source is None:
        return value
    fixed = isinstance(sample, tuple)
    sample = list(sample) if fixed else sample.copy()
    if target is None:
        several = isinstance(source, (list, tuple))
        sample[source[0] if several else source] = value
        for one in sorted(source[1:], reverse=True) if several else ():
            del sample[one]
    elif target == -1 and isinstance(sample, list):
        sample.append(value)
    else:
        sample[target] = value
    return tuple(sample) if fixed else sample


def one_target(source: Any, target: Any) -> Any:
    """The column that a result goes to.

    Raises:
        ValueError: there is no source for it, or there are several of it.
    """
    if source is None and target is not None:
        raise ValueError("`output_col` must be None when `input_col` is None.")
    if isinstance(target, (list, tuple)):
        if len(target) > 1:
            raise ValueError("`output_col` must be a single-element list or tuple")
        return target[0]
    return target
