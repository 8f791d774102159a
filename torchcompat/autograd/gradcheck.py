"""`gradcheck`: the derivative that backward finds against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import enable_grad
from torchcompat._tensor._factory import tensor as make_tensor
from torchcompat.autograd import forward_ad
from torchcompat.autograd._passes import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """What `gradcheck` raises where derivatives disagree."""


def _listed(x: Any) -> tuple:
    return (x,) if isinstance(x, Tensor) else tuple(x)


def _differentiable(x: Any) -> bool:
    return isinstance(x, Tensor) and (x.dtype.is_floating_point or x.dtype.is_complex)


def _check_inputs(inputs: tuple) -> None:
    """Raises where finite differences could not be taken.

    Raises:
        ValueError: no input needs a gradient.
        RuntimeError: an input's elements share memory.
    """
    found = False
    for i, x in enumerate(inputs):
        if not (isinstance(x, Tensor) and x.requires_grad):
            continue
        found = True
        if x.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double precision "
                "floating point or complex. ",
                stacklevel=4,
            )
        if any(step == 0 and size > 1 for step, size in zip(x.stride(), x.shape)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs that "
                "are non-overlapping to be able to compute the numerical gradients correctly. You "
                "should call .contiguous on the input before passing it to gradcheck."
            )
    if not found:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have "
            "requires_grad=True."
        )


class _Check:
    """One run of `gradcheck`.

    Args:
        eps: the step of the finite differences.
    """

    def __init__(self, func: Callable, inputs: tuple, eps: float) -> None:
        self.func, self.inputs, self.eps = func, inputs, eps
        self.moving = [i for i, x in enumerate(inputs) if _differentiable(x) and x.requires_grad]
        self.renew()

    def renew(self) -> None:
        """Runs the function anew: outputs that are views end where their input is moved."""
        self.outputs = self.outs(self.func(*self.inputs))

    def outs(self, found: Any) -> list[Tensor]:
        return [x for x in _listed(found) if _differentiable(x)]

    def values(self, place: int, shift: np.ndarray) -> list[np.ndarray]:
        """The outputs with one input shifted, in place: the function may hold it by another name."""
        moving = self.inputs[place]
        kept = moving.detach().clone()
        moved = np.asarray(kept) + shift
        moving.data.copy_(make_tensor(moved.astype(shift.dtype), dtype=moving.dtype))
        try:
            return [np.array(x.detach()).ravel() for x in self.outs(self.func(*self.inputs))]
        finally:
            moving.data.copy_(kept)

    def difference(self, place: int, direction: np.ndarray) -> list[np.ndarray]:
        """The outputs' slopes along a direction of one input."""
        ahead = self.values(place, self.eps * direction)
        behind = self.values(place, -self.eps * direction)
        return [(a - b) / (2 * self.eps) for a, b in zip(ahead, behind)]

    def numerical(self, place: int) -> list[np.ndarray]:
        """For each output the Jacobian by one input: (elements of the input, elements of the output).

        By a complex input the slope along the real axis and i times that along the imaginary one, for
        real and imaginary part of a complex output apart: what torch calls the gradient.
        """
        x = np.asarray(self.inputs[place].detach())
        columns: list[list] = [[] for _ in self.outputs]
        for i in range(x.size):
            unit = np.zeros(x.size, x.dtype)
            unit[i] = 1
            found = [self.difference(place, unit.reshape(x.shape))]
            if x.dtype.kind == "c":
                found.append(self.difference(place, (unit * 1j).reshape(x.shape)))
            for column, *slopes in zip(columns, *found):
                column.append(slopes)
        return [np.asarray(column) for column in columns]

    def analytical(self, out: Tensor, weight: complex) -> list[np.ndarray]:
        """For each moving input the Jacobian of one output, its real or imaginary part."""
        targets = [self.inputs[i] for i in self.moving]
        rows: list[list] = [[] for _ in targets]
        for i in range(out.numel()):
            unit = np.zeros(out.numel(), _kind(out))
            unit[i] = weight
            vector = make_tensor(unit.reshape(tuple(out.shape)), dtype=out.dtype)
            found = grad(out, targets, vector, retain_graph=True, allow_unused=True)
            for row, gradient, x in zip(rows, found, targets):
                row.append(
                    np.zeros(x.numel(), _kind(x))
                    if gradient is None
                    else np.asarray(gradient.detach()).ravel()
                )
        return [
            np.stack(row, 1) if row else np.zeros((x.numel(), 0), _kind(x))
            for row, x in zip(rows, targets)
        ]


def _kind(x: Tensor) -> Any:
    return x.dtype.numpy


def _numerical_part(jacobian: np.ndarray, complex_input: bool, imaginary: bool) -> np.ndarray:
    """The numerical Jacobian of the real or the imaginary part of an output."""
    part = jacobian.imag if imaginary else jacobian.real
    return part[:, 0] + 1j * part[:, 1] if complex_input else part[:, 0]


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the Jacobians that backward finds with those of central differences.

    Args:
        func: takes the inputs; Tensors among its results are checked if they are differentiable.
        inputs: those that require grad are varied; use float64.
        eps: the step.
        atol, rtol: how far the two may differ.
        raise_exception: raise where they do, instead of returning False.
        nondet_tol: how far two backward passes may differ.
        check_undefined_grad: also go backward from each output alone.
        check_grad_dtypes: the gradients have their inputs' types.
        check_batched_grad, check_batched_forward_grad: accepted: batches are single passes here.
        check_forward_ad: also compare the tangents of the outputs.
        check_backward_ad: compare what backward finds.
        fast_mode: compare one random projection of the Jacobians instead of all of them.
        masked: only False (or None): there are no sparse tensors.

    Returns:
        Whether all agree.

    Raises:
        GradcheckError: they do not.
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError(
            "Expected at least one of check_forward_ad or check_backward_ad to be True"
        )
    if check_batched_grad and not check_backward_ad:
        raise AssertionError(
            "Setting check_batched_grad=True requires check_backward_ad to be True"
        )
    if check_batched_forward_grad and not check_forward_ad:
        raise AssertionError(
            "Setting check_batched_forward_grad=True requires check_forward_ad to be True"
        )
    if masked:
        raise NotImplementedError("gradcheck(): masked=True")
    try:
        tupled = _listed(inputs)
        _check_inputs(tupled)
        check = _Check(func, tupled, eps)
        if not _has_gradient(check):
            return True
        if check_backward_ad:
            (_check_fast if fast_mode else _check_slow)(check, atol, rtol)
            _check_repeated(check, nondet_tol)
        if check_backward_ad and check_grad_dtypes:
            _check_dtypes(check)
        if check_forward_ad:
            _check_forward(check, atol, rtol)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _has_gradient(check: _Check) -> bool:
    """Whether there is something to go backward from; if not, the slopes have to be zero.

    Raises:
        GradcheckError: they are not.
    """
    if any(x.requires_grad for x in check.outputs):
        return True
    for place in check.moving:
        for jacobian in check.numerical(place):
            if np.abs(jacobian).max(initial=0.0) > check.eps:
                raise GradcheckError("Numerical gradient for function expected to be zero")
    return False


def _parts(out: Tensor) -> list[tuple[bool, complex]]:
    return [(False, 1), (True, 1j)] if out.dtype.is_complex else [(False, 1)]


def _check_slow(check: _Check, atol: float, rtol: float) -> None:
    numerical = {place: check.numerical(place) for place in check.moving}
    check.renew()
    for number, out in enumerate(check.outputs):
        if not out.requires_grad:
            continue
        for imaginary, weight in _parts(out):
            found = check.analytical(out, weight)
            for place, got in zip(check.moving, found):
                complex_input = check.inputs[place].dtype.is_complex
                want = numerical[place][number]
                if not want.size:
                    continue
                want = _numerical_part(want, complex_input, imaginary)
                if not np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
                    head = _which(out, imaginary)
                    raise GradcheckError(
                        head + _MISMATCH.format(number, place, _shown(want), _shown(got))
                    )


_MISMATCH = (
    "Jacobian mismatch for output {} with respect to input {},\nnumerical:{}\nanalytical:{}\n"
)


def _which(out: Tensor, imaginary: bool) -> str:
    if not out.dtype.is_complex:
        return ""
    part = "imaginary" if imaginary else "real"
    return f"While considering the {part} part of complex outputs only, "


def _shown(values: np.ndarray) -> str:
    return repr(make_tensor(values))


def _check_fast(check: _Check, atol: float, rtol: float) -> None:
    """Along one direction of each input and of the outputs."""
    rng = np.random.default_rng(0)
    for place in check.moving:
        x = np.asarray(check.inputs[place].detach())
        direction = _unit(rng, x.shape, x.dtype)
        slopes = check.difference(place, direction)
        check.renew()
        for number, (out, slope) in enumerate(zip(check.outputs, slopes)):
            if not out.requires_grad:
                continue
            weight = _unit(rng, tuple(out.shape), _kind(out))
            vector = make_tensor(weight, dtype=out.dtype)
            (found,) = grad(
                out, [check.inputs[place]], vector, retain_graph=True, allow_unused=True
            )
            got = 0.0 if found is None else np.vdot(np.asarray(found.detach()), direction).real
            want = np.vdot(weight.ravel(), slope).real
            if not np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True):
                _raise_slow(check, place, number, float(want), float(got))


def _unit(rng: Any, shape: tuple, kind: Any) -> np.ndarray:
    values = rng.uniform(0.0, 1.0, shape)
    if np.dtype(kind).kind == "c":
        values = values + 1j * rng.uniform(0.0, 1.0, shape)
    size = np.sqrt((np.abs(values) ** 2).sum())
    return (values / (size if size else 1.0)).astype(kind)


def _raise_slow(check: _Check, place: int, number: int, want: float, got: float) -> None:
    out = check.outputs[number]
    analytical = check.analytical(out, 1)[check.moving.index(place)]
    numerical = check.numerical(place)[number]
    numerical = _numerical_part(numerical, check.inputs[place].dtype.is_complex, False)
    difference = np.abs(numerical - analytical).max(initial=0.0)
    raise GradcheckError(
        _MISMATCH.format(number, place, want, got)
        + "\nThe above quantities relating the numerical and analytical jacobians are computed \n"
        "in fast mode. See: https://github.com/pytorch/pytorch/issues/53876 for more background \n"
        "about fast mode. Below, we recompute numerical and analytical jacobians in slow mode:\n\n"
        f"Numerical:\n {_shown(numerical)}\nAnalytical:\n{_shown(analytical)}\n\n"
        f"The max per-element difference (slow mode) is: {difference}.\n"
    )


def _check_repeated(check: _Check, tolerance: float) -> None:
    """Two passes over one graph find the same."""
    for out in check.outputs:
        if not out.requires_grad or not out.numel():
            continue
        first, second = (check.analytical(out, 1) for _ in range(2))
        for a, b in zip(first, second):
            if np.abs(a - b).max(initial=0.0) > tolerance:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical gradient "
                    f"matches numerical gradient.The tolerance for nondeterminism was {tolerance}."
                )


def _check_dtypes(check: _Check) -> None:
    targets = [check.inputs[i] for i in check.moving]
    for out in check.outputs:
        if not out.requires_grad:
            continue
        found = grad(out, targets, out.detach(), retain_graph=True, allow_unused=True)
        for gradient, x in zip(found, targets):
            if gradient is not None and gradient.dtype is not x.dtype:
                raise GradcheckError("Gradient has dtype mismatch")


def _check_forward(check: _Check, atol: float, rtol: float) -> None:
    """The products with Jacobians that tangents have, along one direction of each input."""
    rng = np.random.default_rng(0)
    for place in check.moving:
        x = check.inputs[place]
        direction = _unit(rng, tuple(x.shape), _kind(x))
        with forward_ad.dual_level():
            moved = forward_ad.make_dual(x.detach(), make_tensor(direction, dtype=x.dtype))
            moved.requires_grad_(x.requires_grad)
            args = [*check.inputs[:place], moved, *check.inputs[place + 1 :]]
            outs = check.outs(check.func(*args))
            found = [_tangent(out) for out in outs]
        for number, (got, want) in enumerate(zip(found, check.difference(place, direction))):
            if not np.allclose(got.ravel(), want, rtol=rtol, atol=atol, equal_nan=True):
                raise GradcheckError(
                    _MISMATCH.format(number, place, _shown(want), _shown(got)).replace(
                        "Jacobian", "Jacobian computed with forward mode", 1
                    )
                )


def _tangent(out: Tensor) -> np.ndarray:
    found = forward_ad.unpack_dual(out).tangent
    return np.zeros(tuple(out.shape)) if found is None else np.asarray(found.detach())


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradients of `func`.

    Args:
        grad_outputs: the vector of the first backward pass; random if None.
        gen_non_contig_grad_outputs: accepted; layout plays no part in a derivative here.
        check_fwd_over_rev, check_rev_over_rev: as `check_forward_ad`, `check_backward_ad`.
    """
    inputs = _listed(inputs)
    if grad_outputs is None:
        outs = [x for x in _listed(func(*inputs)) if _differentiable(x) and x.requires_grad]
        rng = np.random.default_rng(1)
        vectors = tuple(
            make_tensor(_unit(rng, tuple(x.shape), _kind(x)), dtype=x.dtype).requires_grad_()
            for x in outs
        )
    else:
        vectors = _listed(grad_outputs)
    count = len(vectors)

    def slope(*args: Any) -> tuple:
        given, weights = args[: len(args) - count], args[len(args) - count :]
        given = tuple(
            x.requires_grad_() if _differentiable(x) and y.requires_grad and x.is_leaf else x
            for x, y in zip(given, inputs)
        )
        outs = [x for x in _listed(func(*given)) if _differentiable(x) and x.requires_grad]
        targets = [x for x in given if isinstance(x, Tensor) and x.requires_grad]
        found = grad(outs, targets, weights, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        enable_grad()(slope),
        (*inputs, *vectors),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        masked=masked,
    )


def _iter_tensors(x: Any, only_requiring_grad: bool = False) -> Iterator[Tensor]:
    """The tensors among nested iterables, as torch's test utilities ask for them."""
    if isinstance(x, Tensor):
        if x.requires_grad or not only_requiring_grad:
            yield x
    elif isinstance(x, Iterable) and not isinstance(x, str):
        for one in x:
            yield from _iter_tensors(one, only_requiring_grad)


def _get_numerical_jacobian(
    fn: Callable,
    inputs: Any,
    outputs: Any = None,
    target: Any = None,
    eps: float = 1e-3,
    is_forward_ad: bool = False,
) -> list[tuple[Tensor, ...]]:
    """The Jacobian of each output by each part of `target` that requires gradients.

    Args:
        fn: a function of all `inputs`; it is called with `target` changed in place.
        outputs: accepted; they are computed.
        target: by default `inputs`.

    Returns:
        For each input, a Jacobian of shape (its elements, elements of the output) for each output.
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    moving = list(_iter_tensors(inputs if target is None else target, True))
    return [_slopes_in_place(lambda: fn(*inputs), x, eps) for x in moving]


def _slopes_in_place(run: Callable, x: Tensor, eps: float) -> tuple[Tensor, ...]:
    """The outputs' slopes by each element of `x`, which is moved and put back."""
    kept = x.detach().clone()
    rows: list[list[np.ndarray]] = []
    for i in range(x.numel()):
        sides = []
        for step in (eps, -eps):
            moved = np.array(kept).ravel()
            moved[i] += step
            x.data.copy_(make_tensor(moved.reshape(tuple(x.shape)), dtype=x.dtype))
            sides.append([np.asarray(out.detach()).ravel() for out in _listed(run())])
        rows.append([(a - b) / (2 * eps) for a, b in zip(*sides)])
    x.data.copy_(kept)
    return tuple(make_tensor(np.stack(column), dtype=x.dtype) for column in zip(*rows))
