"""Views: values, strides, aliasing and errors as torch has them."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import torch
from _lines import check, lines, outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import numpy as jnp

import torchcompat
from torchcompat import _layout, _strided

VIEWS = """
x.view(3, 2)
x.view((3, -1))
x.view(size=(6,))
x.view(torch.tensor(3), -1)
x.view(7)
x.view(-1, -1)
x.view(-1, 4)
x.view(2, -2)
x.view()
x.view(2.0, 3)
x.t().view(6)
x.t().reshape(6)
x.view_as(torch.ones(6))
x.reshape(2, 3) is x
x.reshape(7)
x.reshape()
x.reshape_as(torch.ones(3, 2))
c.permute(2, 0, 1).reshape(4, 6)
c.transpose(0, 1).reshape(6, 4)
torch.ones(4, 5)[1:3].reshape(-1)
torch.ones(0, 3).view(-1)
torch.ones(0, 3).view(5, -1)
torch.ones(0, 3).view(-1, 0)
torch.ones(0, 3).reshape(0, -1)
c.flatten()
c.flatten(1)
c.flatten(0, 1)
c.flatten(-2)
c.transpose(0, 1).flatten(1)
torch.tensor(1.).flatten()
x.flatten(1, 0)
x.flatten(5)
a.flatten() is a
torch.ones(3).flatten()._is_view()
x.unflatten(1, (3, -1))
x.unflatten(1, (2, 2))
x.unflatten(1, ())
x.unflatten(1, 3)
x.ravel()
x.t().ravel()
x.transpose(0, 1)
x.transpose(0, 5)
x.transpose(0, 1.5)
x.swapaxes(0, 1)
x.swapdims(0, 9)
x.t()
c.t()
x.T
x.mT
c.mT
torch.ones(3).mT
x.H
c.H
torch.ones(3).H
(x * 1j).mH
x.adjoint()
c.permute(2, 0, 1)
c.permute((2, 0, 1))
c.permute(dims=(2, 0, 1))
torch.permute(x, (1, 0))
x.permute(0)
x.permute(0, 0)
x.permute(0, 5)
c.movedim(0, 2)
c.movedim((0, 1), (1, 2))
c.moveaxis(-1, 0)
x.movedim(0, 5)
x.movedim((0, 1), (0,))
x.movedim((0, 0), (0, 1))
x.unsqueeze(0)
x.unsqueeze(-1)
x.unsqueeze(-4)
c[:, :1].squeeze()
c[:1, :1].squeeze(0)
c[:1, :1].squeeze((0, 1))
x.squeeze(())
x.squeeze(5)
torch.squeeze(x, dim=(0, 1))
x.expand(2, 2, 3)
x.expand(2, -1, -1)
x.expand(size=(2, 2, 3))
x.expand(3, 3)
x.expand(3)
x.expand(-1, 2, 3)
x[:1].expand(4, 3)
x.expand_as(torch.ones(2, 2, 3))
x.broadcast_to((2, 2, 3))
x.broadcast_to(2, 2, 3)
x.narrow(1, 1, 2)
x.narrow(0, torch.tensor(1), 1)
x.narrow(0, -1, 1)
x.narrow(0, 1, 5)
x.narrow(0, 5, 1)
x.narrow(0, 0, -1)
x.select(1, -1)
x.select(0, 5)
x.select(1, torch.tensor(1))
torch.tensor(1.).select(0, 0)
x.split(2, 1)
x.split([1, 2], 1)
torch.split(tensor=x, split_size_or_sections=1)
x.split(0)
x.split(-1)
x.split([1, 2])
x.split([-1, 3])
torch.ones(0, 2).split(0)
c.chunk(3, 2)
c.chunk(2, 1)
torch.ones(0).chunk(3)
x.chunk(0)
x.tensor_split(2, 1)
x.tensor_split((1,), 1)
x.tensor_split(torch.tensor([1]))
x.tensor_split(torch.ones(1))
x.tensor_split(0)
x.hsplit([1, 2])
torch.hsplit(x, 2)
torch.hsplit(torch.tensor(1.), 2)
x.vsplit(2)
x.vsplit(3)
c.dsplit(2)
x.dsplit(1)
x.unbind()
torch.unbind(x, 1)
x.unbind(5)
torch.tensor(1).unbind()
x.unsafe_chunk(2)
x.unsafe_split(1, 1)
c.diagonal()
c.diagonal(1, 1, 2)
c.diagonal(-1, 2, 0)
c.diagonal(9)
x.diagonal(0, 0, 0)
c.unfold(2, 2, 1)
c.unfold(1, 3, 1)
torch.tensor(3.).unfold(0, 1, 1)
x.unfold(0, 5, 1)
x.unfold(0, 1, 0)
x.as_strided((2, 2), (2, 1), 1)
x[1].as_strided((3,), (1,))
x[0].as_strided((6,), (1,))
x.as_strided((10,), (1,))
x.as_strided((2,), (1, 1))
x.as_strided((2,), (-1,))
x.view(torch.int32)
x.view(dtype=torch.int16)
x.view(torch.int64)
x.t().view(torch.int64)
torch.tensor(1.).view(torch.int16)
torch.ones(5)[1:].view(torch.int64)
torch.ones(3, 2, 4).view(torch.complex64)
torch.ones(2, 3)[:, 1].view(torch.int16)
torch.tensor([True, False]).view(torch.uint8)
torch.tensor([1, 0], dtype=torch.uint8).view(torch.bool)
torch.view_as_real(x * 1j)
torch.view_as_real(x)
torch.view_as_complex(torch.ones(3, 2))
torch.view_as_complex(x)
torch.view_as_complex(torch.ones(2, 4)[:, ::2])
torch.view_as_complex(torch.ones(2, 4)[:, 1:3])
torch.view_as_complex(torch.ones(2, 2, dtype=torch.int32))
(x * 1j).real
(x * 1j).imag
x.real is x
x.imag
x.detach()
x.data
x.view(2, 3)._is_view()
x.detach()._is_view()
torch.ones(3)[1:].data.storage_offset()
w.detach().requires_grad
torch.ones(2, requires_grad=True).detach_()
x[0].detach_()
w.view(6)
w.reshape(6)
w.t().reshape(6)
w.T
w.t()
w.mT
w.squeeze()
w.squeeze(0)
w.squeeze((0, 1))
w.chunk(2)
w.split([1, 1])
w.unbind()
w.tensor_split(2)
w.narrow(0, 0, 1)
w.movedim(0, 1)
w.broadcast_to(2, 2, 3)
w.unfold(0, 1, 1)
w.as_strided((1,), (1,))
w.contiguous() is w
w.t().contiguous()
w.real is w
"""

INPLACE = """
x.t_()
x.transpose_(0, 1)
x.swapaxes_(0, 1)
c[:1].squeeze_(0)
x.unsqueeze_(0)
x.squeeze_()
x.as_strided_((2,), (3,))
w.t_()
w.unsqueeze_(0)
(w * 1).t_().tolist()
v = x._version;; x.t_();; x._version - v
x.view(6)[2:4].zero_();; x
x.t()[1].add_(10);; x
x.view(torch.int32)[0, 0] = 1065353216;; x
y = x * 1j;; y.real.fill_(2);; y
y = x * 1j;; y.imag[0] = 7;; y
y = x * 1j;; torch.view_as_real(y)[..., 0] = 3;; y
y = torch.zeros(3, 2);; torch.view_as_complex(y).fill_(1 + 2j);; y
x.detach().zero_();; x
x.data[:, 0] = 5;; x
x.diagonal().fill_(9);; x
x.expand(2, 2, 3).add_(1)
x.unbind()[1].mul_(0);; x
x.chunk(3, 1)[2].fill_(1);; x
y = x.reshape(6);; y[0] = 9;; x
y = x.t().reshape(6);; y[0] = 9;; x
x.contiguous().fill_(1);; x
x.t().contiguous().fill_(1);; x
x.clone().fill_(1);; x
x.flatten().fill_(1);; x
x.t().flatten().fill_(1);; x
x.copy_(x.t().reshape(2, 3))
w[0].fill_(1)
w.fill_(1)
w.detach().fill_(3);; w
y = (w * 2).t();; y[0] = 5;; y
"""

MEMORY = """
x.t().is_contiguous()
c.permute(2, 1, 0).clone()
x[:, ::2].clone()
x.expand(2, 2, 3).clone()
c.transpose(0, 1)[:1].clone()
x.t().clone(memory_format=torch.contiguous_format)
x.t().contiguous()
x.contiguous() is x
torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last).clone()
torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).contiguous()
torch.ones(2, 3, 4, 5).is_contiguous(memory_format=torch.channels_last)
torch.ones(2, 1, 4, 5).is_contiguous(memory_format=torch.channels_last)
torch.ones(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)
x.contiguous(memory_format=torch.channels_last)
x.contiguous(memory_format=3)
c.permute(2, 0, 1).dim_order()
torch.channels_last
torch.strided
y = torch.arange(24.).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last);; y[0, 1] = 0;; y
"""

JOINED = """
torch.cat([x, x], 1)
torch.cat((x, x), axis=0)
torch.concat([x, x])
torch.cat([torch.ones(0), x])
torch.cat([x, i])
torch.cat([torch.ones(1), torch.ones(1, dtype=torch.float64)])
torch.cat([])
torch.cat(x)
torch.cat([x, 1])
torch.cat([x, torch.ones(2, 2)])
torch.cat([x, torch.ones(2)])
torch.cat([x, torch.tensor(1.)])
torch.cat([x, torch.ones(2, 2)], 5)
torch.stack([x, x], -1)
torch.stack([x, i])
torch.stack([])
torch.stack([x, torch.ones(2)])
torch.stack([x, x], 5)
torch.hstack([torch.tensor(1.), torch.tensor(2.)])
torch.vstack([torch.ones(3), x])
torch.row_stack([x, x])
torch.dstack([x, x])
torch.column_stack([torch.ones(2), x])
torch.vstack([])
x.repeat(2, 1, 1)
x.repeat((2, 2))
x.repeat(0, 1)
x.repeat(2)
x.repeat(-1, 1)
torch.tile(x, (2,))
x.tile(2, 2, 2)
x.repeat_interleave(2)
x.repeat_interleave(2, dim=1)
x.repeat_interleave(torch.tensor([1, 2]), dim=0)
x.repeat_interleave(torch.tensor([1, 2]))
x.repeat_interleave(torch.tensor([1, -2]), dim=0)
x.repeat_interleave(-2)
torch.repeat_interleave(torch.tensor([1, 2, 3]))
torch.repeat_interleave(x, torch.tensor([2]), dim=0)
torch.repeat_interleave(x, torch.tensor([1., 2.]), dim=0)
torch.repeat_interleave(x, torch.tensor([1, 2]), dim=0, output_size=4)
x.flip(0, 1)
x.flip([0])
x.flip(0, 0)
x.flip(5)
x.fliplr()
x.flipud()
torch.ones(3).fliplr()
torch.tensor(1.).flipud()
x.roll(1)
x.roll(1, 0)
x.roll((1, 1), (0, 1))
x.roll((1, 2), (0,))
x.roll((1, 1))
x.roll(())
x.rot90(2, (0, 1))
x.rot90(1, (0,))
x.rot90(1, (0, 0))
torch.ones(2).rot90()
torch.tril(x)
x.triu_(1)
(x > 1).triu()
torch.tril(torch.ones(3))
torch.tril_indices(3, 3)
torch.triu_indices(3, 2, 1, dtype=torch.int32)
torch.tril_indices(-1, 3)
torch.tril_indices(3, 3, dtype=torch.float32)
torch.diag(torch.arange(3.), 1)
torch.diag(x, 1)
torch.diag(torch.tensor(1.))
torch.diag_embed(x)
torch.diag_embed(x, 1, 0, 2)
torch.diag_embed(x, 0, 0, 0)
torch.diagflat(x, -1)
torch.block_diag(x, torch.tensor(1), torch.ones(2))
torch.block_diag()
torch.block_diag(c)
torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
torch.meshgrid([torch.arange(2), torch.arange(3), torch.arange(4)], indexing="xy")
torch.meshgrid(torch.tensor(1.), torch.ones(2), indexing="ij")
torch.meshgrid(torch.ones(2), indexing="zz")
torch.meshgrid(indexing="ij")
torch.broadcast_tensors(torch.ones(3), x)
torch.broadcast_tensors(torch.ones(2), torch.ones(3))
torch.broadcast_shapes((2, 1), (3,))
torch.broadcast_shapes((2,), (3,))
torch.broadcast_shapes(2, (3,))
torch.atleast_1d(torch.tensor(1.), x)
torch.atleast_2d([torch.tensor(1.)])
torch.atleast_3d(torch.tensor(1.))
torch.atleast_3d(torch.ones(2))
torch.atleast_3d(x)
torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
torch.cartesian_prod(x)
torch.combinations(torch.tensor([1, 2, 3]))
torch.combinations(torch.tensor([1, 2, 3]), 3, True)
torch.combinations(torch.tensor([1, 2, 3]), 0)
torch.combinations(torch.tensor([1, 2]), -1)
torch.cat([w, w])
torch.stack([w, w])
w.repeat(1, 1)
w.flip(0)
w.roll(1)
torch.tril(w)
torch.diag(a)
torch.diag(w)
w.repeat_interleave(2)
torch.broadcast_tensors(a, w)
"""


@pytest.mark.parametrize("line", lines(VIEWS + INPLACE + MEMORY + JOINED))
def test_line(line: str) -> None:
    check(line)


# -- random chains of views and writes -----------------------------------------------------------------

_DIM = st.integers(-3, 3)
_STEPS = st.one_of(
    st.tuples(st.just("transpose"), _DIM, _DIM),
    st.tuples(st.just("select"), _DIM, st.integers(-2, 2)),
    st.tuples(st.just("narrow"), _DIM, st.integers(0, 2), st.integers(0, 3)),
    st.tuples(st.just("unsqueeze"), _DIM),
    st.tuples(st.just("squeeze")),
    st.tuples(st.just("squeeze"), _DIM),
    st.tuples(st.just("flatten"), _DIM, _DIM),
    st.tuples(st.just("view"), st.sampled_from([(-1,), (2, -1), (3, 4), (4, 3, -1), (1, -1, 1)])),
    st.tuples(st.just("reshape"), st.sampled_from([(-1,), (2, -1), (6, -1), (12,)])),
    st.tuples(st.just("diagonal"), st.integers(-1, 1)),
    st.tuples(st.just("unfold"), _DIM, st.integers(1, 3), st.integers(1, 2)),
    st.tuples(st.just("expand"), st.sampled_from([(2, -1, -1), (-1, -1, 4), (3, -1, -1, -1)])),
    st.tuples(st.just("chunk"), st.integers(1, 3), _DIM),
    st.tuples(st.just("__getitem__"), st.sampled_from([slice(1, None), slice(None, None, 2), None])),
    st.tuples(st.just("movedim"), _DIM, _DIM),
    st.tuples(st.just("detach")),
    st.tuples(st.just("clone")),
    st.tuples(st.just("contiguous")),
    st.tuples(st.just("t_")),
    st.tuples(st.just("add_"), st.just(1)),
    st.tuples(st.just("fill_"), st.just(-2)),
)
_BASES = st.sampled_from([(12,), (3, 4), (2, 3, 4), (1, 4, 3), (4, 1)])


def _state(base, view) -> tuple:
    return (
        tuple(view.shape),
        view.stride(),
        view.storage_offset(),
        view.is_contiguous(),
        view.tolist(),
        base.tolist(),
        base._version,
    )


def _run(library, size: tuple, steps: list) -> list:
    """What each step of a chain shows; a step that fails is left out of the chain."""
    base = library.tensor(np.arange(np.prod(size), dtype=np.float32).reshape(size))
    view, seen = base, []
    for name, *args in steps:
        try:
            result = getattr(view, name)(*args)
        except Exception as error:
            seen.append((name, type(error).__name__, str(error)))
            continue
        view = result[-1] if isinstance(result, tuple) else result
        seen.append(_state(base, view))
    return seen


@settings(max_examples=150, deadline=None, derandomize=True)
@given(_BASES, st.lists(_STEPS, min_size=1, max_size=6))
def test_chains_of_views_and_writes_are_torchs(size: tuple, steps: list) -> None:
    expected, got = _run(torch, size, steps), _run(torchcompat, size, steps)
    for step, theirs, ours in zip(steps, expected, got):
        if step[0] in ("add_", "fill_") and isinstance(theirs[1], str):
            # Which overlaps torch notices depends on its kernels; ours are a subset.
            return
        assert ours == theirs, step


# -- reading and writing layouts -----------------------------------------------------------------------


@st.composite
def _layouts(draw) -> tuple:
    """A storage size and a layout that fits into it."""
    total = draw(st.sampled_from([12, 24]))
    size, stride, room = [], [], draw(st.integers(1, total))
    offset = total - room
    for _ in range(draw(st.integers(0, 3))):
        step = draw(st.integers(0, 6))
        most = min(4, (room - 1) // step + 1) if step else 2
        size.append(draw(st.integers(1, most)))
        stride.append(step)
        room -= (size[-1] - 1) * step
    return total, (tuple(size), tuple(stride), offset)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_layouts())
def test_any_layout_reads_and_writes(case: tuple) -> None:
    total, layout = case
    size, stride, offset = layout
    host = np.arange(total, dtype=np.float32)
    part = np.lib.stride_tricks.as_strided(host[offset:], size, [4 * s for s in stride])
    storage = jnp.asarray(host)
    with jax.enable_x64(True):
        assert np.array_equal(_strided.read(storage, layout), part)
        traced = jax.jit(_strided.read, static_argnums=1)
        assert np.array_equal(traced(storage, layout), part)
    distinct = len(set(part.reshape(-1).tolist())) == part.size
    if distinct:
        value = -np.arange(part.size, dtype=np.float32).reshape(size)
        with jax.enable_x64(True):
            written = _strided.write(storage, value, layout)
        part[...] = value
        assert np.array_equal(written, host)


def test_layouts_without_overlap_read_without_a_gather() -> None:
    """Slices, diagonals and shifted folds become slices and reshapes, which XLA knows how to fuse."""
    base = _layout.contiguous((6, 7, 5))
    layouts = [
        _layout.sliced(base, 1, 1, 3, 2),
        _layout.diagonal(base, 1, 0, 1),
        _layout.permuted(_layout.sliced(base, 2, 0, 2, 3), (2, 0, 1)),
        ((3, 4), (4, 1), 2),
    ]
    for layout in layouts:
        program = str(jax.make_jaxpr(lambda x, at=layout: _strided.read(x, at))(jnp.zeros((6, 7, 5))))
        assert "gather" not in program, (layout, program)


def test_a_view_of_a_module_tensor_is_a_clean_program() -> None:
    """Views under tracing are XLA's own operations, one for each."""

    def heads(x):
        split = torchcompat.chunk(x, 3, -1)
        return torchcompat.transpose(torchcompat.reshape(split[1], (2, 5, 2, 4)), 1, 2)

    program = jax.make_jaxpr(heads)(jnp.zeros((2, 5, 24)))
    assert "gather" not in str(program)
    assert "dynamic" not in str(program)


# -- aliasing beyond lines -----------------------------------------------------------------------------


def test_views_of_views_follow_their_base() -> None:
    base = torchcompat.arange(12.0).view(3, 4)
    row, column = base[1], base.t()[2]
    base.mul_(10)
    assert row.tolist() == [40.0, 50.0, 60.0, 70.0]
    column.fill_(0)
    assert row.tolist() == [40.0, 50.0, 0.0, 70.0]
    assert base._version == 2 == row._version
    assert row._base is base._base is column._base


def test_writes_through_views_under_jit() -> None:
    def program(array):
        x = _boxed(array)
        x[:, 0] += 1
        x.view(-1)[3:5] = 0
        x.t()[1].mul_(2)
        return x._read()

    def expected():
        x = torch.arange(6.0).reshape(2, 3)
        x[:, 0] += 1
        x.view(-1)[3:5] = 0
        x.t()[1].mul_(2)
        return x.numpy()

    assert np.array_equal(jax.jit(program)(jnp.arange(6.0).reshape(2, 3)), expected())


def _boxed(array):
    from torchcompat._tensor import wrap

    return wrap(array)


def test_detach_stops_gradients_of_jax() -> None:
    def loss(array):
        x = _boxed(array)
        return (x * x.detach()).sum()._read()

    assert jax.grad(loss)(jnp.asarray(3.0)) == 3.0


def test_a_view_read_inside_a_trace_leaves_no_tracer_behind() -> None:
    held = torchcompat.arange(6.0).view(2, 3)
    view = held[1]
    jax.jit(lambda y: y + view._read().sum())(1.0)
    assert view.tolist() == [3.0, 4.0, 5.0]


def test_lines_compare_errors() -> None:
    """The tables above would pass on two libraries that fail alike; this one shows they do not."""
    assert outcome("x.view(6)", torch)[0] == (6,)
    assert outcome("x.view(7)", torch)[0] == "RuntimeError"
