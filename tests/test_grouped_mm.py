"""grouped_mm, scaled_mm and scaled_grouped_mm."""

import pytest
import torch
from _both import attempt, both

import torchcompat
from tests._parity import assert_close, to_ours

theirs, ours = torch.nn.functional, torchcompat.nn.functional
OFFSETS = torch.tensor([8, 16], dtype=torch.int32)


def _x(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "shapes",
    [((16, 8), (2, 8, 16)), ((2, 8, 16), (16, 16)), ((8, 16), (16, 8)), ((2, 3, 8), (2, 8, 8))],
)
def test_grouped_mm(shapes, dtype):
    """torch wants strides of 16 bytes, and gradients that are no expanded ones."""
    a, b = (_x(*shape, dtype=dtype).requires_grad_() for shape in shapes)
    offsets = None if a.ndim == b.ndim == 3 else OFFSETS
    expected = theirs.grouped_mm(a, b, offs=offsets)
    mine = [to_ours(x.detach()).requires_grad_() for x in (a, b)]
    found = ours.grouped_mm(*mine, offs=to_ours(offsets))
    assert_close(found.detach(), expected.detach())
    weights = _x(*expected.shape, dtype=dtype)
    slopes = torch.autograd.grad(expected, (a, b), weights)
    for got, want in zip(torchcompat.autograd.grad(found, mine, to_ours(weights)), slopes):
        assert_close(got, want, factor=2)


def test_rows_of_no_group_are_zero():
    a, b = torchcompat.ones(6, 4), torchcompat.ones(2, 4, 8)
    found = ours.grouped_mm(a, b, offs=torchcompat.tensor([2, 4], dtype=torchcompat.int32))
    assert found[:4].eq(4).all() and found[4:].eq(0).all()


@both
def test_grouped_mm_refuses(torch):
    run, ones = torch.nn.functional.grouped_mm, torch.ones
    offsets = torch.tensor([2, 5], dtype=torch.int32)
    a, b = ones(5, 4), ones(2, 4, 8)
    yield attempt(run, a, b), attempt(run, ones(2, 3, 4), b, offs=offsets)
    yield attempt(run, a.double(), b.double()), attempt(run, ones(4), b), attempt(run, a, ones(4))
    yield attempt(run, a, ones(2, 8, 8), offs=offsets), attempt(run, ones(3, 3, 4), b)
    yield attempt(run, a, b, offs=offsets.long()), attempt(run, a, b, offs=offsets[None])
    yield attempt(run, a, b, offs=offsets[:1]), attempt(run, a, b, offs=offsets, bias=ones(8))
    yield attempt(run, a, b, offs=offsets, out_dtype=torch.bfloat16)


@both
def test_scaled_mm(torch):
    functional = torch.nn.functional
    kinds, swizzles = functional.ScalingType, functional.SwizzleType
    yield [repr(one) for one in kinds.__members__.values()]
    yield [repr(one) for one in swizzles.__members__.values()]
    a = (torch.arange(8.0).view(2, 4) - 3).to(torch.float8_e4m3fn)
    b = (torch.arange(12.0).view(4, 3) / 4).to(torch.float8_e5m2)
    one, whole, rows = torch.tensor(0.5), kinds.TensorWise, kinds.RowWise
    yield functional.scaled_mm(a, b, one, whole, one, whole)
    for dtype in (torch.float32, torch.float16):
        yield functional.scaled_mm(a, b, [one], [whole], one, whole, output_dtype=dtype)
    yield functional.scaled_mm(
        a, b, one, whole, one, whole, swizzles.NO_SWIZZLE, bias=torch.ones(3)
    )
    scales = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 0.5, 2.0]])
    yield functional.scaled_mm(a, b, scales[0], rows, scales[1], rows)
    yield functional.scaled_mm(a, a.t(), one, whole, one, whole, output_dtype=None).dtype
    run = functional.scaled_mm
    yield attempt(run, a.float(), b.float(), one, whole, one, whole)
    yield attempt(run, a, b, scales[0], rows, one, whole)
    yield attempt(run, a, b, torch.ones(2), whole, one, whole)
    yield (
        attempt(run, a, b, one.double(), whole, one, whole),
        attempt(run, a, a, one, whole, one, whole),
    )
    yield attempt(run, a[None], b, one, whole, one, whole)
    yield attempt(run, a, b, one, whole, one, whole, bias=torch.ones(4))


def test_scaled_grouped_mm():
    """torch has it on CUDA only: against the product of the scaled matrices."""
    rows = ours.ScalingType.RowWise
    a, b = _x(16, 8).to(torch.float8_e4m3fn), _x(2, 8, 16).to(torch.float8_e4m3fn)
    scales = _x(16).abs(), _x(2, 16).abs()
    expected = theirs.grouped_mm(
        a.float() * scales[0][:, None], b.float() * scales[1][:, None], offs=OFFSETS
    )
    a, b = (to_ours(x.float()).to(torchcompat.float8_e4m3fn) for x in (a, b))
    arguments = a, b, to_ours(scales[0]), rows, to_ours(scales[1]), rows
    found = ours.scaled_grouped_mm(
        *arguments, offs=to_ours(OFFSETS), output_dtype=torchcompat.float32
    )
    assert_close(found, expected)
    with pytest.raises(NotImplementedError, match="scale_recipe_a"):
        ours.scaled_grouped_mm(a, b, scales[0], ours.ScalingType.TensorWise, scales[1], rows)


def _experts(lib, dtype, compiled=False):
    """transformers' product of experts, whose own kernel loops over the offsets' values."""
    x, w = (_x(*shape, dtype=dtype) for shape in ((10, 4), (3, 4, 5)))
    offsets = torch.tensor([3, 3, 8])
    if lib is torchcompat:
        x, w, offsets = map(to_ours, (x, w, offsets))
    x, w = x.requires_grad_(), w.requires_grad_()

    def run(x, w, offsets):
        return lib.ops.transformers.grouped_mm_fallback(x, w, offsets)

    found = (torchcompat.compile(run, fullgraph=True) if compiled else run)(x, w, offsets)
    found.pow(2).sum().backward()
    return found.detach(), x.grad, w.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_experts_of_transformers(dtype):
    pytest.importorskip("transformers.integrations.moe")
    import torchcompat.ported.transformers.integrations.moe  # noqa: F401

    expected = _experts(torch, dtype)
    for compiled in (False, True):
        for got, want in zip(_experts(torchcompat, dtype, compiled), expected):
            assert_close(got, want, factor=2)
