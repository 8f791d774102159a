"""`converters.wrap`, `to_flax`, `from_flax`: torch's names, layouts and results over Flax models."""

import copy
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat as tc
from converters import from_flax, to_flax, wrap
from torchcompat import nn
from torchcompat._tensor import wrap as wrap_array

DTYPES = ["float32", "float16", "bfloat16", "float64"]
NARROW = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "int8"]
SMALL = ["linear", "conv2d grouped"]


def randomized(module, seed=0):
    """Other values in every parameter and statistic: what a layer starts with is too even."""
    rng = np.random.default_rng(seed)
    for _, x in nnx.iter_graph(module):
        if isinstance(x, (nnx.Param, nnx.BatchStat)):
            x.set_value(jnp.asarray(rng.uniform(0.2, 0.9, x.shape), x.dtype))
    return module


def torch_values(module):
    values = module.state_dict()
    return {k: torch.from_numpy(np.array(v.detach())) for k, v in values.items()}


def ours(values):
    return {k: tc.from_numpy(v.numpy().copy()) for k, v in values.items()}


def array(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


# -- the layers of the table: Flax's layer, ours, torch's layer with the same values, and how they are
# called: (inputs for Flax, then from Flax's to torch's layout)


def first(x):
    """Channels last -> channels first."""
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy())


def last(y):
    return np.moveaxis(y.detach().numpy(), 1, -1)


LAYERS = {
    "linear": (lambda: nnx.Linear(3, 4, rngs=nnx.Rngs(0)), lambda m: m.Linear(3, 4), (2, 3)),
    "linear no bias": (
        lambda: nnx.Linear(3, 4, use_bias=False, rngs=nnx.Rngs(0)),
        lambda m: m.Linear(3, 4, bias=False),
        (2, 3),
    ),
    "general": (
        lambda: nnx.LinearGeneral(3, (2, 4), rngs=nnx.Rngs(0)),
        lambda m: m.Linear(3, 8),
        (2, 3),
    ),
    "general two axes": (
        lambda: nnx.LinearGeneral((2, 3), (5,), axis=(-2, -1), rngs=nnx.Rngs(0)),
        lambda m: m.Linear(6, 5),
        (4, 2, 3),
    ),
    "einsum": (
        lambda: nnx.Einsum("bd,ndh->bnh", (2, 3, 4), (2, 4), rngs=nnx.Rngs(0)),
        lambda m: m.Linear(3, 8),
        (5, 3),
    ),
    "conv1d": (
        lambda: nnx.Conv(3, 4, (2,), rngs=nnx.Rngs(0)),
        lambda m: m.Conv1d(3, 4, 2),
        (1, 5, 3),
    ),
    "conv2d grouped": (
        lambda: nnx.Conv(4, 6, (3, 2), feature_group_count=2, padding="VALID", rngs=nnx.Rngs(0)),
        lambda m: m.Conv2d(4, 6, (3, 2), groups=2),
        (2, 5, 6, 4),
    ),
    "conv3d": (
        lambda: nnx.Conv(2, 3, (2, 1, 3), padding="VALID", rngs=nnx.Rngs(0)),
        lambda m: m.Conv3d(2, 3, (2, 1, 3)),
        (1, 3, 3, 4, 2),
    ),
    "transposed": (
        lambda: nnx.ConvTranspose(3, 4, (3, 2), (2, 2), padding="VALID", rngs=nnx.Rngs(0)),
        lambda m: m.ConvTranspose2d(3, 4, (3, 2), 2),
        (1, 4, 3, 3),
    ),
    "transposed, transpose_kernel": (
        lambda: nnx.ConvTranspose(
            3, 4, (3,), 2, padding="VALID", transpose_kernel=True, rngs=nnx.Rngs(0)
        ),
        lambda m: m.ConvTranspose1d(3, 4, 3, 2),
        (1, 4, 3),
    ),
    "embed": (lambda: nnx.Embed(5, 3, rngs=nnx.Rngs(0)), lambda m: m.Embedding(5, 3), None),
    "batch norm": (
        lambda: nnx.BatchNorm(4, use_running_average=True, rngs=nnx.Rngs(0)),
        lambda m: m.BatchNorm2d(4),
        (2, 3, 3, 4),
    ),
    "layer norm": (
        lambda: nnx.LayerNorm(4, epsilon=1e-5, rngs=nnx.Rngs(0)),
        lambda m: m.LayerNorm(4),
        (2, 4),
    ),
    "rms norm": (
        lambda: nnx.RMSNorm(4, epsilon=1e-6, rngs=nnx.Rngs(0)),
        lambda m: m.RMSNorm(4, eps=1e-6),
        (2, 4),
    ),
    "group norm": (
        lambda: nnx.GroupNorm(4, num_groups=2, epsilon=1e-5, rngs=nnx.Rngs(0)),
        lambda m: m.GroupNorm(2, 4),
        (2, 3, 4),
    ),
    "instance norm": (
        lambda: nnx.InstanceNorm(4, epsilon=1e-5, rngs=nnx.Rngs(0)),
        lambda m: m.InstanceNorm1d(4, affine=True),
        (2, 3, 4),
    ),
}
CHANNELS = ("conv", "transposed", "batch norm", "group norm", "instance norm")


@pytest.mark.parametrize("name", LAYERS)
def test_layer_computes_what_torch_computes_with_its_values(name):
    make, other, shape = LAYERS[name]
    flax_layer = randomized(nnx.eval_shape(make))
    if name == "conv1d":
        flax_layer.padding = "VALID"
    layer = other(torch.nn).eval()
    layer.load_state_dict(torch_values(wrap(flax_layer)), strict=True)
    if shape is None:
        x = np.array([[0, 3], [4, 1]])
        close(flax_layer(jnp.asarray(x)), layer(torch.from_numpy(x)).detach())
        return
    x = array(*shape)
    if name.startswith(CHANNELS):
        close(flax_layer(x), last(layer(first(x))))
    else:
        wanted = flax_layer(x)
        given = torch.from_numpy(x.reshape(-1, layer.in_features) if "general two" in name else x)
        close(wanted.reshape(wanted.shape[0], -1), layer(given).detach())


@pytest.mark.parametrize("name, kind", [*product(LAYERS, DTYPES), *product(SMALL, NARROW)])
def test_round_trip_keeps_every_bit(name, kind):
    make, other, _ = LAYERS[name]
    kind, flax_layer = jnp.dtype(kind), nnx.eval_shape(make)
    with jax.enable_x64(True):
        for _, x in nnx.iter_graph(flax_layer):
            if isinstance(x, (nnx.Param, nnx.BatchStat)):
                x.set_value(jnp.asarray(np.zeros(x.shape, kind)))
        values, bits = {}, np.random.default_rng(0)
        for key, value in other(nn).state_dict().items():
            if key != "num_batches_tracked":
                raw = bits.integers(0, 256, value.numel() * kind.itemsize).astype(np.uint8)
                values[key] = raw.view(kind).reshape(tuple(value.shape))
        given = {key: wrap_array(jnp.asarray(x)) for key, x in values.items()}
    assert wrap(flax_layer).load_state_dict(given, strict=False).unexpected_keys == []
    back = wrap(flax_layer).state_dict()
    assert set(back) - {"num_batches_tracked"} == set(values)
    for key, value in values.items():
        got = np.asarray(back[key].detach()._read())
        assert got.dtype == kind and got.tobytes() == value.tobytes(), key


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(
    st.lists(st.integers(1, 4), min_size=0, max_size=3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["conv", "plain", "transpose_kernel"]),
)
def test_kernels_of_any_shape(spatial, inputs, outputs, groups, form):
    kernel = tuple(spatial)
    if form == "conv" and kernel:
        sizes = inputs * groups, outputs * groups, kernel
        build = partial(nnx.Conv, *sizes, feature_group_count=groups)
        shape = (outputs * groups, inputs, *kernel)
    elif form == "conv":
        build, shape = partial(nnx.Linear, inputs, outputs), (outputs, inputs)
    else:
        turned = form == "transpose_kernel"
        build = partial(nnx.ConvTranspose, inputs, outputs, kernel, transpose_kernel=turned)
        shape = (inputs, outputs, *kernel)
    make = nnx.eval_shape(lambda: build(rngs=nnx.Rngs(0)))
    for _, x in nnx.iter_graph(make):
        if isinstance(x, nnx.Param):
            x.set_value(jnp.asarray(array(*x.shape, seed=2)))
    face = wrap(make)
    assert tuple(face.weight.shape) == shape
    before = np.array(make.kernel[...])
    values = tc.from_numpy(array(*shape))
    face.load_state_dict({"weight": values, "bias": face.bias.clone()})
    assert np.array_equal(np.asarray(face.weight.detach()), np.asarray(values))
    assert make.kernel.shape == before.shape
    make.kernel.set_value(jnp.asarray(before))
    again = wrap(make).weight
    assert np.array_equal(np.asarray(again.detach()), np.asarray(face.weight.detach()))


def test_values_go_through_flax_and_back_into_a_module():
    source, layer = nn.Conv2d(4, 6, (3, 2), groups=2), LAYERS["conv2d grouped"][0]()
    assert to_flax(source, layer) is layer and to_flax(wrap(layer)) is layer
    fresh = nn.Conv2d(4, 6, (3, 2), groups=2)
    assert from_flax(layer, into=fresh) is fresh
    for key, value in from_flax(layer).items():
        wanted = np.asarray(source.state_dict()[key])
        assert np.array_equal(np.asarray(value), wanted), key
        assert np.array_equal(np.asarray(fresh.state_dict()[key]), wanted), key


# -- cells and attention


@pytest.mark.parametrize("kind", ["LSTMCell", "OptimizedLSTMCell"])
def test_lstm_cells(kind):
    flax_cell = getattr(nnx, kind)(3, 4, rngs=nnx.Rngs(0))
    cell = torch.nn.LSTMCell(3, 4)
    wrap(flax_cell).load_state_dict(ours(cell.state_dict()))
    x, h, c = array(2, 3), array(2, 4), array(2, 4, seed=2)
    (new_c, new_h), _ = flax_cell((jnp.asarray(c), jnp.asarray(h)), jnp.asarray(x))
    wanted = cell(torch.from_numpy(x), (torch.from_numpy(h), torch.from_numpy(c)))
    close(new_h, wanted[0].detach())
    close(new_c, wanted[1].detach())
    again = torch.nn.LSTMCell(3, 4)
    again.load_state_dict(torch_values(wrap(flax_cell)), strict=True)
    close(again.weight_ih.detach(), cell.weight_ih.detach(), 0)
    close((again.bias_ih + again.bias_hh).detach(), (cell.bias_ih + cell.bias_hh).detach())


def test_gru_and_simple_cells():
    x, h = array(2, 3), array(2, 4)
    flax_cell, cell = nnx.GRUCell(3, 4, rngs=nnx.Rngs(0)), torch.nn.GRUCell(3, 4)
    with pytest.raises(RuntimeError, match="bias_hh can only be zero"):
        wrap(flax_cell).load_state_dict(ours(cell.state_dict()))
    with torch.no_grad():
        cell.bias_hh[8:] = 0
    plain, other = nnx.SimpleCell(3, 4, rngs=nnx.Rngs(0)), torch.nn.RNNCell(3, 4)
    for ours_cell, theirs in ((flax_cell, cell), (plain, other)):
        wrap(ours_cell).load_state_dict(ours(theirs.state_dict()))
        got, _ = ours_cell(jnp.asarray(h), jnp.asarray(x))
        close(got, theirs(torch.from_numpy(x), torch.from_numpy(h)).detach())


def test_attention_reads_as_torch_s_fused_projections():
    flax_layer = randomized(nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(0)))
    layer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    layer.load_state_dict(torch_values(wrap(flax_layer)), strict=True)
    x, y = array(2, 5, 8), array(2, 3, 8, seed=2)
    wanted = layer(*map(torch.from_numpy, (x, y, y)))[0].detach()
    close(flax_layer(jnp.asarray(x), jnp.asarray(y)), wanted)
    face = wrap(flax_layer)
    face.in_proj_weight.data[8:16] = 0
    assert not flax_layer.key.kernel[...].any() and flax_layer.value.kernel[...].all()


def test_attention_that_torch_has_not_shows_its_projections():
    layer = nnx.MultiHeadAttention(4, 8, num_kv_heads=2, decode=False, rngs=nnx.Rngs(0))
    shapes = {k: tuple(v.shape) for k, v in wrap(layer).state_dict().items() if "weight" in k}
    assert shapes == {
        "query.weight": (8, 8),
        "key.weight": (4, 8),
        "value.weight": (4, 8),
        "out.weight": (8, 8),
    }


# -- models


class CNN(nnx.Module):
    def __init__(self, rngs):
        self.stem = nnx.Sequential(
            nnx.Conv(3, 8, (3, 3), padding=1, rngs=rngs),
            nnx.BatchNorm(8, epsilon=1e-5, rngs=rngs),
            nnx.relu,
            nnx.Conv(8, 8, (3, 3), padding=1, feature_group_count=4, rngs=rngs),
        )
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.heads = nnx.List([nnx.Linear(8, 5, rngs=rngs) for _ in range(2)])

    def __call__(self, x):
        x = self.drop(self.stem(x).mean((1, 2)))
        return self.heads[0](x) + self.heads[1](x)


class TorchCNN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(),
            torch.nn.Conv2d(8, 8, 3, padding=1, groups=4),
        )
        self.heads = torch.nn.ModuleList(torch.nn.Linear(8, 5) for _ in range(2))

    def forward(self, x):
        x = self.stem(x).mean((2, 3))
        return self.heads[0](x) + self.heads[1](x)


class Block(nnx.Module):
    def __init__(self, rngs):
        self.self_attn = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
        self.linear1, self.linear2 = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)
        self.norm1 = nnx.LayerNorm(8, epsilon=1e-5, rngs=rngs)
        self.norm2 = nnx.LayerNorm(8, epsilon=1e-5, rngs=rngs)

    def __call__(self, x):
        x = self.norm1(x + self.self_attn(x))
        return self.norm2(x + self.linear2(nnx.relu(self.linear1(x))))


class Transformer(nnx.Module):
    def __init__(self, rngs):
        self.embed = nnx.Embed(11, 8, rngs=rngs)
        self.place = nnx.Param(jax.random.normal(jax.random.key(0), (6, 8)))
        self.layers = nnx.List([Block(rngs) for _ in range(2)])
        self.head = nnx.Linear(8, 11, rngs=rngs)

    def __call__(self, tokens):
        x = self.embed(tokens) + self.place[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class TorchTransformer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(11, 8)
        self.place = torch.nn.Parameter(torch.randn(6, 8))
        self.layers = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)
        )
        self.head = torch.nn.Linear(8, 11)

    def forward(self, tokens):
        x = self.embed(tokens) + self.place[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


IMAGES, TOKENS = array(2, 6, 5, 3), np.array([[1, 4, 10, 0], [7, 7, 2, 3]])


@pytest.mark.parametrize("way", ["to torch", "from torch"])
def test_cnn(way):
    model, other = randomized(CNN(nnx.Rngs(1))), TorchCNN().eval()
    face = wrap(model).eval()
    if way == "to torch":
        other.load_state_dict(torch_values(face), strict=True)
    else:
        face.load_state_dict(ours(other.state_dict()), strict=True)
    wanted = other(first(IMAGES)).detach()
    close(model(IMAGES), wanted)
    close(face(tc.from_numpy(IMAGES)).detach(), wanted)


@pytest.mark.parametrize("way", ["to torch", "from torch"])
def test_transformer(way):
    model, other = randomized(Transformer(nnx.Rngs(1))), TorchTransformer().eval()
    if way == "to torch":
        other.load_state_dict(torch_values(wrap(model)), strict=True)
    else:
        to_flax(ours(other.state_dict()), model)
    wanted = other(torch.from_numpy(TOKENS)).detach()
    close(model(TOKENS), wanted)
    close(wrap(model)(tc.from_numpy(TOKENS)).detach(), wanted)


# -- the wrapper as a module


def test_values_are_shared_both_ways():
    model = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
    face = wrap(model)
    model.kernel.set_value(jnp.arange(12.0).reshape(3, 4))
    assert face.state_dict()["weight"][1].tolist() == [1.0, 5.0, 9.0]
    with tc.no_grad():
        face.weight[0] += 100
    assert model.kernel[...][:, 0].tolist() == [100.0, 104.0, 108.0]
    face.half()
    assert model.kernel.dtype == jnp.float16 and face.weight.dtype == tc.float16


def test_tied_values_and_shared_modules_are_one():
    class Tied(nnx.Module):
        def __init__(self):
            self.first = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
            self.second = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
            self.second.kernel = self.first.kernel
            self.again = self.first

        def __call__(self, x):
            return self.again(self.second(self.first(x)))

    face = wrap(Tied())
    assert face.first.weight is face.second.weight and face.first is face.again
    assert len(list(face.parameters())) == 3 and len(face.state_dict()) == 6
    assert face(tc.ones(2, 3)).shape == (2, 3)


def test_names_children_and_modes():
    model = CNN(nnx.Rngs(0))
    face = wrap(model)
    assert [name for name, _ in face.named_children()] == ["stem", "drop", "heads"]
    assert [name for name, _ in face.named_modules() if name.startswith("heads")] == [
        "heads",
        "heads.0",
        "heads.1",
    ]
    assert set(face.state_dict()) == set(TorchCNN().state_dict())
    face.eval()
    assert model.drop.deterministic and model.stem.layers[1].use_running_average
    face.train()
    assert not model.drop.deterministic and not model.stem.layers[1].use_running_average


def test_hooks_on_submodules_see_and_change_values():
    face = wrap(CNN(nnx.Rngs(0))).eval()
    x, seen = tc.from_numpy(IMAGES), []
    plain = face(x).detach()
    look = face.stem.register_forward_hook(lambda m, args, out: seen.append((args[0].shape, out)))
    assert np.array_equal(np.asarray(face(x).detach()), np.asarray(plain))
    assert seen[0][0] == (2, 6, 5, 3) and seen[0][1].shape == (2, 6, 5, 8)
    look.remove()
    face.heads[1].register_forward_hook(lambda m, args, out: out * 0)
    with tc.no_grad():
        assert not np.array_equal(np.asarray(face(x)), np.asarray(plain))
    with pytest.raises(NotImplementedError, match="changes values"):
        face(x)


def test_gradients_and_state_are_those_of_nnx():
    model = randomized(CNN(nnx.Rngs(0)))
    model.drop.deterministic = True
    other = nnx.clone(model)
    face = wrap(model)
    x = tc.from_numpy(IMAGES).requires_grad_()
    face(x).square().sum().backward()
    gradients, by_input = nnx.grad(lambda m, x: (m(x) ** 2).sum(), argnums=(0, 1))(other, IMAGES)
    close(x.grad, by_input, 1e-4)
    wanted = np.asarray(gradients.stem.layers[0].kernel[...]).transpose(3, 2, 0, 1)
    close(face.stem[0].weight.grad, wanted, 1e-3)
    mean = model.stem.layers[1].mean[...]
    close(mean, other.stem.layers[1].mean[...])
    close(face.stem[1].running_mean, mean, 0)


def test_compiled_calls_follow_the_values_and_keep_state():
    model = CNN(nnx.Rngs(0))
    face, x = wrap(model), tc.from_numpy(IMAGES)
    compiled = tc.compile(face)
    face.eval()
    with tc.no_grad():
        close(compiled(x), model(IMAGES))
        face.heads[0].bias.add_(1.0)
        close(compiled(x), model(IMAGES))
    face.train()
    results = [compiled(x).detach() for _ in range(2)]
    assert int(model.drop.rngs.count[...]) == 2
    assert not np.array_equal(*map(np.asarray, results)), "dropout goes on"
    assert model.stem.layers[1].mean[...].any()
    assert not isinstance(model.stem.layers[1].mean[...], jax.core.Tracer)


def trained(face, x, compiled, steps=3, **how):
    """The losses of a few steps of SGD."""
    optimizer = tc.optim.SGD(face.parameters(), **{"lr": 1e-3, **how})

    def step(x):
        optimizer.zero_grad()
        loss = face(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    run = tc.compile(step) if compiled else step
    return [run(tc.from_numpy(x)).item() for _ in range(steps)]


def test_a_compiled_training_step_writes_to_kernels_where_they_live():
    models = [nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)) for _ in range(2)]
    faces = [wrap(model) for model in models]
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    pairs = zip(faces, (False, True))
    losses = [trained(face, x, compiled, 4, lr=0.1, momentum=0.9) for face, compiled in pairs]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    weight = faces[1].state_dict()["weight"].numpy()
    np.testing.assert_allclose(weight.transpose(2, 3, 1, 0), models[1].kernel[...])


def test_a_compiled_training_step_is_the_eager_one():
    models = [CNN(nnx.Rngs(0)) for _ in range(2)]
    losses = [trained(wrap(m), IMAGES, c) for m, c in zip(models, (False, True))]
    close(*losses)
    close(models[0].heads[0].kernel[...], models[1].heads[0].kernel[...])


def test_copies_own_their_values():
    face = wrap(CNN(nnx.Rngs(0))).eval()
    other = copy.deepcopy(face)
    with tc.no_grad():
        other.heads[0].bias.add_(1.0)
    x = tc.from_numpy(IMAGES)
    close(other(x).detach() - face(x).detach(), np.ones((2, 5)))
    assert other.flax_module.drop is not face.flax_module.drop


# -- what is refused


def test_a_shape_that_fits_only_transposed_is_named():
    face = wrap(nnx.Linear(3, 4, rngs=nnx.Rngs(0)))
    before = np.array(face.weight.detach())
    with pytest.raises(
        RuntimeError, match=r"weight: the given shape \(3, 4\) fits only when trans"
    ):
        face.load_state_dict({"weight": tc.ones(3, 4), "bias": tc.ones(4)})
    assert np.array_equal(np.asarray(face.weight.detach()), before)
    conv = wrap(nnx.Conv(3, 4, (2, 5), rngs=nnx.Rngs(0)))
    with pytest.raises(RuntimeError, match=r"transposed by \(3, 2, 0, 1\) to \(4, 3, 2, 5\)"):
        conv.load_state_dict({"weight": tc.ones(2, 5, 3, 4), "bias": tc.ones(4)})
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        face.load_state_dict({"weight": tc.ones(7, 4), "bias": tc.ones(4)})


def test_what_is_unsupported_is_named():
    with pytest.raises(NotImplementedError, match="batch_axis"):
        wrap(nnx.LinearGeneral(3, 4, axis=-1, batch_axis={0: 2}, rngs=nnx.Rngs(0)))
    with pytest.raises(NotImplementedError, match="einsum_str='nd,ndh->nh'"):
        wrap(nnx.Einsum("nd,ndh->nh", (2, 3, 4), rngs=nnx.Rngs(0)))
    with pytest.raises(TypeError, match="a Flax module is expected, not Linear"):
        wrap(torch.nn.Linear(1, 1))
    face = wrap(nnx.Linear(3, 4, rngs=nnx.Rngs(0)))
    with pytest.raises(NotImplementedError, match="assign=True"):
        face.load_state_dict(face.state_dict(), assign=True)
    face.weight = nn.Parameter(tc.ones(4, 3))
    with pytest.raises(NotImplementedError, match="weight was replaced"):
        face(tc.ones(1, 3))
