"""What RNN, LSTM and GRU share: parameters, checks and the run over padded or packed sequences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from torchcompat._tensor import Tensor
from torchcompat._tensor._creation import empty, zeros
from torchcompat.nn import init
from torchcompat.nn._functional.rnn import recurrent
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter
from torchcompat.nn.utils.rnn import PackedSequence

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What RNN, LSTM and GRU share: parameters, their initialisation, checks and the run itself.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        num_layers: layers stacked, each running over the output of the one before.
        bias: whether each cell has `bias_ih` and `bias_hh`.
        batch_first: input and output are `(N, T, *)`, not `(T, N, *)`; states stay as they are.
        dropout: chance that an element between two layers is zeroed while training, in [0, 1].
        bidirectional: also run each layer backwards; both outputs are joined.
        proj_size: size the LSTM's output is projected to; 0 for no projection.

    Shape:
        weight_ih_l[k] `(gates * hidden_size, in)`, weight_hh_l[k] `(gates * hidden_size, out)`,
        bias_ih_l[k] and bias_hh_l[k] `(gates * hidden_size)`, weight_hr_l[k]
        `(proj_size, hidden_size)`; the names of the reverse direction end in `_reverse`.

    Raises:
        TypeError, ValueError: an argument has the wrong type or lies out of range.
    """

    __constants__ = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]
    __jit_unused_properties__ = ["all_weights"]
    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int
    _states: ClassVar[int] = 1

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_switches(bias=bias, batch_first=batch_first)
        _check_dropout(dropout, num_layers)
        _check_sizes(input_size=input_size, hidden_size=hidden_size)
        _check_layers(num_layers, proj_size, hidden_size)
        if mode not in _GATES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._name_weights()
        sizes = self._sizes()
        for name in self._flat_weights_names:
            setattr(self, name, Parameter(empty(sizes(name), device=device, dtype=dtype)))
        self.reset_parameters()

    # -- parameters ----------------------------------------------------------------------------

    def _name_weights(self) -> None:
        kinds = ["weight_ih", "weight_hh"]
        kinds += ["bias_ih", "bias_hh"] if self.bias else []
        kinds += ["weight_hr"] if self.proj_size else []
        ends = ["", "_reverse"] if self.bidirectional else [""]
        self._all_weights = [
            [f"{kind}_l{layer}{end}" for kind in kinds]
            for layer in range(self.num_layers)
            for end in ends
        ]
        self._flat_weights_names = [name for cell in self._all_weights for name in cell]

    def _sizes(self) -> Callable[[str], tuple[int, ...]]:
        """The function from a parameter's name to its size."""
        gates = _GATES[self.mode] * self.hidden_size
        out = self.proj_size or self.hidden_size
        between = out * (2 if self.bidirectional else 1)
        by_kind = {
            "weight_ih": (gates, between),
            "weight_hh": (gates, out),
            "bias_ih": (gates,),
            "bias_hh": (gates,),
            "weight_hr": (self.proj_size, self.hidden_size),
        }

        def size(name: str) -> tuple[int, ...]:
            if name.startswith("weight_ih_l0"):
                return gates, self.input_size
            return by_kind[name.partition("_l")[0]]

        return size

    @property
    def _flat_weights(self) -> list:
        """All parameters, in the order of `_flat_weights_names`; None for one that is missing."""
        return [getattr(self, name, None) for name in self._flat_weights_names]

    @_flat_weights.setter
    def _flat_weights(self, weights: Sequence[Any]) -> None:
        for name, weight in zip(self._flat_weights_names, weights, strict=True):
            setattr(self, name, weight)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in cell] for cell in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing: XLA lays parameters out by itself."""

    def reset_parameters(self) -> None:
        """Draws all parameters uniformly within `1 / sqrt(hidden_size)` of zero."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = dict(state)
        for name in ("all_weights", "_flat_weights", "_flat_weight_refs"):
            kept.pop(name, None)
        kept.setdefault("proj_size", 0)
        super().__setstate__(kept)
        if "_flat_weights_names" not in kept or "_all_weights" not in kept:
            self._name_weights()

    # -- checks --------------------------------------------------------------------------------

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raises torch's error for an input of the wrong type, rank or size."""
        weight = self._flat_weights[0]
        if weight is not None and input.dtype is not weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), "
                f"or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.ndim != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.ndim}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.shape[-1]}"
            )

    def _state_size(self, input: Tensor, batch_sizes: Any, width: int) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.shape[0 if self.batch_first else 1]
        return self.num_layers * (2 if self.bidirectional else 1), batch, width

    def get_expected_hidden_size(
        self, input: Tensor, batch_sizes: Tensor | None
    ) -> tuple[int, int, int]:
        """The size of `h`: layers times directions, batch, features of the output."""
        return self._state_size(input, batch_sizes, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self,
        hx: Tensor,
        expected_hidden_size: tuple[int, int, int],
        msg: str = "Expected hidden size {}, got {}",
    ) -> None:
        """Raises RuntimeError with `msg` where `hx` has another size than expected."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        """Raises torch's error for an input or initial state of the wrong type or size."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        """The state with its batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    # -- the run -------------------------------------------------------------------------------

    def _run(self, input: Any, hx: Any) -> tuple[Any, Any]:
        """Output and final state of packed, batched or unbatched sequences."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, hx)
        self._check_rank(input)
        self._check_state_rank(input, hx)
        batched = input.ndim == 3
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = self._each(lambda one: one.unsqueeze(1), hx)
        if hx is None:
            hx = self._no_state(input, None)
        self.check_forward_args(input, hx, None)
        output, final = self._recur(input, None, hx)
        if not batched:
            output = output.squeeze(0 if self.batch_first else 1)
            final = self._each(lambda one: one.squeeze(1), final)
        return output, final

    def _run_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        sizes = input._static
        if hx is None:
            hx = self._no_state(input.data, sizes)
        else:
            hx = self.permute_hidden(hx, input.sorted_indices)
        self.check_forward_args(input.data, hx, sizes)
        output, final = self._recur(input.data, sizes, hx)
        return input._with_data(output), self.permute_hidden(final, input.unsorted_indices)

    def _recur(self, input: Tensor, batch_sizes: Any, hx: Any) -> tuple[Tensor, Any]:
        output, *final = recurrent(
            self.mode,
            input,
            batch_sizes,
            hx if self._states == 2 else (hx,),
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            self.batch_first,
        )
        return output, tuple(final) if self._states == 2 else final[0]

    def _each(self, function: Callable, hx: Any) -> Any:
        """`function` of each state in `hx`."""
        if hx is None:
            return None
        return tuple(map(function, hx)) if self._states == 2 else function(hx)

    def _no_state(self, input: Tensor, batch_sizes: Any) -> Any:
        size = self.get_expected_hidden_size(input, batch_sizes)
        return zeros(size, dtype=input.dtype, device=input.device)

    def _check_rank(self, input: Tensor, noun: str = "") -> None:
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, "
                f"got {input.dim()}D{noun} instead"
            )

    def _check_state_rank(self, input: Tensor, hx: Any) -> None:
        rank = input.ndim
        if hx is not None and hx.ndim != rank:
            kind = "batched" if rank == 3 else "unbatched"
            raise RuntimeError(
                f"For {kind} {rank}-D input, hx should also be {rank}-D but got {hx.ndim}-D tensor"
            )

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
        }
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


def _check_switches(**switches: Any) -> None:
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} should be of type bool, got: {type(value).__name__}")


def _check_dropout(dropout: Any, num_layers: int) -> None:
    if isinstance(dropout, bool) or not 0 <= float(dropout) <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if float(dropout) > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            "expects num_layers greater than 1, "
            f"but got dropout={dropout} and num_layers={num_layers}",
            stacklevel=4,
        )


def _check_sizes(**sizes: Any) -> None:
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")


def _check_layers(num_layers: int, proj_size: int, hidden_size: int) -> None:
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
