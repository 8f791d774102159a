"""Modules as functions of tuples of their parameters, as functorch had them before `functional_call`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat.func import functional_call
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter

__all__ = [
    "FunctionalModule",
    "FunctionalModuleWithBuffers",
    "combine_state_for_ensemble",
    "functional_init",
    "functional_init_with_buffers",
    "make_functional",
    "make_functional_with_buffers",
]


class FunctionalModuleWithBuffers(Module):
    """A module as a function: `module(params, buffers, *args, **kwargs)`.

    Args:
        stateless_model: the module; its parameters and buffers are names only.
        param_names, buffer_names: the order in which they are passed.
    """

    def __init__(
        self,
        stateless_model: Module,
        param_names: tuple[str, ...],
        buffer_names: tuple[str, ...],
    ) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names, self.buffer_names = param_names, buffer_names

    def forward(self, params: Sequence, buffers: Sequence, *args: Any, **kwargs: Any) -> Any:
        state = dict(zip(self.param_names, params)) | dict(zip(self.buffer_names, buffers))
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(Module):
    """A module without buffers as a function: `module(params, *args, **kwargs)`.

    Args:
        stateless_model: the module; its parameters are names only.
        param_names: the order in which they are passed.
    """

    def __init__(self, stateless_model: Module, param_names: tuple[str, ...]) -> None:
        super().__init__()
        self.stateless_model, self.param_names = stateless_model, param_names

    def forward(self, params: Sequence, *args: Any, **kwargs: Any) -> Any:
        return functional_call(
            self.stateless_model, dict(zip(self.param_names, params)), args, kwargs
        )


def _extracted(model: Module, disable_autograd_tracking: bool) -> tuple[Module, dict, dict]:
    """A copy of the model with nothing but sizes in it, and what it held, by name."""
    model = copy.deepcopy(model)
    params, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    stand_ins: dict[int, Any] = {}
    for p in params.values():
        stand_ins[id(p)] = Parameter(p.detach().to("meta"), p.requires_grad)
        if disable_autograd_tracking:
            p.requires_grad_(False)
    for b in buffers.values():
        stand_ins[id(b)] = b.to("meta")
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for name, x in held.items():
                if x is not None:
                    held[name] = stand_ins[id(x)]
    return model, params, buffers


def make_functional(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModule, tuple]:
    """The model as a function, and a copy of its parameters.

    Args:
        disable_autograd_tracking: the parameters need no gradients.

    Raises:
        RuntimeError: the model has buffers.
    """
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use "
            "make_functional_with_buffers(model) instead."
        )
    bare, params, _ = _extracted(model, disable_autograd_tracking)
    return FunctionalModule(bare, tuple(params)), tuple(params.values())


def make_functional_with_buffers(
    model: Module, disable_autograd_tracking: bool = False
) -> tuple[FunctionalModuleWithBuffers, tuple, tuple]:
    """The model as a function, and a copy of its parameters and its buffers.

    Args:
        disable_autograd_tracking: the parameters need no gradients.
    """
    bare, params, buffers = _extracted(model, disable_autograd_tracking)
    function = FunctionalModuleWithBuffers(bare, tuple(params), tuple(buffers))
    return function, tuple(params.values()), tuple(buffers.values())


def _stacked(states: Sequence[tuple]) -> tuple[Tensor, ...]:
    return tuple(ops.stack(list(column)).detach() for column in zip(*states))


def combine_state_for_ensemble(
    models: Sequence[Module],
) -> tuple[FunctionalModuleWithBuffers, tuple, tuple]:
    """One of the models as a function, and the states of all, stacked, for `vmap`.

    Raises:
        RuntimeError: no models are given, or they differ in class or mode.
    """
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError(
            "combine_state_for_ensemble: Expected all models to be of the same class."
        )
    functions, params, buffers = zip(*map(make_functional_with_buffers, models))
    return functions[0], _stacked(params), _stacked(buffers)


def _with_tuple(function: Callable) -> Callable:
    """A function that takes its data as one value or a tuple of them, last."""

    def call(*state_and_data: Any) -> Any:
        *state, data = state_and_data
        return function(*state, *(data if isinstance(data, tuple) else (data,)))

    return call


def _made(model_class: Callable, ensemble_shape: tuple, device: Any, buffers: bool) -> Callable:
    """What makes models of the arguments of `model_class`, and returns them as a function."""
    make: Callable = make_functional_with_buffers if buffers else make_functional

    def wrapped(*args: Any, **kwargs: Any) -> tuple:
        if len(ensemble_shape) >= 2:
            raise ValueError("NYI: ensemble_shape with more than 1 element")
        count = ensemble_shape[0] if ensemble_shape else 1
        if count <= 0:
            raise ValueError(f"num_models {count} should be > 0")
        models = [model_class(*args, **kwargs).to(device) for _ in range(count)]
        functions, *states = zip(*map(make, models))
        held = [_stacked(one) if ensemble_shape else one[0] for one in states]
        names = (functions[0].param_names, *((functions[0].buffer_names,) if buffers else ()))
        return (*held, _with_tuple(functions[0]), *names)

    return wrapped


def functional_init(
    model_class: Callable, ensemble_shape: tuple[int, ...] = (), device: Any = "cpu"
) -> Callable:
    """What makes the parameters of one model or of several: `(params, function, names)`.

    Args:
        ensemble_shape: `(count,)` of several.

    Raises:
        ValueError: it is not that.
    """
    return _made(model_class, ensemble_shape, device, False)


def functional_init_with_buffers(
    model_class: Callable, ensemble_shape: tuple[int, ...] = (), device: Any = "cpu"
) -> Callable:
    """As `functional_init`: `(params, buffers, function, param_names, buffer_names)`."""
    return _made(model_class, ensemble_shape, device, True)
