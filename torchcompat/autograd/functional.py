"""`autograd.functional`: products with Jacobians and Hessians, and the matrices themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._autograd import enable_grad
from torchcompat._tensor._creation import ones_like, zeros, zeros_like
from torchcompat.autograd._passes import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

_INPUT = "input to the user-provided function is a single Tensor with a single element."
_OUTPUT = "user-provided function returns a single Tensor with a single element."


def _tuple(x: Any, what: str | None = None, caller: str = "") -> tuple[bool, tuple]:
    """Whether `x` came as a tuple, and it as one.

    Raises:
        TypeError: it is neither a Tensor nor a tuple of those.
    """
    several = isinstance(x, (tuple, list))
    items = tuple(x) if several else (x,)
    if what is None:
        return several, items
    for i, one in enumerate(items):
        if not isinstance(one, Tensor):
            found = f"the value at index {i} has type" if several else f"the given {what} has type"
            raise TypeError(
                f"The {what} given to {caller} must be either a Tensor or a tuple of Tensors but "
                f"{found} {type(one)}."
            )
    return several, items


def _inputs(inputs: Any, caller: str, create_graph: bool) -> tuple[bool, tuple]:
    """The inputs as tensors that need a gradient, cut off from their past unless a graph is made."""
    several, items = _tuple(inputs, "inputs", caller)
    if create_graph:
        return several, tuple(
            x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in items
        )
    return several, tuple(x.detach().requires_grad_() for x in items)


def _outputs(func: Callable, inputs: tuple, caller: str, strict: bool) -> tuple[bool, tuple]:
    several, outs = _tuple(func(*inputs), "outputs of the user-provided function", caller)
    if strict:
        for i, one in enumerate(outs):
            if not one.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode."
                )
    return several, outs


def _vectors(
    v: Any, like: tuple, several: bool, caller: str, only: str, create_graph: bool
) -> tuple:
    """The vector(s) `v`, cut off unless a graph is made, or ones where there is but one element.

    Raises:
        RuntimeError: they do not fit `like`.
    """
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {only}")
        return (ones_like(like[0]),)
    _, items = _tuple(v, "v", caller)
    items = tuple(x.view_as(x) if create_graph else x.detach() for x in items)
    if len(items) != len(like):
        if several:
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(items)}."
            )
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (one, target) in enumerate(zip(items, like)):
        if one.size() != target.size():
            prefix = f"Entry {i} in " if several else ""
            raise RuntimeError(
                f"{prefix}v has invalid size: should be {target.size()} but got {one.size()}."
            )
    return items


def _scalar(several: bool, outs: tuple, caller: str) -> None:
    if several:
        raise RuntimeError(f"The function given to {caller} should return a single Tensor")
    if outs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {caller} should contain a single element"
        )


def _grads(
    outs: Sequence[Tensor], inputs: Sequence[Tensor], vectors: Any, create_graph: bool
) -> tuple:
    """`grad` that gives None for whatever does not depend on anything."""
    vectors = [None] * len(outs) if vectors is None else vectors
    used = [(o, v) for o, v in zip(outs, vectors) if o is not None and o.requires_grad]
    if not used:
        return (None,) * len(inputs)
    return grad(
        [o for o, _ in used],
        inputs,
        [v for _, v in used],
        allow_unused=True,
        create_graph=create_graph,
        retain_graph=True,
    )


def _filled(
    found: tuple, like: tuple, errors: tuple[str, str], strict: bool, create_graph: bool = False
) -> tuple:
    """`found` with zeros for None.

    Args:
        errors: in strict mode, what is told of a None, and of a constant where a graph is made.
    """
    if strict:
        for i, one in enumerate(found):
            if one is None or (create_graph and not one.requires_grad):
                raise RuntimeError(errors[one is not None].format(i=i))
    return tuple(zeros_like(x) if g is None else g for g, x in zip(found, like))


def _settled(x: Any, create_graph: bool) -> Any:
    """Results without a graph, unless one was asked for."""
    if isinstance(x, tuple):
        return tuple(_settled(one, create_graph) for one in x)
    return x if create_graph else x.detach()


def _given(items: tuple, several: bool) -> Any:
    return items if several else items[0]


_INDEPENDENT = (
    "The {what} of the user-provided function is independent of input {{i}}. This is not allowed in "
    "strict mode{when}."
)
_OUTPUT_INDEPENDENT = _INDEPENDENT.format(what="output", when="")
_CONSTANT = " when create_graph=True"
_OF_JACOBIAN = _OUTPUT_INDEPENDENT, _INDEPENDENT.format(what="jacobian", when=_CONSTANT)
_OF_SLOPE = (
    _OUTPUT_INDEPENDENT,
    "While computing the hessian, found that the jacobian of the user-provided function with respect "
    "to input {i} is independent of the input. This is not allowed in strict mode. You should ensure "
    "that your function is twice differentiable and that the jacobian depends on the inputs (this "
    "would be violated by a linear function for example).",
)
_OF_HESSIAN = (
    _INDEPENDENT.format(what="hessian", when=""),
    _INDEPENDENT.format(what="hessian", when=_CONSTANT),
)


@enable_grad()
def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """`func(*inputs)`, and the product of the vector `v` with its Jacobian.

    Args:
        v: of the outputs' sizes; None for a single output of one element.
        create_graph: the results can be differentiated.
        strict: an output that does not depend on the inputs is an error, not a zero.
    """
    several_in, inputs = _inputs(inputs, "vjp", create_graph)
    several_out, outs = _outputs(func, inputs, "vjp", strict)
    vectors = _vectors(v, outs, several_out, "vjp", _OUTPUT, create_graph)
    found = _grads(outs, inputs, vectors, create_graph)
    product = _filled(found, inputs, _OF_JACOBIAN, strict, create_graph)
    outs, product = _settled(outs, create_graph), _settled(product, create_graph)
    return _given(outs, several_out), _given(product, several_in)


@enable_grad()
def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """`func(*inputs)`, and the product of its Jacobian with the vector `v` (of the inputs' sizes).

    Found by going backward twice. Arguments as for `vjp`.
    """
    several_in, inputs = _inputs(inputs, "jvp", create_graph)
    vectors = _vectors(v, inputs, several_in, "jvp", _INPUT, create_graph)
    several_out, outs = _outputs(func, inputs, "jvp", strict)
    helpers = tuple(zeros_like(x).requires_grad_() for x in outs)
    pulled = _grads(outs, inputs, helpers, True)
    _filled(pulled, inputs, _OF_JACOBIAN, strict)
    found = _grads(pulled, helpers, vectors, create_graph)
    product = _filled(found, outs, _OF_JACOBIAN, strict, create_graph)
    outs, product = _settled(outs, create_graph), _settled(product, create_graph)
    return _given(outs, several_out), _given(product, several_out)


@enable_grad()
def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """`func(*inputs)`, a number, and the product of the vector `v` with its Hessian.

    Arguments as for `vjp`; `v` is of the inputs' sizes.
    """
    several_in, inputs = _inputs(inputs, "vhp", create_graph)
    vectors = _vectors(v, inputs, several_in, "vhp", _INPUT, create_graph)
    several_out, outs = _outputs(func, inputs, "vhp", strict)
    _scalar(several_out, outs, "vhp")
    slope = _filled(_grads(outs, inputs, None, True), inputs, _OF_SLOPE, strict, True)
    found = _grads(slope, inputs, vectors, create_graph)
    product = _filled(found, inputs, _OF_HESSIAN, strict, create_graph)
    out, product = _settled(outs[0], create_graph), _settled(product, create_graph)
    return out, _given(product, several_in)


@enable_grad()
def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """`func(*inputs)`, a number, and the product of its Hessian with the vector `v`.

    Arguments as for `vhp`, which is faster.
    """
    several_in, inputs = _inputs(inputs, "hvp", create_graph)
    vectors = _vectors(v, inputs, several_in, "hvp", _INPUT, create_graph)
    several_out, outs = _outputs(func, inputs, "hvp", strict)
    _scalar(several_out, outs, "hvp")
    slope = _grads(outs, inputs, None, True)
    slope = _filled(slope, inputs, _OF_SLOPE, strict, True)
    helpers = tuple(zeros_like(x).requires_grad_() for x in inputs)
    pulled = _grads(slope, inputs, helpers, True)
    found = _grads(pulled, helpers, vectors, create_graph)
    product = _filled(found, inputs, _OF_HESSIAN, strict, create_graph)
    out, product = _settled(outs[0], create_graph), _settled(product, create_graph)
    return out, _given(product, several_in)


def _check_strategy(strategy: str, vectorize: bool, create_graph: bool) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function '
            'has more outputs than inputs, "forward-mode" tends to be more performant. Otherwise, '
            'prefer to use "reverse-mode".'
        )
    if strategy == "reverse-mode":
        return
    if create_graph:
        raise NotImplementedError(
            "torch.autograd.functional.jacobian: `create_graph=True` and "
            '`strategy="forward-mode"` are not supported together (yet). Please either set '
            '`create_graph=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )


def _check_rows(rows: list, i: int, inputs: tuple, create_graph: bool) -> None:
    """In strict mode: what one element's gradients have to be."""
    for j, gradient in enumerate(rows):
        if gradient is None:
            raise RuntimeError(
                f"Output {i} of the user-provided function is independent of input {j}. This is not "
                "allowed in strict mode."
            )
        if create_graph and not gradient.requires_grad:
            raise RuntimeError(
                f"The jacobian of the user-provided function is independent of input {j}. This is "
                "not allowed in strict mode when create_graph=True."
            )


@enable_grad()
def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func` at `inputs`: of size outputs' size + inputs' size; nested for tuples.

    Args:
        create_graph: the result can be differentiated.
        strict: an output that does not depend on an input is an error, not a zero.
        vectorize: accepted; each row is one backward pass either way.
        strategy: as torch's; the Jacobian is the same.
    """
    _check_strategy(strategy, vectorize, create_graph)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    several_in, inputs = _inputs(inputs, "jacobian", create_graph)
    several_out, outs = _outputs(func, inputs, "jacobian", strict)
    blocks = []
    for i, out in enumerate(outs):
        columns: list[list] = [[] for _ in inputs]
        for element in out.reshape(-1).unbind():
            rows = _grads((element,), inputs, None, create_graph)
            if strict:
                _check_rows(list(rows), i, inputs, create_graph)
            for column, row, x in zip(columns, rows, inputs):
                column.append(zeros_like(x) if row is None else row)
        blocks.append(
            tuple(
                ops.stack(column).view(out.size() + x.size())
                if column
                else zeros(out.size() + x.size(), dtype=x.dtype)
                for column, x in zip(columns, inputs)
            )
        )
    blocks = _settled(tuple(blocks), create_graph)
    return _given(tuple(_given(block, several_in) for block in blocks), several_out)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of `func`, which returns a number, at `inputs`; nested for tuples.

    Arguments as for `jacobian`.
    """
    several_in, inputs = _tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')

    def number(*args: Tensor) -> Tensor:
        several_out, outs = _outputs(func, args, "hessian", strict)
        _scalar(several_out, outs, "hessian")
        return outs[0].reshape(())

    def slope(*args: Tensor) -> tuple:
        if outer_jacobian_strategy == "forward-mode":
            args = tuple(x.view_as(x) for x in args)
        found = jacobian(number, args, create_graph=True)
        if strict:
            for i, one in enumerate(found):
                if not one.requires_grad or _constant(one, args):
                    raise RuntimeError(_LINEAR.format(i=i))
        return found

    found = jacobian(
        slope,
        inputs,
        create_graph=create_graph,
        strict=False,
        vectorize=vectorize,
        strategy=outer_jacobian_strategy,
    )
    return _given(tuple(_given(row, several_in) for row in found), several_in)


def _constant(slope: Tensor, inputs: tuple) -> bool:
    return all(g is None for g in _grads((slope.sum(),), inputs, None, False))


_LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect "
    "to input {i} is independent of the input. This is not allowed in strict mode. You should ensure "
    "that your function is twice differentiable and that the jacobian depends on the inputs (this "
    "would be violated by a linear function for example)."
)
