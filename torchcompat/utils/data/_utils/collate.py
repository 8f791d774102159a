"""Batches out of samples: `default_collate`, and `default_convert` where there are no batches."""

from __future__ import annotations

import collections.abc
import copy
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import torchcompat
from torchcompat import Tensor, as_tensor, tensor

np_str_obj_array_pattern = re.compile(r"[SaUO]")
_FORMAT = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data: Any) -> Any:
    """NumPy arrays, wherever they are in `data`, as Tensors; everything else as it is."""
    if isinstance(data, Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        text = isinstance(data, np.ndarray) and np_str_obj_array_pattern.search(data.dtype.str)
        return data if text else as_tensor(data)
    if isinstance(data, collections.abc.Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(one) for one in data))
    if isinstance(data, tuple):
        return [default_convert(one) for one in data]
    if isinstance(data, collections.abc.Sequence) and not isinstance(data, (str, bytes)):
        return _like(data, [default_convert(one) for one in data])
    return data


def _like(data: Any, values: Any) -> Any:
    """`values` in a container of the type of `data`, or as they are where that cannot be made."""
    try:
        if isinstance(data, collections.abc.MutableMapping):
            made = copy.copy(data)
            made.update(values)
            return made
        if isinstance(data, collections.abc.MutableSequence):
            made = copy.copy(data)
            for i, value in enumerate(values):
                made[i] = value
            return made
        return type(data)(values)
    except TypeError:
        return values


def collate(
    batch: Any, *, collate_fn_map: dict[type | tuple[type, ...], Callable] | None = None
) -> Any:
    """Puts samples together; `collate_fn_map` says how for each type of element."""
    first = batch[0]
    kind = type(first)
    functions = collate_fn_map or {}
    if kind in functions:
        return functions[kind](batch, collate_fn_map=collate_fn_map)
    for known, function in functions.items():
        if isinstance(first, known):
            return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, collections.abc.Mapping):
        joined = {
            key: collate([one[key] for one in batch], collate_fn_map=collate_fn_map)
            for key in first
        }
        return _like(first, joined)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return kind(*(collate(each, collate_fn_map=collate_fn_map) for each in zip(*batch)))
    if isinstance(first, collections.abc.Sequence):
        return _sequences(batch, collate_fn_map)
    raise TypeError(_FORMAT.format(kind))


def _sequences(batch: Any, collate_fn_map: Any) -> Any:
    first = batch[0]
    if any(len(one) != len(first) for one in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [collate(each, collate_fn_map=collate_fn_map) for each in zip(*batch)]
    return columns if isinstance(first, tuple) else _like(first, columns)


def collate_tensor_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """Tensors stacked."""
    return torchcompat.stack(list(batch), 0)


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """NumPy arrays stacked as a Tensor."""
    if np_str_obj_array_pattern.search(batch[0].dtype.str):
        raise TypeError(_FORMAT.format(batch[0].dtype))
    if all(one.shape == batch[0].shape and one.dtype == batch[0].dtype for one in batch):
        return as_tensor(np.stack(batch))
    return collate([as_tensor(one) for one in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """NumPy scalars as a Tensor."""
    return as_tensor(np.asarray(batch))


def collate_float_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """Floats as a Tensor of float64."""
    return tensor(list(batch), dtype=torchcompat.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: Any = None) -> Tensor:
    """Integers as a Tensor."""
    return tensor(list(batch))


def collate_str_fn(batch: Any, *, collate_fn_map: Any = None) -> Any:
    """Texts as they are."""
    return batch


default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def default_collate(batch: Any) -> Any:
    """Samples put together: tensors, arrays and numbers with a new first dimension, in containers.

    Raises:
        TypeError: an element is of another kind.
        RuntimeError: sizes differ.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
