"""`vmap`: a function of single examples as one of batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat import _random
from torchcompat._random._key import state as _keys
from torchcompat._tensor import wrap
from torchcompat.func._trees import Nested, is_data, is_tensor, transforming

_MODES = ("error", "different", "same")


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """The function that applies `func` to every example of a batch at once.

    Args:
        in_dims: the batch dimension of each argument; None for what all examples share. An int, or
            nested as the arguments are.
        out_dims: where the batch dimension goes in each result.
        randomness: what random functions do inside: raise ("error"), draw for each example
            ("different") or once ("same"). The numbers are JAX's.
        chunk_size: at most this many examples at once.

    Raises:
        ValueError: the dimensions do not fit the arguments or results.
        RuntimeError: random numbers under "error", or Python control flow that depends on values.
    """
    if randomness not in _MODES:
        raise RuntimeError(
            f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", repr(func))

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = Nested(list(args))
        dims = _dims_of_inputs(name, in_dims, args, given)
        size = _batch_size(dims, given)
        call = _Batched(name, func, kwargs, given, dims, out_dims, randomness)
        if chunk_size is None or chunk_size >= size:
            return call.nested(call(given.arrays, size))
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            parts.append(
                call([_cut(a, d, start, stop) for a, d in zip(given.arrays, dims)], stop - start)
            )
        with jax.enable_x64(True):
            joined = [
                column[0] if dim is None else jnp.concatenate(column, dim)
                for dim, column in zip(call.out_dims, zip(*parts))
            ]
        return call.nested(joined)

    return wrapper


def _cut(array: Any, dim: int | None, start: int, stop: int) -> Any:
    return array if dim is None else jax.lax.slice_in_dim(array, start, stop, axis=dim)


def _dims_of_inputs(name: str, in_dims: Any, args: tuple, given: Nested) -> list[int | None]:
    """The batch dimension of each array among the arguments."""
    who = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{who}: expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    spread = _spread(in_dims, list(args), is_top=True)
    if spread is None:
        raise ValueError(
            f"{who}: in_dims is not compatible with the structure of `inputs`. "
            f"in_dims has structure {jax.tree.structure(in_dims)} but inputs has structure "
            f"{jax.tree.structure(args, is_leaf=is_tensor)}."
        )
    dims = []
    for leaf, dim in zip(given.leaves, spread):
        if dim is not None and not isinstance(dim, int):
            raise ValueError(
                f"{who}: Got in_dim={dim} for an input but in_dim must be either an integer "
                "dimension or None."
            )
        if not is_data(leaf):
            if dim is not None:
                raise ValueError(
                    f"{who}: Got in_dim={dim} for an input but the input is of type {type(leaf)}. "
                    "We cannot vmap over non-Tensor arguments, please use None as the respective "
                    "in_dim"
                )
            continue
        if dim is not None and not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"{who}: Got in_dim={dim} for some input, but that input is a Tensor of "
                f"dimensionality {leaf.ndim} so expected in_dim to satisfy "
                f"-{leaf.ndim} <= in_dim < {leaf.ndim}."
            )
        dims.append(None if dim is None else dim % leaf.ndim)
    return dims


def _spread(dims: Any, value: Any, is_top: bool = False) -> list | None:
    """`dims` repeated for every leaf under each of its entries; None if the structures differ."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(jax.tree.leaves(value, is_leaf=is_tensor))
    if isinstance(dims, dict):
        if not isinstance(value, dict) or dims.keys() != value.keys():
            return None
        pairs = [(dims[key], value[key]) for key in sorted(value)]
    elif isinstance(dims, (tuple, list)):
        alike = is_top or type(dims) is type(value)
        if not alike or not isinstance(value, (tuple, list)) or len(dims) != len(value):
            return None
        pairs = list(zip(dims, value))
    else:
        return [dims] * len(jax.tree.leaves(value, is_leaf=is_tensor))
    found: list = []
    for one, part in pairs:
        below = _spread(one, part)
        if below is None:
            return None
        found += below
    return found


def _batch_size(dims: list[int | None], given: Nested) -> int:
    sizes = [array.shape[dim] for dim, array in zip(dims, given.arrays) if dim is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over: all in_dims are None")
    if any(size != sizes[0] for size in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, "
            f"got sizes {sizes} for the mapped dimension"
        )
    return sizes[0]


class _Batched:
    """One call of a mapped function on arrays.

    Attributes:
        out: the nested result of the last call, for one example.
        out_dims: for each of its arrays, where the batch dimension goes.
    """

    def __init__(
        self,
        name: str,
        func: Callable,
        kwargs: dict,
        given: Nested,
        dims: list[int | None],
        out_dims: Any,
        randomness: str,
    ) -> None:
        self._name, self._func, self._kwargs, self._given = name, func, kwargs, given
        self._dims, self._asked, self._randomness = dims, out_dims, randomness
        self.out: Nested
        self.out_dims: list[int | None] = []

    def __call__(self, arrays: list, size: int) -> list:
        with jax.enable_x64(True):
            keys = self._draw(size)
            run = jax.vmap(self._one, (self._dims, 0 if self._randomness == "different" else None))
            try:
                outputs = run(arrays, keys)
            except jax.errors.TracerBoolConversionError as error:
                raise RuntimeError(
                    "vmap: It looks like you're attempting to use a Tensor in some data-dependent "
                    "control flow. We don't support that yet."
                ) from error
            except jax.errors.ConcretizationTypeError as error:
                raise RuntimeError(
                    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap "
                    "over calling .item() on a Tensor, please try to rewrite what you're doing with "
                    "other operations."
                ) from error
            self.out_dims = self._places()
            return [self._placed(x, dim) for x, dim in zip(outputs, self.out_dims)]

    def _draw(self, size: int) -> Any:
        if self._randomness == "error":
            return None
        key = _random.default_generator.key_cell.next_key()
        return jax.random.split(key, size) if self._randomness == "different" else key

    def _one(self, arrays: list, key: Any) -> list:
        with transforming("vmap"), _randomness(self._randomness, key):
            result = self._func(*self._given.fill(arrays), **self._kwargs)
        self.out = Nested(result)
        return self.out.arrays

    def _places(self) -> list[int | None]:
        spread = _spread(self._asked, jax.tree.unflatten(self.out.structure, self.out.leaves))
        single = (
            len(self.out.leaves) == 1 and isinstance(self._asked, tuple) and len(self._asked) == 1
        )
        if spread is None and single:
            spread = list(self._asked)
        if spread is None:
            raise ValueError(
                f"vmap({self._name}, ..., out_dims={self._asked})(<inputs>): out_dims is not "
                "compatible with the structure of `outputs`. out_dims has structure "
                f"{jax.tree.structure(self._asked)} but outputs has structure {self.out.structure}."
            )
        for leaf, dim in zip(self.out.leaves, spread):
            if not is_data(leaf) and dim is not None:
                raise ValueError(
                    f"vmap({self._name}, ...): `{self._name}` must only return Tensors, got type "
                    f"{type(leaf)}. Did you mean to set out_dims= to None for output?"
                )
        return [dim for leaf, dim in zip(self.out.leaves, spread) if is_data(leaf)]

    def _placed(self, array: Any, dim: int | None) -> Any:
        if dim is None:
            return array[0]
        if not -array.ndim <= dim < array.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{array.ndim}, "
                f"{array.ndim - 1}], but got {dim})"
            )
        return jnp.moveaxis(array, 0, dim)

    def nested(self, arrays: list) -> Any:
        """The result as the function nests it."""
        leaves = list(self.out.leaves)
        for place, boxed, array in zip(self.out.places, self.out.boxed, arrays):
            leaves[place] = wrap(array) if boxed else array
        return jax.tree.unflatten(self.out.structure, leaves)


class _Refusing:
    """Stands in for the keys of a mapped function that must not draw random numbers."""

    def next_key(self) -> Any:
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the "
            "'same' or 'different' randomness flags on vmap or perform the randomness operation "
            "out of vmap"
        )


def _randomness(mode: str, key: Any) -> AbstractContextManager:
    if mode != "error":
        return _random.rng_key(key)
    # Inside of a mapped function that may draw, the keys are its own business.
    return nullcontext() if isinstance(_keys.rng_key, _Refusing) else _refusing()


@contextmanager
def _refusing() -> Iterator[None]:
    before, _keys.rng_key = _keys.rng_key, _Refusing()
    try:
        yield
    finally:
        _keys.rng_key = before
