"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._ops._checks import UnknownValueError
from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import enable_grad, no_grad
from torchcompat._tensor._state import state as modes
from torchcompat.optim._line_search import Point, Search
from torchcompat.optim._ruled import check_lr
from torchcompat.optim.optimizer import Optimizer, ParamsT

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """L-BFGS: quasi-Newton steps from a short history of gradients. It evaluates a closure many times.

    Args:
        params: parameters; groups are not supported.
        lr: the step length (of the first trial, with a line search).
        max_iter: iterations a step.
        max_eval: evaluations a step. Default: `max_iter * 1.25`.
        tolerance_grad: stop where no gradient is larger.
        tolerance_change: stop where neither the loss nor a parameter changes by more.
        history_size: how many past steps are kept.
        line_search_fn: `strong_wolfe` or None.

    Raises:
        ValueError: there is more than one group, or `lr` is out of its range.

    Source: Liu and Nocedal, 1989, "On the limited memory BFGS method".
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]
        self._numel_cache: int | None = None

    # -- the parameters as one vector ----------------------------------------------------------

    def _gather_flat_grad(self) -> Tensor:
        return ops.cat([_flat_grad(p) for p in self._params], 0)

    def _add_grad(self, step_size: Any, direction: Tensor) -> None:
        offset = 0
        for p in self._params:
            one = p.view_as_real() if p.is_complex() else p
            count = one.numel()
            one.add_(direction[offset : offset + count].view_as(one), alpha=step_size)
            offset += count

    def _evaluated(self, closure: Callable) -> tuple[float, Tensor]:
        return float(closure()), self._gather_flat_grad()

    # -- a step --------------------------------------------------------------------------------

    @no_grad()
    def step(self, closure: Callable[[], float]) -> Any:  # type: ignore[override]
        """Runs up to `max_iter` iterations.

        Args:
            closure: computes the loss and its gradients anew.

        Returns:
            The loss before the step.

        Raises:
            RuntimeError: `line_search_fn` is neither `strong_wolfe` nor None.
            UnknownValueError: inside `torchcompat.compile(..., fullgraph=True)`.
        """
        if modes.capture is not None:
            raise UnknownValueError(
                "LBFGS.step() in a compiled function: what it does next depends on values; compile "
                "the closure instead"
            )
        with_grad = enable_grad()(closure)
        group, held = self.param_groups[0], self.state[self._params[0]]
        held.setdefault("func_evals", 0)
        held.setdefault("n_iter", 0)
        first = with_grad()
        loss, evaluations = float(first), 1
        held["func_evals"] += 1
        gradient = self._gather_flat_grad()
        if gradient.abs().max() <= group["tolerance_grad"]:
            return first
        run = _Run(self, group, held, with_grad, evaluations)
        run.iterate(loss, gradient)
        return first


def _flat_grad(p: Tensor) -> Tensor:
    grad = p.new_zeros(p.numel()) if p.grad is None else p.grad
    return (grad.view_as_real() if grad.is_complex() else grad).reshape(-1)


class _Run:
    """The iterations of one step."""

    direction: Any
    t: Any
    dirs: Any
    stps: Any
    ro: Any
    diagonal: Any
    previous: Any
    previous_loss: Any

    def __init__(
        self, optimizer: LBFGS, group: dict, held: dict, closure: Callable, evaluations: int
    ) -> None:
        self.optimizer, self.group, self.held, self.closure = optimizer, group, held, closure
        self.evaluations = evaluations
        self.direction, self.t = held.get("d"), held.get("t")
        self.dirs, self.stps = held.get("old_dirs"), held.get("old_stps")
        self.ro, self.diagonal = held.get("ro"), held.get("H_diag")
        self.previous, self.previous_loss = held.get("prev_flat_grad"), held.get("prev_loss")

    def iterate(self, loss: float, gradient: Tensor) -> None:
        """Iterates until a criterion is met, then puts down the state."""
        for number in range(1, self.group["max_iter"] + 1):
            self.held["n_iter"] += 1
            self._turn(gradient)
            self.previous, self.previous_loss = gradient.clone(), loss
            self.t = self._first_length(gradient)
            slope = gradient.dot(self.direction)
            if slope > -self.group["tolerance_change"]:
                break
            loss, gradient, evaluations = self._move(number, loss, gradient, slope)
            self.evaluations += evaluations
            self.held["func_evals"] += evaluations
            if self._finished(number, loss, gradient):
                break
        self.held |= {
            "d": self.direction,
            "t": self.t,
            "old_dirs": self.dirs,
            "old_stps": self.stps,
            "ro": self.ro,
            "H_diag": self.diagonal,
            "prev_flat_grad": self.previous,
            "prev_loss": self.previous_loss,
        }

    def _turn(self, gradient: Tensor) -> None:
        """Finds the direction: steepest descent at first, then the two-loop recursion."""
        if self.held["n_iter"] == 1:
            self.direction, self.diagonal = gradient.neg(), 1
            self.dirs, self.stps, self.ro = [], [], []
            return
        self._remember(gradient)
        shares = self.held.setdefault("al", [None] * self.group["history_size"])
        q = gradient.neg()
        for i in reversed(range(len(self.dirs))):
            shares[i] = self.stps[i].dot(q) * self.ro[i]
            q.add_(self.dirs[i], alpha=-shares[i])
        self.direction = r = q * self.diagonal
        for i in range(len(self.dirs)):
            back = self.dirs[i].dot(r) * self.ro[i]
            r.add_(self.stps[i], alpha=shares[i] - back)

    def _remember(self, gradient: Tensor) -> None:
        y = gradient - self.previous
        s = self.direction * self.t
        curvature = y.dot(s)
        if not curvature > 1e-10:
            return
        if len(self.dirs) == self.group["history_size"]:
            for held in (self.dirs, self.stps, self.ro):
                held.pop(0)
        self.dirs.append(y)
        self.stps.append(s)
        self.ro.append(1.0 / curvature)
        self.diagonal = curvature / y.dot(y)

    def _first_length(self, gradient: Tensor) -> Any:
        lr = self.group["lr"]
        if self.held["n_iter"] == 1:
            return min(1.0, 1.0 / gradient.abs().sum()) * lr
        return lr

    def _move(self, number: int, loss: float, gradient: Tensor, slope: Tensor) -> tuple:
        """Goes along the direction; returns loss and gradient there, and the evaluations it took."""
        optimizer, search = self.optimizer, self.group["line_search_fn"]
        if search is not None:
            if search != "strong_wolfe":
                raise RuntimeError("only 'strong_wolfe' is supported")
            return self._search(loss, gradient, slope)
        optimizer._add_grad(self.t, self.direction)
        if number == self.group["max_iter"]:
            return loss, gradient, 0
        loss, gradient = optimizer._evaluated(self.closure)
        return loss, gradient, 1

    def _search(self, loss: float, gradient: Tensor, slope: Tensor) -> tuple:
        optimizer = self.optimizer
        begin = [p.clone() for p in optimizer._params]

        def evaluate(t: Any) -> tuple[float, Tensor]:
            optimizer._add_grad(t, self.direction)
            found = optimizer._evaluated(self.closure)
            for p, value in zip(optimizer._params, begin):
                p.copy_(value)
            return found

        start = Point(0, loss, gradient.clone(), slope)
        most = self.group["max_eval"] - self.evaluations
        line = Search(evaluate, self.direction, start, tolerance=1e-9, most=most)
        found = line.run(self.t)
        self.t = found.t
        optimizer._add_grad(self.t, self.direction)
        return found.f, found.g, line.evaluations

    def _finished(self, number: int, loss: float, gradient: Tensor) -> bool:
        group = self.group
        return bool(
            number == group["max_iter"]
            or self.evaluations >= group["max_eval"]
            or gradient.abs().max() <= group["tolerance_grad"]
            or (self.direction * self.t).abs().max() <= group["tolerance_change"]
            or abs(loss - self.previous_loss) < group["tolerance_change"]
        )
