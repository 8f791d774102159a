"""What must agree for one row of a class of `torch.nn`: text, state, values, gradients, copies."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import torch

import torchcompat
from tests._module_cases import SEED, Case, cases
from tests._parity import LOOSER, assert_close, to_array, to_ours
from tests._record import aspect
from torchcompat.func import functional_call

# class -> why what is traced (`compile`, `jax.grad`) is compared in eval mode only
DRAWS = dict.fromkeys(
    "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout RReLU".split(),
    "draws its random numbers from a JAX key under tracing",
)
# class -> why its gradients are not compared
EXCLUDED_GRADIENTS = {
    "CrossMapLRN2d": "torch's backward is not the slope of its forward: 8e-5 off, in float64 too"
}
# class -> (factor on the tolerance of bfloat16, reason)
LOOSER_BFLOAT16 = {
    "MultiheadAttention": (3.0, "rounds at other places than torch; both are near the exact value")
}


class Unsupported(Exception):
    """torch itself has no kernel for the dtype."""


def failures(
    name: str, training: bool, dtype: torch.dtype, checks: tuple[Callable, ...], count: int | None
) -> Iterator[str]:
    """What went wrong, one text a failing row and check."""
    for title, make in cases(name, training, dtype, count):
        for check in checks:
            try:
                check(make())
            except Unsupported:
                continue
            except Exception as error:  # a report of all rows is worth more than one traceback
                yield f"{check.__name__} {title}: {type(error).__name__}: {error}"


def check_values(case: Case) -> None:
    """Text, state_dict, output and buffers."""
    _check_text(case)
    state = case.theirs.state_dict()
    assert list(case.ours.state_dict()) == list(state), "state_dict keys"
    case.load()
    _check_text(case)
    if case.row.forward_input is None:
        return
    want = _wanted(case)
    got = case.call(torchcompat)
    with aspect("forward"):
        _compare(case, got, want, "output")
        _compare_buffers(case, case.ours)


def check_copies(case: Case) -> None:
    """A pickled and a deep copy carry the state and the mode, after a call too."""
    case.load()
    if case.row.forward_input is not None:
        _wanted(case), case.call(torchcompat)
    ours = case.ours
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert repr(twin) == repr(ours)
        assert twin.training is case.training
        assert list(twin.state_dict()) == list(ours.state_dict())
        for (key, a), b in zip(ours.state_dict().items(), twin.state_dict().values()):
            assert a is not b, f"copy of {key} is the original"
            assert np.array_equal(to_array(a), to_array(b), equal_nan=True), f"copy of {key}"


def check_gradients(case: Case) -> None:
    """`jax.grad` of `functional_call`, by parameter and by argument."""
    expected = None if _draws(case) else _expected(case)
    if expected is None:
        return
    weights, differentiable, wanted = expected
    found = _pulled_back(case, differentiable, weights)
    with aspect("gradient"):
        for (key, b), a in zip(wanted.items(), found, strict=True):
            original = dict(_targets(case))[key]
            b = torch.zeros_like(original) if b is None else b
            assert_close(a, b, f"gradient {key}", _factor(case))


def check_backward(case: Case) -> None:
    """`.grad` of parameters and arguments after `backward`; None where torch leaves None."""
    expected = _expected(case)
    if expected is None:
        return
    weights, differentiable, wanted = expected
    leaves = to_ours(case.leaves)
    for leaf in leaves.values():
        leaf.requires_grad_()
    out = flat(case.call(torchcompat, leaves=leaves))
    assert [x.requires_grad for x in out] == differentiable, "requires_grad of the outputs"
    used = [x for x, wants in zip(out, differentiable) if wants]
    torchcompat.autograd.backward(used, to_ours(weights))
    found = {**dict(case.ours.named_parameters()), **leaves}
    with aspect("backward"):
        for key, b in wanted.items():
            a = found[key].grad
            assert (a is None) == (b is None), f"gradient {key} is {a}, torch {b}"
            if b is not None:
                assert_close(a, b, f"gradient {key}", _factor(case))


def check_compiled(case: Case) -> None:
    """Output and buffers under `compile`, of the first call and of one that hits the cache."""
    case.load()
    if case.row.forward_input is None or _draws(case):
        return
    compiled = torchcompat.compile(case.ours)
    for _ in range(2):
        want = _wanted(case)
        got = case.call(torchcompat, compiled)
        with aspect("compiled"):
            _compare(case, got, want, "output")
            _compare_buffers(case, case.ours)


def _draws(case: Case) -> bool:
    return case.training and case.name in DRAWS


def _check_text(case: Case) -> None:
    assert repr(case.ours) == repr(case.theirs), f"repr {case.ours!r}, torch {case.theirs!r}"


def _wanted(case: Case) -> Any:
    try:
        return case.call(torch)
    except (RuntimeError, ValueError) as error:
        text = str(error)
        if "not implemented for" in text or "expected input tensor to be on" in text:
            raise Unsupported(text) from error
        raise


def flat(results: Any) -> list:
    """The tensors among nested results."""
    if isinstance(results, (tuple, list)):
        return [one for result in results for one in flat(result)]
    if isinstance(results, dict):
        return flat(list(results.values()))
    return [] if results is None else [results]


def _factor(case: Case) -> float:
    table = LOOSER_BFLOAT16 if case.dtype is torch.bfloat16 else LOOSER
    return table.get(case.name, (1.0, ""))[0]


def _compare(case: Case, got: Any, want: Any, what: str) -> None:
    for i, (a, b) in enumerate(zip(flat(got), flat(want), strict=True)):
        assert isinstance(a, torchcompat.Tensor), f"{what} {i} is a {type(a).__name__}"
        assert_close(a, b, f"{what} {i}", _factor(case))


def _compare_buffers(case: Case, ours: Any) -> None:
    pairs = zip(ours.named_buffers(), case.theirs.named_buffers(), strict=True)
    for (key, a), (other, b) in pairs:
        assert key == other
        assert_close(a, b, f"buffer {key}", _factor(case))


def _targets(case: Case) -> list[tuple[Any, torch.Tensor]]:
    return [*case.theirs.named_parameters(), *case.leaves.items()]


def _expected(case: Case) -> tuple[list, list[bool], dict] | None:
    """Weights of the differentiable outputs, which those are, torch's gradients of their sum."""
    case.load()
    if case.row.forward_input is None or case.name in EXCLUDED_GRADIENTS:
        return None
    want = flat(_wanted(case))
    used = [x for x in want if x.requires_grad]
    if not used:
        return None
    torch.manual_seed(SEED)
    weights = [torch.rand(x.shape).to(x.dtype) + 0.5 for x in used]
    targets = dict(_targets(case))
    found = torch.autograd.grad(used, list(targets.values()), weights, allow_unused=True)
    return weights, [x.requires_grad for x in want], dict(zip(targets, found, strict=True))


def _pulled_back(case: Case, differentiable: list[bool], weights: list) -> list:
    """Our gradients through `jax.vjp`: of the parameters, then of the arguments."""
    values = {key: x._read() for key, x in to_ours(case.leaves).items()}
    cotangents = [x._read() for x in to_ours(weights)]
    state = {name: p._read() for name, p in case.ours.named_parameters()}
    buffers = {name: b._read() for name, b in case.ours.named_buffers()}

    def run(state: dict, values: dict) -> list:
        args, kwargs = case.arguments(values, lambda x: _to_array(to_ours(x)))
        torchcompat.manual_seed(SEED)
        out = functional_call(case.ours, {**state, **buffers}, args, kwargs)
        return [x for x, used in zip(flat(out), differentiable) if used]

    with warnings.catch_warnings(), jax.enable_x64(True):
        warnings.simplefilter("ignore")
        _, pull = jax.vjp(run, state, values)
        first, second = pull(cotangents)
    return [*(first[name] for name in state), *(second[key] for key in case.leaves)]


def _to_array(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return type(x)(map(_to_array, x))
    return x._read() if isinstance(x, torchcompat.Tensor) else x
