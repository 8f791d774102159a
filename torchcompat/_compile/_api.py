"""The public `compile`, and the module it returns for a module."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchcompat._compile._compiled import Compiled
from torchcompat.nn.modules import module as _module
from torchcompat.nn.modules.module import Module


class OptimizedModule(Module):
    """A compiled module. The original is `_orig_mod`; other attributes are read from it."""

    def __init__(self, module: Module, fullgraph: bool = False) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = Compiled(module, fullgraph)
        self.training = module.training

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["_compiled"](*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the compiled module."""
        return self(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def train(self, mode: bool = True) -> OptimizedModule:
        """Sets training mode on this module and the original."""
        self._orig_mod.train(mode)
        self.training = mode
        return self


def compile(model: Callable | None = None, **options: Any) -> Any:
    """Compiles a module or function: each input signature runs as one XLA program.

    State that the function reads and writes (parameters, buffers, generator state) is found by itself
    and carried between calls. Changing the model (train/eval, hooks, layers) is noticed. A function whose
    course depends on values (`if x.sum() > 0`, `x.item()`, `x[mask]`) is no one program: it runs as it
    is, with each module that it calls compiled, and a warning says so once.

    Args:
        model: a Module or function; without it, a decorator is returned.
        options: torch's `fullgraph, dynamic, backend, mode, options, disable`. Of these `fullgraph`
            (one program or an error) and `disable` act.

    Returns:
        For a Module, an `OptimizedModule` with the same attributes; for a function, a function.

    Example:
        >>> fast = torch.compile(model.eval())
    """
    unknown = set(options) - {"fullgraph", "dynamic", "backend", "mode", "options", "disable"}
    if unknown:
        raise TypeError(f"compile() got an unexpected keyword argument '{sorted(unknown)[0]}'")
    if model is None:
        return functools.partial(compile, **options)
    if options.get("disable"):
        return model
    fullgraph = bool(options.get("fullgraph"))
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    if not callable(model):
        raise RuntimeError(f"compile() expects a module or function, got {type(model).__name__}")
    compiled = Compiled(model, fullgraph)

    @functools.wraps(model)
    def run(*args: Any, **kwargs: Any) -> Any:
        return compiled(*args, **kwargs)

    run._compiled = compiled  # type: ignore[attr-defined]
    return run


_module.compiler = compile
