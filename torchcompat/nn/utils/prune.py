"""Pruning: a parameter multiplied by a mask of zeros and ones before each call.

The parameter `weight` becomes `weight_orig`, the buffer `weight_mask` holds the mask, and the plain
attribute `weight` their product. Pruning again prunes what is left.
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Sequence
from typing import Any, Self

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._creation import ones_like, zeros_like
from torchcompat._tensor._sampling import rand, rand_like
from torchcompat.nn.modules.module import Module
from torchcompat.nn.utils._derived import pop_hook
from torchcompat.nn.utils._pruning import BasePruningMethod, PruningContainer
from torchcompat.nn.utils.convert_parameters import parameters_to_vector

Amount = int | float


# -- ways to choose --------------------------------------------------------------------------------


class Identity(BasePruningMethod):
    """Prunes nothing: the parameter gets a mask of ones."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> Self:  # type: ignore[override]
        return super().apply(module, name)  # type: ignore[return-value]


class _Unstructured(BasePruningMethod):
    """Prunes `amount` single elements: a number of them, or a share in [0, 1]."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: Amount) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        """Where the `count` elements to prune are, in the flattened tensor."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = _compute_nparams_toprune(self.amount, t.numel())
        _validate_pruning_amount(count, t.numel())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._pruned(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes `amount` elements at random."""

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        return ops.topk(rand_like(t).view(-1), count).indices

    @classmethod
    def apply(cls, module: Module, name: str, amount: Amount) -> Self:  # type: ignore[override]
        return super().apply(module, name, amount=amount)  # type: ignore[return-value]


class L1Unstructured(_Unstructured):
    """Prunes the `amount` elements that are smallest in magnitude."""

    def _pruned(self, t: Tensor, count: int) -> Tensor:
        return ops.topk(t.abs().view(-1), count, largest=False).indices

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Amount, importance_scores: Tensor | None = None
    ) -> Self:
        return super().apply(  # type: ignore[return-value]
            module, name, amount=amount, importance_scores=importance_scores
        )


class _Structured(BasePruningMethod):
    """Prunes `amount` slices along `dim`: a number of them, or a share in [0, 1]."""

    PRUNING_TYPE = "structured"
    amount: Amount
    dim: int

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        """Of the `size` slices along `dim`, the index of those that stay when `count` go."""
        raise NotImplementedError

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        _validate_structured_pruning(t)
        _validate_pruning_dim(t, self.dim)
        size = t.shape[self.dim]
        count = _compute_nparams_toprune(self.amount, size)
        _validate_pruning_amount(count, size)
        if count == 0:
            return default_mask
        mask = zeros_like(t)
        index: list[Any] = [slice(None)] * t.ndim
        index[self.dim] = self._kept(t, size, count)
        mask[tuple(index)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes `amount` slices along `dim` at random."""

    def __init__(self, amount: Amount, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.dim = dim

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        drawn = rand(size)
        return drawn > ops.kthvalue(drawn, count).values

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: Amount, dim: int = -1
    ) -> Self:
        return super().apply(module, name, amount=amount, dim=dim)  # type: ignore[return-value]


class LnStructured(_Structured):
    """Prunes the `amount` slices along `dim` whose `n`-norm is smallest."""

    def __init__(self, amount: Amount, n: Any, dim: int = -1) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount
        self.n = n
        self.dim = dim

    def _kept(self, t: Tensor, size: int, count: int) -> Tensor:
        return ops.topk(_compute_norm(t, self.n, self.dim), size - count).indices

    @classmethod
    def apply(  # type: ignore[override]
        cls,
        module: Module,
        name: str,
        amount: Amount,
        n: Any,
        dim: int,
        importance_scores: Tensor | None = None,
    ) -> Self:
        return super().apply(  # type: ignore[return-value]
            module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores
        )


class CustomFromMask(BasePruningMethod):
    """Prunes what is 0 in a given mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape "
                f"{self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> Self:  # type: ignore[override]
        return super().apply(module, name, mask=mask)  # type: ignore[return-value]


# -- what users call -------------------------------------------------------------------------------


def identity(module: Module, name: str) -> Module:
    """Gives the parameter `name` a mask without pruning anything."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: Amount) -> Module:
    """Prunes elements of the parameter `name` at random.

    Args:
        amount: how many (int), or which share in [0, 1] (float).
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: Amount, importance_scores: Tensor | None = None
) -> Module:
    """Prunes the elements of the parameter `name` that are smallest in magnitude.

    Args:
        amount: how many (int), or which share in [0, 1] (float).
        importance_scores: compare the magnitudes of these instead.
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: Amount, dim: int) -> Module:
    """Prunes slices along `dim` of the parameter `name` at random.

    Args:
        amount: how many (int), or which share in [0, 1] (float).
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module,
    name: str,
    amount: Amount,
    n: Any,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Module:
    """Prunes the slices along `dim` of the parameter `name` whose `n`-norm is smallest.

    Args:
        amount: how many (int), or which share in [0, 1] (float).
        importance_scores: take the norms of these instead.
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[BasePruningMethod],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prunes elements of several parameters, compared with one another as if they were one vector.

    Args:
        parameters: `(module, name)` of each.
        pruning_method: an unstructured method.
        importance_scores: what to compare instead, for some or all of `parameters`.
        kwargs: of `pruning_method`; an `amount` counts over all parameters.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    places = list(parameters)
    tensors = [getattr(*place) for place in places]
    compared = [scores.get(place, t) for place, t in zip(places, tensors)]
    masks = [getattr(m, f"{name}_mask", ones_like(t)) for (m, name), t in zip(places, tensors)]
    container = _unstructured_container(pruning_method, kwargs)
    mask = container.compute_mask(parameters_to_vector(compared), parameters_to_vector(masks))
    start = 0
    for (module, name), tensor in zip(places, tensors):
        end = start + tensor.numel()
        custom_from_mask(module, name, mask=mask[start:end].view_as(tensor))
        start = end


def _unstructured_container(kind: type[BasePruningMethod], kwargs: dict) -> PruningContainer:
    method = kind(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{kind} of type {method.PRUNING_TYPE}"
        )
    return PruningContainer(method)


def custom_from_mask(module: Module, name: str, mask: Tensor) -> Module:
    """Prunes what is 0 in `mask` from the parameter `name`."""
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Module, name: str) -> Module:
    """Makes the pruned tensor the parameter `name` for good.

    Raises:
        ValueError: the parameter is not pruned.
    """
    hook = pop_hook(
        module, lambda hook: isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    )
    if hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    hook.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether anything in `module` or below is pruned."""
    return any(
        isinstance(hook, BasePruningMethod)
        for one in module.modules()
        for hook in one._forward_pre_hooks.values()
    )


# -- checks ----------------------------------------------------------------------------------------


def _validate_pruning_amount_init(amount: Any) -> None:
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    whole = isinstance(amount, numbers.Integral)
    if amount < 0 or not whole and float(amount) > 1.0:
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
            "integer"
        )


def _validate_pruning_amount(amount: Any, tensor_size: int) -> None:
    if isinstance(amount, numbers.Integral) and amount > tensor_size:  # type: ignore[operator]
        raise ValueError(
            f"amount={amount} should be smaller than the number of parameters to "
            f"prune={tensor_size}"
        )


def _validate_structured_pruning(t: Tensor) -> None:
    if t.ndim <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of "
            f"shape {t.shape} with {t.ndim} dims"
        )


def _validate_pruning_dim(t: Tensor, dim: int) -> None:
    if dim >= t.ndim:
        raise IndexError(f"Invalid index {dim} for tensor of size {t.shape}")


def _compute_nparams_toprune(amount: Amount, tensor_size: int) -> int:
    """How many of `tensor_size` an amount is."""
    if isinstance(amount, numbers.Integral):
        return int(amount)
    return round(amount * tensor_size)


def _compute_norm(t: Tensor, n: Any, dim: int) -> Tensor:
    """The `n`-norm of each slice along `dim`."""
    others: Sequence[int] = [d for d in range(t.ndim) if d != dim % t.ndim]
    return t.norm(p=n, dim=others)
