"""SparseAdam, which is for sparse gradients only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import no_grad
from torchcompat.optim._ruled import check_betas, check_lr, evaluate
from torchcompat.optim.optimizer import Optimizer, ParamsT

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients. Gradients are never sparse here: every step with one is refused.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        lr: the learning rate per step; a number or a one-element Tensor.
        betas: decay rates of the averages of the gradient and its square, each in [0, 1).
        eps: added to the denominator.
        maximize: ascend instead.

    Raises:
        ValueError: an option is out of its range, or a parameter is complex.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        complex_params = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, p in enumerate(group["params"])
            if p.is_complex()
        ]
        if complex_params:
            raise ValueError(
                f"Complex params at indices {complex_params}: SparseAdam does not support complex "
                "parameters"
            )

    @no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Evaluates the closure; with a dense gradient (there are no others here) it raises.

        Raises:
            RuntimeError: a parameter has a dense gradient.
        """
        loss = evaluate(closure)
        if any(p.grad is not None for group in self.param_groups for p in group["params"]):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        return loss
