"""Derivatives of functions: `grad`, `vjp`, `jvp` and Jacobians, by JAX's transformations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat.func._trees import Nested, Noted, is_data

Argnums = int | tuple[int, ...]
_GRAD = "grad_and_value(f)(*args)"


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """The function that gives the gradient of `func`, which returns one number.

    Args:
        argnums: the positional argument, or arguments, to differentiate by; each may be nested.
        has_aux: `func` returns `(output, aux)`; the result is then `(gradient, aux)`.

    Example:
        >>> grad(lambda x: x.sin())(torchcompat.tensor(0.0))
        tensor(1.)
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """Like `grad`, giving `(gradient, value)`, or `(gradient, (value, aux))`.

    Raises:
        RuntimeError: `func` does not return one number, or an argument is not of a floating type.
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given, call = _by_argnums(func, args, kwargs, argnums)
        _check_floating(given)
        noted = _Scalar(call, given, has_aux)
        with jax.enable_x64(True):
            run = jax.value_and_grad(lambda arrays: noted(*arrays), has_aux=True)
            (value, aux), gradients = run(given.arrays)
            gradients = [jnp.conj(g) if g.dtype.kind == "c" else g for g in gradients]
        found = given.fill(gradients)
        output = noted.out.fill([value])
        gradient = found[0] if isinstance(argnums, int) else tuple(found)
        return gradient, ((output, noted.aux.fill(aux)) if has_aux else output)

    return wrapper


class _Scalar(Noted):
    """A function that must return one number."""

    def __init__(self, function: Callable, given: Nested, has_aux: bool) -> None:
        def checked(*args: Any) -> Any:
            result = function(*args)
            if not has_aux:
                _check_scalar(result)
            elif isinstance(result, tuple) and len(result) == 2:
                _check_scalar(result[0])
            return result

        super().__init__(checked, given, has_aux, _GRAD)

    def __call__(self, *arrays: Any) -> Any:
        (value,), aux = super().__call__(*arrays)
        return value, aux


def _check_scalar(output: Any) -> None:
    if not is_data(output):
        raise RuntimeError(f"{_GRAD}: Expected f(*args) to return a Tensor, got {type(output)}")
    if output.ndim != 0:
        raise RuntimeError(
            f"{_GRAD}: Expected f(*args) to return a scalar Tensor, got tensor with "
            f"{output.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def places_of(args: tuple, argnums: Argnums) -> list[int]:
    """The places of the arguments that `argnums` names, counted from 0.

    Raises:
        RuntimeError: it is neither a number nor a tuple of them, or one is out of range or there twice.
    """
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnum must be int or Tuple[int, ...], got {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    places = []
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnum must be int, got {type(number)}")
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
        places.append(number % len(args))
    if len(set(places)) < len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


def _by_argnums(func: Callable, args: tuple, kwargs: dict, argnums: Argnums) -> tuple:
    """The arguments to differentiate by, and `func` as a function of those alone."""
    places = places_of(args, argnums)

    def call(*values: Any) -> Any:
        whole = list(args)
        for place, value in zip(places, values):
            whole[place] = value
        return func(*whole, **kwargs)

    return Nested([args[place] for place in places]), call


def _check_floating(given: Nested) -> None:
    if any(jnp.dtype(array.dtype).kind not in "fcV" for array in given.arrays):
        raise RuntimeError("only Tensors of floating point dtype can require gradients")


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """The value of `func` at `primals`, and the function from cotangents to gradients.

    Returns:
        `(output, vjp_fn)` or `(output, vjp_fn, aux)`; `vjp_fn` gives a tuple, one a primal.
    """
    given = Nested(list(primals))
    noted = Noted(func, given, has_aux, "vjp(f, *primals)")
    with jax.enable_x64(True):
        outputs, pull, aux = jax.vjp(noted, *given.arrays, has_aux=True)

    def pulled(cotangents: Any, retain_graph: bool = True, create_graph: Any = None) -> tuple:
        chosen = Nested(cotangents)
        if chosen.structure != noted.out.structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {chosen.structure}, primal output: "
                f"{noted.out.structure}"
            )
        with jax.enable_x64(True):
            given_back = [jnp.conj(jnp.asarray(c, o.dtype)) for c, o in zip(chosen.arrays, outputs)]
            gradients = [jnp.conj(g) for g in pull(given_back)]
        return tuple(given.fill(gradients))

    output = noted.out.fill(outputs)
    return (output, pulled, noted.aux.fill(aux)) if has_aux else (output, pulled)


def jvp(
    func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> tuple:
    """The value of `func` at `primals` and its derivative in the direction `tangents`.

    Returns:
        `(output, derivative)` or `(output, derivative, aux)`.
    """
    who = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{who}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    given, along = Nested(list(primals)), Nested(list(tangents))
    if given.structure != along.structure:
        raise RuntimeError(
            f"{who}: Expected primals and tangents to have the same python structure. For example, "
            "if primals is a tuple of 3 tensors, tangents also must be. Got primals with structure "
            f"{given.structure} and tangents with structure {along.structure}"
        )
    if strict:
        raise NotImplementedError("jvp: strict=True is not supported")
    for a, b in zip(given.arrays, along.arrays):
        if a.shape != b.shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the "
                f"original Tensor, this is not supported. Tensor is of size {list(a.shape)} while "
                f"the given forward gradient is of size {list(b.shape)}."
            )
    noted = Noted(func, given, has_aux, who, "forward")
    with jax.enable_x64(True):
        directions = [jnp.asarray(b, a.dtype) for a, b in zip(given.arrays, along.arrays)]
        outputs, derivatives, aux = jax.jvp(noted, given.arrays, directions, has_aux=True)
    found = noted.out.fill(outputs), noted.out.fill(derivatives)
    return (*found, noted.aux.fill(aux)) if has_aux else found


def linearize(func: Callable, *primals: Any) -> tuple[Any, Callable]:
    """The value of `func` at `primals`, and its derivative there as a function of directions."""
    given = Nested(list(primals))
    noted = Noted(func, given, False, "linearize(f, *primals)", "forward")
    with jax.enable_x64(True):
        (outputs, _), along = jax.linearize(noted, *given.arrays)

    def pushed(*tangents: Any) -> Any:
        with jax.enable_x64(True):
            derivatives, _ = along(*Nested(list(tangents)).arrays)
        return noted.out.fill(derivatives)

    return noted.out.fill(outputs), pushed


def jacrev(
    func: Callable,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """The Jacobian of `func` in reverse mode: for each output, one entry an argument.

    Args:
        chunk_size: accepted; how many rows are computed at once is XLA's affair here.
    """
    return _jacobian(jax.jacrev, func, argnums, has_aux)


def jacfwd(
    func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """The Jacobian of `func` in forward mode.

    Args:
        randomness: accepted; the function is evaluated once.
    """
    return _jacobian(jax.jacfwd, func, argnums, has_aux)


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """The second derivatives of `func`, forward over reverse."""
    return jacfwd(jacrev(func, argnums), argnums)


def _jacobian(transform: Callable, func: Callable, argnums: Argnums, has_aux: bool) -> Callable:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given, call = _by_argnums(func, args, kwargs, argnums)
        if any(jnp.dtype(array.dtype).kind == "c" for array in given.arrays):
            raise NotImplementedError("jacrev and jacfwd: complex arguments are not supported")
        kind = "forward" if transform is jax.jacfwd else "reverse"
        noted = Noted(call, given, has_aux, "vjp(f, *primals)", kind)
        with jax.enable_x64(True):
            run = transform(lambda arrays: noted(*arrays), has_aux=True)
            rows, aux = run(given.arrays)
        found = []
        for row, boxed in zip(rows, noted.out.boxed):
            given.boxed = [boxed] * len(given.arrays)
            of = given.fill(row)
            found.append(of[0] if isinstance(argnums, int) else tuple(of))
        leaves = list(noted.out.leaves)
        for place, one in zip(noted.out.places, found):
            leaves[place] = one
        result = jax.tree.unflatten(noted.out.structure, leaves)
        return (result, noted.aux.fill(aux)) if has_aux else result

    return wrapper
