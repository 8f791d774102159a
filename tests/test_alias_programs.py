"""Random programs of views and in-place writes over shared storages, eager and compiled.

Every step takes one of the tensors that the program has made so far, so that views of views, siblings
and their base are all written to; all of them are compared after each write.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat
from tests._record import WHOLE

_DIM = st.integers(-3, 3)
_PICK = st.integers(0, 9)
_VALUE = st.integers(-9, 9)
_INDEX = st.sampled_from(
    [0, -1, slice(1, None), slice(None, None, 2), None, (Ellipsis, 0), (slice(None), -1), Ellipsis]
)
# Index tensors, masks and mixtures: these read a copy, and write to the original.
_CHOSEN = st.sampled_from(["rows", "negative", "mask", "pair", "mixed"])
_STRIDED = st.sampled_from(
    [((2, 2), (1, 2), 1), ((3,), (2,), 0), ((2, 3), (0, 1), 0), ((4,), (1,), 2), ((), (), 3)]
)
_SIZES = st.sampled_from([(2, 2), (3,), (1, 4), (), (0,), (2, 3)])
_VIEWS = [
    ("transpose", _DIM, _DIM),
    ("select", _DIM, st.integers(-2, 2)),
    ("narrow", _DIM, st.integers(0, 2), st.integers(0, 3)),
    ("unsqueeze", _DIM),
    ("squeeze",),
    ("flatten", _DIM, _DIM),
    ("unflatten", _DIM, st.sampled_from([(2, -1), (-1, 1), (1, -1, 3)])),
    ("view", st.sampled_from([(-1,), (2, -1), (3, 4), (4, 3, -1)])),
    ("reshape", st.sampled_from([(-1,), (2, -1), (6, -1)])),
    ("diagonal", st.integers(-1, 1)),
    ("unfold", _DIM, st.integers(1, 3), st.integers(1, 2)),
    ("expand", st.sampled_from([(2, -1, -1), (-1, -1, 4), (3, -1), (2, -1)])),
    ("permute", st.sampled_from([(1, 0), (2, 0, 1), (-1, 0)])),
    ("chunk", st.integers(1, 3), _DIM),
    ("split", st.integers(1, 3), _DIM),
    ("unbind", _DIM),
    ("tensor_split", st.integers(1, 3), _DIM),
    ("__getitem__", _INDEX),
    ("movedim", _DIM, _DIM),
    ("swapaxes", _DIM, _DIM),
    ("as_strided", _STRIDED),
    ("view_as_real",),
    ("view_as_complex",),
    ("real",),
    ("imag",),
    ("conj",),
    ("neg_view",),
    ("resolve_conj",),
    ("resolve_neg",),
    ("mT",),
    ("mH",),
    ("data",),
    ("detach",),
    ("clone",),
    ("contiguous",),
    ("chosen", _CHOSEN),
]
# What changes a tensor's layout or storage, and no values.
_RELAYOUTS = [
    ("t_",),
    ("squeeze_",),
    ("unsqueeze_", _DIM),
    ("transpose_", _DIM, _DIM),
    ("as_strided_", _STRIDED),
    ("resize_", _SIZES),
    ("set_", _PICK),
    ("set_data", _PICK),
    ("detach_",),
]
_WRITES = [
    ("add_", _VALUE),
    ("mul_", _VALUE),
    ("fill_", _VALUE),
    ("zero_",),
    ("clamp_", st.integers(-3, 0), st.integers(1, 3)),
    ("neg_",),
    ("copy_", _PICK),
    ("add_tensor", _PICK),
    ("set", _INDEX, _VALUE),
    ("set_tensor", _INDEX, _PICK),
    ("set_chosen", _CHOSEN, _VALUE),
    ("put_chosen", _CHOSEN, _VALUE),
    ("masked_fill_", _VALUE),
    ("masked_scatter_", _VALUE),
    ("index_add_", _DIM),
    ("index_fill_", _DIM, _VALUE),
    ("index_copy_", _DIM),
    ("scatter_", _DIM, _VALUE),
    ("put_", _VALUE),
    ("fill_diagonal_", _VALUE),
    ("out", _PICK),
    ("add_to_data", _VALUE),
    ("flip_signs",),
    ("set_real", _VALUE),
]


def _steps(table: list) -> Any:
    return st.one_of(*(st.tuples(_PICK, st.just(name), *rest) for name, *rest in table))


_PROGRAMS = st.lists(
    st.one_of(_steps(_VIEWS), _steps(_WRITES), _steps(_RELAYOUTS)), min_size=2, max_size=8
)
_BASES = st.sampled_from(
    [((12,), "f"), ((3, 4), "f"), ((2, 3, 4), "f"), ((1, 4, 3), "f"), ((4, 1), "f"), ((2, 4), "F")]
)


def _key(library: Any, x: Any, kind: str) -> Any:
    """An index of tensors that fits `x`."""
    if kind == "mask":
        places = torch.arange(x.numel()).reshape(tuple(x.shape)) % 3 == 1
        return library.tensor(places.numpy())
    if kind == "negative":
        return library.tensor([-1, 0])
    if kind == "rows":
        return library.tensor([0, 0, x.shape[0] - 1])
    if kind == "pair":
        return library.tensor([0, 1]), library.tensor([0, -1])
    return slice(None), library.tensor([0, -1])


def _add_into(library: Any, x: Any, other: Any) -> None:
    library.add(other, 1, out=x) if other.shape == x.shape else x.add_(other)


def _put_chosen(library: Any, x: Any, kind: str, value: int) -> None:
    key = _key(library, x, kind)
    key = key if isinstance(key, tuple) else (key,)
    x.index_put_(key, library.tensor(value, dtype=x.dtype), accumulate=kind != "mixed")


def _index_add(library: Any, x: Any, dim: int) -> None:
    index = library.tensor([0, 0])
    x.index_add_(dim, index, x.index_select(dim, index))


def _index_copy(library: Any, x: Any, dim: int) -> None:
    x.index_copy_(dim, library.tensor([-1 % x.shape[dim], 0]), x.narrow(dim, 0, 2).clone())


def _scatter(library: Any, x: Any, dim: int, value: int) -> None:
    x.scatter_(dim, library.zeros(tuple(x.shape), dtype=library.int64), value)


def _masked_scatter(library: Any, x: Any, value: int) -> None:
    x.masked_scatter_(x > 2, library.full((x.numel(),), value, dtype=x.dtype))


def _put(library: Any, x: Any, value: int) -> None:
    x.put_(library.tensor([0, -1]), library.tensor([value, -value], dtype=x.dtype))


def _flip_signs(library: Any, x: Any) -> None:
    x.view(library.int32).bitwise_xor_(-(2**31))


# Writes that need more than a method's name: `(library, tensor, *arguments)`.
_SPECIAL = {
    "add_tensor": lambda library, x, other: x.add_(other),
    "out": _add_into,
    "set": lambda library, x, key, value: x.__setitem__(key, value),
    "set_tensor": lambda library, x, key, other: x.__setitem__(key, other),
    "set_chosen": lambda library, x, kind, v: x.__setitem__(_key(library, x, kind), v),
    "put_chosen": _put_chosen,
    "masked_fill_": lambda library, x, value: x.masked_fill_(x > 2, value),
    "masked_scatter_": _masked_scatter,
    "index_add_": _index_add,
    "index_copy_": _index_copy,
    "index_fill_": lambda library, x, dim, v: x.index_fill_(dim, library.tensor([-1, 0]), v),
    "scatter_": _scatter,
    "put_": _put,
    "add_to_data": lambda library, x, value: x.data.add_(value),
    "flip_signs": _flip_signs,
    "set_real": lambda library, x, value: setattr(x, "real", library.tensor(float(value))),
    "set_data": lambda library, x, other: setattr(x, "data", other),
    "as_strided_": lambda library, x, layout: x.as_strided_(*layout),
}
# Views that need more: `(library, tensor, *arguments) -> tensor`.
_SPECIAL_VIEWS = {
    "chosen": lambda library, x, kind: x[_key(library, x, kind)].contiguous(),
    "as_strided": lambda library, x, layout: x.as_strided(*layout),
    "view_as_real": lambda library, x: library.view_as_real(x),
    "view_as_complex": lambda library, x: library.view_as_complex(x.unflatten(-1, (-1, 2))),
    "neg_view": lambda library, x: library._neg_view(x),
    **{n: lambda library, x, n=n: getattr(x, n) for n in ("real", "imag", "mT", "mH", "data")},
}
# Steps whose last argument picks another of the tensors.
_OF_TWO = ("copy_", "add_tensor", "out", "set_tensor", "set_", "set_data")


def _step(library: Any, held: list, step: tuple) -> None:
    """Runs one step on the tensors held; a view is added to them."""
    pick, name, *args = step
    x = held[pick % len(held)]
    if name in _OF_TWO:
        args[-1] = held[args[-1] % len(held)]
    if name in _SPECIAL:
        _SPECIAL[name](library, x, *args)
    elif name in _SPECIAL_VIEWS:
        held.append(_SPECIAL_VIEWS[name](library, x, *args))
    else:
        result = getattr(x, name)(*args)
        if not name.endswith("_"):
            held += result[-2:] if isinstance(result, tuple) else [result]


def _start(library: Any, base: tuple) -> Any:
    size, kind = base
    return library.tensor(np.arange(np.prod(size), dtype=kind).reshape(size) + 1)


def _shown(held: list, steps: list) -> list:
    """What is compared. A tensor that takes another's storage keeps its count of writes in torch only."""
    counted = not any(name in ("set_", "set_data") for _, name, *_ in steps)
    return [
        (
            tuple(x.shape),
            x.stride(),
            x.storage_offset(),
            str(x.dtype).removeprefix("torch."),
            x.tolist(),
            counted and x._version,
        )
        for x in held
    ]


def _overlaps(x: torch.Tensor) -> bool:
    """Whether elements of a tensor share memory, so that what a write does depends on its order."""
    return x.numel() and len(set(_places(x))) < x.numel()


def _places(x: torch.Tensor) -> list:
    size, stride = tuple(x.shape), x.stride()
    places = np.zeros(size, np.int64)
    for d, (n, s) in enumerate(zip(size, stride)):
        places += (np.arange(n) * s).reshape(-1, *(1,) * (len(size) - d - 1))
    return places.reshape(-1).tolist()


_WRITING = {one[0] for one in _WRITES}


def _defined(held: list, step: tuple) -> bool:
    """Whether torch says what the step does: not of writes between elements that share memory."""
    pick, name, *args = step
    x = held[pick % len(held)]
    if name in _WRITING and _overlaps(x):
        return False
    if name == "resize_" and not _fits(x, args[0]):
        return False
    if name in ("copy_", "add_tensor", "out", "set_tensor"):
        other = held[args[-1] % len(held)]
        apart = not set(_addresses(x)) & set(_addresses(other))
        return apart or other is x and name != "set_tensor"
    return name != "put_chosen" or args[0] != "rows" or bool(x.ndim)


def _fits(x: torch.Tensor, size: tuple) -> bool:
    """Whether `resize_` shows what the storage holds, and nothing uninitialised."""
    room = x.untyped_storage().nbytes() // x.element_size() - x.storage_offset()
    return math.prod(size) <= room


def _addresses(x: torch.Tensor) -> list:
    start, step = x.data_ptr(), x.element_size()
    return [start + step * place for place in _places(x)]


def _values(held: list) -> list:
    return [x.tolist() for x in held]


def _runs_of(base: tuple, steps: list) -> tuple[list, list]:
    """The steps that torch takes without an error, and what it shows after each."""
    held, taken, seen = [_start(torch, base)], [], []
    for step in steps:
        if not _defined(held, step):
            continue
        before, values = list(held), _values(held)
        try:
            _step(torch, held, step)
        except Exception as error:
            held[:] = before
            if _values(held) != values:  # torch has written a part before it found the error
                break
            seen.append((step, type(error).__name__, []))
            continue
        if any(x.numel() > 500 for x in held):
            held[:] = before
            continue
        taken.append(step)
        seen.append((step, "", _shown(held, taken)))
    return taken, seen


@settings(max_examples=3000 if WHOLE else 120, deadline=None, derandomize=True)
@given(_BASES, _PROGRAMS)
def test_programs_are_torchs(start: tuple, steps: list) -> None:
    _, expected = _runs_of(start, steps)
    held, taken = [_start(torchcompat, start)], []
    for step, error, shown in expected:
        before = list(held)
        try:
            _step(torchcompat, held, step)
        except Exception as ours:
            held[:] = before
            assert type(ours).__name__ == error, (step, ours)
            continue
        assert not error, (step, error)
        taken.append(step)
        assert _shown(held, taken) == shown, step


@pytest.mark.filterwarnings("ignore:compile. .* runs as it is")
@settings(max_examples=600 if WHOLE else 30, deadline=None, derandomize=True)
@given(_BASES, _PROGRAMS)
def test_compiled_programs_are_torchs(start: tuple, steps: list) -> None:
    """The argument of the compiled function is written to, as are views made of it outside."""
    taken, seen = _runs_of(start, steps)
    if any(map(_cannot_be_compiled, taken)):
        taken, seen = _runs_of(start, [one for one in taken if not _cannot_be_compiled(one)])
    if not taken:
        return
    expected = [shown for _, error, shown in seen if not error][-1]

    @torchcompat.compile
    def program(base: Any) -> list:
        held = [base]
        for step in taken:
            _step(torchcompat, held, step)
        return held[1:]

    base = _start(torchcompat, start)
    outside = base.view(-1)
    results = program(base)
    twin = _start(torch, start)
    watched = twin.view(-1)
    held = [twin]
    for step in taken:
        _step(torch, held, step)
    assert outside.tolist() == watched.tolist()
    if not any(step[1] in _RELAYOUT_NAMES for step in taken):
        assert base.tolist() == twin.tolist()
    for ours, (size, _, _, kind, values, _) in zip(results, expected[1:], strict=True):
        found = tuple(ours.shape), str(ours.dtype).removeprefix("torch."), ours.tolist()
        assert found == (size, kind, values), taken


_RELAYOUT_NAMES = {one[0] for one in _RELAYOUTS}


def _cannot_be_compiled(step: tuple) -> bool:
    """Steps whose sizes depend on values, which no XLA program can take."""
    return step[1] in ("chosen", "set_chosen", "put_chosen") and step[2] == "mask"
