"""`biject_to` and `transform_to`: from a region of values, a transform of all real numbers onto it."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from torchcompat.distributions import constraints, transforms
from torchcompat.distributions._matrix_transforms import (
    CatTransform,
    CorrCholeskyTransform,
    PositiveDefiniteTransform,
    StackTransform,
)

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """A table of functions that make a transform of a constraint, by the constraint's class."""

    def __init__(self) -> None:
        self._registry: dict[Any, Callable] = {}

    def register(self, constraint: Any, factory: Callable | None = None) -> Any:
        """Keeps `factory` for the class of a constraint; without one, gives a decorator."""
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        is_class = isinstance(constraint, type) and issubclass(constraint, constraints.Constraint)
        if not is_class and not isinstance(constraint, constraints.Constraint):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._registry[constraint if is_class else _key(constraint)] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        """The transform for a constraint.

        Raises:
            NotImplementedError: none is known.
        """
        factory = self._registry.get(_key(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


def _key(constraint: Any) -> Any:
    """What a constraint is found by: regions told by a test alone share a class, so by their name."""
    simple = isinstance(constraint, constraints._Simple)
    return repr(constraint) if simple else type(constraint)


def _independent(registry: ConstraintRegistry) -> Callable:
    def make(constraint: Any) -> Any:
        base = registry(constraint.base_constraint)
        count = constraint.reinterpreted_batch_ndims
        return transforms.IndependentTransform(base, count)

    return make


def _above(constraint: Any) -> Any:
    steps = [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    return transforms.ComposeTransform(steps)


def _below(constraint: Any) -> Any:
    steps = [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    return transforms.ComposeTransform(steps)


def _between(constraint: Any) -> Any:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, Number) and isinstance(high, Number) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    steps = [transforms.SigmoidTransform(), transforms.AffineTransform(loc=low, scale=high - low)]
    return transforms.ComposeTransform(steps)


def _cat(registry: ConstraintRegistry) -> Callable:
    return lambda c: CatTransform([registry(one) for one in c.cseq], c.dim, c.lengths)


def _stack(registry: ConstraintRegistry) -> Callable:
    return lambda c: StackTransform([registry(one) for one in c.cseq], c.dim)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()
for _registry in (biject_to, transform_to):
    _registry.register(constraints.independent, _independent(_registry))
    _registry.register(constraints.cat, _cat(_registry))
    _registry.register(constraints.stack, _stack(_registry))
    for _kind in (constraints.greater_than, constraints.greater_than_eq):
        _registry.register(_kind, _above)
    _registry.register(constraints.less_than, _below)
    for _kind in (constraints.interval, constraints.half_open_interval):
        _registry.register(_kind, _between)
    _registry.register(constraints.real, lambda c: transforms.identity_transform)
    _registry.register(constraints.corr_cholesky, lambda c: CorrCholeskyTransform())

biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _region in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_region, lambda c: PositiveDefiniteTransform())
