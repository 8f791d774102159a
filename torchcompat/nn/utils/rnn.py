"""Sequences of different lengths: padded into one tensor, or packed without padding.

Lengths decide shapes: they have to be known when a sequence is packed, under tracing too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from torchcompat._ops.packing import padded
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._dispatch import ARRAYS, lifted
from torchcompat._tensor._place import put
from torchcompat._tensor._state import state
from torchcompat.nn.utils._packed import PackedSequence, invert_permutation, known, packed

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "pack_sequence",
    "unpack_sequence",
]

_VALUES = (Tensor, *ARRAYS)


@lifted
def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Packs padded sequences.

    Args:
        lengths: of each sequence, in elements.
        batch_first: whether `input` is `(N, T, *)`.
        enforce_sorted: the longest has to come first, and so on; else they are sorted here.

    Shape:
        input `(T, N, *)`; data of the result `(sum of lengths, *)`.

    Raises:
        RuntimeError: the lengths are not sorted, not positive, or not as many as sequences.
        ValueError: a length exceeds T. (torch makes a sequence of it that fails later.)
    """
    ranked = _lengths(lengths)
    _check_padded(input, ranked)
    order = None if enforce_sorted else np.argsort(-ranked, kind="stable")
    if order is not None:
        ranked = ranked[order]
    _check_pack(input, ranked, batch_first)
    active = ranked > np.arange(ranked[0])[:, None]
    time, member = np.nonzero(active)
    if order is not None:
        member = order[member]
    steps, batch = _outer(input, batch_first)
    rows = member * steps + time if batch_first else time * batch + member
    data = ops.take_rows(input.reshape(-1, *input.shape[2:]), rows, 0)
    indices = (None, None) if order is None else (order, np.argsort(order))
    where = input.device
    parts = data, *(None if one is None else put(one, where) for one in indices)
    return packed(tuple(active.sum(1).tolist()), parts)


def _outer(input: Tensor, batch_first: bool) -> tuple[int, int]:
    """Time and batch of a padded input."""
    first, second = input.shape[:2]
    return (second, first) if batch_first else (first, second)


def _lengths(lengths: Any) -> np.ndarray:
    if isinstance(lengths, str):
        raise TypeError(f"new(): invalid data type '{type(lengths).__name__}'")
    if isinstance(lengths, _VALUES):
        found = known("lengths", lengths)
    else:
        found = np.array([int(length) for length in lengths])
    return found.astype(np.int64)


def _check_padded(input: Any, lengths: np.ndarray) -> None:
    if not isinstance(input, Tensor):
        raise TypeError(
            "_pack_padded_sequence(): argument 'input' (position 1) must be Tensor, "
            f"not {type(input).__name__}"
        )
    if 0 in input.shape:
        raise RuntimeError("Cannot pack empty tensors.")
    if lengths.ndim != 1:
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {lengths.ndim}D cpu Long tensor"
        )
    if input.ndim < 2:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")


def _check_pack(input: Tensor, lengths: np.ndarray, batch_first: bool) -> None:
    steps, batch = _outer(input, batch_first)
    if len(lengths) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
            f"(batch_size={batch})"
        )
    if (np.diff(lengths) > 0).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if lengths[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, "
            "but found an element in 'lengths' that is <= 0"
        )
    if lengths[0] > steps:
        raise ValueError(f"Expected lengths of at most {steps}, but got {lengths[0]}")


@lifted
def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Undoes `pack_padded_sequence`: padded sequences in their original order, and their lengths.

    Args:
        batch_first: whether the result is `(N, T, *)`.
        padding_value: what follows the end of each sequence.
        total_length: T; default the longest length.

    Raises:
        ValueError: `total_length` is shorter than a sequence.
    """
    sizes = np.array(_batch_sizes(sequence))
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {longest}"
        )
    active = np.arange(sizes[0]) < sizes[:, None]
    rows = np.full((total_length or longest, sizes[0]), -1)
    rows[:longest][active] = np.arange(sizes.sum())
    out = ops.take_rows(sequence.data, rows.T if batch_first else rows, padding_value)
    back = sequence.unsorted_indices
    if back is not None:
        out = out.index_select(0 if batch_first else 1, back)
    return out, _lengths_of(sequence)


def _batch_sizes(sequence: Any) -> tuple[int, ...]:
    if isinstance(sequence, PackedSequence):
        return sequence._static
    return tuple(known("batch_sizes", sequence.batch_sizes).tolist())


def _sorted_lengths(sequence: Any) -> np.ndarray:
    sizes = np.array(_batch_sizes(sequence))
    return (np.arange(sizes[0]) < sizes[:, None]).sum(0)


def _host_lengths(sequence: Any) -> np.ndarray:
    """The lengths of packed sequences in their original order."""
    lengths, back = _sorted_lengths(sequence), sequence.unsorted_indices
    return lengths if back is None else lengths[known("unsorted_indices", back)]


def _lengths_of(sequence: Any) -> Tensor:
    """The same as a tensor, also where the order is traced."""
    back = sequence.unsorted_indices
    if back is None or not _is_abstract(back):
        return put(_host_lengths(sequence))
    return put(_sorted_lengths(sequence)).index_select(0, back)


def _is_abstract(x: Tensor) -> bool:
    return isinstance(x._read(), (jax.core.Tracer, jax.ShapeDtypeStruct))


@lifted
def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stacks sequences of different lengths along a new dimension, padded to the longest.

    Args:
        batch_first: whether the result is `(N, T, *)`.
        padding_side: "right" pads the ends, "left" the beginnings.

    Shape:
        each sequence `(L, *)`; output `(T, N, *)`.
    """
    listed = _listed(sequences)
    if not listed:
        raise RuntimeError("received an empty list of sequences")
    for i, one in enumerate(listed):
        if not isinstance(one, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(one).__name__}"
            )
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    left = padding_side == "left"
    if any(map(_stays_in_xla, listed)):
        return ops.pad_sequence(listed, batch_first, padding_value, left)
    # On the host: a batch of data comes in new lengths each time, and each would be compiled.
    return put(_padded_on_host(listed, batch_first, padding_value, left), listed[0].device)


def _listed(sequences: Any) -> list:
    if isinstance(sequences, _VALUES):
        return list(sequences.unbind(0))
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    return list(sequences)


def _stays_in_xla(x: Tensor) -> bool:
    if x.requires_grad and state.grad_enabled:
        return True
    return state.capture is not None or _is_abstract(x) or x.device.type != "cpu"


def _padded_on_host(
    sequences: list[Tensor], batch_first: bool, padding_value: float, left: bool
) -> np.ndarray:
    arrays = [np.asarray(one) for one in sequences]
    return padded(np, arrays, batch_first, padding_value, left)


@lifted
def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """Undoes `pad_sequence` (padded on the right), given the sequences' lengths."""
    by_sequence = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    found = _lengths(lengths).tolist()
    return [one[:length].clone() for one, length in zip(by_sequence.unbind(0), found)]


@lifted
def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences of different lengths, each `(L, *)`; see `pack_padded_sequence`."""
    lengths = [one.shape[0] for one in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


@lifted
def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Undoes `pack_sequence`."""
    padded_sequences, _ = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded_sequences, _host_lengths(packed_sequences), batch_first=True)
