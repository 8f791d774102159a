"""`converters.wrap`, `to_flax`, `from_flax` on Linen models."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen
from flax.core import freeze

import torchcompat as tc
from converters import from_flax, to_flax, wrap


def array(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def started(model, *inputs, **kwargs):
    """The model's variables, with values that are less even than those that it starts with."""
    variables = jax.eval_shape(model.init, jax.random.key(0), *inputs, **kwargs)
    rng = np.random.default_rng(3)
    return jax.tree.map(lambda x: jnp.asarray(rng.uniform(0.2, 0.9, x.shape), x.dtype), variables)


def torch_values(module):
    values = module.state_dict()
    return {k: torch.from_numpy(np.array(v.detach())) for k, v in values.items()}


def ours(values):
    return {k: tc.from_numpy(v.numpy().copy()) for k, v in values.items()}


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


class Basic(linen.Module):
    width: int
    stride: int = 1

    @linen.compact
    def __call__(self, x, train=False):
        def norm(name):
            return linen.BatchNorm(not train, epsilon=1e-5, name=name)

        def conv(name, size, stride, pad):
            return linen.Conv(
                self.width, (size, size), stride, padding=pad, use_bias=False, name=name
            )

        y = linen.relu(norm("bn1")(conv("conv1", 3, self.stride, 1)(x)))
        y = norm("bn2")(conv("conv2", 3, 1, 1)(y))
        if self.stride != 1:
            x = norm("down_bn")(conv("down", 1, self.stride, 0)(x))
        return linen.relu(x + y)


class ResNet(linen.Module):
    def setup(self):
        self.stem = linen.Conv(4, (3, 3), padding=1)
        self.blocks = [Basic(4), Basic(8, 2)]
        self.fc = linen.Dense(5)

    def __call__(self, x, train=False):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x, train)
        return self.fc(x.mean((1, 2)))


class TorchBasic(torch.nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        if stride != 1:
            self.down = torch.nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.down_bn = torch.nn.BatchNorm2d(width)

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (self.down_bn(self.down(x)) if hasattr(self, "down") else x)).relu()


class TorchResNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = torch.nn.ModuleList([TorchBasic(4, 4, 1), TorchBasic(4, 8, 2)])
        self.fc = torch.nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(x.mean((2, 3)))


class Block(linen.Module):
    @linen.compact
    def __call__(self, x):
        attention = linen.MultiHeadDotProductAttention(2, name="self_attn")
        x = linen.LayerNorm(1e-5, name="norm1")(x + attention(x))
        y = linen.Dense(8, name="linear2")(linen.relu(linen.Dense(16, name="linear1")(x)))
        return linen.LayerNorm(1e-5, name="norm2")(x + y)


class Transformer(linen.Module):
    @linen.compact
    def __call__(self, tokens):
        place = self.param("place", linen.initializers.normal(), (6, 8))
        x = linen.Embed(11, 8, name="embed")(tokens) + place[: tokens.shape[1]]
        x = Block(name="layer")(x)
        return linen.Dense(11, name="head")(x)


class TorchTransformer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 8)
        self.place = torch.nn.Parameter(torch.randn(6, 8))
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = torch.nn.Linear(8, 11)

    def forward(self, tokens):
        return self.head(self.layer(self.embed(tokens) + self.place[: tokens.shape[1]]))


IMAGES, TOKENS = array(2, 6, 5, 3), np.array([[1, 4, 10, 0], [7, 7, 2, 3]])
MODELS = {
    "resnet": (ResNet, TorchResNet, IMAGES, torch.from_numpy(IMAGES).permute(0, 3, 1, 2)),
    "transformer": (Transformer, TorchTransformer, TOKENS, torch.from_numpy(TOKENS)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_agree_with_torch_both_ways(name):
    kind, torch_kind, x, torch_x = MODELS[name]
    model, other = kind(), torch_kind().eval()
    variables = started(model, x)
    other.load_state_dict(torch_values(wrap(model, variables, x)), strict=True)
    close(model.apply(variables, x), other(torch_x).detach())
    other = torch_kind().eval()
    face = wrap(model, variables, x).eval()
    face.load_state_dict(ours(other.state_dict()), strict=True)
    wanted = other(torch_x).detach()
    close(model.apply(variables, x), wanted)
    close(face(tc.from_numpy(x)).detach(), wanted)
    fresh = started(model, x)
    assert to_flax(ours(other.state_dict()), model, fresh, x) is fresh
    close(model.apply(fresh, x), wanted)
    copied = from_flax(model, fresh, x)
    assert all(torch.equal(v, torch.from_numpy(np.array(copied[k]))) for k, v in ours_of(other))


def ours_of(other):
    items = other.state_dict().items()
    return [(k, v) for k, v in items if not k.endswith("num_batches_tracked")]


def test_one_layer_at_a_time():
    layers = {
        "linear": (linen.DenseGeneral(5, axis=(-2, -1)), torch.nn.Linear(6, 5), (4, 2, 3)),
        "einsum": (linen.Einsum((3, 2, 4), "bd,dnh->bnh"), torch.nn.Linear(3, 8), (5, 3)),
        "rms": (linen.RMSNorm(1e-6), torch.nn.RMSNorm(4, eps=1e-6), (2, 4)),
    }
    for layer, other, shape in layers.values():
        x = array(*shape)
        variables = started(layer, x)
        other.load_state_dict(torch_values(wrap(layer, variables, x)), strict=True)
        got = layer.apply(variables, x)
        flat = torch.from_numpy(x.reshape(shape[0], -1))
        close(got.reshape(shape[0], -1), other(flat).detach())
    for flipped in (False, True):
        layer = linen.ConvTranspose(4, (3,), (2,), "VALID", transpose_kernel=flipped)
        x = array(1, 4, 3)
        variables, other = started(layer, x), torch.nn.ConvTranspose1d(3, 4, 3, 2)
        other.load_state_dict(torch_values(wrap(layer, variables, x)), strict=True)
        wanted = other(torch.from_numpy(x).transpose(1, 2)).transpose(1, 2).detach()
        close(layer.apply(variables, x), wanted)


@pytest.mark.parametrize("kind", ["LSTMCell", "OptimizedLSTMCell"])
def test_lstm_cells(kind):
    layer, cell = getattr(linen, kind)(4), torch.nn.LSTMCell(3, 4)
    x, h, c = array(2, 3), array(2, 4), array(2, 4, seed=2)
    variables = started(layer, (c, h), x)
    to_flax(ours(cell.state_dict()), layer, variables, (c, h), x)
    (new_c, new_h), _ = layer.apply(variables, (c, h), x)
    wanted = cell(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)))
    close(new_h, wanted[0].detach())
    close(new_c, wanted[1].detach())


def test_simple_cell():
    layer, cell = linen.SimpleCell(4), torch.nn.RNNCell(3, 4)
    x, h = array(2, 3), array(2, 4)
    variables = to_flax(ours(cell.state_dict()), layer, started(layer, h, x), h, x)
    got, _ = layer.apply(variables, h, x)
    close(got, cell(torch.from_numpy(x), torch.from_numpy(h)).detach())


def test_training_updates_the_variables_and_gives_jax_s_gradients():
    model, x = Basic(4), array(2, 3, 3, 4)
    variables = started(model, x)
    rest = {k: v for k, v in variables.items() if k != "params"}

    @jax.jit
    def loss(params):
        y, new = model.apply(rest | {"params": params}, x, True, mutable=["batch_stats"])
        return (y**2).mean(), (y, new)

    gradients, (wanted, new) = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    face = wrap(model, variables, x)
    result = face(tc.from_numpy(x), train=True)
    result.square().mean().backward()
    close(result.detach(), wanted, 1e-4)
    close(face.conv1.weight.grad, gradients["conv1"]["kernel"].transpose(3, 2, 0, 1), 1e-3)
    jax.tree.map(lambda a, b: close(a, b, 1e-4), variables["batch_stats"], new["batch_stats"])
    close(face.bn1.running_mean, variables["batch_stats"]["bn1"]["mean"], 0)


def test_hooks_compile_and_copies():
    model = ResNet()
    variables = started(model, IMAGES)
    face, x, seen = wrap(model, variables, IMAGES).eval(), tc.from_numpy(IMAGES), []
    look = face.blocks[1].conv1.register_forward_hook(lambda m, i, out: seen.append(out.shape))
    close(face(x).detach(), model.apply(variables, IMAGES))
    assert seen == [(2, 3, 3, 8)]
    look.remove()
    other, compiled = copy.deepcopy(face), tc.compile(face)
    with tc.no_grad():
        before = compiled(x)
        close(before, model.apply(variables, IMAGES))
        face.fc.bias.add_(1.0)
        close(compiled(x), model.apply(variables, IMAGES))
        close(other(x), before)
        assert face.blocks[0](tc.ones(1, 3, 3, 4)).shape == (1, 3, 3, 4)


def test_random_streams_are_passed():
    model = linen.Sequential([linen.Dense(8), linen.Dropout(0.5, deterministic=False)])
    x = np.ones((4, 3), np.float32)
    variables = model.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, x)
    face = wrap(model, variables, x)
    assert list(face.state_dict()) == ["0.weight", "0.bias"]
    got = face(tc.from_numpy(x), rngs={"dropout": 5})
    close(got.detach(), model.apply(variables, x, rngs={"dropout": jax.random.key(5)}))


def test_frozen_variables_are_copied_and_names_are_strict():
    model = linen.Dense(4)
    variables = freeze(model.init(jax.random.key(0), np.ones((1, 3))))
    face = wrap(model, variables, np.ones((1, 3), np.float32))
    with tc.no_grad():
        face.bias.fill_(2.0)
    assert face.variables["params"]["bias"].tolist() == [2.0] * 4
    assert not variables["params"]["bias"].any()
    with pytest.raises(RuntimeError, match="fits only when transposed"):
        face.load_state_dict({"weight": tc.ones(3, 4), "bias": tc.ones(4)})


def test_what_is_unsupported_is_named():
    layer, x = linen.Dense(4), np.ones((1, 3), np.float32)
    variables = layer.init(jax.random.key(0), x)
    with pytest.raises(TypeError, match="needs its variables"):
        wrap(layer)
    with pytest.raises(NotImplementedError, match="without example inputs"):
        wrap(layer, variables)
    mapped = linen.vmap(
        linen.Dense, variable_axes={"params": 1}, split_rngs={"params": True}, in_axes=1
    )(4)
    rows = np.ones((1, 2, 3), np.float32)
    with pytest.raises(
        NotImplementedError, match="does not stack all of its values along their first"
    ):
        wrap(mapped, mapped.init(jax.random.key(0), rows), rows)
