"""Recurrent cells: one step at a time."""

from __future__ import annotations

import math
from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._creation import empty, zeros
from torchcompat.nn import init
from torchcompat.nn._functional.rnn import lstm_cell
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells share: parameters, their initialisation and the checks of the input.

    Args:
        num_chunks: number of gates.

    Shape:
        weight_ih `(gates * hidden_size, input_size)`, bias_ih and bias_hh `(gates * hidden_size)`,
        weight_hh `(gates * hidden_size, hidden_size)`.
    """

    __constants__ = ["input_size", "hidden_size", "bias"]
    input_size: int
    hidden_size: int
    bias: bool
    weight_hh: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        sizes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, input_size),
            "weight_hh": (gates, hidden_size),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
        }
        for name, size in sizes.items():
            if bias or not name.startswith("bias"):
                setattr(self, name, Parameter(empty(size, device=device, dtype=dtype)))
            else:
                self.register_parameter(name, None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws all parameters uniformly within `1 / sqrt(hidden_size)` of zero."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        if "bias" in self.__dict__ and self.bias is not True:
            text += f", bias={self.bias}"
        if "nonlinearity" in self.__dict__ and self.nonlinearity != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text

    def _check_rank(self, what: str, x: Tensor) -> None:
        if x.ndim not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected {what} to be 1D or 2D, got {x.ndim}D instead"
            )

    def _zeros(self, input: Tensor) -> Tensor:
        return zeros(input.shape[0], self.hidden_size, dtype=input.dtype, device=input.device)

    @property
    def _weights(self) -> tuple:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _step(self, cell: Any, input: Tensor, hx: Tensor | None) -> Tensor:
        """The next state of a cell that has one, batched or not."""
        self._check_rank("input", input)
        if hx is not None:
            self._check_rank("hidden", hx)
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        elif not batched:
            hx = hx.unsqueeze(0)
        out = cell(input, hx, *self._weights)
        return out if batched else out.squeeze(0)


class RNNCell(RNNCellBase):
    """One step of an Elman network: `h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`.

    Args:
        nonlinearity: "tanh" or "relu".

    Shape:
        Input: `(N, input_size)` or `(input_size)`; hx (default zeros) `(N, hidden_size)` or
        `(hidden_size)`; Output: as hx.
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]
    nonlinearity: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device=device, dtype=dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        cells = {"tanh": ops.rnn_tanh_cell, "relu": ops.rnn_relu_cell}
        cell = cells.get(self.nonlinearity, self._refuse)
        return self._step(cell, input, hx)

    def _refuse(self, *args: Any) -> Tensor:
        raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")


class LSTMCell(RNNCellBase):
    """One step of a long short-term memory; the gates are in the order i, f, g, o.

    Shape:
        Input: `(N, input_size)` or `(input_size)`; hx, the pair `(h, c)` (default zeros), each
        `(N, hidden_size)` or `(hidden_size)`; Output: as hx.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device=device, dtype=dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        self._check_rank("input", input)
        for i, one in enumerate(() if hx is None else hx):
            self._check_rank(f"hx[{i}]", one)
        batched = input.ndim == 2
        if not batched:
            input = input.unsqueeze(0)
            hx = None if hx is None else tuple(one.unsqueeze(0) for one in hx)
        if hx is None:
            hx = (self._zeros(input),) * 2
        elif isinstance(hx, Tensor):
            raise TypeError(
                "lstm_cell(): argument 'hx' (position 2) must be tuple of Tensors, not Tensor"
            )
        h, c = lstm_cell(input, hx, *self._weights)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit; the gates are in the order r, z, n.

    Shape:
        Input: `(N, input_size)` or `(input_size)`; hx (default zeros) `(N, hidden_size)` or
        `(hidden_size)`; Output: as hx.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device=device, dtype=dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(ops.gru_cell, input, hx)
