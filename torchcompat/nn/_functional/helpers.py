"""What torch's file of functionals keeps for itself and other code imports from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat.nn._functional import fractional, pooling


def assert_int_or_pair(arg: Any, arg_name: str, message: str) -> None:
    """Raises an AssertionError with `message` unless `arg` is a number or has two elements."""
    if not isinstance(arg, int) and len(arg) != 2:
        raise AssertionError(message.format(arg_name))


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    module_name: str | None,
    func_name: str | None,
) -> Callable:
    """A function that is `if_true` or `if_false`, as one of its arguments says.

    Args:
        arg_name, arg_index, default: the argument's name, position, and value if not given.

    Raises:
        RuntimeError: both functions have docstrings.
    """
    if if_true.__doc__ is not None and if_false.__doc__ is not None:
        raise RuntimeError("only one function can have a docstring")

    def run(*args: Any, **kwargs: Any) -> Any:
        at = args[arg_index] if arg_index < len(args) else default
        return (if_true if kwargs.get(arg_name, at) else if_false)(*args, **kwargs)

    run.__doc__ = if_true.__doc__ or if_false.__doc__
    if module_name is not None:
        run.__module__ = module_name
    if func_name is not None:
        run.__name__ = func_name
    return run


def _first(function: Callable, name: str) -> Callable:
    """A pooling function without the positions of its maxima."""

    def run(*args: Any, **kwargs: Any) -> Tensor:
        return function(*args, **kwargs)[0]

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"`{name[1:]}`, whatever `return_indices` says."
    return run


def _in_projection(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    b_q: Tensor | None = None,
    b_k: Tensor | None = None,
    b_v: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Query, key and value, each by its own weight `(E_q, E_in)` and bias."""
    features = q.shape[-1]
    sources = ("query", w_q, b_q, q), ("key", w_k, b_k, k), ("value", w_v, b_v, v)
    for name, weight, _, source in sources:
        expected = features, source.shape[-1]
        if tuple(weight.shape) != expected:
            raise AssertionError(
                f"expecting {name} weights shape of {expected}, but got {weight.shape}"
            )
    for name, _, bias, _ in sources:
        if bias is not None and tuple(bias.shape) != (features,):
            raise AssertionError(
                f"expecting {name} bias shape of {(features,)}, but got {bias.shape}"
            )
    return ops.linear(q, w_q, b_q), ops.linear(k, w_k, b_k), ops.linear(v, w_v, b_v)


def _list_with_default(out_size: int | Sequence[int | None], defaults: Sequence[int]) -> Any:
    """The sizes, those that are None taken from the end of `defaults`; a number unchanged."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    return [d if v is None else v for v, d in zip(out_size, defaults[-len(out_size) :])]


for _n in (1, 2, 3):
    for _kind in ("max_pool", "adaptive_max_pool"):
        _name = f"_{_kind}{_n}d"
        globals()[_name] = _first(getattr(pooling, f"{_kind}{_n}d_with_indices"), _name)
for _n in (2, 3):
    _name = f"_fractional_max_pool{_n}d"
    globals()[_name] = _first(getattr(fractional, f"{_name[1:]}_with_indices"), _name)
