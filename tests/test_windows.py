"""Windows at the edges of their geometry: strides that equal the kernel, empty batches."""

import pytest
import torch

import torchcompat
from tests._parity import assert_close, to_ours


@pytest.mark.parametrize("dilation", [(1, 2), (2, 1), (2, 2), 1])
@pytest.mark.parametrize("stride", [None, 1, 2, (3, 2)])
def test_dilated_windows_beside_each_other(stride, dilation):
    """A stride of the kernel's size packs the windows only if nothing lies between their elements."""
    x = torch.randn(1, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    found = torchcompat.nn.functional.max_pool2d(to_ours(x), 3, stride, 0, dilation)
    assert_close(found, torch.nn.functional.max_pool2d(x, 3, stride, 0, dilation))


@pytest.mark.parametrize("size", [(0, 4), (0, 4, 3), (2, 4, 0)])
def test_groups_of_an_empty_batch(size):
    x = torch.zeros(size)
    found = torchcompat.nn.functional.group_norm(to_ours(x), 2)
    assert_close(found, torch.nn.functional.group_norm(x, 2))
