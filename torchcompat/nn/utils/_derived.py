"""Attributes that a forward pre-hook computes from parameters before each call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.nn.modules.module import Module


class DerivingHook:
    """A forward pre-hook that sets one plain attribute of its module.

    Attributes:
        derives: name of the attribute. `torchcompat.compile` compiles such a hook in, and does not
            take the tensor that it set last for a setting of the module.
    """

    derives: str

    def derive(self, module: Module) -> Tensor:
        """The value of the attribute."""
        raise NotImplementedError

    def __call__(self, module: Module, inputs: Any) -> None:
        set_derived(module, self.derives, self.derive(module))


def set_derived(module: Module, name: str, value: Tensor) -> None:
    """Sets the attribute without noting a change of the module's structure."""
    if name in module.__dict__:
        module.__dict__[name] = value
    else:
        setattr(module, name, value)


def derived_attributes(root: Module) -> list[tuple[Module, str, Any]]:
    """Of each such hook under `root`: the module, the attribute's name and its present value."""
    return [
        (module, hook.derives, module.__dict__[hook.derives])
        for module in root.modules()
        for hook in module._forward_pre_hooks.values()
        if getattr(hook, "derives", None) in module.__dict__
    ]


def pop_hook(module: Module, fits: Callable[[Any], bool]) -> Any:
    """Takes the forward pre-hook that `fits` away from `module`; None if there is none."""
    for key, hook in module._forward_pre_hooks.items():
        if fits(hook):
            del module._forward_pre_hooks[key]
            return hook
    return None
