"""Programs with channels last inside, as `compile` makes them on CPUs, against the same as written."""

import os

import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp

from torchcompat._compile import _channels_last
from torchcompat._compile._xla import Program
from torchcompat.nn import functional as F

KEY = jax.random.key(0)
X, W = (jax.random.normal(KEY, shape) for shape in ((2, 6, 9, 8), (6, 6, 3, 3)))
SCALE = jnp.arange(1.0, 7.0)


def conv(x, w, **how):
    return F.conv2d(x, w, **{"padding": 1, **how})


def normalised(x):
    mean = x.mean((0, 2, 3), keepdims=True)
    return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean((0, 2, 3), keepdims=True) + 1e-5)


def residual(x, w):
    return jax.nn.relu(normalised(conv(jax.nn.relu(conv(x, w)), w)) + x)


# What comes after a convolution, whose result is held with channels last.
AFTER = {
    "as it is": lambda y: y,
    "channel scale": lambda y: y * SCALE[:, None, None] + 1,
    "row scale": lambda y: y * jnp.arange(9.0)[:, None],
    "broadcast of a part": lambda y: y - y.max(3, keepdims=True) + y.sum((0, 1))[:, :1],
    "transpose": lambda y: jnp.sin(y.transpose(2, 0, 3, 1)) + jnp.arange(6.0),
    "reshape": lambda y: y.reshape(2, 3, -1).cumsum(2),
    "unit dimensions": lambda y: jnp.sin(y[:1].reshape(6, 9, 1, 8).transpose(2, 1, 0, 3)[0]),
    "slice": lambda y: y[:, 1::2, ::3, 2:] * 2,
    "pad": lambda y: lax.pad(y, 1.0, ((0, 0, 0), (1, -1, 0), (0, 2, 1), (-1, 0, 0))) + 1,
    "concatenate": lambda y: jnp.concatenate([y, X, jnp.ones_like(y)], 1) * 2,
    "concatenate rows": lambda y: jnp.concatenate([X, y], 2).sum(1),
    "flip": lambda y: jnp.flip(y, (1, 3)) + X,
    "flip twice": lambda y: jnp.flip(jnp.flip(y, (1, 3)) * 2, 3),
    "choice": lambda y: jnp.where(y > X, y, X),
    "clip": lambda y: jnp.clip(y, -0.5, X.max()),
    "integers": lambda y: y.astype(jnp.int32).sum((2, 3)),
    "largest": lambda y: y.max((1, 2)) - y.min(),
    "barrier": lambda y: lax.optimization_barrier((y, X))[0] + 1,
    "loop": lambda y: lax.scan(lambda c, z: (c + z.sum(), z * c), 0.0, y)[1],
    "max_pool": lambda y: F.max_pool2d(y, 3, 2, 1),
    "avg_pool": lambda y: F.avg_pool2d(y, 2),
    "batch_norm": lambda y: F.batch_norm(y, None, None, SCALE, SCALE, True),
    "matrix": lambda y: y.mean((2, 3)) @ jnp.ones((6, 4)),
    "strided": lambda y: conv(y, W, stride=2),
    "dilated": lambda y: conv(y, W, dilation=2),
    "grouped": lambda y: conv(y, W[:, :2], groups=3),
    "depthwise": lambda y: conv(y, W[:, :1], groups=6),
    "transposed": lambda y: F.conv_transpose2d(y, W, stride=2),
    "1x1": lambda y: conv(y, W[:, :, :1, :1], stride=2),
    "as kernel": lambda y: conv(X, y.swapaxes(0, 1)[:, :, :3, :3].repeat(3, 1)),
    "residual": lambda y: residual(y, W),
    "one dimension": lambda y: F.conv1d(y[:, :, 0], W[..., 0], padding=1),
    "three dimensions": lambda y: F.conv3d(y[:, :, None], W[:, :, None], padding=1),
    "mapped": lambda y: jax.vmap(lambda w: conv(y, w))(jnp.stack([W, W + 1])),
}


SAMPLE = (
    "unit dimensions",
    "depthwise",
    "broadcast of a part",
    "transpose",
    "pad",
    "concatenate",
    "flip twice",
    "strided",
)


@pytest.mark.parametrize("name", AFTER if os.environ.get("TORCHCOMPAT_WHOLE") else SAMPLE)
def test_values_and_gradients_are_those_of_the_program_as_written(name):
    def loss(x, w):
        y = AFTER[name](conv(x, w))
        return sum(jnp.sin(part.astype(jnp.float32)).sum() for part in jax.tree.leaves(y)), y

    function = jax.value_and_grad(loss, (0, 1), has_aux=True)
    expected, found = jax.jit(function)(X, W), Program(function, 0)(X, W)
    assert jax.tree.structure(expected) == jax.tree.structure(found)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found)):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * (1 + np.abs(a).max()))


def test_nothing_is_transposed_between_convolutions():
    def run(x, w):
        return residual(residual(jax.nn.relu(conv(x, w)), w), w)

    pieces = [
        equation.params["name"]
        for equation in jax.make_jaxpr(_channels_last.inside(run))(X, W).eqns
        if equation.primitive.name == "jit" and equation.ctx.xla_metadata
    ]
    assert pieces.count("convolved") == 5
    assert pieces.count("turned") == 2  # the kernel, once, and the result


def test_without_convolutions_a_program_is_left_alone():
    def run(x):
        return jnp.sin(x.transpose(0, 2, 3, 1)).sum(3)

    assert str(jax.make_jaxpr(_channels_last.inside(run))(X)) == str(jax.make_jaxpr(run)(X))


def test_under_a_trace_it_is_as_written():
    compiled = Program(lambda arrays: [conv(*arrays)], 0)
    expected = jax.grad(lambda x: conv(x, W).sum())(X)
    np.testing.assert_allclose(jax.grad(lambda x: compiled([x, W])[0].sum())(X), expected, 1e-5)
    np.testing.assert_allclose(jax.jit(compiled)([X, W])[0], conv(X, W), 1e-5, 1e-5)
