"""Every entry of torch's `op_db` outside of `nn.functional`: values, gradients, forms and errors.

The default run takes one sample of each entry, and each of the costlier checks for a part of the
entries in turn; `TORCHCOMPAT_WHOLE=1` takes all samples and all checks.
"""

import re
import warnings

import jax
import pytest
import torch

import torchcompat
from tests._op_cases import CLASSES, ENTRIES, WHOLE, _leaves, check_sample, counterpart, samples
from tests._op_rows import (
    EXCLUDED,
    EXCLUDED_ERRORS,
    EXCLUDED_FOR,
    EXCLUDED_GRADIENTS,
    FIRST_RESULT,
    NOT_BUILT,
    NOT_TRACED,
)
from tests._parity import assert_close, to_ours

# torch warns once a process of what it deprecates, so which test meets it depends on their order.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ALL = [name for name in ENTRIES if not name.startswith("nn.functional.")]
NAMES = [n for n in ALL if n.split("/")[0] not in NOT_BUILT and n not in EXCLUDED]


def part(period: int, turn: int = 0) -> list[str]:
    """Every `period`-th entry (all for the whole sweep)."""
    return NAMES if WHOLE else NAMES[turn::period]


def first_result(function):
    """`function`, of whose results only the first is compared."""

    def run(*args, **kwargs):
        result = function(*args, **kwargs)
        return result[0] if isinstance(result, tuple) else result

    return run


def pair(name):
    """The torch function of an entry and ours."""
    theirs = ENTRIES[name].op
    ours = counterpart(theirs)
    return (first_result(theirs), first_result(ours)) if name in FIRST_RESULT else (theirs, ours)


def run(name, dtype, gradients=False, count=1):
    entry = ENTRIES[name]
    theirs, ours = pair(name)
    for number, sample in enumerate(samples(entry, dtype, count, gradients)):
        check_sample(
            theirs, ours, sample, gradients, f"{name} {dtype} {number}: {sample.summary()}"
        )


def dtype_of(name, kind):
    """The dtype of a class that an entry supports, or None."""
    if (name, kind) in EXCLUDED_FOR or (name.split("/")[0], kind) in EXCLUDED_FOR:
        return None
    found = [d for d in CLASSES[kind] if ENTRIES[name].supports_dtype(d, "cpu")]
    return found[0] if found else None


def test_rows_name_entries():
    titles = {name.split("/")[0] for name in ALL}
    assert set(NOT_BUILT) <= titles
    for rows in (EXCLUDED, EXCLUDED_GRADIENTS, EXCLUDED_ERRORS, FIRST_RESULT, NOT_TRACED):
        assert set(rows) <= set(ALL), set(rows) - set(ALL)
    for name, kind in EXCLUDED_FOR:
        assert kind in CLASSES and (name in ALL or name in titles)


def test_what_is_not_built_is_listed():
    missing = set()
    for name in ALL:
        try:
            counterpart(ENTRIES[name].op)
        except AttributeError:
            missing.add(name.split("/")[0])
    assert missing <= set(NOT_BUILT)


def test_share_that_is_built():
    """Of all entries but those of sparse and masked tensors and of CUDA source."""
    apart = ("sparse.", "to_sparse", "masked.", "jiterator")
    counted = [name for name in ENTRIES if not name.startswith(apart)]
    built = [name for name in counted if name.split("/")[0] not in NOT_BUILT]
    print(f"{len(built)} of {len(counted)} entries of op_db")
    assert len(built) > 0.98 * len(counted)


@pytest.mark.parametrize("name", part(12, 5))
def test_float32(name):
    """The type that models use, of which the whole sweep takes all samples."""
    if ENTRIES[name].supports_dtype(torch.float32, "cpu"):
        run(name, torch.float32)


@pytest.mark.parametrize("name", NAMES)
def test_values(name):
    found = (dtype_of(name, kind) for kind in CLASSES)
    run(name, next((d for d in found if d is not None), torch.float32))


@pytest.mark.parametrize(
    "name, kind",
    [
        (name, kind)
        for i, name in enumerate(NAMES)
        for j, kind in enumerate(("bfloat16", "integer", "complex"))
        if WHOLE or i % 3 == j
    ],
)
def test_other_dtypes(name, kind):
    dtype = dtype_of(name, kind)
    if dtype is not None:
        run(name, dtype)


@pytest.mark.parametrize(
    "name",
    [n for n in part(4, 1) if ENTRIES[n].supports_autograd and n not in EXCLUDED_GRADIENTS],
)
def test_gradients(name):
    if ENTRIES[name].supports_dtype(torch.float64, "cpu"):
        run(name, torch.float64, gradients=True)


@pytest.mark.parametrize("name", [n for n in part(3, 2) if ENTRIES[n].inplace_variant is not None])
def test_in_place(name):
    entry = ENTRIES[name]
    for sample in samples(entry, dtype_of(name, "float64") or torch.int64, 1):
        if sample.broadcasts_input:
            continue
        target, args, kwargs = to_ours((sample.input, tuple(sample.args), sample.kwargs))
        torch.manual_seed(42)
        expected = entry.inplace_variant(sample.input.clone(), *sample.args, **sample.kwargs)
        version = target._version
        torchcompat.manual_seed(42)
        result = counterpart(entry.inplace_variant)(target, *args, **kwargs)
        assert result is target and target._version > version
        assert_close(target, expected, name)


@pytest.mark.parametrize("name", [n for n in part(3) if ENTRIES[n].supports_out])
def test_out(name):
    entry = ENTRIES[name]
    ours = counterpart(entry.op)
    dtype = dtype_of(name, "float64") or dtype_of(name, "integer")
    for sample in samples(entry, dtype, 1):
        args, kwargs = to_ours(((sample.input, *sample.args), sample.kwargs))
        expected = entry.op(sample.input, *sample.args, **sample.kwargs)
        if not isinstance(expected, torch.Tensor):
            continue
        out = to_ours(torch.zeros_like(expected))
        assert ours(*args, **kwargs, out=out) is out
        if name not in FIRST_RESULT:
            assert_close(out, expected, name)


def is_function(name):
    """Whether torch has the entry as a function, and not as a method of Tensor only."""
    place = torch
    for title in name.split("/")[0].split("."):
        place = getattr(place, title, None)
    return callable(place)


@pytest.mark.parametrize("name", [n for n in part(4) if n not in NOT_TRACED and is_function(n)])
def test_arrays_under_jit(name):
    """Arrays in, arrays out; 64-bit results inside of a 32-bit `jit`."""
    entry = ENTRIES[name]
    theirs, ours = pair(name)
    kinds = (torch.float32, torch.float64, torch.int32)[NAMES.index(name) % 2 :]
    dtype = next((d for d in kinds if entry.supports_dtype(d, "cpu")), None)
    if dtype is None:
        return
    for sample in samples(entry, dtype, 1):
        arguments = (sample.input, *sample.args), sample.kwargs
        arrays, traced = _as_function(ours, to_ours(arguments))
        if not arrays:
            continue
        found = jax.jit(traced)(*arrays)
        expected = theirs(*arguments[0], **arguments[1])
        for mine, other in zip(_leaves(found), _leaves(expected), strict=True):
            if isinstance(other, torch.Tensor):
                assert isinstance(mine, jax.Array)
                assert_close(mine, other, name)


def _as_function(function, arguments):
    """The arrays of the tensors among the arguments, and the function of those arrays."""
    leaves, tree = jax.tree.flatten(arguments, is_leaf=is_tensor)
    places = [i for i, x in enumerate(leaves) if is_tensor(x)]

    def of_arrays(*arrays):
        filled = list(leaves)
        for place, array in zip(places, arrays):
            filled[place] = array
        args, kwargs = jax.tree.unflatten(tree, filled)
        return function(*args, **kwargs)

    return [leaves[i]._read() for i in places], of_arrays


def is_tensor(x):
    return isinstance(x, torchcompat.Tensor)


@pytest.mark.parametrize(
    "name",
    [n for n in NAMES if ENTRIES[n].error_inputs_func is not None and n not in EXCLUDED_ERRORS],
)
def test_error_inputs(name):
    entry = ENTRIES[name]
    ours = counterpart(entry.op)
    for case in entry.error_inputs("cpu"):
        sample = case.sample_input
        if (
            "unsupported operation" in case.error_regex
            or "single memory" in case.error_regex
            or not _refused(entry, sample)
        ):
            continue
        args, kwargs = to_ours(((sample.input, *sample.args), sample.kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(case.error_type) as caught:
                ours(*args, **kwargs)
        assert re.search(case.error_regex, str(caught.value)), (
            f"{sample.summary()}\nexpected: {case.error_regex}\ngot: {caught.value}"
        )


def _refused(entry, sample):
    """Whether torch on this machine refuses the sample (some are for devices that we lack)."""
    try:
        entry.op(sample.input, *sample.args, **sample.kwargs)
    except Exception:
        return True
    return False
