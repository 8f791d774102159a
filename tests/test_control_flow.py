"""`torch.cond`, `while_loop`, `scan`, `map` and `associative_scan`: as torch's, and under `compile`."""

import importlib

import numpy as np
import pytest
import torch

import torchcompat

MODES = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])


def op(library, name):
    return getattr(importlib.import_module(f"{library.__name__}._higher_order_ops.{name}"), name)


def as_both(function, *arrays, compiled):
    """What `function(library, *tensors)` gives: torch eager, and ours in the mode asked for."""
    expected = function(torch, *map(torch.tensor, arrays))
    own = lambda *tensors: function(torchcompat, *tensors)  # noqa: E731
    run = torchcompat.compile(own) if compiled else own
    return expected, run(*map(torchcompat.tensor, arrays))


def check(expected, found):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        expected, found = expected.values(), found.values()
    if isinstance(expected, torch.Tensor):
        assert isinstance(found, torchcompat.Tensor)
        np.testing.assert_allclose(found.detach(), expected.detach(), rtol=1e-6)
        return
    for a, b in zip(expected, found, strict=True):
        check(a, b)


X = np.arange(1, 13, dtype=np.float32).reshape(3, 4) / 5


@MODES
@pytest.mark.parametrize("sign", [1, -1])
def test_cond(compiled, sign):
    """torch itself would compile for a tensor: here its branch is chosen by hand."""

    def plain(library, x, y):
        branches = (
            lambda x, y: {"a": x.sin() @ y.T, "b": (x + 1,)},
            lambda x, y: {"a": x @ y.T, "b": (y - x,)},
        )
        pred = x.sum() > 0
        if library is torch:
            return branches[0 if pred else 1](x, y)
        return library.cond(pred, *branches, (x, y))

    check(*as_both(plain, X * sign, X, compiled=compiled))


@MODES
def test_cond_trains_what_its_branches_use(compiled):
    """Gradients reach operands and captured parameters; an untaken branch adds no nan."""
    w = np.full(4, 0.5, np.float32)

    def step(x, weight):
        x = x.clone().requires_grad_()
        out = torchcompat.cond(
            x.sum() > 0, lambda x: (x * weight).sum(), lambda x: (x.sqrt() / weight).sum(), (x,)
        )
        out.backward()
        return out, x.grad, weight.grad

    for sign in (1, -1):
        weight = torchcompat.nn.Parameter(torchcompat.tensor(w))
        x = torchcompat.tensor(X * sign)
        run = torchcompat.compile(lambda x: step(x, weight)) if compiled else None  # noqa: B023
        found = run(x) if run else step(x, weight)
        real, inputs = torch.tensor(w, requires_grad=True), torch.tensor(X * sign)
        inputs.requires_grad_()
        out = (inputs * real).sum() if sign > 0 else (inputs.sqrt() / real).sum()
        out.backward()
        check((out, inputs.grad, real.grad), found)


@pytest.mark.parametrize(
    "pred, arguments",
    [
        ("s", (abs, abs, ())),
        ([True, False], (abs, abs, ())),
        (True, (1, abs, ())),
        (True, (abs, abs, (3,))),
    ],
)
def test_cond_refuses(pred, arguments):
    texts = []
    for library in (torch, torchcompat):
        with pytest.raises(RuntimeError) as caught:
            library.cond(pred if pred == "s" else library.tensor(pred), *arguments)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]


def test_branches_that_differ_are_refused():
    run = torchcompat.compile(
        lambda x: torchcompat.cond(x.sum() > 0, lambda x: x, lambda x: x.sum(), (x,))
    )
    with pytest.raises(RuntimeError, match="results differ"):
        run(torchcompat.ones(3))


@MODES
def test_while_loop(compiled):
    def run(library, i, x):
        if library is torch:
            while i < 3:
                i, x = i + 1, x * 2
            return i, x
        return library.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (i, x))

    check(*as_both(run, np.int64(0), X, compiled=compiled))


def _scans(library, name, **options):
    scan = op(library, name)
    if name == "map":
        return lambda x, y: scan(lambda one, y: {"z": one * y}, x, y)
    if name == "scan":
        return lambda x, y: scan(lambda c, one: (c + one, c * one), y, x, **options)
    both = lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1])  # noqa: E731
    return lambda x, y: scan(both, (x, x + 1), **options)


@MODES
@pytest.mark.parametrize(
    "name, options",
    [
        ("map", {}),
        ("scan", {}),
        ("scan", {"reverse": True}),
        ("associative_scan", {"dim": 0, "combine_mode": "generic"}),
        ("associative_scan", {"dim": 1, "combine_mode": "generic"}),
        ("associative_scan", {"dim": 1, "reverse": True, "combine_mode": "generic"}),
    ],
)
def test_scans(name, options, compiled):
    expected = _loop(name, options)
    run = _scans(torchcompat, name, **options)
    run = torchcompat.compile(run) if compiled else run
    check(expected, run(torchcompat.tensor(X), torchcompat.tensor(X[0])))


def _loop(name, options):
    """The same by hand, on torch: its own ops are compiled, which takes a C++ compiler and a minute."""
    x, y = torch.tensor(X), torch.tensor(X[0])
    if name == "map":
        return {"z": x * y}
    dim, reverse = options.get("dim", 0), options.get("reverse", False)
    slices = list((x.flip(dim) if reverse else x).unbind(dim))
    if name == "scan":
        outputs = []
        for one in slices:
            outputs.append(y * one)
            y = y + one
        outputs = torch.stack(outputs)
        return y, outputs.flip(0) if reverse else outputs
    states = [(slices[0], slices[0] + 1)]
    for one in slices[1:]:
        a, b = states[-1]
        states.append((a * one, b * one + one + 1))
    found = [torch.stack(parts, dim) for parts in zip(*states)]
    return tuple(one.flip(dim) if reverse else one for one in found)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_associative_scan_of_any_length_is_differentiable(n):
    real = torch.linspace(0.1, 1, n).requires_grad_()
    own = torchcompat.tensor(real.detach().numpy(), requires_grad=True)
    expected = real.cumprod(0)
    found = op(torchcompat, "associative_scan")(lambda a, b: a * b, own, 0)
    check(expected, found)
    (expected**2).sum().backward()
    (found**2).sum().backward()
    np.testing.assert_allclose(own.grad, real.grad, rtol=1e-5)
