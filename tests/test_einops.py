"""einops on our tensors, imported natively (before or after us) and as ported source."""

import subprocess
import sys

import numpy as np
import pytest

import torchcompat

PROGRAM = """
import {first}, {second}
x = torchcompat.arange(24.0).reshape(2, 3, 4).requires_grad_()
y = einops.rearrange(x, "a b c -> (a c) b")
assert isinstance(y, torchcompat.Tensor) and y.shape == (8, 3), y
assert y.tolist() == x.permute(0, 2, 1).reshape(8, 3).tolist()
y.sum().backward()
assert x.grad.sum().item() == 24
"""


@pytest.mark.parametrize(
    ("first", "second"), [("torchcompat", "einops"), ("einops", "torchcompat")]
)
def test_native_einops(first, second):
    subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.format(first=first, second=second)],
        check=True,
    )


def test_ported_einops_and_its_layers():
    import einops as native
    from torchcompat.ported.einops.layers.torch import EinMix, Rearrange, Reduce

    from torchcompat.ported import einops

    values = np.arange(48, dtype=np.float32).reshape(2, 4, 6)
    x = torchcompat.tensor(values)
    for pattern, sizes in [("b (h w) c -> b h w c", {"h": 2}), ("b n c -> (b n) c", {})]:
        expected = native.rearrange(values, pattern, **sizes)
        np.testing.assert_array_equal(einops.rearrange(x, pattern, **sizes), expected)
        np.testing.assert_array_equal(Rearrange(pattern, **sizes)(x), expected)
    np.testing.assert_allclose(
        Reduce("b n c -> b c", "mean")(x), native.reduce(values, "b n c -> b c", "mean"), rtol=1e-6
    )
    np.testing.assert_array_equal(
        einops.repeat(x, "b n c -> b n k c", k=2), native.repeat(values, "b n c -> b n k c", k=2)
    )
    product = einops.einsum(x, x, "b n c, b m c -> b n m")
    np.testing.assert_allclose(product, values @ values.transpose(0, 2, 1), rtol=1e-6)
    mix = EinMix("b n c -> b n d", weight_shape="c d", bias_shape="d", c=6, d=5)
    assert mix(x).shape == (2, 4, 5) and len(list(mix.parameters())) == 2
