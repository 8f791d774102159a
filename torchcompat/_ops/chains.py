"""Products of several tensors: Einstein sums and chains of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import lax
from jax import numpy as jnp

from torchcompat._ops._registry import Array, op
from torchcompat._ops.products import product, sum_type


def _check_letters(equation: str) -> None:
    for place, letter in enumerate(equation.replace("->", "  ")):
        if not (letter.isascii() and letter.isalpha()) and letter not in " .,":
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {place} in the equation string, "
                "subscripts must be in [a-zA-Z]"
            )


def _check_equation(equation: str, operands: Sequence[Array]) -> None:
    _check_letters(equation)
    terms = equation.split("->")[0].replace(" ", "").split(",")
    if len(terms) != len(operands):
        which = "fewer" if len(operands) < len(terms) else "more"
        raise RuntimeError(
            f"einsum(): {which} operands were provided than specified in the equation"
        )
    sizes: dict[str, int] = {}
    for number, (term, x) in enumerate(zip(terms, operands)):
        _check_term(term, x, number)
        if "..." not in term:
            _check_sizes(term, x.shape, number, sizes)


def _check_term(term: str, x: Array, number: int) -> None:
    letters = term.replace("...", "")
    if "..." not in term and len(letters) != x.ndim:
        raise RuntimeError(
            f"einsum(): the number of subscripts in the equation ({len(letters)}) does not match "
            f"the number of dimensions ({x.ndim}) for operand {number} and no ellipsis was given"
        )


def _check_sizes(term: str, shape: tuple[int, ...], number: int, sizes: dict[str, int]) -> None:
    for letter, size in zip(term, shape):
        known = sizes.setdefault(letter, size)
        if 1 not in (known, size) and known != size:
            raise RuntimeError(
                f"einsum(): subscript {letter} has size {size} for operand {number} which does not "
                f"broadcast with previously seen size {known}"
            )
        sizes[letter] = max(known, size)


@op(name="_einsum", grad="EinsumBackward0")
def einsum(equation: str, operands: Sequence[Array]) -> Array:
    """The sums of products that `equation` names."""
    _check_equation(equation, operands)
    kind = operands[0].dtype
    spread = _unsqueezed(equation, operands)
    found = jnp.einsum(
        equation.replace(" ", ""),
        *spread,
        precision=lax.Precision.HIGHEST,
        preferred_element_type=sum_type(operands[0]),
    )
    return found.astype(kind)


def _unsqueezed(equation: str, operands: Sequence[Array]) -> list[jax.Array]:
    """The operands, dimensions of size 1 stretched where their letter is longer elsewhere."""
    terms = equation.split("->")[0].replace(" ", "").split(",")
    sizes: dict[str, int] = {}
    for term, x in zip(terms, operands):
        if "..." not in term:
            for letter, size in zip(term, x.shape):
                sizes[letter] = max(sizes.get(letter, 1), size)
    out = []
    for term, x in zip(terms, operands):
        if "..." not in term:
            x = jnp.broadcast_to(x, tuple(sizes[letter] for letter in term))
        out.append(x)
    return out


def _cheapest(sizes: list[int]) -> list[list[int]]:
    """Where to split each run of a chain of matrices so that the products cost least."""
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            choices = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], split[i][j] = min(choices)
    return split


@op("linalg")
def linalg_multi_dot(tensors: Sequence[Array]) -> Array:
    """The product of a chain of matrices, in the cheapest order; the ends may be vectors."""
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    chain = list(tensors)
    first, last = chain[0].ndim == 1, chain[-1].ndim == 1
    if first:
        chain[0] = chain[0][None, :]
    if last:
        chain[-1] = chain[-1][:, None]
    for i, (a, b) in enumerate(zip(chain, chain[1:])):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(a.shape)} and "
                f"{list(b.shape)} cannot be multiplied"
            )
    split = _cheapest([chain[0].shape[0], *(x.shape[1] for x in chain)])

    def run(i: int, j: int) -> jax.Array:
        if i == j:
            return chain[i]
        k = split[i][j]
        return product(run(i, k), run(k + 1, j)).astype(chain[i].dtype)

    found = run(0, len(chain) - 1)
    found = found[0] if first else found
    return found[..., 0] if last else found
