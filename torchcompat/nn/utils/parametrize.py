"""Parametrizations: a parameter or buffer computed by modules from other tensors on each access.

A parametrized module is an instance of a subclass of its class, `ParametrizedLinear` say, with a
property for each parametrized tensor. `module.parametrizations.weight` is the list of modules that
compute `module.weight`; it holds the tensors that the weight is computed from.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torchcompat._tensor import Tensor, is_traced
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._faces import write
from torchcompat._tensor._state import state
from torchcompat.nn.modules.container import ModuleDict, ModuleList
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter
from torchcompat.nn.utils import _parametrize_checks as _checks

try:  # public since JAX 0.9
    from jax.extend.core import get_opaque_trace_state
except ImportError:
    from jax.core import get_opaque_trace_state  # type: ignore[attr-defined, no-redef]

__all__ = [
    "cached",
    "ParametrizationList",
    "register_parametrization",
    "is_parametrized",
    "remove_parametrizations",
    "type_before_parametrizations",
    "transfer_parametrizations_and_params",
]

# How many `cached()` blocks are open, and what they have kept: the module (so that its id stays its
# own), the tensor, and the JAX trace in which it was computed.
_cache_enabled = 0
_cache: dict[tuple[int, str], tuple[Module, Tensor, Any]] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Within the block each parametrized tensor is computed once, on first access, and kept."""
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


class ParametrizationList(ModuleList):
    """The modules that compute one parametrized tensor, and the tensors that they compute it from.

    The first module is called with `original`, or with `original0`, `original1`, ... where the
    `right_inverse` of the modules gives several tensors; each later one with the result before it.

    Args:
        modules: the parametrizations, first to last.
        original: the parameter or buffer to parametrize; where one tensor stands for it, it becomes
            `original` itself.
        unsafe: the result may have another shape or dtype than `original`.

    Raises:
        ValueError: there are no modules, or they or their `right_inverse` give something
            unsuitable; `original` is as it was then.
    """

    original: Tensor
    unsafe: bool

    def __init__(
        self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False
    ) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = self._inverted(original)
        _checks.check_inverse(original, new)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        parts = [new] if self.is_tensor else list(new)
        if not unsafe:
            _checks.check_result(original, self._applied(parts))
        if self.is_tensor:
            _replace(original, new)
            parts = [original]
        for name, part in zip(self._names(), parts):
            if isinstance(original, Parameter) and part is not original:
                part = Parameter(part, original.requires_grad)
            part.requires_grad_(original.requires_grad)
            _register_parameter_or_buffer(self, name, part)

    def _inverted(self, value: Any) -> Any:
        """`value` through those inverses that there are."""
        for module in reversed(self):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    continue
        return value

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def _originals(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._names()]

    def _applied(self, parts: Sequence[Tensor]) -> Any:
        first, *rest = self
        value = first(*parts)
        for module in rest:
            value = module(value)
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Sets the original tensors so that the parametrized one becomes `value`.

        Raises:
            RuntimeError: a parametrization has no `right_inverse`.
            ValueError: the inverse gives tensors that do not suit the originals.
        """
        with no_grad():
            new: Any = value
            for module in reversed(self):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            originals = self._originals()
            _checks.check_assigned(originals, new, self.is_tensor)
            for original, part in zip(originals, [new] if self.is_tensor else new):
                _replace(original, part)

    def forward(self) -> Tensor:
        """The parametrized tensor."""
        return self._applied(self._originals())


def _replace(original: Tensor, new: Tensor) -> None:
    """Makes `original` an alias of `new`; while tracing, writes the values, which are state."""
    tracing = state.capture is not None or is_traced(new)
    with no_grad():
        if tracing and original.shape == new.shape:
            write(original, new)
        else:
            original.set_(new)


def _register_parameter_or_buffer(module: Module, name: str, X: Tensor) -> None:
    if isinstance(X, Parameter):
        module.register_parameter(name, X)
    else:
        module.register_buffer(name, X)


# -- the class of a parametrized module ------------------------------------------------------------


def _deepcopy(self: Module, memo: dict) -> Module:
    found = memo.get(id(self))
    if found is None:
        found = memo[id(self)] = type(self).__new__(type(self))
        found.__setstate__(copy.deepcopy(Module.__getstate__(self), memo))
    return found


def _refuse_pickling(self: Module) -> None:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _parametrized(name: str) -> property:
    def get(self: Module) -> Tensor:
        if not _cache_enabled:
            return self.parametrizations[name]()
        trace = get_opaque_trace_state(convention="flax")
        owner, tensor, made_in = _cache.get((id(self), name), (None, None, None))
        # What a compile has captured must not be fixed to a tensor kept outside of it.
        if owner is self and (made_in == trace or state.capture is None and not is_traced(tensor)):
            return tensor
        tensor = self.parametrizations[name]()
        _cache[id(self), name] = self, tensor, trace
        return tensor

    def set(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, set)


@functools.cache
def _class(base: type, names: frozenset[str]) -> type:
    """`base` with these tensors parametrized. Modules share it: JAX keeps every Module class."""
    members = {"__getstate__": _refuse_pickling}
    if not hasattr(base, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    made = type(f"Parametrized{base.__name__}", (base,), members)
    for name in names:
        setattr(made, name, _parametrized(name))
    return made


def _set_class(module: Module, base: type, names: Sequence[str]) -> None:
    module.__class__ = _class(base, frozenset(names)) if names else base


def _parametrize(module: Module, tensor_name: str, parametrizations: ParametrizationList) -> None:
    """Adds the property `tensor_name`, whose member has been deleted, to the module's class."""
    base = type_before_parametrizations(module)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    if hasattr(module, tensor_name):
        raise AssertionError(f"Module already has an attribute named '{tensor_name}'")
    _set_class(module, base, [*module.parametrizations, tensor_name])
    module.parametrizations[tensor_name] = parametrizations


# -- what users call -------------------------------------------------------------------------------


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Has `parametrization` compute the parameter or buffer `tensor_name` of `module`.

    Its former value becomes `module.parametrizations.<tensor_name>.original`, through
    `parametrization.right_inverse` if that exists. Of several parametrizations of one tensor, each
    is applied to the result of the one before.

    Args:
        parametrization: a module called with the tensor (or with the several tensors that
            `right_inverse` returns).
        unsafe: allow it to change the shape or dtype, and do not run it now to check.

    Raises:
        ValueError: there is no such parameter or buffer, or what the parametrization returns is
            unsuitable.

    Example:
        >>> class Symmetric(nn.Module):
        ...     def forward(self, X):
        ...         return X.triu() + X.triu(1).mT
        >>> layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _checks.check_appended(tensor_name, getattr(module, tensor_name), parametrization)
        held = module.parametrizations[tensor_name]
        held.append(parametrization)
        held.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        _parametrize(module, tensor_name, parametrizations)
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the tensor of this name (any tensor, if None) of `module` is parametrized."""
    held = getattr(module, "parametrizations", None)
    if not isinstance(held, ModuleDict):
        return False
    return len(held) > 0 if tensor_name is None else tensor_name in held


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Makes a parametrized tensor an ordinary parameter or buffer again.

    Args:
        leave_parametrized: give it the parametrized value, not the original one.

    Raises:
        ValueError: it is not parametrized; or its original is asked for and is several tensors.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if not (leave_parametrized or parametrizations.is_tensor):
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    member = _member_left(module, tensor_name, parametrizations, leave_parametrized)
    base = type_before_parametrizations(module)
    del module.parametrizations[tensor_name]
    _set_class(module, base, list(module.parametrizations))
    _register_parameter_or_buffer(module, tensor_name, member)
    if not is_parametrized(module):
        del module.parametrizations
    return module


def _member_left(
    module: Module, name: str, parametrizations: ParametrizationList, leave_parametrized: bool
) -> Tensor:
    if not parametrizations.is_tensor:
        value = getattr(module, name)
        return Parameter(value) if value.requires_grad else value
    if leave_parametrized:
        with no_grad():
            value = getattr(module, name)
            parametrizations.original.data = value
    return parametrizations.original


def type_before_parametrizations(module: Module) -> type:
    """The class that `module` had before anything in it was parametrized."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives `to_module` the parametrizations, and the tensors under them, of `from_module`.

    Args:
        tensor_name: transfer only this tensor's.

    Returns:
        `to_module`, which shares them with `from_module` from now on.
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        source = from_module.parametrizations[name]
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        for part in source._names():
            setattr(target, part, getattr(source, part))
    return to_module
