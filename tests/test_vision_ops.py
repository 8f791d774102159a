"""torchvision's compiled ops against slow references (its own binary does not load on this torch)."""

import jax
import numpy as np
import pytest

import tests._regions as reference
import torchcompat as torch
from torchcompat import ops

vision = ops.torchvision
RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((2, 8, 12, 15)).astype(np.float32)
# Inside, across the border, outside, and turned over.
ROIS = np.array(
    [
        [0, 1.5, 2.0, 20.0, 17.5],
        [1, -6.0, -4.0, 9.0, 30.0],
        [0, 3.0, 3.0, 3.2, 3.1],
        [1, 28.0, 22.0, 60.0, 50.0],
        [0, 0.0, 0.0, 28.0, 22.0],
    ],
    np.float32,
)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("ratio", [2, -1])
@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align(ratio, aligned):
    args = (0.5, 3, 2, ratio, aligned)
    out = vision.roi_align(torch.tensor(IMAGE), torch.tensor(ROIS), *args)
    np.testing.assert_allclose(out, reference.roi_align(IMAGE, ROIS, *args), **TOLERANCE)


def test_roi_align_traced_takes_as_many_samples():
    args = (0.5, 3, 2, -1, True)
    out = jax.jit(lambda x, r: vision.roi_align(x, r, *args))(IMAGE, ROIS)
    np.testing.assert_allclose(out, reference.roi_align(IMAGE, ROIS, *args), **TOLERANCE)


@pytest.mark.parametrize("ratio", [2, -1])
def test_ps_roi_align(ratio):
    args = (0.5, 2, 2, ratio)
    out, mapping = vision.ps_roi_align(torch.tensor(IMAGE), torch.tensor(ROIS), *args)
    np.testing.assert_allclose(out, reference.ps_roi_align(IMAGE, ROIS, *args), **TOLERANCE)
    assert mapping.dtype is torch.int32
    assert mapping[3].flatten().tolist() == list(range(8))


def test_roi_pool():
    out, place = vision.roi_pool(torch.tensor(IMAGE), torch.tensor(ROIS), 0.5, 3, 2)
    expected = reference.roi_pool(IMAGE, ROIS, 0.5, 3, 2)
    np.testing.assert_array_equal(out, expected[0].astype(np.float32))
    np.testing.assert_array_equal(place, expected[1])


def test_ps_roi_pool():
    out, mapping = vision.ps_roi_pool(torch.tensor(IMAGE), torch.tensor(ROIS), 0.5, 2, 2)
    np.testing.assert_allclose(out, reference.ps_roi_pool(IMAGE, ROIS, 0.5, 2, 2), **TOLERANCE)
    assert mapping[0].flatten().tolist() == list(range(8))


@pytest.mark.parametrize(
    "name, args",
    [
        ("roi_align", (0.5, 2, 2, 2, True)),
        ("roi_align", (0.5, 2, 2, -1, False)),
        ("ps_roi_align", (0.5, 2, 2, 2)),
        ("roi_pool", (0.5, 2, 2)),
    ],
)
def test_region_gradients(name, args):
    """The gradient of a sum of products is the products' slope, found by finite differences."""
    x = torch.tensor(IMAGE, dtype=torch.float64, requires_grad=True)
    rois = torch.tensor(ROIS[:2], dtype=torch.float64)
    out = getattr(vision, name)(x, rois, *args)
    out = out[0] if isinstance(out, tuple) else out
    weight = RNG.standard_normal(tuple(out.shape))
    (out * torch.tensor(weight)).sum().backward()
    step = RNG.standard_normal(IMAGE.shape) * 1e-6

    def value(image):
        found = getattr(reference, name)(image, ROIS[:2].astype(np.float64), *args)
        return ((found[0] if isinstance(found, tuple) else found) * weight).sum()

    image = IMAGE.astype(np.float64)
    slope = (value(image + step) - value(image - step)) / 2
    np.testing.assert_allclose((x.grad.numpy() * step).sum(), slope, rtol=1e-6)


def test_ps_roi_pool_gradient_reaches_the_last_row():
    x = torch.ones(1, 4, 4, 4, requires_grad=True)
    out, _ = vision.ps_roi_pool(x, torch.tensor([[0.0, 0, 0, 4, 4]]), 1.0, 2, 2)
    out.sum().backward()
    assert x.grad[0, 3, 3, 3].item() == 0.25
    assert x.grad.sum().item() == 4


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("groups, offset_groups", [(1, 1), (2, 1), (2, 3), (1, 2)])
def test_deform_conv2d(masked, groups, offset_groups):
    x = RNG.standard_normal((2, 6, 7, 6)).astype(np.float32)
    weight = RNG.standard_normal((4, 6 // groups, 3, 2)).astype(np.float32)
    offset = RNG.standard_normal((2, 12 * offset_groups, 4, 4)).astype(np.float32) * 2
    mask = RNG.random((2, 6 * offset_groups, 4, 4)).astype(np.float32) if masked else None
    bias = RNG.standard_normal(4).astype(np.float32)
    steps = (2, 2), (2, 1), (2, 1)
    given = torch.zeros(2, 1) if mask is None else torch.tensor(mask)
    out = vision.deform_conv2d(
        *map(torch.tensor, (x, weight, offset)), given, torch.tensor(bias),
        *(n for step in steps for n in step), groups, offset_groups, masked,
    )  # fmt: skip
    expected = reference.deform_conv2d(x, weight, offset, mask, bias, *steps, groups, offset_groups)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)


def test_deform_conv2d_gradients():
    parts = [
        torch.tensor(RNG.standard_normal(size), requires_grad=True)
        for size in ((1, 2, 5, 5), (2, 2, 3, 3), (1, 18, 3, 3), (1, 9, 3, 3), (2,))
    ]
    steps = (1, 1), (0, 0), (1, 1)
    out = vision.deform_conv2d(*parts, 1, 1, 0, 0, 1, 1, 1, 1, True)
    weight = RNG.standard_normal(tuple(out.shape))
    (out * torch.tensor(weight)).sum().backward()
    values = [p.detach().numpy() for p in parts]
    for i, part in enumerate(parts):
        step = RNG.standard_normal(values[i].shape) * 1e-6
        ends = []
        for sign in (1, -1):
            moved = [v + sign * step if k == i else v for k, v in enumerate(values)]
            ends.append((reference.deform_conv2d(*moved, *steps, 1, 1) * weight).sum())
        slope = (ends[0] - ends[1]) / 2
        np.testing.assert_allclose((part.grad.numpy() * step).sum(), slope, rtol=1e-5)


@pytest.mark.parametrize(
    "name, args, more",
    [
        ("roi_align", (0.5, 2, 2), (2, True)),
        ("ps_roi_align", (0.5, 2, 2, 2), ()),
        ("roi_pool", (0.5, 2, 2), ()),
        ("ps_roi_pool", (0.5, 2, 2), ()),
    ],
)
def test_backward_ops_are_the_gradients(name, args, more):
    x, rois = torch.tensor(IMAGE, requires_grad=True), torch.tensor(ROIS)
    results = getattr(vision, name)(x, rois, *args, *more)
    out, *rest = results if isinstance(results, tuple) else (results,)
    grad = torch.tensor(RNG.standard_normal(tuple(out.shape)), dtype=torch.float32)
    out.backward(grad)
    backward = getattr(vision, f"_{name}_backward")
    found = backward(grad, rois, *rest, *args, *IMAGE.shape, *more)
    np.testing.assert_allclose(found, x.grad, **TOLERANCE)


def _boxes(count):
    corner = RNG.random((count, 2)) * 50
    return np.concatenate([corner, corner + RNG.random((count, 2)) * 30], 1).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_nms(threshold):
    boxes, scores = _boxes(60), RNG.integers(0, 20, 60).astype(np.float32)
    kept = vision.nms(torch.tensor(boxes), torch.tensor(scores), threshold)
    assert kept.dtype is torch.int64
    assert kept.tolist() == reference.nms(boxes, scores, threshold)
    assert vision.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)


def test_nms_under_jit_has_a_padded_form():
    boxes, scores = _boxes(30), RNG.random(30).astype(np.float32)
    expected = reference.nms(boxes, scores, 0.3)
    with pytest.raises(NotImplementedError, match="nms_padded"):
        jax.jit(lambda b, s: vision.nms(b, s, 0.3))(boxes, scores)
    places, count = jax.jit(lambda b, s: vision.nms_padded(b, s, 0.3, 30))(boxes, scores)
    assert int(count) == len(expected)
    assert places.tolist() == expected + [-1] * (30 - len(expected))


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: vision.nms(torch.zeros(3), torch.zeros(3), 0.5), "boxes should be a 2d tensor, got 1D"),
        (
            lambda: vision.nms(torch.zeros(3, 5), torch.zeros(3), 0.5),
            "boxes should have 4 elements in dimension 1, got 5",
        ),
        (
            lambda: vision.nms(torch.zeros(3, 4), torch.zeros(3, 1), 0.5),
            "scores should be a 1d tensor, got 2D",
        ),
        (
            lambda: vision.nms(torch.zeros(3, 4), torch.zeros(2), 0.5),
            "boxes and scores should have same number of elements in dimension 0, got 3 and 2",
        ),
        (
            lambda: vision.roi_align(torch.zeros(1, 1, 2, 2), torch.zeros(1, 4), 1.0, 1, 1, 1, True),
            "rois must have shape as Tensor[K, 5]",
        ),
        (
            lambda: vision.ps_roi_pool(torch.zeros(1, 3, 2, 2), torch.zeros(1, 5), 1.0, 2, 2),
            "input channels must be a multiple of pooling height * pooling width",
        ),
    ],
)  # fmt: skip
def test_errors(call, text):
    with pytest.raises(RuntimeError) as caught:
        call()
    assert str(caught.value) == text


def test_namespaces():
    assert ops.aten.add.Tensor(torch.ones(2), 1).tolist() == [2, 2]
    assert str(ops.aten.add.Tensor) == "aten.add.Tensor"
    assert ops.aten.add.Tensor.name() == "aten::add.Tensor"
    with pytest.raises(AttributeError, match="'_OpNamespace' 'aten' object has no attribute 'zzz'"):
        ops.aten.zzz  # noqa: B018
    with pytest.raises(OSError, match="Could not load this library: /nowhere/libx.so"):
        ops.load_library("/nowhere/libx.so")
    assert vision._cuda_version() == -1
