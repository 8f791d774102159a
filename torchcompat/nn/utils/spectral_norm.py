"""Spectral normalisation by a hook: the older form of `parametrizations.spectral_norm`."""

from __future__ import annotations

from typing import Any, TypeVar

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._faces import write
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter, UninitializedParameter
from torchcompat.nn.utils import _spectral
from torchcompat.nn.utils._derived import DerivingHook, pop_hook

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "spectral_norm",
    "remove_spectral_norm",
]

T_module = TypeVar("T_module", bound=Module)


class SpectralNorm(DerivingHook):
    """The hook that divides a weight by its largest singular value.

    Attributes:
        name: name of the weight; the parameter is `<name>_orig`, the singular vectors `<name>_u`
            and `<name>_v`.
        dim: the dimension whose slices are the rows of the weight as a matrix.
        n_power_iterations: steps of the power iteration for each call in training mode.
        eps: smallest norm that a vector is divided by.
    """

    # Of what `state_dict` holds; version 0 kept the weight in place of `v`.
    _version: int = 1

    def __init__(
        self,
        name: str = "weight",
        n_power_iterations: int = 1,
        dim: int = 0,
        eps: float = 1e-12,
    ) -> None:
        _spectral.check_iterations(n_power_iterations)
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    @property
    def derives(self) -> str:  # type: ignore[override]
        return self.name

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """The weight with dimension `dim` first and all others in one."""
        return ops.rows_first(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight divided by its largest singular value.

        Args:
            do_power_iteration: first improve the singular vectors, in place.
        """
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        if do_power_iteration:
            with no_grad():
                matrix = self.reshape_weight_to_matrix(weight).t()
                found = ops.power_iterations(matrix, v, u, self.n_power_iterations, self.eps)
                for held, vector in zip((v, u), found):
                    write(held, vector)
        return ops.spectrally_normalized(weight, u, v, self.dim)

    def derive(self, module: Module) -> Tensor:
        """The weight as the next call uses it."""
        return self.compute_weight(module, do_power_iteration=module.training)

    def remove(self, module: Module) -> None:
        """Makes the weight, as it is in evaluation mode, a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for end in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + end)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def _solve_v_and_rescale(self, weight_mat: Tensor, u: Tensor, target_sigma: Tensor) -> Tensor:
        """The `v` that goes with `u`, scaled so that `u^T W v` is `target_sigma`."""
        return ops.right_singular_vector(weight_mat, u, target_sigma)

    @staticmethod
    def apply(
        module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Replaces the parameter `name` by its original and two vectors, and adds the hooks."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(
                    f"Cannot register two spectral_norm hooks on the same parameter {name}"
                )
        fn = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make "
                "sure to run the dummy forward before applying spectral normalization"
            )
        u, v = _spectral.random_vectors(fn.reshape_weight_to_matrix(weight.detach()), eps)
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(fn)
        module._register_state_dict_hook(SpectralNormStateDictHook(fn))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(fn))
        return fn


class SpectralNormLoadStateDictPreHook:
    """Brings a state dictionary of an older form up to date before it is loaded."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("spectral_norm", {}).get(f"{self.fn.name}.version")
        key = prefix + self.fn.name
        if version is not None and version >= 1:
            return
        parts = [f"{key}_orig", f"{key}_u", f"{key}_v"]
        if version is None and all(p in state_dict for p in parts) and key not in state_dict:
            return  # of the present form; somebody made it by hand and left the metadata out
        missing = [k for k in (f"{key}_orig", key, f"{key}_u") if k not in state_dict]
        if missing:
            missing_keys += missing if strict else []
            return
        with no_grad():
            original, weight = state_dict[f"{key}_orig"], state_dict.pop(key)
            sigma = (original / weight).mean()
            matrix = self.fn.reshape_weight_to_matrix(original)
            u = state_dict[f"{key}_u"]
            state_dict[f"{key}_v"] = self.fn._solve_v_and_rescale(matrix, u, sigma)


class SpectralNormStateDictHook:
    """Notes in the metadata of a state dictionary which form it has."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: T_module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> T_module:
    """Divides a weight by its largest singular value before each call.

    `parametrizations.spectral_norm` is the newer form; see there.

    Args:
        n_power_iterations: steps of the power iteration for each call in training mode.
        eps: smallest norm that a vector is divided by.
        dim: the dimension whose slices are the rows of the weight as a matrix. Default: 1 for
            transposed convolutions, else 0.

    Raises:
        RuntimeError: it is done already.
        ValueError: the parameter is None or not initialised yet.
    """
    dim = _spectral.rows_dim(module, dim)
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: T_module, name: str = "weight") -> T_module:
    """Undoes `spectral_norm`: the weight is a parameter again.

    Raises:
        ValueError: the weight is not normalised.
    """
    fn = pop_hook(module, lambda hook: isinstance(hook, SpectralNorm) and hook.name == name)
    if fn is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    fn.remove(module)
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        for key, hook in list(hooks.items()):
            if getattr(getattr(hook, "hook", hook), "fn", None) is fn:
                del hooks[key]
    return module
