"""Weight normalisation by a hook: the older form of `parametrizations.weight_norm`."""

from __future__ import annotations

import warnings
from typing import TypeVar

from torchcompat._tensor import Tensor, ops
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter, UninitializedParameter
from torchcompat.nn.utils._derived import DerivingHook, pop_hook

__all__ = ["WeightNorm", "weight_norm", "remove_weight_norm"]

T_module = TypeVar("T_module", bound=Module)


class WeightNorm(DerivingHook):
    """The hook that computes a weight from its norm and its direction.

    Attributes:
        name: name of the weight; the parameters are `<name>_g` and `<name>_v`.
        dim: the norm is taken of each slice along it; -1 for the whole tensor.
    """

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = -1 if dim is None else dim

    @property
    def derives(self) -> str:  # type: ignore[override]
        return self.name

    def compute_weight(self, module: Module) -> Tensor:
        """`g * v / norm(v)`."""
        norm, direction = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return ops._weight_norm(direction, norm, self.dim)

    derive = compute_weight

    @staticmethod
    def apply(module: Module, name: str, dim: int | None) -> WeightNorm:
        """Replaces the parameter `name` by its norm and direction, and adds the hook."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, WeightNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two weight_norm hooks on the same parameter {name}"
                )
        fn = WeightNorm(name, dim)
        weight = getattr(module, name)
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure "
                "to run the dummy forward before applying weight normalization"
            )
        norm = ops.norm_except_dim(weight.data, 2, fn.dim)
        del module._parameters[name]
        module.register_parameter(f"{name}_g", Parameter(norm))
        module.register_parameter(f"{name}_v", Parameter(weight.data))
        setattr(module, name, fn.compute_weight(module))
        module.register_forward_pre_hook(fn)
        return fn

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        for part in "gv":
            del module._parameters[f"{self.name}_{part}"]
        setattr(module, self.name, Parameter(weight.data))


def weight_norm(module: T_module, name: str = "weight", dim: int | None = 0) -> T_module:
    """Splits a weight into its norm (`weight_g`) and its direction (`weight_v`). Deprecated.

    `module.weight` is computed from them before each call; see `parametrizations.weight_norm`.

    Args:
        dim: the norm is taken of each slice along it; None for the whole tensor.

    Raises:
        RuntimeError: it is done already.
        ValueError: the parameter is not initialised yet.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: T_module, name: str = "weight") -> T_module:
    """Undoes `weight_norm`: the weight is a parameter again.

    Raises:
        ValueError: the weight is not normalised.
    """
    hook = pop_hook(module, lambda hook: isinstance(hook, WeightNorm) and hook.name == name)
    if hook is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    hook.remove(module)
    return module
