"""Runs an entry of torch's `op_db` under torchcompat: its samples, gradients and error inputs."""

from __future__ import annotations

import builtins
import functools
import itertools
import os
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db

import torchcompat
from tests import _programs
from tests._exact import Exact, accept
from tests._exact import leaves as _leaves
from tests._parity import assert_close, to_ours
from tests._record import BRIEF, aspect

WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
ENTRIES = {f"{op.name}/{op.variant_test_name}".rstrip("/"): op for op in op_db}
# One dtype a class; the class counts if torch's entry supports one of its dtypes.
CLASSES = {
    "float64": (torch.float64,),
    "bfloat16": (torch.bfloat16,),
    "integer": (torch.int64, torch.uint8),
    "complex": (torch.complex64,),
}


# built-in function -> the name torch gives it in public
_OTHER = {"log_sigmoid": "logsigmoid"}
# entry -> (factor on the tolerance of gradients, reason)
LOOSER = {
    "nn.functional.layer_norm": (
        8.0,
        "over one element the slope is 0; torch's rounding gives 1e-5",
    ),
    "nn.functional.ctc_loss": (100.0, "torch's own float32 error against float64 is as large"),
}
# entry -> (factor on the tolerance of values, reason)
LOOSER_VALUES = {
    "grid_sampler_3d": (4.0, "reflected positions; torch's error against float64 is as large"),
    "nn.functional.multi_head_attention_forward": (
        4.0,
        "logits in the hundreds; torch's error against float64 is seven times ours",
    ),
}


def counterpart(function: Callable) -> Callable:
    """Our function for a torch function, or for a helper of torch's tests written over such."""
    if isinstance(function, functools.partial):
        return functools.partial(counterpart(function.func), *function.args, **function.keywords)
    module = getattr(function, "__module__", None) or ""
    if isinstance(function, types.FunctionType) and module.startswith("torch.testing"):
        return _rebound(function)
    return _named(function)


def _named(function: Callable) -> Callable:
    if isinstance(function, (torch._ops.OpOverload, torch._ops.OpOverloadPacket)):
        return functools.reduce(getattr, str(function).split("."), torchcompat.ops)
    name = function.__name__
    for ours, theirs in (
        (torchcompat.nn.functional, torch.nn.functional),
        (torchcompat, torch),
        (torchcompat.special, torch.special),
        (torchcompat.linalg, torch.linalg),
        (torchcompat.fft, torch.fft),
        (torchcompat.signal.windows, torch.signal.windows),
    ):
        for title in (
            name,
            name.removeprefix("linalg_").removeprefix("special_").removeprefix("fft_"),
            _OTHER.get(name),
        ):
            if title and getattr(theirs, title, None) is function:
                return getattr(ours, title)
    if getattr(torch.Tensor, name, None) is function:
        return getattr(torchcompat.Tensor, name)
    raise AttributeError(f"no counterpart of {function!r}")


def _seeded(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """torch's test helper of this name: one call from a fixed seed."""
    state = torchcompat.get_rng_state()
    torchcompat.manual_seed(42)
    try:
        return function(*args, **kwargs)
    finally:
        torchcompat.set_rng_state(state)


class _Globals(dict):
    """The globals of torch's test helpers, with torchcompat in the place of torch."""

    def __init__(self, own: dict) -> None:
        super().__init__(own)
        self["torch"], self["__builtins__"] = torchcompat, builtins
        for name, value in own.items():
            if isinstance(value, types.FunctionType) and value.__module__.startswith(
                "torch.testing"
            ):
                self[name] = functools.partial(_call_rebound, value)
            elif value is torch.nn.functional:
                self[name] = torchcompat.nn.functional
        self["wrapper_set_seed"] = _seeded


def _call_rebound(function: Callable, *args: Any, **kwargs: Any) -> Any:
    return _rebound(function)(*args, **kwargs)


_made_globals: dict[int, _Globals] = {}


def _globals(own: dict) -> _Globals:
    if id(own) not in _made_globals:
        _made_globals[id(own)] = _Globals(own)
    return _made_globals[id(own)]


def _rebound(function: types.FunctionType) -> Callable:
    cells = tuple(
        types.CellType(
            counterpart(c.cell_contents) if callable(c.cell_contents) else c.cell_contents
        )
        for c in function.__closure__ or ()
    )
    fresh = types.FunctionType(
        function.__code__,
        _globals(function.__globals__),
        function.__name__,
        function.__defaults__,
        cells,
    )
    fresh.__kwdefaults__ = function.__kwdefaults__
    return fresh


def samples(
    entry: Any, dtype: torch.dtype, count: int, requires_grad: bool = False
) -> Iterator[Any]:
    """The entry's first `count` samples of a dtype (all of them for the whole sweep)."""
    found = entry.sample_inputs("cpu", dtype, requires_grad=requires_grad)
    return itertools.islice(found, 1 if BRIEF else None if WHOLE else count)


def check(entry: Any, dtype: torch.dtype, count: int, gradients: bool = True) -> int:
    """Compares values, and gradients where torch has them, on the entry's samples; how many."""
    continuous = dtype.is_floating_point or dtype.is_complex
    backward = entry.supported_backward_dtypes("cpu") if entry.supports_autograd else ()
    differentiable = gradients and continuous and dtype in backward
    ours, seen = counterpart(entry.op), 0
    for sample in samples(entry, dtype, count, differentiable):
        what = f"{entry.name} {dtype} sample {seen}: {sample.summary()}"
        check_sample(entry.op, ours, sample, differentiable, what)
        seen += 1
        _programs.forget()
    return seen


def check_sample(theirs: Callable, ours: Callable, sample: Any, gradients: bool, what: str) -> None:
    arguments = (sample.input, *sample.args), sample.kwargs
    own = to_ours(arguments)
    for mine, other in zip(_leaves(own), _leaves(arguments), strict=True):
        if isinstance(other, torch.Tensor) and other.requires_grad:
            mine.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(*arguments[0], **arguments[1])
        try:
            found = ours(*own[0], **own[1])
        except Exception as error:
            raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    pairs = list(zip(_leaves(found), _leaves(expected), strict=True))
    exact = Exact(theirs, arguments)
    with aspect("forward"):
        compare(pairs, what, exact)
    if gradients:
        factor = LOOSER.get(what.split()[0], (4.0, ""))[0]
        with aspect("gradient"):
            _check_gradients(arguments, own, pairs, what, factor, exact)


def compare(pairs: list[tuple[Any, Any]], what: str, exact: Exact | None = None) -> None:
    """Our results and torch's, pair by pair: tensors are close, all else is equal."""
    factor = LOOSER_VALUES.get(what.split()[0], (1.0, ""))[0]
    for i, (mine, other) in enumerate(pairs):
        if isinstance(other, torch.Tensor) and exact is not None:
            accept(mine, other, lambda i=i: exact.outputs[i], what, factor)
        elif isinstance(other, torch.Tensor):
            assert_close(mine, other, what, factor)
        else:
            assert mine == other, what


def _check_gradients(
    arguments: Any, own: Any, pairs: list, what: str, factor: float, exact: Exact
) -> None:
    recorded = [(m, o) for m, o in pairs if isinstance(o, torch.Tensor) and o.requires_grad]
    theirs = [x for x in _leaves(arguments) if isinstance(x, torch.Tensor) and x.requires_grad]
    mine = [x for x in _leaves(own) if isinstance(x, torchcompat.Tensor) and x.requires_grad]
    if not recorded or not theirs:
        return
    weights = [
        torch.linspace(0.5, 1.5, o.numel(), dtype=o.dtype).view(o.shape) for _, o in recorded
    ]
    expected = torch.autograd.grad(
        [o for _, o in recorded], theirs, weights, allow_unused=True, materialize_grads=True
    )
    found = torchcompat.autograd.grad(
        [m for m, _ in recorded], mine, to_ours(weights), allow_unused=True, materialize_grads=True
    )
    for i, (a, b) in enumerate(zip(found, expected, strict=True)):
        accept(a, b, lambda i=i: exact.gradients(weights)[i], f"{what}: gradient {i}", factor)
