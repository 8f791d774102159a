"""Random tensors: `rand`, `randn`, `randint` ... and in place `uniform_`, `normal_` ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _device, _dtype, _random
from torchcompat._dtype import dtype as Dtype
from torchcompat._tensor import _faces
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._creation import _one_size, _place_of, filled
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._place import finish, kind_of, laid_like, put, resolve, size_of
from torchcompat._tensor._tensor import Tensor, as_array, is_traced, wrap

Generator = _random.Generator
Generator._public_state = staticmethod(lambda state: put(state))
Generator._public_device = staticmethod(_device.device)

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

default_generator = _random.default_generator
get_rng_state, set_rng_state = _random.get_rng_state, _random.set_rng_state
manual_seed, seed, initial_seed = _random.manual_seed, _random.seed, _random.initial_seed


def drawn(
    name: str, size: tuple[int, ...], kind: Dtype, generator: Any, where: Any, **params: Any
) -> Tensor:
    """A fresh tensor of random numbers of the distribution `name`; on `meta` nothing is drawn."""
    target = resolve(where)
    if target is not None and target.type == "meta":
        return wrap(jax.ShapeDtypeStruct(size, kind.numpy))
    values = _random.sample(name, generator, size, kind.numpy, **params)
    return put(values, target) if isinstance(values, np.ndarray) else wrap(values)


def _unit(name: str, distribution: str, doc: str) -> tuple[Callable, Callable]:
    """`rand` or `randn`, and its `_like` form."""

    def create(
        *size: Any,
        generator: Any = None,
        out: Tensor | None = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        pin_memory: bool = False,
        **keywords: Any,
    ) -> Tensor:
        size = _one_size(name, size, keywords)
        kind = kind_of(name, dtype, None if out is None else out.dtype)
        return finish(
            drawn(distribution, size, kind, generator, device),
            requires_grad,
            out,
            layout=layout,
            name=name,
        )

    def like(
        input: Tensor,
        *,
        generator: Any = None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        memory_format: Any = None,
        pin_memory: bool = False,
    ) -> Tensor:
        kind, where = _like(f"{name}_like", input, dtype, device)
        made = _drawn_like(distribution, input, memory_format, kind, generator, where)
        return finish(made, requires_grad, layout=layout)

    create.__doc__ = f"A tensor of the given size of {doc}."
    like.__doc__ = f"A tensor of the size, dtype and device of `input`, of {doc}."
    for function, title in ((create, name), (like, f"{name}_like")):
        function.__name__ = function.__qualname__ = title
    return create, lifted(like)


def _like(name: str, input: Any, dtype: Any, device: Any) -> tuple[Dtype, Any]:
    if not hasattr(input, "shape") or not hasattr(input, "dtype"):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return kind_of(name, dtype, input.dtype), _place_of(input, device)


def _drawn_like(
    distribution: str,
    input: Any,
    wanted: Any,
    kind: Dtype,
    generator: Any,
    where: Any,
    **params: Any,
) -> Tensor:
    """Random numbers in the size of `input`, lying in memory and drawn in the order of its format."""
    laid = laid_like(lambda size: filled(size, 0, kind, where), input, wanted)
    if laid.is_contiguous():
        return drawn(distribution, tuple(laid.shape), kind, generator, where, **params)
    return fill(laid, distribution, generator, **params)


rand, rand_like = _unit("rand", "uniform", "numbers drawn evenly from [0, 1)")
randn, randn_like = _unit("randn", "normal", "standard normal numbers")


def _whole_bounds(bounds: tuple, keywords: dict, sizes: int) -> tuple[int, int, list]:
    """`(high)` or `(low, high)` and what follows them, from positions and keywords."""
    rest = list(bounds)
    size = [rest.pop()] if sizes and rest and isinstance(rest[-1], (tuple, list)) else []
    low, high = keywords.pop("low", None), keywords.pop("high", None)
    if len(rest) == 2:
        low, high = rest
    elif rest and high is None:
        high = rest[0]
    elif rest:
        low = rest[0]
    return int(as_array(low or 0)), int(as_array(high)), size


def randint(
    *bounds: Any,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **keywords: Any,
) -> Tensor:
    """Whole numbers drawn evenly: `randint(high, size)` or `randint(low, high, size)`."""
    size = keywords.pop("size", None)
    low, high, given = _whole_bounds(bounds, keywords, size is None)
    if keywords:
        raise TypeError(f"randint() got an unexpected keyword argument '{next(iter(keywords))}'")
    if size is None and not given:
        raise TypeError('randint() missing 1 required positional arguments: "size"')
    dims = size_of("randint", (tuple(given[0] if size is None else size),))
    kind = kind_of("randint", dtype, _dtype.int64 if out is None else out.dtype)
    made = drawn("random", dims, kind, generator, device, low=low, high=high)
    return finish(made, requires_grad, out, layout=layout, name="randint")


@lifted
def randint_like(
    input: Tensor,
    *bounds: Any,
    generator: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
    **keywords: Any,
) -> Tensor:
    """Whole numbers drawn evenly from `[low, high)`, of the size, dtype and device of `input`."""
    low, high, _ = _whole_bounds(bounds, keywords, 0)
    kind, where = _like("randint_like", input, dtype, device)
    bounds = {"low": low, "high": high}
    made = _drawn_like("random", input, memory_format, kind, generator, where, **bounds)
    return finish(made, requires_grad, layout=layout)


def randperm(
    n: int,
    *,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The numbers from 0 to `n - 1` in random order."""
    kind = kind_of("randperm", dtype, _dtype.int64 if out is None else out.dtype)
    return finish(
        drawn("randperm", (int(n),), kind, generator, device),
        requires_grad,
        out,
        layout=layout,
        name="randperm",
    )


@lifted
@no_grad()
def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Any = None,
    out: Tensor | None = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Normal numbers: of given `size`, or one for each element of `mean` and `std`."""
    if not hasattr(std, "shape") and not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    tensors = [x for x in (mean, std) if hasattr(x, "shape")]
    if size is not None:
        kind = kind_of("normal", dtype, None if out is None else out.dtype)
        dims = size_of("normal", (tuple(size),))
        made = drawn("normal", dims, kind, generator, device, mean=float(mean), std=float(std))
        return finish(made, requires_grad, out, layout=layout, name="normal")
    if not tensors:
        raise TypeError('normal() missing 1 required positional arguments: "size"')
    made = _normal_of(mean, std, tensors, generator)
    return made if out is None else _faces.into(out, made)


def _normal_of(mean: Any, std: Any, tensors: list[Tensor], generator: Any) -> Tensor:
    like = tensors[0] if len(tensors) == 1 else tensors[0] + tensors[1]
    size = tuple(like.shape)
    if not hasattr(std, "shape"):
        made = drawn("normal", size, like.dtype, generator, None, mean=0.0, std=float(std))
        return made + mean
    deviation = as_array(std)
    if not isinstance(deviation, jax.core.Tracer) and bool((np.asarray(deviation) < 0).any()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    return drawn("normal", size, like.dtype, generator, None) * std + mean


@lifted
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Any = None, out: Tensor | None = None
) -> Tensor:
    """1 with the probability that `input` (or `p`) gives, else 0."""
    chance = as_array(input) if p is None else p
    where = _place_of(input, None)
    made = drawn("bernoulli", tuple(input.shape), input.dtype, generator, where, p=chance)
    return made if out is None else _faces.into(out, made)


@lifted
def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """Places drawn with probabilities in proportion to the rows of `input`.

    Shape:
        input `(N)` or `(M, N)`; output `(num_samples)` or `(M, num_samples)`.
    """
    size = (*input.shape[:-1], num_samples)
    where = _place_of(input, None)
    made = drawn(
        "multinomial",
        tuple(size),
        _dtype.int64,
        generator,
        where,
        probs=as_array(input),
        replacement=replacement,
    )
    return made if out is None else _faces.into(out, made)


@lifted
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Poisson counts with the rates in `input`. (Distributed as torch's; not the same numbers.)"""
    rate = as_array(input)
    source = _random.current() if generator is None else generator
    if isinstance(rate, jax.core.Tracer) or _random.is_staging():
        with jax.enable_x64(True):
            counts = jax.random.poisson(source.next_key(), rate, rate.shape)
            return wrap(counts.astype(rate.dtype))
    if bool((np.asarray(rate) < 0).any()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    engine = np.random.RandomState(source.random32(4))
    return put(np.asarray(engine.poisson(np.asarray(rate)), rate.dtype), _place_of(input, None))


def _in_memory_order(tensor: Tensor) -> list[int]:
    """The dimensions from the longest stride to the shortest: the order in which torch fills."""
    strides = tensor._layout_now()[1]
    return sorted(range(len(strides)), key=lambda d: -strides[d])


def fill(tensor: Tensor, name: str, generator: Any, **params: Any) -> Tensor:
    """Overwrites `tensor` with random numbers of the distribution `name`."""
    _faces.check_inplace(tensor)
    if isinstance(tensor._cell.value, jax.ShapeDtypeStruct):
        return tensor
    order = _in_memory_order(tensor)
    size = tuple(tensor.shape[d] for d in order)
    if name == "normal":
        params["contiguous"] = order == sorted(order)
    if order != sorted(order):
        params = {key: _permuted(value, tensor.shape, order) for key, value in params.items()}
    values = _random.sample(name, generator, size, tensor.dtype.numpy, **params)
    back = [order.index(d) for d in range(len(order))]
    if isinstance(values, np.ndarray):
        values = np.asarray(values.transpose(back), order="C")
        target = None if is_traced(tensor) else tensor.device
        return _faces.write(tensor, put(values, target))
    with jax.enable_x64(True):
        return _faces.write(tensor, jnp.transpose(values, back))


def _permuted(value: Any, size: tuple[int, ...], order: list[int]) -> Any:
    """A parameter that is an array, broadcast to `size` and with its dimensions in `order`."""
    if not getattr(value, "ndim", 0):
        return value
    with jax.enable_x64(True):
        return jnp.transpose(jnp.broadcast_to(value, size), order)


def uniform_(self: Tensor, *bounds: float, generator: Any = None, **keywords: float) -> Tensor:
    """Fills with numbers drawn evenly from `[from, to)`, by default `[0, 1)`."""
    low, high = _two("uniform_", bounds, keywords, ("from", "to"), (0.0, 1.0))
    return fill(self, "uniform", generator, low=low, high=high)


def random_(self: Tensor, *bounds: int, generator: Any = None, **keywords: int) -> Tensor:
    """Fills with whole numbers drawn evenly from `[from, to)`, `[0, to)` or all of the type."""
    if len(bounds) == 1 and not keywords:
        bounds = (0, bounds[0])
    elif not bounds and "to" in keywords:
        keywords.setdefault("from", 0)
    low, high = _two("random_", bounds, keywords, ("from", "to"), (None, None))
    return fill(self, "random", generator, low=low, high=high)


def _two(name: str, values: tuple, keywords: dict, names: tuple, defaults: tuple) -> tuple:
    given = dict(zip(names, values))
    for word, value in keywords.items():
        if word not in names or word in given:
            raise TypeError(f"{name}() got an unexpected keyword argument '{word}'")
        given[word] = value
    return tuple(as_array(given.get(n, d)) for n, d in zip(names, defaults))


def _filler(name: str, distribution: str, names: tuple, defaults: tuple, doc: str) -> Callable:
    def method(self: Tensor, *values: float, generator: Any = None, **keywords: float) -> Tensor:
        given = _two(name, values, keywords, names, defaults)
        return fill(self, distribution, generator, **dict(zip(names, given)))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


_FILLERS = {
    "normal_": ("normal", ("mean", "std"), (0.0, 1.0), "Fills with normal numbers."),
    "log_normal_": (
        "log_normal",
        ("mean", "std"),
        (1.0, 2.0),
        "Fills with exponentials of normal numbers.",
    ),
    "exponential_": (
        "exponential",
        ("lambd",),
        (1.0,),
        "Fills with exponentially distributed numbers.",
    ),
    "geometric_": ("geometric", ("p",), (None,), "Fills with counts of trials up to a success."),
    "cauchy_": ("cauchy", ("median", "sigma"), (0.0, 1.0), "Fills with Cauchy numbers."),
}
for _name, _row in _FILLERS.items():
    setattr(Tensor, _name, _filler(_name, *_row))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fills with 1 with probability `p` (a number, or a tensor of them), else 0."""
    chance = as_array(p)
    if hasattr(chance, "shape"):
        chance = jnp.broadcast_to(chance, self.shape)
    return fill(self, "bernoulli", generator, p=chance)


Tensor.uniform_ = uniform_
Tensor.random_ = random_
Tensor.bernoulli_ = bernoulli_
Tensor.bernoulli = bernoulli
Tensor.multinomial = multinomial
