"""Recurrent layers and cells against torch: values, gradients, initial bits, texts, errors."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import jax
import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, both
from tests._parity import assert_close, assert_equal, to_ours
from torchcompat import nn
from torchcompat.func import functional_call
from torchcompat.nn.utils import rnn as packing

SEED = 3
LENGTHS = {"sorted": [5, 4, 2], "unsorted": [2, 5, 4]}


def pair(kind: str, *args: Any, dtype: torch.dtype = torch.float32, **kwargs: Any) -> tuple:
    """torch's layer and ours, made from one seed."""
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    theirs = getattr(torch.nn, kind)(*args, **kwargs, dtype=dtype)
    return theirs, getattr(nn, kind)(*args, **kwargs, dtype=to_ours(dtype))


def flat(x: Any) -> list:
    """The tensors among nested results; of packed sequences the data."""
    if hasattr(x, "batch_sizes"):
        return [x.data]
    return [one for part in x for one in flat(part)] if isinstance(x, (tuple, list)) else [x]


def states(layer: Any, batch: int | None, dtype: torch.dtype) -> Any:
    """An initial state that fits a torch layer."""
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    lead = (count,) if batch is None else (count, batch)
    h = torch.randn(*lead, layer.proj_size or layer.hidden_size, dtype=dtype)
    if layer.mode != "LSTM":
        return h
    return h, torch.randn(*lead, layer.hidden_size, dtype=dtype)


def check(theirs: Any, ours: Any, x: torch.Tensor, hx: Any, lengths: list | None) -> None:
    """Compares outputs, and the gradients of their weighted sum by parameters, input and state."""
    x = x.requires_grad_()
    hx = None if hx is None else tuple(one.requires_grad_() for one in flat(hx))

    def run(library: Any, layer: Any, x: Any, hx: Any) -> list:
        pack = library.nn.utils.rnn.pack_padded_sequence
        if hx is not None:
            hx = hx if isinstance(theirs, torch.nn.LSTM) else hx[0]
        given = x if lengths is None else pack(x, lengths, theirs.batch_first, lengths[0] == 5)
        return flat(layer(given, hx))

    def ours_on(state: dict, x: Any, hx: Any) -> list:
        return run(torchcompat, lambda *args: functional_call(ours, state, args), x, hx)

    with warnings.catch_warnings():  # "LSTM with projections is not supported with oneDNN"
        warnings.simplefilter("ignore")
        want = run(torch, theirs, x, hx)
    with jax.enable_x64(True):
        state = {name: p._read() for name, p in ours.named_parameters()}
        arrays = jax.tree.map(lambda one: jax.numpy.asarray(one.detach().numpy()), (x, hx))
        got, pull = jax.vjp(ours_on, state, *arrays)
        weights = [torch.rand_like(one) + 0.5 for one in want]
        found = jax.tree.leaves(pull([jax.numpy.asarray(w.numpy()) for w in weights]))
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert_close(a, b, f"result {i}")
    named = dict(theirs.named_parameters())
    leaves = [*(named[name] for name in sorted(named)), x, *(hx or ())]
    expected = torch.autograd.grad(want, leaves, weights)
    for a, b in zip(found, expected, strict=True):
        # XLA's tanh is exact to 4 units in the last place, torch's to 1, and errors are fed back.
        assert_close(a, b, "gradient", factor=3)


# kind, arguments, keywords; `lengths` has the input packed, `hx` passes an initial state
CASES = [
    ("RNN", (3, 4), {}),
    ("RNN", (3, 4, 2, "relu"), {"bias": False, "bidirectional": True, "batch_first": True}),
    ("RNN", (3, 4), {"lengths": "unsorted", "bidirectional": True, "batch_first": True}),
    ("GRU", (3, 4, 2), {"bidirectional": True, "hx": True}),
    ("GRU", (3, 4), {"unbatched": True, "batch_first": True, "hx": True}),
    ("GRU", (3, 4, 2), {"lengths": "unsorted", "bidirectional": True, "hx": True}),
    ("LSTM", (3, 4, 2), {"bidirectional": True, "hx": True}),
    ("LSTM", (3, 4, 2), {"bidirectional": True, "proj_size": 2, "batch_first": True, "hx": True}),
    ("LSTM", (3, 4), {"unbatched": True, "proj_size": 3, "bias": False}),
    ("LSTM", (3, 4, 2), {"lengths": "sorted", "bidirectional": True}),
    ("LSTM", (3, 4), {"lengths": "unsorted", "proj_size": 2, "hx": True}),
]


# float64 runs the same code: each mode stands for it once.
ROWS = [(*row, torch.float32) for row in CASES] + [(*row, torch.float64) for row in CASES[2::4]]


@pytest.mark.parametrize(("kind", "args", "options", "dtype"), ROWS)
def test_layer(kind: str, args: tuple, options: dict, dtype: torch.dtype) -> None:
    kwargs = dict(options)
    lengths = LENGTHS.get(kwargs.pop("lengths", ""))
    unbatched, with_state = kwargs.pop("unbatched", False), kwargs.pop("hx", False)
    theirs, ours = pair(kind, *args, **kwargs, dtype=dtype)
    assert repr(ours) == repr(theirs)
    for (name, p), (other, q) in zip(
        theirs.named_parameters(), ours.named_parameters(), strict=True
    ):
        assert name == other
        assert_equal(q, p, name)
    batch = None if unbatched else 3
    size = (5,) if unbatched else (3, 5) if theirs.batch_first else (5, 3)
    hx = states(theirs, batch, dtype) if with_state else None
    check(theirs, ours, torch.randn(*size, 3, dtype=dtype), hx, lengths)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_bfloat16(kind: str) -> None:
    theirs, ours = pair(kind, 3, 4, 2, bidirectional=True, dtype=torch.bfloat16)
    x = torch.randn(5, 3, 3, dtype=torch.bfloat16)
    with torch.no_grad():
        want = flat(theirs(x))
    for i, (a, b) in enumerate(zip(flat(ours(to_ours(x))), want, strict=True)):
        assert_close(a, b, f"result {i}")


@pytest.mark.parametrize("dropout", [0.4, 1.0])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_dropout_draws_as_torch(kind: str, dropout: float) -> None:
    theirs, ours = pair(kind, 3, 4, 3, dropout=dropout, batch_first=True)
    x = torch.randn(3, 5, 3)
    for training in (True, False):
        theirs.train(training), ours.train(training)
        torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
        want, got = flat(theirs(x)), flat(ours(to_ours(x)))
        for a, b in zip(got, want, strict=True):
            assert_close(a, b, f"training {training}")
        assert torch.rand(()).item() == torchcompat.rand(()).item()


def test_dropout_of_packed_sequences_draws_as_torch() -> None:
    theirs, ours = pair("GRU", 3, 4, 3, dropout=0.4)
    x = torch.randn(5, 3, 3)
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    want = theirs(torch.nn.utils.rnn.pack_padded_sequence(x, LENGTHS["sorted"]))
    got = ours(packing.pack_padded_sequence(to_ours(x), LENGTHS["sorted"]))
    for a, b in zip(flat(got), flat(want), strict=True):
        assert_close(a, b)


CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "kwargs"), CELLS)
def test_cell(kind: str, kwargs: dict, bias: bool) -> None:
    theirs, ours = pair(kind, 3, 4, bias=bias, **kwargs)
    assert repr(ours) == repr(theirs)
    for (name, p), (other, q) in zip(theirs.state_dict().items(), ours.state_dict().items()):
        assert name == other
        assert_equal(q, p, name)
    for lead in ((2,), ()):
        x, h = torch.randn(*lead, 3), torch.randn(*lead, 4)
        for hx in (None, (h, h + 1) if kind == "LSTMCell" else h):
            for a, b in zip(flat(ours(to_ours(x), to_ours(hx))), flat(theirs(x, hx)), strict=True):
                assert_close(a, b)


@pytest.mark.parametrize(("kind", "kwargs"), CELLS)
def test_gradient_of_cell(kind: str, kwargs: dict) -> None:
    theirs, ours = pair(kind, 3, 4, **kwargs)
    x, h = torch.randn(2, 3, requires_grad=True), torch.randn(2, 4, requires_grad=True)
    lstm = kind == "LSTMCell"
    want = sum((one**2).sum() for one in flat(theirs(x, (h, h) if lstm else h)))
    parameters = dict(theirs.named_parameters())
    expected = torch.autograd.grad(want, [*(parameters[k] for k in sorted(parameters)), x, h])

    def loss(state: dict, x: Any, h: Any) -> Any:
        out = functional_call(ours, state, (x, (h, h) if lstm else h))
        return sum((one**2).sum() for one in flat(out))

    state = {name: p._read() for name, p in ours.named_parameters()}
    arrays = (np.asarray(to_ours(one.detach())) for one in (x, h))
    found = jax.grad(loss, argnums=(0, 1, 2))(state, *map(jax.numpy.asarray, arrays))
    for a, b in zip(jax.tree.leaves(found), expected, strict=True):
        assert_close(a, b, "gradient")


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_the_program_does_not_grow_with_the_sequence(kind: str) -> None:
    layer = getattr(nn, kind)(3, 4, 2, bidirectional=True)
    steps = []
    for length in (4, 400):
        x = jax.ShapeDtypeStruct((length, 2, 3), np.float32)
        steps.append(str(jax.make_jaxpr(layer)(x)).count(" = "))
    assert steps[0] == steps[1]


def test_compiled_layer_agrees_and_takes_packed_sequences() -> None:
    layer = nn.LSTM(3, 4, bidirectional=True)
    fast = torchcompat.compile(layer)
    packed = packing.pack_padded_sequence(torchcompat.randn(5, 3, 3), LENGTHS["sorted"])
    (a, (b, c)), (d, (e, f)) = layer(packed), fast(packed)
    assert isinstance(d, packing.PackedSequence)
    for x, y in ((a.data, d.data), (b, e), (c, f)):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-6)


def test_packed_sequences_go_through_jit_with_static_sizes() -> None:
    layer = nn.GRU(3, 4)
    packed = packing.pack_padded_sequence(
        jax.numpy.ones((5, 3, 3)), LENGTHS["unsorted"], False, False
    )
    assert isinstance(packed.data, jax.Array)

    @jax.jit
    def run(sequence: Any) -> Any:
        return packing.pad_packed_sequence(layer(sequence)[0])

    padded, lengths = run(packed)
    assert isinstance(padded, jax.Array) and lengths.tolist() == LENGTHS["unsorted"]
    want = packing.pad_packed_sequence(layer(packed)[0])[0]
    np.testing.assert_allclose(padded, want, rtol=1e-6)


# -- texts ---------------------------------------------------------------------------------------


@both
def test_constructor_errors(torch):
    bad = {
        "input_size": ("a", 0),
        "hidden_size": ("a", 0, -1),
        "num_layers": ("a", 0, 1.5),
        "bias": (1,),
        "batch_first": (1,),
        "dropout": (2, "x", True),
        "proj_size": (-1, "a", 4),
    }
    for kind in ("RNN", "LSTM", "GRU"):
        make = getattr(torch.nn, kind)
        for name, values in bad.items():
            for value in values:
                yield attempt(make, **{"input_size": 3, "hidden_size": 4, name: value})
        yield attempt(make, 3, 4, dropout=0.5)
        yield attempt(make, 3, 4, foo=1)
        yield attempt(make)
        yield attempt(make, 3, 4, 2, bias=False, batch_first=True, dropout=0.5)
    for pairs in (("input_size", "bias"), ("dropout", "num_layers"), ("hidden_size", "dropout")):
        values = {name: bad[name][0] for name in pairs}
        yield attempt(torch.nn.LSTM, **{"input_size": 3, "hidden_size": 4} | values)
    yield attempt(torch.nn.RNN, 3, 4, nonlinearity="x")
    yield attempt(torch.nn.RNN, 3, 4, 1, "relu", True, False, 0.0, True)
    yield attempt(torch.nn.RNN, 3, 4, 1, True)
    yield attempt(torch.nn.RNNBase, "FOO", 3, 4)
    yield attempt(torch.nn.RNNBase("LSTM", 3, 4, proj_size=2), torch.zeros(1, 2, 3))


@both
def test_layer_errors(torch):
    zeros = torch.zeros
    for kind in ("RNN", "LSTM", "GRU"):
        layer = getattr(torch.nn, kind)(3, 4, 2)

        def state(*size, kind=kind):
            return (zeros(size), zeros(size)) if kind == "LSTM" else zeros(size)

        for size in ((3,), (1, 1, 1, 3), (5, 2, 4), (5, 4), (0, 2, 3)):
            yield attempt(layer, zeros(size))
        for dtype in (torch.float64, torch.int64):
            yield attempt(layer, zeros(5, 2, 3, dtype=dtype))
        for size in ((2, 3, 4), (2, 4), (2, 2, 5), (1, 2, 4)):
            yield attempt(layer, zeros(5, 2, 3), state(*size))
        yield attempt(layer, zeros(5, 3), state(2, 1, 4))
        yield attempt(layer, zeros(5, 3), state(2, 5))
        yield attempt(layer, "a")
        pack = torch.nn.utils.rnn.pack_padded_sequence
        yield attempt(layer, pack(zeros(5, 2, 4), [5, 3]))
        yield attempt(layer, pack(zeros(5, 2, 3, dtype=torch.float64), [5, 3]))
    lstm = torch.nn.LSTM(3, 4)
    yield attempt(lstm, zeros(5, 2, 3), (zeros(1, 2, 4), zeros(1, 2, 5)))
    yield attempt(lstm, zeros(5, 2, 3), (zeros(1, 4), zeros(1, 2, 4)))
    yield attempt(lstm, zeros(5, 3), (zeros(1, 4), zeros(1, 2, 4)))
    yield attempt(lstm, zeros(5, 2, 3), (zeros(1, 2, 4),))
    yield attempt(torch.nn.GRU(3, 4), zeros(5, 2, 3), zeros(1, 2, 4, dtype=torch.float64))


@both
def test_empty_batches(torch):
    torch.manual_seed(0)
    for kind in (torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU):
        layer = kind(3, 4, bidirectional=True)
        output, _ = layer(torch.zeros(5, 0, 3))
        output.sum().backward()
        yield output.shape, layer.weight_ih_l0.grad


@both
def test_cell_errors(torch):
    zeros = torch.zeros
    for kind in ("RNNCell", "LSTMCell", "GRUCell"):
        make = getattr(torch.nn, kind)
        for args in ((3, 4, False), (3, -1), (0, 4), (3, 0)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield attempt(make, *args)[0]
        cell = make(3, 4)

        def state(*size, kind=kind):
            return (zeros(size), zeros(size)) if kind == "LSTMCell" else zeros(size)

        for size in ((1, 1, 3), (), (2, 5), (5,)):
            yield attempt(cell, zeros(size))
        for size in ((2, 5), (3, 4), (1, 2, 4), (4,)):
            yield attempt(cell, zeros(2, 3), state(*size))
        yield attempt(cell, zeros(3), state(1, 4))
        for dtype in (torch.float64, torch.int64):
            yield attempt(cell, zeros(2, 3, dtype=dtype))
        yield attempt(cell, zeros(0, 3), state(0, 4))
    yield attempt(torch.nn.RNNCell(3, 4, nonlinearity="foo"), zeros(2, 3))
    yield repr(torch.nn.RNNCell(3, 4, nonlinearity="relu"))
    lstm = torch.nn.LSTMCell(3, 4)
    for hx in ((zeros(2, 4), zeros(2, 5)), (zeros(2, 4), zeros(3, 4)), (zeros(2, 4),)):
        yield attempt(lstm, zeros(2, 3), hx)
    yield attempt(lstm, zeros(2, 3), zeros(2, 4))


@both
def test_names_and_helpers(torch):
    layer = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    yield list(layer.state_dict()), layer._flat_weights_names, layer._all_weights
    yield [tuple(weight.shape) for weight in layer._flat_weights]
    yield [[tuple(weight.shape) for weight in cell] for cell in layer.all_weights]
    yield layer.flatten_parameters()
    x = torch.zeros(5, 2, 3)
    yield layer.get_expected_hidden_size(x, None), layer.get_expected_cell_size(x, None)
    sizes = torch.tensor([3, 1])
    yield layer.get_expected_hidden_size(x[0], sizes)
    yield attempt(layer.check_hidden_size, torch.zeros(2), (1, 2, 3), "want {}, have {}")
    yield attempt(layer.check_input, torch.zeros(2, 3, 4), None)
    order = torch.tensor([1, 0])
    states = torch.arange(4.0).reshape(1, 2, 2)
    yield (
        torch.nn.GRU(3, 2).permute_hidden(states, order),
        layer.permute_hidden((states, states), order),
    )
    yield layer.permute_hidden((states, states), None)
    yield attempt(torch.nn.modules.rnn.apply_permutation, states, order)
    yield layer.__constants__, torch.nn.RNNCell.__constants__, torch.nn.GRUCell.__constants__
    meta = torch.nn.GRU(3, 4, device="meta")
    yield [tuple(one.shape) for one in meta(torch.zeros(5, 2, 3, device="meta"))]
    double = torch.nn.GRU(3, 4, dtype=torch.float64)
    yield double.weight_ih_l0.dtype, double.float().weight_ih_l0.dtype


@both
def test_functions_without_a_module(torch):
    def fill(*size):
        count = 1
        for n in size:
            count *= n
        return (torch.arange(count) % 7 / 10 - 0.3).reshape(size)

    x, h = fill(4, 2, 3), fill(1, 2, 2)
    data, sizes = fill(5, 3), torch.tensor([2, 2, 1])
    for name, gates in (("rnn_tanh", 1), ("rnn_relu", 1), ("gru", 3), ("lstm", 4)):
        params = [fill(gates * 2, 3), fill(gates * 2, 2), fill(gates * 2), fill(gates * 2)]
        hx = (h, h) if name == "lstm" else h
        run = getattr(torch, name)
        yield run(x, hx, params, True, 1, 0.0, False, False, False)
        yield run(x.transpose(0, 1), hx, params[:2], False, 1, 0.0, False, False, True)
        yield run(data, sizes, hx, params, True, 1, 0.0, False, False)
        cell = getattr(torch, f"{name}_cell")
        hx = (h[0], h[0]) if name == "lstm" else h[0]
        yield cell(x[0], hx, *params), cell(x[0], hx, *params[:2])


def test_torch_pickles_and_old_states_load() -> None:
    layer = nn.LSTM(3, 4)
    state = layer.__getstate__() | {"_flat_weights": [None], "_flat_weight_refs": []}
    del state["proj_size"], state["_flat_weights_names"]
    old = nn.LSTM.__new__(nn.LSTM)
    old.__setstate__(state)
    assert old.proj_size == 0
    assert old._flat_weights_names == layer._flat_weights_names
    assert old._flat_weights[0] is layer.weight_ih_l0
    twin = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(np.asarray(twin.weight_hh_l0), np.asarray(layer.weight_hh_l0))


def test_flat_weights_follow_the_parameters() -> None:
    layer = nn.RNN(3, 4)
    layer.weight_hh_l0 = nn.Parameter(torchcompat.ones(4, 4))
    assert layer._flat_weights[1] is layer.weight_hh_l0
    layer._flat_weights = [nn.Parameter(weight.detach() * 0) for weight in layer._flat_weights]
    assert float(layer.bias_hh_l0.abs().sum()) == 0
