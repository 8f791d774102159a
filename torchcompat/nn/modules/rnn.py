"""Recurrent layers over whole sequences: RNN, LSTM, GRU. Their cells are in `_rnn_cell.py`."""

from __future__ import annotations

import warnings
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._creation import zeros
from torchcompat.nn.modules._rnn_base import RNNBase
from torchcompat.nn.modules._rnn_cell import GRUCell, LSTMCell, RNNCell, RNNCellBase

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]


def apply_permutation(tensor: Tensor, permutation: Tensor, dim: int = 1) -> Tensor:
    """`tensor.index_select(dim, permutation)`. Deprecated."""
    warnings.warn(
        "`apply_permutation` is deprecated, "
        "please use `tensor.index_select(dim, permutation)` instead",
        category=FutureWarning,
        stacklevel=2,
    )
    return tensor.index_select(dim, permutation)


class RNN(RNNBase):
    """An Elman network over a sequence: `h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh)`.

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers, nonlinearity, bias, batch_first, dropout, bidirectional: in this order;
            nonlinearity is "tanh" or "relu", the others are those of `RNNBase`.

    Shape:
        Input: `(T, N, input_size)`, `(T, input_size)` or a PackedSequence; hx (default zeros)
        `(layers * directions, N, hidden_size)`.
        Output: `(T, N, directions * hidden_size)`, and the final state in the shape of hx.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        self.nonlinearity = nonlinearity
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._run(input, hx)

    def _check_rank(self, input: Tensor, noun: str = " tensor") -> None:
        super()._check_rank(input, noun)


class LSTM(RNNBase):
    """A long short-term memory over a sequence; the gates are in the order i, f, g, o.

    Args:
        input_size, hidden_size: features of the input and of the cell.
        num_layers, bias, batch_first, dropout, bidirectional, proj_size: those of `RNNBase`.

    Shape:
        Input: `(T, N, input_size)`, `(T, input_size)` or a PackedSequence; hx (default zeros)
        `(h, c)` of `(layers * directions, N, proj_size or hidden_size)` and `(..., hidden_size)`.
        Output: `(T, N, directions * (proj_size or hidden_size))`, and the final `(h, c)`.
    """

    _states = 2

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The size of `c`: layers times directions, batch, features of the cell."""
        return self._state_size(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raises torch's error for an input or initial state of the wrong type or size."""
        # torch has the product refuse the packed input of an LSTM.
        if batch_sizes is None:
            self.check_input(input, batch_sizes)
        sizes = self.get_expected_hidden_size, self.get_expected_cell_size
        for i, size in enumerate(sizes):
            text = f"Expected hidden[{i}] size {{}}, got {{}}"
            self.check_hidden_size(hidden[i], size(input, batch_sizes), text)

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The states with their batch in another order."""
        return hx if permutation is None else tuple(x.index_select(1, permutation) for x in hx)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        return self._run(input, hx)

    def _no_state(self, input: Tensor, batch_sizes: Any) -> Any:
        size = self.get_expected_cell_size(input, batch_sizes)
        cell = zeros(size, dtype=input.dtype, device=input.device)
        return super()._no_state(input, batch_sizes), cell

    def _check_state_rank(self, input: Tensor, hx: Any) -> None:
        rank = input.ndim
        if hx is not None and (hx[0].ndim != rank or hx[1].ndim != rank):
            kind = "batched" if rank == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {rank}-D input, hx and cx should also be {rank}-D but got "
                f"({hx[0].ndim}-D, {hx[1].ndim}-D) tensors"
            )


class GRU(RNNBase):
    """A gated recurrent unit over a sequence; the gates are in the order r, z, n.

    Args:
        input_size, hidden_size: features of the input and of the state.
        num_layers, bias, batch_first, dropout, bidirectional: those of `RNNBase`.

    Shape:
        Input: `(T, N, input_size)`, `(T, input_size)` or a PackedSequence; hx (default zeros)
        `(layers * directions, N, hidden_size)`.
        Output: `(T, N, directions * hidden_size)`, and the final state in the shape of hx.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        return self._run(input, hx)


def _refuse_projection(kwargs: dict[str, Any]) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
