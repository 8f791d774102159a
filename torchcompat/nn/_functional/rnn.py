"""Recurrent networks as functions: `torch.lstm`, `gru`, `rnn_tanh`, `rnn_relu`, `lstm_cell`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from torchcompat._tensor import ops
from torchcompat._tensor._creation import ones
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn._functional.dropout import dropout as drop


def recurrent(
    mode: str,
    input: Tensor,
    batch_sizes: Any,
    hx: Sequence[Tensor],
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    batch_first: bool,
) -> list[Tensor]:
    """The output of a stack of recurrent layers, and its final states.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        batch_sizes: whole numbers where `input` holds packed sequences, else None.
        hx: the initial states, `(h,)` or `(h, c)`.
        dropout: chance that an element between two layers is zeroed, in [0, 1].
    """
    if isinstance(batch_sizes, tuple):
        batch_sizes = np.array(batch_sizes, np.int64)
    masks = []
    if train and dropout > 0:
        width = hx[0].shape[2] * (2 if bidirectional else 1)
        size = (*_outer(input, batch_sizes, batch_first), width)
        whole = ones(size, dtype=input.dtype, device=input.device)
        masks = [drop(whole, dropout) for _ in range(num_layers - 1)]
    return ops.recurrent(
        input,
        batch_sizes,
        tuple(hx),
        tuple(params),
        masks,
        mode,
        bool(has_biases),
        num_layers,
        bool(bidirectional),
        bool(batch_first),
    )


def _outer(input: Tensor, batch_sizes: Any, batch_first: bool) -> tuple[int, ...]:
    """Time and batch of what runs between the layers, or the number of packed elements."""
    if batch_sizes is not None:
        return (input.shape[0],)
    return (input.shape[1], input.shape[0]) if batch_first else tuple(input.shape[:2])


def _face(name: str, mode: str, state: str) -> Callable:
    """torch's function of a mode, which has one form for padded and one for packed sequences."""

    @lifted
    def function(*args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        padded = ("input", "hx", "params", "has_biases", "num_layers", "dropout", "train")
        padded += ("bidirectional", "batch_first")
        packed = ("data", "batch_sizes", *padded[1:-1])
        is_packed = "data" in kwargs or len(args) > 3 and isinstance(args[3], (tuple, list))
        given = dict(zip(packed if is_packed else padded, args)) | kwargs
        if set(given) != set(packed if is_packed else padded):
            raise TypeError(f"{name}() received an invalid combination of arguments")
        if is_packed:
            given |= {"input": given.pop("data"), "batch_first": False}
        hx = given.pop("hx")
        states = tuple(hx) if mode == "LSTM" else (hx,)
        return tuple(recurrent(mode, hx=states, **{"batch_sizes": None} | given))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""A stack of {mode} layers over sequences; returns the output and {state}.

    Forms: `{name}(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)` and, for packed sequences, `{name}(data, batch_sizes, hx, params, has_biases,
    num_layers, dropout, train, bidirectional)`.
    """
    return function


lstm = _face("lstm", "LSTM", "the final `h` and `c`, given as the tuple `hx`")
gru = _face("gru", "GRU", "the final state")
rnn_tanh = _face("rnn_tanh", "RNN_TANH", "the final state")
rnn_relu = _face("rnn_relu", "RNN_RELU", "the final state")


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of a long short-term memory; the gates are in the order i, f, g, o.

    Args:
        hx: `(h, c)`; the result is the next one.
    """
    h, c = ops.lstm_cell(input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c
