"""Copying twins of views, native functions, histograms, `torch._foreach_*`, `torch.ops.aten`."""

import jax
import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, both
from tests._parity import assert_close, to_ours


@both
def test_twins_own_their_storage(t):
    x = t.arange(12.0).reshape(3, 4)
    for twin in (
        t.alias_copy(x),
        t.as_strided_copy(x, (2, 2), (4, 1), 1),
        t.detach_copy(x),
        t.diagonal_copy(x, 1),
        t.expand_copy(x, (2, 3, 4)),
        t.permute_copy(x, (1, 0)),
        t.select_copy(x, 1, -1),
        t.slice_copy(x, 1, 1, -1, 2),
        t.squeeze_copy(x[:1], 0),
        t.t_copy(x),
        t.transpose_copy(x, 0, 1),
        t.unfold_copy(x, 1, 2, 1),
        t.unsqueeze_copy(x, 0),
        t.view_copy(x, (4, 3)),
        t.view_copy(x, t.int32),
        t.view_as_complex_copy(x.reshape(6, 2)),
        t.view_as_real_copy(x * 1j),
        *t.split_copy(x, 2),
        *t.split_with_sizes_copy(x, (1, 2)),
        *t.unbind_copy(x, 1),
    ):
        yield twin.clone()
        yield twin._base
        yield twin.is_contiguous()
        twin.zero_()
    yield x
    yield t.t_copy(x, out=t.empty(4, 3))
    yield t.resolve_conj(x) is x, t.resolve_neg(x) is x, t.is_conj(x), t.is_neg(x)
    yield attempt(lambda: t.slice_copy(x, 0, 0, 1, 0))
    yield attempt(lambda: t.slice_copy(t.tensor(1.0)))


@both
def test_native_functions(t):
    x = t.linspace(-1, 2, 60, dtype=t.float64).reshape(3, 4, 5).sin()
    weight, bias = t.arange(4.0, dtype=t.float64) + 1, t.ones(4, dtype=t.float64)
    for one in (x, x.to(t.bfloat16)):
        none = None if one is x else weight.bfloat16()
        yield [y.shape for y in t.native_layer_norm(one, [4, 5], None, None, 1e-5)]
        yield [y.dtype for y in t.native_batch_norm(one, none, none, None, None, True, 0.1, 1e-5)]
    yield t.native_layer_norm(x, [5], None, None, 1e-5)
    yield t.native_group_norm(x, weight, bias, 3, 4, 5, 2, 1e-5)
    for training in (True, False):
        mean, var = t.zeros(4, dtype=t.float64), t.ones(4, dtype=t.float64)
        yield t.native_batch_norm(x, weight, bias, mean, var, training, 0.1, 1e-5)
        yield mean, var
    yield t._native_batch_norm_legit(x, weight, bias, True, 0.1, 1e-5)
    yield t.ops.aten._batch_norm_with_update(x, weight, bias, mean, var, 0.1, 1e-5)
    yield mean, var
    yield t.constant_pad_nd(x, (1, -1, 2, 0), 7.0)
    yield attempt(lambda: t.constant_pad_nd(x, (1, 2, 3)))
    yield t._softmax(x, 1, False), t._log_softmax(x, 1, False)
    yield t._softmax_backward_data(x, x.softmax(1), 1, x.dtype)
    yield t._log_softmax_backward_data(x, x.log_softmax(1), 1, x.dtype)
    yield t.ops.aten._safe_softmax(t.tensor([[-t.inf] * 2, [1.0, 2.0]]), -1)
    yield t.hash_tensor(t.arange(6.0).reshape(2, 3), 1), t.hash_tensor(t.tensor([1, 2, -4]))
    yield attempt(lambda: t.hash_tensor(x, mode=1))


def test_native_dropout():
    x = torchcompat.ones(1000)
    found, kept = torchcompat.native_dropout(x, 0.25, True)
    assert kept.dtype is torchcompat.bool
    assert 0.6 < float(kept.float().mean()) < 0.9
    assert_close(found, torch.from_numpy(np.asarray(kept).copy()).float() / 0.75)
    same, kept = torchcompat.native_dropout(x, 0.25, False)
    assert bool(kept.all()) and torchcompat.equal(same, x) and same is not x


@both
def test_segments(t):
    x = t.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    for reduce in ("sum", "mean", "max", "min", "prod"):
        yield t.segment_reduce(x, reduce, lengths=t.tensor([2, 0, 3]))
        yield t.segment_reduce(x, reduce, lengths=t.tensor([2, 0, 3]), initial=10)
        yield t.segment_reduce(x, reduce, offsets=t.tensor([0, 2, 2, 5]))
    rows = t.arange(12.0).view(2, 6)
    yield t.segment_reduce(rows, "sum", lengths=t.tensor([[1, 5], [3, 3]]), axis=1)
    yield t.segment_reduce(rows, "sum", lengths=t.tensor([1]), unsafe=True)
    for options in (
        {},
        {"lengths": t.tensor([3])},
        {"lengths": t.tensor([-1, 3])},
        {"lengths": t.tensor([2.0])},
        {"indices": t.tensor([1])},
    ):
        yield attempt(lambda options=options: t.segment_reduce(rows, "sum", **options))
    yield attempt(lambda: t.segment_reduce(rows, "median", lengths=t.tensor([2])))


@both
def test_histograms(t):
    x, points = t.tensor([1.0, 2.0, 1.0, 4.0]), t.arange(10.0).reshape(5, 2) % 7 / 7
    edges = t.tensor([0.0, 1.0, 2.0, 4.0])
    yield t.histogram(x, 3), x.histogram(2, range=(0.0, 3.0), density=True)
    yield t.histogram(x, edges, weight=x)
    yield t.histogram(t.tensor([2.0, 2.0]), 2), t.histogram(t.tensor([]), 2)
    yield t.histogram(t.tensor([2.0, t.nan]), 2, range=(0, 3))
    yield t.histogramdd(points, [2, 3]), t.histogramdd(points, 2, range=[0.0, 1.0, 0.0, 1.0])
    yield t.histogramdd(points, [edges / 4, edges / 4], weight=t.arange(5.0), density=True)
    for call in (
        lambda: t.histogram(t.tensor([1, 2])),
        lambda: t.histogram(x, 0),
        lambda: t.histogram(x, 2, range=(3, 1)),
        lambda: t.histogram(x, 2, range=(3,)),
        lambda: t.histogram(x, t.ones(2, 2)),
        lambda: t.histogram(x, t.ones(2).double()),
        lambda: t.histogram(x, t.tensor([])),
        lambda: t.histogram(x, 2, weight=t.ones(3)),
        lambda: t.histogram(x, 2, weight=t.ones(4).double()),
        lambda: t.histogram(t.tensor([2.0, t.nan]), 2),
        lambda: t.histogramdd(points, [2]),
        lambda: t.histogramdd(points, [2, 0]),
        lambda: t.histogramdd(points, (t.ones(2),)),
        lambda: t.histogramdd(x, [2]),
    ):
        yield attempt(call)


@pytest.mark.parametrize("size", [(5, 3), (3, 5), (2, 4, 4)])
def test_low_rank(size):
    """The same sketch from the same seed; singular vectors up to their signs."""
    x = torch.randn(size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for call in (
        lambda t, a: t.svd_lowrank(a, 2),
        lambda t, a: t.svd_lowrank(a, 2, 0, a.mean(-2, keepdim=True)),
        lambda t, a: t.pca_lowrank(a, 2),
        lambda t, a: t.pca_lowrank(a, 2, False, 1),
    ):
        torch.manual_seed(3), torchcompat.manual_seed(3)
        theirs, ours = call(torch, x), call(torchcompat, to_ours(x))
        for a, b in zip(ours, theirs, strict=True):
            assert_close(abs(a), abs(b), factor=1e3)
    with pytest.raises(ValueError, match="must be non-negative integer"):
        torchcompat.pca_lowrank(to_ours(x), 9)


# -- lists of tensors -----------------------------------------------------------------------------

UNARY = [
    name
    for name in dir(torch)
    if name.startswith("_foreach_") and not name.endswith("_") and hasattr(torch, f"{name}_")
]
ARGUMENTS = {
    "add": [(1.5,), ([1, 2.5],), "list", "list alpha"],
    "sub": [(1.5,), ([1, 2.5],), "list", "list alpha"],
    "mul": [(1.5,), ([1, 2.5],), "list", "tensor"],
    "div": [(1.5,), ([1, 2.5],), "list", "tensor"],
    "clamp_max": [(0.5,), ([0.2, 0.5],), "list"],
    "clamp_min": [(0.5,), ([0.2, 0.5],), "list"],
    "maximum": [(0.5,), ([0.2, 0.5],), "list"],
    "minimum": [(0.5,), ([0.2, 0.5],), "list"],
    "pow": [(2.0,), ([2, 0.5],), "list"],
    "lerp": ["list weight", "list list"],
    "addcmul": ["list list", "list list weight", "list list scalars"],
    "addcdiv": ["list list", "list list weight", "list list scalars"],
}


def arguments(t, form, other):
    if not isinstance(form, str):
        return form, {}
    words = {"list": other, "tensor": t.tensor(1.5), "weight": 0.25, "scalars": [0.5, 2.0]}
    parts = form.split()
    options = {"alpha": 2} if "alpha" in parts else {}
    return [words[part] for part in parts if part != "alpha"], options


@both
def test_foreach(t):
    first, second = t.linspace(0.1, 0.9, 6).reshape(2, 3), t.linspace(0.5, 0.8, 4)
    for name in UNARY:
        title = name.removeprefix("_foreach_")
        for form in ARGUMENTS.get(title, [()]):
            x, y = [first.clone(), second.clone()], [second[:3] * 2, second * 3]
            args, options = arguments(t, form, y)
            if title == "zero":
                continue
            if title == "copy":
                args = [y]
            if hasattr(t, name):
                yield name, getattr(t, name)(x, *args, **options)
            found = getattr(t, f"{name}_")(x, *args, **options)
            yield type(found), found[0] is x[0], x
    x = [first.clone(), second.clone()]
    yield t._foreach_norm(x), t._foreach_norm(x, 1), t._foreach_norm(x, t.inf, dtype=t.float64)
    yield t._foreach_max(x), t._foreach_powsum(x, 3), t._foreach_pow(2.0, x)
    yield t._foreach_clone(x), t._foreach_mm([first], [first.t()]), t._foreach_zero_(x)
    yield t._foreach_copy_(x, [first, second])
    for call in (
        lambda: t._foreach_add(x, x[:1]),
        lambda: t._foreach_add(x, [1]),
        lambda: t._foreach_add([], 1),
        lambda: t._foreach_abs([]),
        lambda: t._foreach_add(x, t.ones(2)),
        lambda: t._foreach_add([1], 1),
        lambda: t._foreach_addcdiv(x, x, x, t.tensor([1.0])),
        lambda: t._foreach_addcdiv(x, x, x, [1]),
    ):
        yield attempt(call)


# -- ATen by name ---------------------------------------------------------------------------------


@both
def test_aten(t):
    x = t.arange(6.0).reshape(2, 3)
    yield t.ops.aten.add.Tensor(x, x, alpha=2), t.ops.aten.relu.default(x - 2)
    yield t.ops.aten.slice(x, 1, 1), t.ops.aten.slice.Tensor(x, 1, 0, 3, 2)
    yield t.ops.aten.mean.dim(x, [0], True), t.ops.aten.alias(x)
    yield t.ops.aten.linalg_inv_ex(t.eye(2))[1], t.ops.aten.special_erf(x)
    yield str(t.ops.aten.add), str(t.ops.aten.add.Tensor), repr(t.ops.aten.add)
    image = t.arange(60.0).reshape(1, 2, 5, 6)
    yield t.ops.aten._upsample_bilinear2d_aa(image, [3, 4], False)
    yield t.ops.aten._upsample_bilinear2d_aa(image, None, False, [0.5, 0.7])
    out, places = t.nn.functional.max_pool2d_with_indices(image, 2, 2)
    yield t.ops.aten.max_pool2d_with_indices_backward(
        out, image, [2, 2], [2, 2], [0, 0], [1, 1], False, places
    )
    yield t._chunk_cat([x, x[:1]], 0, 2)
    yield attempt(lambda: t._chunk_cat([x], 0, 0))
    mask, spots = t.tensor([True, False]), [t.tensor([1, 9])]
    yield t._unsafe_masked_index(t.arange(5.0), mask, spots, 7)
    yield t._unsafe_masked_index_put_accumulate(t.arange(5.0), mask, spots, t.tensor([10.0, 20.0]))
    grid = t.linspace(-1, 1, 16).reshape(1, 2, 4, 2)
    yield t.grid_sampler_2d(image, grid, 0, 1, True)
    with pytest.raises(AttributeError):
        getattr(t.ops.aten, "no_such_op")  # noqa: B009


def test_arrays_stay_arrays():
    x = jax.numpy.arange(4.0)
    for found in (
        torchcompat.unsqueeze_copy(x, 0),
        torchcompat._foreach_add([x], 1)[0],
        torchcompat.constant_pad_nd(x, (1, 1)),
        torchcompat.segment_reduce(x, "sum", lengths=jax.numpy.array([1, 3])),
        jax.jit(lambda a: torchcompat.histogram(a, 2, range=(0, 3)).hist)(x),
    ):
        assert isinstance(found, jax.Array)


@pytest.mark.filterwarnings("ignore:index_reduce")
@both
def test_slopes_that_depend_on_another_argument(t):
    """Nodes keep the values that their derivatives need, indices and factors among them."""
    x = t.arange(6.0).reshape(3, 2).requires_grad_()
    for result in (
        t.trapezoid(x, x.detach() ** 2, dim=0),
        t.cumulative_trapezoid(x, x.detach() ** 2, dim=0),
        t.add(x, x * 2, alpha=t.tensor(3.0)),
        x[t.tensor(2)],
        x.narrow(0, t.tensor(1), 1),
        x.index_reduce(0, t.tensor([0, 0]), x[1:] + 1, "prod"),
    ):
        yield t.autograd.grad(result.sum(), x)
    factor = t.tensor([[2.0, 0.0], [1.0, 3.0]]).requires_grad_()
    weight = t.arange(4.0).reshape(2, 2)
    for result in (
        t.cholesky_inverse(factor),
        t.cholesky_inverse(factor.t(), upper=True),
        t.cholesky_solve(weight, factor),
        t.cholesky_solve(weight, factor.t(), upper=True),
    ):
        yield t.autograd.grad((result * weight).sum(), factor)
