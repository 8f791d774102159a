"""torch.library and torch.ops: the same definitions under torch and here."""

import numpy as np
import pytest
import torch

import torchcompat
from torchcompat import library, ops

BOTH = pytest.mark.parametrize("lib", [torch, torchcompat], ids=["torch", "torchcompat"])


def _cubed(lib):
    @lib.library.custom_op("testlib::cubed", mutates_args=())
    def cubed(x: lib.Tensor, scale: float) -> lib.Tensor:
        return x**3 * scale

    @cubed.register_fake
    def _(x, scale):
        return lib.empty_like(x)

    def setup(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x**2 * ctx.scale, None

    cubed.register_autograd(backward, setup_context=setup)
    return cubed


@BOTH
def test_custom_op_with_a_gradient(lib):
    cubed = _cubed(lib)
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    for call in (cubed, lib.ops.testlib.cubed, lib.ops.testlib.cubed.default):
        x.grad = None
        out = call(x, 2.0)
        out.sum().backward()
        assert out.tolist() == [2, 16] and x.grad.tolist() == [6, 24]


@BOTH
def test_library_of_kernels(lib):
    made = lib.library.Library("testlib2", "FRAGMENT")
    made.define("twice(Tensor x) -> Tensor")
    made.impl("twice", lambda x: x * 2, "CompositeImplicitAutograd")
    assert lib.ops.testlib2.twice(lib.ones(2)).tolist() == [2, 2]
    with pytest.raises(ValueError, match="Unsupported kind: NONE"):
        lib.library.Library("testlib2", "NONE")


def test_ops_that_are_supplied_keep_their_kernels():
    made = library.Library("torchvision", "IMPL", "Meta")
    made.impl(ops.torchvision.nms.default, lambda *args: None)
    library.register_autograd("torchvision::roi_align", lambda ctx, grad: None)
    boxes = torchcompat.tensor([[0.0, 0, 1, 1]])
    assert ops.torchvision.nms(boxes, torchcompat.ones(1), 0.5).tolist() == [0]


def test_custom_op_is_compiled():
    cubed = _cubed(torchcompat)
    fast = torchcompat.compile(lambda x: cubed(x, 2.0) + 1)
    np.testing.assert_array_equal(fast(torchcompat.tensor([1.0, 2.0])), [3, 17])
