"""Random programs of views and in-place writes over shared storages, eager and compiled.

Every step takes one of the tensors that the program has made so far, so that views of views, siblings
and their base are all written to; all of them are compared after each write.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat

_DIM = st.integers(-3, 3)
_PICK = st.integers(0, 9)
_VALUE = st.integers(-9, 9)
_INDEX = st.sampled_from(
    [0, -1, slice(1, None), slice(None, None, 2), None, (Ellipsis, 0), (slice(None), -1), Ellipsis]
)
# Index tensors, masks and mixtures: these read a copy, and write to the original.
_CHOSEN = st.sampled_from(["rows", "negative", "mask", "pair", "mixed"])
_VIEWS = [
    ("transpose", _DIM, _DIM),
    ("select", _DIM, st.integers(-2, 2)),
    ("narrow", _DIM, st.integers(0, 2), st.integers(0, 3)),
    ("unsqueeze", _DIM),
    ("squeeze",),
    ("flatten", _DIM, _DIM),
    ("view", st.sampled_from([(-1,), (2, -1), (3, 4), (4, 3, -1)])),
    ("reshape", st.sampled_from([(-1,), (2, -1), (6, -1)])),
    ("diagonal", st.integers(-1, 1)),
    ("unfold", _DIM, st.integers(1, 3), st.integers(1, 2)),
    ("expand", st.sampled_from([(2, -1, -1), (-1, -1, 4)])),
    ("permute", st.sampled_from([(1, 0), (2, 0, 1), (-1, 0)])),
    ("chunk", st.integers(1, 3), _DIM),
    ("unbind", _DIM),
    ("tensor_split", st.integers(1, 3), _DIM),
    ("__getitem__", _INDEX),
    ("movedim", _DIM, _DIM),
    ("detach",),
    ("clone",),
    ("contiguous",),
    ("chosen", _CHOSEN),
]
_WRITES = [
    ("add_", _VALUE),
    ("mul_", _VALUE),
    ("fill_", _VALUE),
    ("zero_",),
    ("clamp_", st.integers(-3, 0), st.integers(1, 3)),
    ("neg_",),
    ("t_",),
    ("squeeze_",),
    ("unsqueeze_", _DIM),
    ("transpose_", _DIM, _DIM),
    ("copy_", _PICK),
    ("add_tensor", _PICK),
    ("set", _INDEX, _VALUE),
    ("set_tensor", _INDEX, _PICK),
    ("set_chosen", _CHOSEN, _VALUE),
    ("put_chosen", _CHOSEN, _VALUE),
    ("masked_fill_", _VALUE),
    ("index_add_", _DIM),
    ("index_fill_", _DIM, _VALUE),
    ("scatter_", _DIM, _VALUE),
    ("out", _PICK),
    ("data", _VALUE),
]


def _steps(table: list) -> Any:
    return st.one_of(*(st.tuples(_PICK, st.just(name), *rest) for name, *rest in table))


_PROGRAMS = st.lists(st.one_of(_steps(_VIEWS), _steps(_WRITES)), min_size=2, max_size=8)
_BASES = st.sampled_from([(12,), (3, 4), (2, 3, 4), (1, 4, 3), (4, 1)])


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


def _step(library: Any, held: list, step: tuple) -> None:
    """Runs one step on the tensors held; a view is added to them."""
    pick, name, *args = step
    x = held[pick % len(held)]
    if name in ("copy_", "add_tensor", "out"):
        other = held[args[0] % len(held)]
        if name == "out":
            library.add(other, 1, out=x) if other.shape == x.shape else x.add_(other)
        else:
            getattr(x, "add_" if name == "add_tensor" else name)(other)
    elif name == "set":
        x[args[0]] = args[1]
    elif name == "set_tensor":
        x[args[0]] = held[args[1] % len(held)]
    elif name == "set_chosen":
        x[_key(library, x, args[0])] = args[1]
    elif name == "put_chosen":
        key = _key(library, x, args[0])
        key = key if isinstance(key, tuple) else (key,)
        x.index_put_(key, library.tensor(float(args[1])), accumulate=args[0] != "mixed")
    elif name == "masked_fill_":
        x.masked_fill_(x > 2, args[0])
    elif name == "index_add_":
        index = library.tensor([0, 0])
        x.index_add_(args[0], index, x.index_select(args[0], index))
    elif name == "index_fill_":
        x.index_fill_(args[0], library.tensor([-1, 0]), args[1])
    elif name == "scatter_":
        x.scatter_(args[0], library.zeros(tuple(x.shape), dtype=library.int64), args[1])
    elif name == "data":
        x.data.add_(args[0])
    elif name == "chosen":
        held.append(x[_key(library, x, args[0])].contiguous())
    else:
        result = getattr(x, name)(*args)
        if not name.endswith("_"):
            held += result[-2:] if isinstance(result, tuple) else [result]


def _start(library: Any, size: tuple) -> Any:
    return library.tensor(np.arange(np.prod(size), dtype=np.float32).reshape(size))


def _shown(x: Any, base: Any) -> tuple:
    return tuple(x.shape), x.stride(), x.storage_offset(), x.tolist(), x._version


def _overlaps(x: torch.Tensor) -> bool:
    """Whether elements of a tensor share memory, so that what a write does depends on its order."""
    return x.numel() and len(set(_places(x))) < x.numel()


def _places(x: torch.Tensor) -> list:
    size, stride = tuple(x.shape), x.stride()
    places = np.zeros(size, np.int64)
    for d, (n, s) in enumerate(zip(size, stride)):
        places += (np.arange(n) * s).reshape(-1, *(1,) * (len(size) - d - 1))
    return places.reshape(-1).tolist()


def _defined(held: list, step: tuple) -> bool:
    """Whether torch says what the step does: not of writes between elements that share memory."""
    pick, name, *args = step
    x = held[pick % len(held)]
    writes = name in {one[0] for one in _WRITES} - {"t_", "squeeze_", "unsqueeze_", "transpose_"}
    if writes and _overlaps(x):
        return False
    if name in ("copy_", "add_tensor", "out", "set_tensor"):
        other = held[args[-1] % len(held)]
        apart = other.untyped_storage()._cdata != x.untyped_storage()._cdata
        return apart or other is x and name != "set_tensor"
    return name != "put_chosen" or args[0] != "rows" or bool(x.ndim)


def _values(held: list) -> list:
    return [x.tolist() for x in held]


def _runs_of(size: tuple, steps: list) -> tuple[list, list]:
    """The steps that torch takes without an error, and what it shows after each."""
    held, taken, seen = [_start(torch, size)], [], []
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
        seen.append((step, "", [_shown(x, held[0]) for x in held]))
    return taken, seen


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_BASES, _PROGRAMS)
def test_programs_are_torchs(size: tuple, steps: list) -> None:
    _, expected = _runs_of(size, steps)
    held = [_start(torchcompat, size)]
    for step, error, shown in expected:
        before = list(held)
        try:
            _step(torchcompat, held, step)
        except Exception as ours:
            held[:] = before
            assert type(ours).__name__ == error, (step, ours)
            continue
        assert not error, (step, error)
        assert [_shown(x, held[0]) for x in held] == shown, step


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_BASES, _PROGRAMS)
def test_compiled_programs_are_torchs(size: tuple, steps: list) -> None:
    """The argument of the compiled function is written to, as are views made of it outside."""
    taken, seen = _runs_of(size, steps)
    if not taken or any(name in ("chosen", "set_chosen", "put_chosen") for _, name, *_ in taken):
        taken = [step for step in taken if not _by_mask(step)]
        taken, seen = _runs_of(size, taken)
    if not taken:
        return
    expected = [one[2] for one in seen if not one[1]][-1]

    @torchcompat.compile
    def program(base: Any) -> list:
        held = [base]
        for step in taken:
            _step(torchcompat, held, step)
        return held[1:]

    base = _start(torchcompat, size)
    outside = base.view(-1)
    results = program(base)
    assert outside.tolist() == _flat(expected[0][3])
    if not any(
        step[1].removesuffix("_") in ("t", "squeeze", "unsqueeze", "transpose") for step in taken
    ):
        assert base.tolist() == expected[0][3]
    for ours, theirs in zip(results, expected[1:], strict=True):
        assert (tuple(ours.shape), ours.tolist()) == (theirs[0], theirs[3]), taken


def _by_mask(step: tuple) -> bool:
    """Steps whose sizes depend on values, which no XLA program can take."""
    return step[1] in ("chosen", "set_chosen", "put_chosen") and step[2] == "mask"


def _flat(x: Any) -> list:
    return [leaf for one in x for leaf in _flat(one)] if isinstance(x, list) else [x]
