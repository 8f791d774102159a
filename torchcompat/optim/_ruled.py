"""What the optimizers that are one update rule share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import enable_grad
from torchcompat.optim import _hyper, _state
from torchcompat.optim._rules import Rule
from torchcompat.optim._update import update
from torchcompat.optim.optimizer import Optimizer, _use_grad_for_differentiable


def check_lr(lr: Any) -> None:
    """Raises torch's errors for a learning rate."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    at_least_zero(lr, "learning rate")


def at_least_zero(value: Any, what: str) -> None:
    """Raises torch's error for a negative (or NaN) option."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {what}: {value}")


def check_betas(betas: Any) -> None:
    """Raises torch's errors for coefficients outside [0, 1)."""
    for index in (0, 1):
        if not 0.0 <= betas[index] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {betas[index]}")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    """Raises torch's errors for options that exclude each other."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def evaluate(closure: Callable | None) -> Any:
    """What the closure returns, gradients recorded; None without one."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


class RuleOptimizer(Optimizer):
    """An optimizer whose step is one rule on each parameter.

    Attributes:
        _rule: the rule.
        _numbers: options that are numbers, traced in the compiled update.
        _flags: options that decide what the update does: flags, and numbers that may be zero.
        _slots: names of the tensors that a parameter's state may have.
        _late: options that old checkpoints lack, and what they mean then.
    """

    _rule: ClassVar[Rule]
    _numbers: ClassVar[tuple[str, ...]] = ()
    _flags: ClassVar[tuple[str, ...]] = ()
    _slots: ClassVar[tuple[str, ...]] = ("step",)
    _late: ClassVar[dict[str, Any]] = {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._late.items():
                group.setdefault(name, value)
            for p in group["params"]:
                held = self.state.get(p, {})
                for name in ("step", "mu_product", "eta", "mu"):
                    if isinstance(held.get(name), (int, float)):
                        held[name] = _state.scalar(held[name])

    def _initial(self, group: dict[str, Any], p: Tensor) -> dict[str, Any]:
        """The state of a parameter that has not been updated yet."""
        raise NotImplementedError

    def _on(self, group: dict[str, Any]) -> frozenset[str]:
        return _hyper.flags(group, self._flags)

    @_use_grad_for_differentiable
    def step(self, closure: Callable[[], float] | None = None) -> Any:
        """Updates all parameters that have a gradient, each group in one compiled call.

        Args:
            closure: computes the loss and its gradients anew.

        Returns:
            What the closure returned, or None without one.
        """
        loss = evaluate(closure)
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p].update(self._initial(group, p))
        states = self._states(group, params)
        grads = [p.grad for p in params]
        numbers = _hyper.numbers(group, self._numbers)
        update(type(self)._rule, params, grads, states, numbers, self._on(group))
        for name, held in states.items():
            for p, tensor in zip(params, held):
                if tensor is not None:
                    self.state[p][name] = tensor

    def _states(self, group: dict[str, Any], params: list[Tensor]) -> dict[str, list]:
        """For each name in the parameters' states, one tensor (or None) a parameter."""
        held = {name: [self.state[p].get(name) for p in params] for name in self._slots}
        return {name: one for name, one in held.items() if any(x is not None for x in one)}


def apply(
    rule: Rule,
    params: list[Tensor],
    grads: list[Tensor],
    steps: list[Tensor] | None,
    states: dict[str, list],
    numbers: dict[str, Any],
    on: dict[str, Any],
    unsupported: dict[str, Any] | None = None,
) -> None:
    """The functional form of a rule: updates `params` and the tensors in `states` in place.

    Args:
        on: flags, and numbers that may be zero, by name.
        unsupported: arguments that must be left at None or False.

    Raises:
        RuntimeError: a step number is no tensor.
        NotImplementedError: an unsupported argument is given.
    """
    for name, value in (unsupported or {}).items():
        if value is not None and value is not False:
            raise NotImplementedError(f"{rule.__name__}: {name}={value!r}")
    if steps is not None:
        if not all(isinstance(step, Tensor) for step in steps):
            raise RuntimeError(
                "API has changed, `state_steps` argument must contain a list of singleton tensors"
            )
        states = {"step": steps, **states}
    parts = {k: v if v is None or isinstance(v, Tensor) else float(v) for k, v in numbers.items()}
    update(rule, params, grads, states, parts, _hyper.flags(on, on))
