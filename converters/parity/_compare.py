"""`compare_models`: one pass of each model, recorded and laid side by side."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

import torchcompat
from converters._objects import from_torch, to_torch
from converters._tensors import is_torch_tensor
from converters.parity._judge import Judge
from converters.parity._record import Library, Recorder, Value, flatten
from converters.parity._report import ParityReport
from torchcompat._tensor import Tensor
from torchcompat.nn.modules._rollback import Snapshot


def compare_models(
    torch_model: Any,
    model: Any,
    *inputs: Any,
    rtol: float | None = None,
    atol: float | None = None,
    backward: bool = True,
    **kwargs: Any,
) -> ParityReport:
    """Runs a torch model and ours on the same inputs and says where they part.

    Every module of both is watched. Modules are aligned by name; the first one whose inputs agree
    and whose output does not is the one to look at. An error in what a module's forward does
    between its submodules is laid at that module's door. Parameters are compared as well.

    Neither model is changed: running statistics and gradients are put back. Both run in the mode
    they are in; `eval()` both unless training is what you compare. float32 products are exact to
    the last bits on both sides (no TF32). To find an error too small for float32, such as an
    epsilon of 1e-6 for 1e-5, call `double()` on both models and the inputs: tolerances follow.

    Args:
        torch_model: the `torch.nn.Module` that is right.
        model: the torchcompat module under test.
        *inputs, **kwargs: torch tensors, torchcompat tensors, arrays, and containers of these.
        rtol: how far values may be apart, in units of the largest expected value of the tensor.
            Default: by dtype, 5e-5 for float32 and 1e-10 for float64. Gradients have ten times as
            much.
        atol: what is allowed on top. Default: by dtype, 1e-6 for float32.
        backward: compare gradients too, of a random but fixed function of the outputs.

    Example:
        >>> report = compare_models(theirs, ours, x)
        >>> print(report.first_divergence)
        layer3.1.bn2 (BatchNorm2d): output differs by 1.31e-03 (relative 4.02e-04)
    """
    torch = importlib.import_module("torch")
    given = _to_torch(torch, (inputs, kwargs))
    with _undone(torch_model, model), _exact(torch):
        theirs = Recorder(torch_model, _torch_library(torch), backward)
        with theirs:
            args, named = given
            expected = torch_model(*args, **named)
        ours = Recorder(model, _OURS, backward)
        actual, error = None, None
        args, named = from_torch(_to_torch(torch, (inputs, kwargs)))
        with ours:
            try:
                actual = model(*args, **named)
            except Exception as raised:
                error = raised
        failed = None
        gradients: dict[str, tuple[Value | None, Value | None]] = {}
        ran = backward and error is None and _backward(torch, expected, is_torch_tensor)
        if ran:
            try:
                _backward(torchcompat, actual, _OURS.is_tensor)
            except Exception as raised:
                failed = raised
            gradients = _parameter_gradients(torch_model, model, _torch_library(torch))
        judge = Judge(torch_model, model, theirs, ours, gradients, rtol, atol)
        return judge.report(error, failed, bool(ran))


def _is_ours(x: Any) -> bool:
    return isinstance(x, Tensor)


def _our_value(x: Tensor) -> Value:
    return Value(np.array(x.detach()), x.dtype.name)


_OURS = Library(_is_ours, _our_value)


def _torch_library(torch: Any) -> Library:
    def value(x: Any) -> Value:
        name = str(x.dtype).rpartition(".")[2]
        x = x.detach()
        x = x.to_dense() if x.is_sparse else x.resolve_conj().resolve_neg()
        if x.is_floating_point() and x.dtype not in (torch.float32, torch.float64):
            x = x.float()  # NumPy lacks bfloat16
        return Value(x.cpu().clone().numpy(), name)

    return Library(is_torch_tensor, value)


def _to_torch(torch: Any, x: Any) -> Any:
    """Fresh torch tensors for whatever tensors and arrays are in `x`."""
    if is_torch_tensor(x):
        return x.detach().clone().requires_grad_(x.requires_grad)
    if isinstance(x, Tensor):
        return to_torch(x)
    if isinstance(x, (jax.Array, np.ndarray)):
        return to_torch(torchcompat.as_tensor(np.array(x)))
    if isinstance(x, dict):
        return {key: _to_torch(torch, value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        parts = [_to_torch(torch, value) for value in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return x


def _backward(library: Any, outputs: Any, is_tensor: Callable[[Any], bool]) -> bool:
    """Goes back from all outputs with fixed random gradients; whether there was anything to do."""
    random = np.random.default_rng(0)
    tensors, gradients = [], []
    for x in flatten(outputs, is_tensor):
        values = random.standard_normal(tuple(x.shape))
        if x.requires_grad:
            tensors.append(x)
            gradients.append(library.as_tensor(values).to(x.dtype).to(x.device))
    if tensors:
        library.autograd.backward(tensors, gradients)
    return bool(tensors)


def _parameter_gradients(
    torch_model: Any, model: Any, library: Library
) -> dict[str, tuple[Value | None, Value | None]]:
    ours = dict(model.named_parameters())
    found: dict[str, tuple[Value | None, Value | None]] = {}
    for name, parameter in torch_model.named_parameters():
        if name in ours:
            a, b = parameter.grad, ours[name].grad
            pair = a if a is None else library.value(a), b if b is None else _our_value(b)
            found[name] = pair
    return found


@contextlib.contextmanager
def _undone(torch_model: Any, model: Any) -> Iterator[None]:
    """Puts buffers and gradients of both models back in the end."""
    torch = importlib.import_module("torch")
    buffers = [(b, b.detach().clone()) for b in torch_model.buffers()]
    grads = [(p, p.grad) for m in (torch_model, model) for p in m.parameters()]
    snapshot = Snapshot(model)
    for parameter, _ in grads:
        parameter.grad = None
    try:
        yield
    finally:
        snapshot.restore()
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
        for parameter, grad in grads:
            parameter.grad = grad


@contextlib.contextmanager
def _exact(torch: Any) -> Iterator[None]:
    """float32 products in full precision, in both libraries."""
    level = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.allow_tf32 if torch.cuda.is_available() else None
    torch.set_float32_matmul_precision("highest")
    if cudnn is not None:
        torch.backends.cudnn.allow_tf32 = False
    try:
        with jax.default_matmul_precision("highest"):
            yield
    finally:
        torch.set_float32_matmul_precision(level)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
