"""functorch's own names, which tell where they are now."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from torchcompat import func
from torchcompat._functorch import make_functional as _modules

_NAMES = (
    "combine_state_for_ensemble functionalize grad grad_and_value hessian jacfwd jacrev jvp "
    "make_functional make_functional_with_buffers vjp vmap"
)
__all__ = [*_NAMES.split()]


def get_warning(api: str, new_api: str | None = None, replace_newlines: bool = False) -> str:
    """torch's text for the use of a name.

    Args:
        new_api: what to use instead.
        replace_newlines: leave its line ends out.
    """
    text = (
        f"We've integrated functorch into PyTorch. As the final step of the \nintegration, "
        f"`functorch.{api}` is deprecated as of PyTorch \n2.0 and will be deleted in a future version "
        f"of PyTorch >= 2.3. \nPlease use `{new_api or f'torch.func.{api}'}` instead; see the PyTorch "
        "2.0 release notes \nand/or the `torch.func` migration guide for more details \n"
        "https://pytorch.org/docs/main/func.migrating.html"
    )
    return text.replace("\n", "") if replace_newlines else text


def _moved(name: str, function: Callable, now: str | None) -> Callable:
    @functools.wraps(function)
    def old(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(get_warning(name, now, True), FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    return old


_NOW = {
    "combine_state_for_ensemble": "torch.func.stack_module_state",
    "make_functional": "torch.func.functional_call",
    "make_functional_with_buffers": "torch.func.functional_call",
    "vmap": "torch.vmap",
}
for _name in __all__:
    _function = getattr(_modules, _name, None) or getattr(func, _name)
    globals()[_name] = _moved(_name, _function, _NOW.get(_name))
