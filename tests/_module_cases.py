"""Rows of torch's `module_db` against ours: text, state, values, gradients, copies."""

from __future__ import annotations

import copy
import os
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import torch
from torch.testing._internal.common_modules import ModuleInfo, ModuleInput, module_db

import torchcompat
from tests._parity import LOOSER, assert_close, to_ours
from torchcompat import nn
from torchcompat.func import functional_call

SEED = 42
WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
# Rows a module in the default run, spread over the table; TORCHCOMPAT_WHOLE=1 takes all.
ROWS = 4
# module -> (arguments whose gradient is not compared, reason)
NO_GRADIENT: dict[str, tuple[tuple, str]] = {
    "SoftMarginLoss": ((1,), "torch has no gradient for the target"),
    "PoissonNLLLoss": ((1,), "torch's gradient of a target of 0 is NaN"),
}
INFO: dict[str, ModuleInfo] = {info.name.removeprefix("nn."): info for info in module_db}


def inputs(name: str, training: bool, dtype: torch.dtype) -> list[ModuleInput]:
    """The rows of `module_db` for one module, from a fixed seed."""
    info = INFO[name]
    torch.manual_seed(SEED)
    rows = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training
    )
    return rows if WHOLE else rows[:: -(-len(rows) // ROWS)]


def failures(name: str, training: bool, dtype: torch.dtype) -> Iterator[str]:
    """What went wrong, one text a failing row."""
    for number, row in enumerate(inputs(name, training, dtype)):
        try:
            check(name, row, training, dtype)
        except Exception as error:  # a report of all rows is worth more than the first traceback
            arguments = f"{row.constructor_input.args}, {row.constructor_input.kwargs}"
            yield f"row {number} {row.desc!r} {arguments[:200]}: {type(error).__name__}: {error}"


def check(name: str, row: ModuleInput, training: bool, dtype: torch.dtype) -> None:
    """Everything that must agree for one row.

    Raises:
        AssertionError: the first thing that does not.
    """
    theirs, ours = construct(name, row, dtype)
    assert repr(ours) == repr(theirs), f"repr {ours!r}, torch {theirs!r}"
    if hasattr(theirs, "initialize_parameters"):
        _settle(ours, theirs, row)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state), "state_dict keys"
    ours.load_state_dict(to_ours(dict(state)))
    ours.train(training), theirs.train(training)
    factor = LOOSER.get(name, (1.0, ""))[0]
    leaves = _leaves(row, NO_GRADIENT.get(name, ((), ""))[0])
    want = _call(torch, theirs, row, leaves)
    before = copy.deepcopy(ours)
    got = _call(torchcompat, ours, row, to_ours(leaves))
    _compare(got, want, "output", factor)
    for (key, a), (_, b) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        assert_close(a, b, f"buffer {key}", factor)
    _check_copies(ours, row, leaves, training)
    _compare_gradients(before, theirs, row, leaves, want, factor)


def _settle(ours: Any, theirs: Any, row: ModuleInput) -> None:
    """Gives lazy modules their sizes by one call, after which they are plain ones."""
    assert list(ours.state_dict()) == list(theirs.state_dict()), "state_dict keys while lazy"
    assert ours.has_uninitialized_params()
    leaves = _leaves(row, ())
    _call(torch, theirs, row, leaves), _call(torchcompat, ours, row, to_ours(leaves))
    assert type(ours).__name__ == type(theirs).__name__
    assert repr(ours) == repr(theirs), f"repr {ours!r}, torch {theirs!r}"


def construct(name: str, row: ModuleInput, dtype: torch.dtype) -> tuple[Any, Any]:
    """torch's module and ours from the same arguments."""
    given = row.constructor_input
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = INFO[name].module_cls(*given.args, **given.kwargs).to(dtype)
        args, kwargs = to_ours((tuple(given.args), dict(given.kwargs)))
        ours = getattr(nn, name)(*args, **kwargs).to(to_ours(dtype))
    return theirs, ours


def _leaves(row: ModuleInput, without: tuple) -> dict[Any, torch.Tensor]:
    """The floating-point arguments of the call, as fresh leaves; not those named in `without`."""
    given = row.forward_input
    named = list(enumerate(given.args)) + list(given.kwargs.items())
    return {
        key: x.detach().clone().requires_grad_()
        for key, x in named
        if isinstance(x, torch.Tensor)
        and (x.is_floating_point() or x.is_complex())
        and key not in without
    }


def _arguments(row: ModuleInput, leaves: dict[Any, Any], convert: Any) -> tuple[tuple, dict]:
    given = row.forward_input
    args = tuple(leaves[i] if i in leaves else convert(x) for i, x in enumerate(given.args))
    return args, {k: leaves[k] if k in leaves else convert(x) for k, x in given.kwargs.items()}


def _call(library: Any, module: Any, row: ModuleInput, leaves: dict[Any, Any]) -> Any:
    """The module's output, its random numbers drawn from a fixed seed."""
    convert = to_ours if library is torchcompat else lambda x: x
    args, kwargs = _arguments(row, leaves, convert)
    library.manual_seed(SEED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return module(*args, **kwargs)


def flat(results: Any) -> list:
    """The tensors among nested results."""
    if isinstance(results, (tuple, list)):
        return [one for result in results for one in flat(result)]
    if isinstance(results, dict):
        return flat(list(results.values()))
    return [] if results is None else [results]


def _compare(got: Any, want: Any, what: str, factor: float) -> None:
    for i, (a, b) in enumerate(zip(flat(got), flat(want), strict=True)):
        assert isinstance(a, torchcompat.Tensor), f"{what} {i} is a {type(a).__name__}"
        assert_close(a, b, f"{what} {i}", factor)


def _check_copies(ours: Any, row: ModuleInput, leaves: dict, training: bool) -> None:
    """A pickled and a deep copy carry the state and the mode."""
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert repr(twin) == repr(ours)
        assert twin.training is training
        for (key, a), (other, b) in zip(ours.state_dict().items(), twin.state_dict().items()):
            same = np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)
            assert key == other and a is not b and same, f"copy of {key}"


def _compare_gradients(ours, theirs, row, leaves, want, factor) -> None:
    """The gradients of a weighted sum of the outputs, by parameter and by argument."""
    used = [x for x in flat(want) if x.requires_grad]
    if not used:
        return
    torch.manual_seed(SEED)
    weights = [torch.rand(x.shape).to(x.dtype) + 0.5 for x in used]
    parameters = dict(theirs.named_parameters())
    targets = [*parameters.values(), *leaves.values()]
    expected = torch.autograd.grad(used, targets, weights, allow_unused=True)
    found = _gradients(ours, row, leaves, [x.requires_grad for x in flat(want)], weights)
    for key, a, b in zip([*parameters, *leaves], found, expected, strict=True):
        original = {**parameters, **leaves}[key]
        assert_close(a, torch.zeros_like(original) if b is None else b, f"gradient {key}", factor)


def _gradients(ours, row, leaves, differentiable, weights) -> list:
    arrays = to_ours((dict(leaves), list(weights)))
    values, cotangents = jax.tree.map(lambda t: t._read(), arrays, is_leaf=_is_tensor)
    state = {name: p._read() for name, p in ours.named_parameters()}
    buffers = {name: b._read() for name, b in ours.named_buffers()}

    def run(state: dict, values: dict) -> list:
        args, kwargs = _arguments(row, values, lambda x: _to_array(to_ours(x)))
        torchcompat.manual_seed(SEED)
        out = functional_call(ours, {**state, **buffers}, args, kwargs)
        return [x for x, used in zip(flat(out), differentiable) if used]

    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        _, pull = jax.vjp(run, state, values)
        first, second = pull(cotangents)
    return [*(first[name] for name in state), *(second[key] for key in leaves)]


def _is_tensor(x: Any) -> bool:
    return isinstance(x, torchcompat.Tensor)


def _to_array(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(map(_to_array, x))
    return x._read() if _is_tensor(x) else x
