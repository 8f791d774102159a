"""Recurrent networks: one cell function a mode, and one driver for layers, directions and packing.

A layer runs both of its directions in one `lax.scan`, the reverse one on the sequence turned round,
so that compile time does not depend on the length. Packed sequences are laid out over time and
batch; where a sequence has no element, its state stays what it was. That holds in either direction:
the reverse one reaches the end of a shorter sequence with the state it was given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._common import tanh, wide
from torchcompat._ops._errors import scalar
from torchcompat._ops._registry import Array, op
from torchcompat._ops.activation import relu
from torchcompat._ops.linear import contract

State = tuple[jax.Array, ...]


def _elman(activation: Callable) -> Callable:
    def cell(gi: jax.Array, gh: jax.Array, state: State) -> State:
        return (activation(gi + gh),)

    return cell


def _lstm(gi: jax.Array, gh: jax.Array, state: State) -> State:
    """Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997."""
    i, f, g, o = jnp.split(gi + gh, 4, axis=-1)
    c = lax.logistic(f) * state[1] + lax.logistic(i) * tanh(g)
    return lax.logistic(o) * tanh(c), c


def _gru(gi: jax.Array, gh: jax.Array, state: State) -> State:
    """Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014."""
    (gi_r, gi_z, gi_n), (gh_r, gh_z, gh_n) = (jnp.split(g, 3, axis=-1) for g in (gi, gh))
    r = lax.logistic(gi_r + gh_r)
    z = lax.logistic(gi_z + gh_z)
    n = tanh(gi_n + r * gh_n)
    return ((state[0] - n) * z + n,)


# Of a mode, the cell: gates of the input, gates of the state and the state in, the new state out.
CELLS = {"RNN_TANH": _elman(tanh), "RNN_RELU": _elman(relu), "LSTM": _lstm, "GRU": _gru}


class _Weights(NamedTuple):
    """The parameters of one layer, its directions stacked in front."""

    w_ih: jax.Array
    w_hh: jax.Array
    b_ih: jax.Array | None
    b_hh: jax.Array | None
    w_hr: jax.Array | None


def _by_layer(
    params: Sequence[jax.Array], layers: int, directions: int, biases: bool
) -> list[_Weights]:
    each = len(params) // (layers * directions)
    cells = [params[k : k + each] for k in range(0, len(params), each)]
    found = []
    for first in range(0, len(cells), directions):
        stacked = [jnp.stack(one) for one in zip(*cells[first : first + directions])]
        w_ih, w_hh, *rest = stacked
        b_ih, b_hh = rest[:2] if biases else (None, None)
        w_hr = rest[-1] if len(rest) % 2 else None
        found.append(_Weights(w_ih, w_hh, b_ih, b_hh, w_hr))
    return found


class _Packing:
    """Where the elements of packed sequences lie when they are laid out over time and batch.

    Args:
        batch_sizes: how many sequences have an element at each time, never growing.
        total: number of elements.
        batch: number of sequences.
    """

    def __init__(self, batch_sizes: jax.Array, total: int, batch: int) -> None:
        ends = jnp.cumsum(batch_sizes)
        starts = ends - batch_sizes
        member = jnp.arange(batch, dtype=np.int64)
        self.active = member < batch_sizes[:, None]
        self._rows = jnp.where(self.active, starts[:, None] + member, total)
        row = jnp.arange(total, dtype=np.int64)
        self._time = jnp.searchsorted(ends, row, side="right")
        self._member = row - starts[self._time]

    def laid_out(self, packed: jax.Array) -> jax.Array:
        """`(total, *)` as `(time, batch, *)`, zero where a sequence has ended."""
        return packed.at[self._rows].get(mode="fill", fill_value=0)

    def packed(self, out: jax.Array) -> jax.Array:
        """`(time, batch, *)` as `(total, *)`."""
        return out[self._time, self._member]


@op()
def recurrent(
    input: Array,
    batch_sizes: Array | None,
    hx: Sequence[Array],
    params: Sequence[Array],
    masks: Sequence[Array],
    mode: str,
    has_biases: bool,
    num_layers: int,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Array, ...]:
    """A stack of recurrent layers over sequences; returns the output and each final state.

    Args:
        batch_sizes: given for packed sequences, see `nn.utils.rnn`.
        hx: the initial states: `(h,)`, or `(h, c)` for an LSTM.
        params: of each layer and direction: w_ih, w_hh, then b_ih, b_hh under `has_biases`, then
            w_hr where the LSTM projects its output.
        masks: for each layer but the last, what its output is multiplied by; empty for none.
        mode: a key of `CELLS`.

    Shape:
        input `(T, N, in)`, under `batch_first` `(N, T, in)`, packed `(elements, in)`; states
        `(layers * directions, N, hidden)`; output as the input, features `directions * hidden`.
    """
    directions = 2 if bidirectional else 1
    weights = _by_layer(params, num_layers, directions, has_biases)
    _check_products(input, hx[0], weights[0])
    swapped = batch_first and batch_sizes is None
    x = jnp.swapaxes(input, 0, 1) if swapped else input
    if not x.shape[0]:
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
    packing = _packing(x, batch_sizes, hx[0].shape[1])
    finals = []
    for layer, weight in enumerate(weights):
        if layer and masks:
            x = x * masks[layer - 1]
        states = tuple(s[layer * directions : (layer + 1) * directions] for s in hx)
        x, final = _layer(CELLS[mode], x, states, weight, packing)
        finals.append(final)
    output = jnp.swapaxes(x, 0, 1) if swapped else x
    return (output, *map(jnp.concatenate, zip(*finals)))


def _packing(x: jax.Array, batch_sizes: jax.Array | None, batch: int) -> _Packing | None:
    return None if batch_sizes is None else _Packing(batch_sizes, x.shape[0], batch)


def _layer(
    cell: Callable, x: jax.Array, state: State, weight: _Weights, packing: _Packing | None
) -> tuple[jax.Array, State]:
    """One layer over `x`, `(T, N, in)` or packed; the states are `(directions, N, hidden)`."""
    gates = jnp.moveaxis(_input_gates(x, weight), -2, 0)
    active = None
    if packing is not None:
        gates = jax.vmap(packing.laid_out)(gates)
        active = _turned(jnp.broadcast_to(packing.active[..., None], (*gates.shape[:3], 1)))
    out, final = _scan(cell, _turned(gates), active, state, weight)
    out = jnp.moveaxis(_turned(out), 0, -2)
    out = lax.collapse(out, 2)
    return (out if packing is None else packing.packed(out)), final


def _input_gates(x: jax.Array, weight: _Weights) -> jax.Array:
    """`w_ih x + b_ih` of all steps and directions in one product: `(*, directions, gates)`."""
    flat = lax.collapse(weight.w_ih, 0, 2)
    gates = contract(x, flat, (x.ndim - 1, 1))
    gates = gates.reshape(*gates.shape[:-1], *weight.w_ih.shape[:2])
    return gates if weight.b_ih is None else gates + weight.b_ih.astype(gates.dtype)


def _turned(x: jax.Array) -> jax.Array:
    """`(directions, T, *)` with the time of the second direction, if any, turned round."""
    return jnp.concatenate([x[:1], x[1:, ::-1]])


def _scan(
    cell: Callable,
    gates: jax.Array,
    active: jax.Array | None,
    state: State,
    weight: _Weights,
) -> tuple[jax.Array, State]:
    """Outputs `(directions, T, N, hidden)` and final states of one layer."""

    def step(state: State, inputs: tuple) -> tuple[State, jax.Array]:
        gi, on = inputs
        new = jax.vmap(_advance, (None, 0, 0, 0))(cell, gi, state, weight)
        if on is not None:
            new = tuple(jnp.where(on, a, b) for a, b in zip(new, state))
        return new, new[0]

    over_time = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), (gates, active))
    final, out = lax.scan(step, state, over_time)
    return jnp.swapaxes(out, 0, 1), final


def _advance(cell: Callable, gi: jax.Array, state: State, weight: _Weights) -> State:
    """The next state of one direction, rounded to the state's type."""
    gh = contract(state[0], weight.w_hh, (1, 1))
    if weight.b_hh is not None:
        gh = gh + weight.b_hh.astype(gh.dtype)
    h, *c = cell(gi, gh, tuple(map(wide, state)))
    if weight.w_hr is not None:
        h = contract(h.astype(state[0].dtype), weight.w_hr, (1, 1))
    return tuple(new.astype(old.dtype) for new, old in zip((h, *c), state))


def _check_products(input: jax.Array, hidden: jax.Array, weight: _Weights) -> None:
    for x, w in ((input, weight.w_ih), (hidden, weight.w_hh)):
        if x.dtype != w.dtype:
            raise RuntimeError(
                f"mat1 and mat2 must have the same dtype, but got {scalar(x)} and {scalar(w)}"
            )
        if x.shape[-1] != w.shape[2]:
            raise RuntimeError(
                "mat1 and mat2 shapes cannot be multiplied "
                f"({math.prod(x.shape[:-1])}x{x.shape[-1]} and {w.shape[2]}x{w.shape[1]})"
            )


def _make_cell(name: str, mode: str, doc: str) -> None:
    def cell(
        input: Array,
        hx: Array,
        w_ih: Array,
        w_hh: Array,
        b_ih: Array | None = None,
        b_hh: Array | None = None,
    ) -> Array:
        return _one_step(mode, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]

    cell.__doc__ = doc
    op("torch", name=name)(cell)


_RNN_STEP = "`{}(w_ih input + b_ih + w_hh hx + b_hh)`."
_make_cell("rnn_tanh_cell", "RNN_TANH", _RNN_STEP.format("tanh"))
_make_cell("rnn_relu_cell", "RNN_RELU", _RNN_STEP.format("relu"))
_make_cell("gru_cell", "GRU", "One step of a gated recurrent unit; the gates are in order r, z, n.")


@op()
def lstm_cell(
    input: Array,
    hx: Sequence[Array],
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None = None,
    b_hh: Array | None = None,
) -> tuple[Array, Array]:
    """One step of a long short-term memory; the gates are in the order i, f, g, o.

    Args:
        hx: `(h, c)`.
    """
    if len(hx) != 2:
        raise RuntimeError("lstm_cell expects two hidden states")
    return _one_step("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


def _one_step(
    mode: str,
    input: jax.Array,
    state: State,
    w_ih: jax.Array,
    w_hh: jax.Array,
    b_ih: jax.Array | None,
    b_hh: jax.Array | None,
) -> State:
    _check_cell(input, state, w_ih, w_hh)
    directed = (None if w is None else w[None] for w in (w_ih, w_hh, b_ih, b_hh, None))
    weight = _Weights(*directed)
    _check_products(input, state[0], weight)
    gates = _input_gates(input, weight)[:, 0]
    return _advance(CELLS[mode], gates, state, _Weights(w_ih, w_hh, b_ih, b_hh, None))


def _check_cell(input: jax.Array, state: State, w_ih: jax.Array, w_hh: jax.Array) -> None:
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[1]} expected {w_ih.shape[1]}"
        )
    for i, one in enumerate(state):
        if input.shape[0] != one.shape[0]:
            raise RuntimeError(
                f"Input batch size {input.shape[0]} doesn't match "
                f"hidden{i} batch size {one.shape[0]}"
            )
        if one.shape[1] != w_hh.shape[1]:
            raise RuntimeError(
                f"hidden{i} has inconsistent hidden_size: got {one.shape[1]}, "
                f"expected {w_hh.shape[1]}"
            )
