"""A Function under `func.vmap`: its static `vmap` as a `jax.custom_batching.custom_vmap`."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jax import numpy as jnp
from jax.custom_batching import custom_vmap

from torchcompat._tensor import Tensor, as_array, wrap
from torchcompat._tensor._state import state

_MORE = "For more details, please see https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told.

    Attributes:
        batch_size: the size of the dimension that is mapped.
        randomness: `error`, `different` or `same`.
    """

    batch_size: int
    randomness: str


def has_rule(cls: Any, base: Any) -> bool:
    """Whether the Function overrides `vmap`; otherwise the operations in it are mapped.

    Raises:
        RuntimeError: it has neither a rule nor `generate_vmap_rule`, or both.
    """
    own = cls.vmap is not base.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden vmap staticmethod. Please set generate_vmap_rule=False or delete the "
            f"overridden vmap staticmethod to avoid ambiguity. {_MORE}"
        )
    if not own and not cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it does not have vmap support. Please "
            "override and implement the vmap staticmethod or set generate_vmap_rule=True. "
            f"{_MORE}"
        )
    return own


def mapped(cls: Any, args: tuple) -> Any:
    """Runs the Function on single examples, so that JAX finds its `vmap` for the batch.

    The batch comes to `vmap` as the first dimension of what is mapped: JAX moves it there.
    """
    places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
    form: dict[str, bool] = {}

    def filled(arrays: Any) -> list:
        inner = list(args)
        for place, array in zip(places, arrays):
            inner[place] = wrap(array)
        return inner

    def single(*arrays: Any) -> tuple:
        with _outside():
            result = cls.forward(*filled(arrays))
        form["several"] = isinstance(result, tuple)
        return tuple(map(as_array, result if form["several"] else (result,)))

    def rule(size: int, batched: Any, *arrays: Any) -> tuple:
        dims: list = [None] * len(args)
        for place, one in zip(places, batched):
            dims[place] = 0 if one else None
        with _outside():
            result, out_dims = cls.vmap(VmapInfo(size, "error"), tuple(dims), *filled(arrays))
        several = result if isinstance(result, tuple) else (result,)
        dims_of = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(several)
        with jax.enable_x64(True):
            found = tuple(
                x._read() if dim is None else jnp.moveaxis(x._read(), dim, 0)
                for x, dim in zip(several, dims_of)
            )
        return found, tuple(dim is not None for dim in dims_of)

    call = custom_vmap(single)
    call.def_vmap(rule)
    with jax.enable_x64(True):
        found = tuple(map(wrap, call(*(args[i]._read() for i in places))))
    return found if form["several"] else found[0]


class _outside:
    """Inside of the block the innermost transformation is left."""

    def __enter__(self) -> None:
        self.before = state.transforms
        state.transforms = self.before[:-1]

    def __exit__(self, *exc: object) -> None:
        state.transforms = self.before
