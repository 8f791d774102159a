"""Gradients of convolutions by themselves: with regard to the input, and to the weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat import autograd
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import enable_grad
from torchcompat._tensor._creation import zeros

__all__ = [f"conv{n}d_{what}" for n in (1, 2, 3) for what in ("input", "weight")]

_DOCUMENTATION = """The gradient of `conv{n}d` with regard to its {what}.

Args:
    {what}_size: the shape of the {what}.
    grad_output: the gradient with regard to the output.
    stride, padding, dilation, groups: those of the convolution.
"""


def _gradient(output: Tensor, source: Tensor, grad_output: Tensor, given: Tensor) -> Tensor:
    further = grad_output.requires_grad or given.requires_grad
    return autograd.grad(output, source, grad_output, create_graph=further)[0]


def _of_input(n: int) -> Callable:
    def run(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        how = stride, padding, dilation, groups
        with enable_grad():
            input = zeros(input_size, dtype=weight.dtype, requires_grad=True)
            output = getattr(ops, f"conv{n}d")(input, weight, None, *how)
        return _gradient(output, input, grad_output, weight)

    return _named(run, n, "input")


def _of_weight(n: int) -> Callable:
    def run(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        how = stride, padding, dilation, groups
        with enable_grad():
            weight = zeros(weight_size, dtype=input.dtype, requires_grad=True)
            output = getattr(ops, f"conv{n}d")(input, weight, None, *how)
        return _gradient(output, weight, grad_output, input)

    return _named(run, n, "weight")


def _named(run: Callable, n: int, what: str) -> Callable:
    run.__name__ = run.__qualname__ = f"conv{n}d_{what}"
    run.__doc__ = _DOCUMENTATION.format(n=n, what=what)
    return run


conv1d_input, conv2d_input, conv3d_input = map(_of_input, (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = map(_of_weight, (1, 2, 3))
