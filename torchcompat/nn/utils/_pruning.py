"""What every way to prune shares: applying masks, and pruning what is pruned already."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._creation import ones_like
from torchcompat.nn.modules.module import Module
from torchcompat.nn.utils._derived import DerivingHook, pop_hook, set_derived

# Where pickles and texts say that the classes are.
_PUBLIC = "torchcompat.nn.utils.prune"


class BasePruningMethod(DerivingHook, ABC):
    """A way to choose what is pruned; an instance is the hook that applies the mask.

    A subclass sets `PRUNING_TYPE` and defines `compute_mask`.

    Attributes:
        PRUNING_TYPE: "unstructured" (single elements), "structured" (slices along `dim`) or
            "global". When it is applied to a tensor that is pruned already, `compute_mask` sees
            only the elements, or the slices, that are left.
    """

    __module__ = _PUBLIC

    _tensor_name: str
    PRUNING_TYPE: str

    @property
    def derives(self) -> str:  # type: ignore[override]
        return self._tensor_name

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask.

        Args:
            t: the importance of each element; the tensor itself unless scores were given.
            default_mask: the mask before; what is 0 in it stays 0.
        """

    def apply_mask(self, module: Module) -> Tensor:
        """The original parameter times the mask."""
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        mask, original = (getattr(module, self._tensor_name + end) for end in ("_mask", "_orig"))
        return mask.to(dtype=original.dtype) * original

    derive = apply_mask

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prunes the parameter `name`.

        Args:
            args, kwargs: of this class.
            importance_scores: what the elements are compared by, instead of the parameter.

        Returns:
            The hook: an instance of this class, or, from the second time on, a `PruningContainer`.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        former = _pruning_of(module, name)
        present = getattr(module, name)
        scores = _checked_scores(importance_scores, present, f"parameter {name} of {module}")
        if former is None:
            mask = method.compute_mask(scores, default_mask=ones_like(present))
            _split(module, name)
        else:
            kept = getattr(module, f"{name}_mask").detach().clone()
            method, mask = _pruned_further(former, method, scores, kept)
            pop_hook(module, lambda hook: hook is former)
        module.register_buffer(f"{name}_mask", mask)
        set_derived(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """A pruned copy of a tensor that belongs to no module."""
        scores = _checked_scores(importance_scores, t, "tensor t")
        mask = ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, default_mask=mask)

    def remove(self, module: Module) -> None:
        """Makes the pruned tensor the parameter; the hook itself is left."""
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        parameter = module._parameters.pop(f"{name}_orig")
        parameter.data = pruned.data
        del module._buffers[f"{name}_mask"]
        setattr(module, name, parameter)


def _checked_scores(scores: Tensor | None, t: Tensor, title: str) -> Tensor:
    if scores is None:
        return t
    if scores.shape != t.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {title}, "
            f"got {scores.shape} vs {t.shape}"
        )
    return scores


def _pruning_of(module: Module, name: str) -> BasePruningMethod | None:
    """The hook that prunes the parameter `name`, if there is one."""
    found = [
        hook
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name
    ]
    if len(found) > 1:
        raise AssertionError(
            f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. "
            "Use a PruningContainer."
        )
    return found[0] if found else None


def _pruned_further(
    former: BasePruningMethod, method: BasePruningMethod, scores: Tensor, mask: Tensor
) -> tuple[PruningContainer, Tensor]:
    """The container of what pruned a tensor before and of `method`; and the mask after that."""
    container = former if isinstance(former, PruningContainer) else PruningContainer(former)
    before = container._pruning_methods
    container.add_pruning_method(method)
    try:
        return container, container.compute_mask(scores, default_mask=mask)
    except Exception:
        container._pruning_methods = before
        raise


def _split(module: Module, name: str) -> None:
    """Gives a parameter the name of the original."""
    module.register_parameter(f"{name}_orig", module._parameters[name])
    del module._parameters[name]


class PruningContainer(BasePruningMethod):
    """Several methods that prune one tensor, one after the other.

    Args:
        args: the methods, first to last.
    """

    __module__ = _PUBLIC

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Adds a method after the others.

        Raises:
            TypeError: it is no pruning method.
            ValueError: it prunes another tensor.
        """
        if not isinstance(method, BasePruningMethod) and method is not None:
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask after the last method has pruned what `default_mask` leaves.

        Raises:
            ValueError, AttributeError, IndexError: the last method has an unknown `PRUNING_TYPE`,
                or is structured and has no suitable `dim`.
        """
        method = self._pruning_methods[-1]
        left = _left(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype).clone()
        part = method.compute_mask(t[left], default_mask=default_mask[left])
        mask[left] = part.to(dtype=mask.dtype)
        return mask


def _left(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Any:
    """The index of what `mask` leaves for `method` to prune."""
    kind = method.PRUNING_TYPE
    if kind == "unstructured":
        return mask == 1
    whole: list[Any] = [slice(None)] * t.ndim
    if kind == "structured":
        dim = _structured_dim(method, t.ndim)
        others = [d for d in range(t.ndim) if d != dim]
        whole[dim] = mask.sum(dim=others) != 0
    elif kind != "global":
        raise ValueError(f"Unrecognized PRUNING_TYPE {kind}")
    return tuple(whole)


def _structured_dim(method: Any, ndim: int) -> int:
    if not hasattr(method, "dim"):
        raise AttributeError(
            'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
        )
    dim = method.dim + ndim if method.dim < 0 else method.dim
    if dim < 0:
        raise IndexError(f"Index is out of bounds for tensor with dimensions {ndim}")
    return dim
