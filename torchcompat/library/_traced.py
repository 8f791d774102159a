"""What computes ops of other packages under tracing, where their own kernels ask for values.

By `namespace::name`: transformers' products of the experts of a mixture, which loop over `offs.tolist()`.
"""

from __future__ import annotations

from collections.abc import Callable

from torchcompat._tensor import Tensor, ops


def _experts(input: Tensor, weight: Tensor, offs: Tensor) -> Tensor:
    """The product of each run of rows of `(S, K)` with its matrix of `(G, K, N)`."""
    return ops.grouped_products(input, weight, offs)


def _experts_backward(
    input: Tensor, weight: Tensor, offs: Tensor, grad_output: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of `_experts` for `input` and `weight`."""
    for_input = ops.grouped_products(grad_output, weight.transpose(1, 2), offs)
    return for_input, ops.grouped_products(input.transpose(0, 1), grad_output, offs)


TRACED: dict[str, Callable] = {
    "transformers::grouped_mm_fallback": _experts,
    "transformers::grouped_mm_fallback_backward": _experts_backward,
}
