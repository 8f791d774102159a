"""Flax models that lifted transforms have stacked, shared or made again, in torch clothes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import linen, nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat as tc
from converters import from_flax, from_torch, to_flax, to_torch, wrap
from tests._ported import WHOLE
from tests.test_flax_wrap import array, close, ours, randomized, torch_values, trained
from tests.test_flax_wrap_linen import started

# -- stacked layers


class Block(nnx.Module):
    def __init__(self, width, rngs):
        self.self_attn = nnx.MultiHeadAttention(2, width, decode=False, rngs=rngs)
        self.norm = nnx.LayerNorm(width, epsilon=1e-5, rngs=rngs)
        self.linear = nnx.Linear(width, width, rngs=rngs)
        self.bn = nnx.BatchNorm(width, epsilon=1e-5, rngs=rngs)

    def __call__(self, x):
        return x + self.bn(self.linear(self.norm(x + self.self_attn(x))))


class Scanned(nnx.Module):
    """As in Flax's guide to scan over layers."""

    def __init__(self, rngs, count=2, width=4):
        @nnx.split_rngs(splits=count)
        @nnx.vmap(in_axes=(0,), out_axes=0)
        def create(rngs):
            return Block(width, rngs)

        self.blocks = create(rngs)
        self.head = nnx.Linear(width, 5, rngs=rngs)

    def __call__(self, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def forward(x, block):
            return block(x)

        return self.head(forward(x, self.blocks))


class TorchBlock(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.self_attn = torch.nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm, self.linear = torch.nn.LayerNorm(width), torch.nn.Linear(width, width)
        self.bn = torch.nn.BatchNorm1d(width)

    def forward(self, x):
        y = x + self.self_attn(x, x, x)[0]
        return x + self.bn(self.linear(self.norm(y)).transpose(1, 2)).transpose(1, 2)


class TorchScanned(torch.nn.Module):
    def __init__(self, count=2, width=4):
        super().__init__()
        self.blocks = torch.nn.ModuleList(TorchBlock(width) for _ in range(count))
        self.head = torch.nn.Linear(width, 5)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


X = array(2, 3, 4)


@pytest.mark.parametrize("way", ["from torch", "to torch"] if WHOLE else ["from torch"])
def test_a_scanned_nnx_model(way):
    model, other = randomized(Scanned(nnx.Rngs(0))), TorchScanned().eval()
    face = wrap(model).eval()
    if way == "to torch":
        other.load_state_dict(torch_values(face), strict=True)
    else:
        face.load_state_dict(ours(other.state_dict()), strict=True)
    wanted = other(torch.from_numpy(X)).detach()
    close(model(X), wanted)
    close(face(tc.from_numpy(X)).detach(), wanted)
    assert model.blocks.linear.kernel.shape == (2, 4, 4)


@pytest.mark.skipif(not WHOLE, reason="the whole sweep; it compiles two training steps")
def test_training_and_compiling_a_scanned_model():
    models = [randomized(Scanned(nnx.Rngs(0))) for _ in range(2)]
    losses = [trained(wrap(m).train(), X, c, 2) for m, c in zip(models, (False, True))]
    close(*losses)
    a, b = (model.blocks for model in models)
    close(a.bn.mean[...], b.bn.mean[...])
    close(a.linear.kernel[...], b.linear.kernel[...])
    assert not isinstance(b.bn.mean[...], jax.core.Tracer)


def test_stacked_layers_share_their_values():
    stack = nnx.vmap(lambda key: nnx.Linear(3, 4, rngs=nnx.Rngs(key)))(
        jax.random.split(jax.random.key(0), 2)
    )
    face = wrap(stack)
    assert list(face.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    with tc.no_grad():
        face[1].weight.fill_(7.0)
    assert (stack.kernel[...][1] == 7).all() and not (stack.kernel[...][0] == 7).any()
    stack.bias.set_value(jnp.arange(8.0).reshape(2, 4))
    assert face[1].bias.tolist() == [4, 5, 6, 7]
    face.half()
    assert stack.kernel.dtype == jnp.float16 and face[0].weight.dtype is tc.float16
    with pytest.raises(RuntimeError, match=r"1.weight: the given shape \(3, 4\) fits only when tr"):
        face.load_state_dict(face.state_dict() | {"1.weight": tc.ones(3, 4)})
    with pytest.raises(NotImplementedError, match="cannot be called alone"):
        face[0](tc.ones(1, 3))


def test_lifted_nnx_layers_that_tell_no_axis():
    def stack(make, axis=0):
        keys = jax.random.split(jax.random.key(0), 2)
        lifted = nnx.vmap(lambda key: make(nnx.Rngs(key)), out_axes=axis)
        return nnx.eval_shape(lambda: lifted(keys))

    makes = {
        "general": lambda r: nnx.LinearGeneral(3, (2, 4), rngs=r),
        "norm": lambda r: nnx.LayerNorm(5, rngs=r),
        "group": lambda r: nnx.GroupNorm(4, num_groups=2, rngs=r),
        "cell": lambda r: nnx.LSTMCell(3, 4, rngs=r),
        "conv": lambda r: nnx.Conv(3, 4, (2,), rngs=r),
        "embed": lambda r: nnx.Embed(5, 3, rngs=r),
        "attention": lambda r: nnx.MultiHeadAttention(2, 4, decode=False, rngs=r),
    }
    for name, make in list(makes.items())[:: 1 if WHOLE else 3]:
        alone = wrap(make(nnx.Rngs(0))).state_dict()
        found = wrap(stack(make)).state_dict()
        assert list(found) == [f"{i}.{key}" for i in range(2) for key in alone], name
        assert all(found[f"1.{key}"].shape == x.shape for key, x in alone.items()), name
    with pytest.raises(NotImplementedError, match=r"Linear.*where the layer says .*the first axis"):
        wrap(stack(lambda r: nnx.Linear(3, 4, rngs=r), axis=1))


def test_hooks_on_stacked_layers():
    face, x, seen = wrap(Scanned(nnx.Rngs(0))).eval(), tc.from_numpy(X), []
    face.head.register_forward_hook(lambda *args: seen.append("head"))
    face(x)
    assert seen == ["head"]
    face.blocks[0].linear.register_forward_hook(lambda *args: None)
    with pytest.raises(NotImplementedError, match="hook the module above them"):
        face(x)


class LinenBlock(linen.Module):
    @linen.compact
    def __call__(self, x, _):
        x = x + linen.MultiHeadDotProductAttention(2, name="self_attn")(
            linen.LayerNorm(name="norm")(x)
        )
        return linen.Dense(4, name="linear")(x), None


class LinenScanned(linen.Module):
    @linen.compact
    def __call__(self, x):
        lifted = linen.scan(
            linen.remat(LinenBlock, prevent_cse=False),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=linen.broadcast,
            length=2,
        )
        x, _ = lifted(name="blocks")(x, None)
        return linen.remat(linen.Dense)(5, name="head")(x)


class TorchLinenBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(4, eps=1e-6)
        self.self_attn = torch.nn.MultiheadAttention(4, 2, batch_first=True)
        self.linear = torch.nn.Linear(4, 4)

    def forward(self, x):
        y = self.norm(x)
        return self.linear(x + self.self_attn(y, y, y)[0])


def test_a_scanned_linen_model():
    model, other = LinenScanned(), TorchScanned()
    other.blocks = torch.nn.ModuleList(TorchLinenBlock() for _ in range(2))
    variables = started(model, X)
    face = wrap(model, variables, X)
    other.load_state_dict(torch_values(face), strict=True)
    wanted = other(torch.from_numpy(X)).detach()
    close(model.apply(variables, X), wanted)
    close(face(tc.from_numpy(X)).detach(), wanted)
    fresh = started(model, X)
    close(model.apply(to_flax(ours(other.state_dict()), model, fresh, X), X), wanted)
    compiled = tc.compile(face)
    with tc.no_grad():
        face.head.bias.add_(1.0)
        close(compiled(tc.from_numpy(X)), wanted + 1)


# -- layers and states that are not all of a torch layer


def test_linen_gru_cells_hold_both_biases():
    layer, cell = linen.GRUCell(4), torch.nn.GRUCell(3, 4)
    x, h = array(2, 3), array(2, 4)
    variables = to_flax(ours(cell.state_dict()), layer, started(layer, h, x), h, x)
    wanted = cell(torch.from_numpy(x), torch.from_numpy(h)).detach()
    close(layer.apply(variables, h, x)[0], wanted)
    face = wrap(layer, variables, h, x)
    again = torch.nn.GRUCell(3, 4)
    again.load_state_dict(torch_values(face), strict=True)
    close(again(torch.from_numpy(x), torch.from_numpy(h)).detach(), wanted)
    with tc.no_grad(), pytest.raises(ValueError, match="bias_hh can only be zero"):
        face.bias_hh.fill_(1.0)
    result = tc.compile(face)(tc.from_numpy(h), tc.from_numpy(x))[0]
    close(result.detach(), wanted)


def test_layers_that_torch_has_not_show_their_own_values():
    layer, x = linen.WeightNorm(linen.Dense(4)), array(2, 3)
    variables = started(layer, x)
    assert sorted(wrap(layer, variables, x).state_dict()) == [
        "layer_instance.bias",
        "layer_instance.kernel.scale",
        "layer_instance.weight",
    ]
    low = nnx.LoRALinear(6, 3, lora_rank=2, rngs=nnx.Rngs(0))
    shapes = {k: tuple(v.shape) for k, v in wrap(low).state_dict().items()}
    assert shapes == {
        "weight": (3, 6),
        "bias": (3,),
        "lora_A.weight": (2, 6),
        "lora_B.weight": (3, 2),
    }
    assert wrap(nnx.PReLU()).weight.shape == (1,)


class Loss(nnx.Variable):
    pass


class Noisy(nnx.Module):
    """A VAE's encoder, as in Flax's examples: it keeps its streams and makes a variable in a call."""

    def __init__(self, rngs):
        self.rngs, self._linear = rngs, nnx.Linear(3, 4, rngs=rngs)

    def __call__(self, x):
        mean = self._linear(x)
        self.kl = Loss((mean**2).mean())
        return mean + jax.random.normal(self.rngs.noise(), mean.shape)


def test_variables_made_in_a_call_are_the_model_s():
    model, other = Noisy(nnx.Rngs(0)), Noisy(nnx.Rngs(0))
    face, x = wrap(model), array(2, 3)
    assert list(face.state_dict()) == ["_linear.weight", "_linear.bias"]
    compiled = tc.compile(face)
    with pytest.raises(NotImplementedError, match="new variable, kl, in a compiled Flax model"):
        compiled(tc.from_numpy(x))
    for run in (face, compiled, face):
        close(run(tc.from_numpy(x)).detach(), other(x))
        close(model.kl[...], other.kl[...])


class Keyed(linen.Module):
    @linen.compact
    def __call__(self, x, key):
        return linen.Dense(3)(x) + jax.random.normal(key, (2, 3))


def test_random_keys_are_arguments():
    model, x, key = Keyed(), array(2, 3), jax.random.key(4)
    variables = started(model, x, key)
    face = wrap(model, variables, x, key)
    close(face(tc.from_numpy(x), key).detach(), model.apply(variables, x, key))


# -- states without a Flax model


class Mixed(tc.nn.Module):
    def __init__(self):
        super().__init__()
        nn = tc.nn
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=4),
        )
        self.heads = nn.ModuleList([nn.Linear(8, 5), nn.Linear(8, 2, bias=False)])
        self.attn, self.table = nn.MultiheadAttention(8, 2), nn.Embedding(4, 3)
        self.norms = nn.ModuleDict({"group": nn.GroupNorm(2, 4), "rms": nn.RMSNorm(4)})
        self.cells = nn.ModuleList([nn.LSTMCell(3, 4), nn.GRUCell(3, 4), nn.RNNCell(3, 4)])
        self.up, self.rnn = nn.ConvTranspose2d(3, 4, (2, 3)), nn.LSTM(3, 4)
        self.scale = nn.Parameter(tc.arange(3.0))
        self.register_buffer("shift", tc.arange(4))
        with tc.no_grad():
            self.cells[0].bias_ih.zero_()
            self.cells[1].bias_hh.zero_()
            self.cells[2].bias_hh.zero_()


@pytest.mark.parametrize("kind", ["nnx", "linen"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"] if WHOLE else ["bfloat16"])
def test_states_keep_every_bit(kind, dtype):
    source, fresh = (Mixed().to(getattr(tc, dtype)) for _ in range(2))
    state = to_flax(source, kind=kind)
    assert from_flax(state, into=fresh) is fresh
    for key, value in source.state_dict().items():
        other = fresh.state_dict()[key]
        assert other.dtype is value.dtype
        assert np.asarray(other).tobytes() == np.asarray(value).tobytes(), key


def test_states_are_those_of_flax_models():
    nn = tc.nn
    source = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(5, 2))
    rngs = nnx.Rngs(0)
    model = nnx.Sequential(
        nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.BatchNorm(4, rngs=rngs), nnx.Linear(5, 2, rngs=rngs)
    )
    nnx.update(model, to_flax(source))
    for key, value in wrap(model).state_dict().items():
        assert np.array_equal(np.asarray(value), np.asarray(source.state_dict()[key])), key
    plain = linen.Sequential([linen.Conv(4, (3, 3)), linen.BatchNorm(True), linen.Dense(2)])
    x = np.ones((1, 6, 5, 3), np.float32)
    made = jax.tree.map(jnp.shape, jax.eval_shape(plain.init, jax.random.key(0), x))
    source = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    assert jax.tree.map(jnp.shape, to_flax(source, kind="linen")) == made


def test_what_states_refuse():
    with pytest.raises(ValueError, match="kind must be 'nnx' or 'linen', not 'haiku'"):
        to_flax(tc.nn.Linear(1, 1), kind="haiku")
    with pytest.raises(TypeError, match="a state_dict alone does not tell its layers"):
        to_flax(tc.nn.Linear(1, 1).state_dict())
    with pytest.raises(TypeError, match="pass into"):
        from_flax(to_flax(tc.nn.Linear(1, 1)))
    with pytest.raises(KeyError, match="from_flax: no value at weight.kernel|no value at kernel"):
        from_flax({"params": {"bias": np.ones(1)}}, into=tc.nn.Linear(1, 1))


def as_bytes(tensor):
    return tensor.reshape(-1).view(torch.uint8)


SIZES = st.integers(1, 4)


FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
FLOATS += [torch.float8_e5m2, torch.float8_e4m3fn, torch.float8_e5m2fnuz, torch.float8_e4m3fnuz]


@settings(max_examples=100 if WHOLE else 6, deadline=None, database=None, derandomize=True)
@given(
    st.tuples(SIZES, SIZES, SIZES, SIZES),
    st.sampled_from(FLOATS),
    st.sampled_from(["nnx", "linen"]),
)
def test_from_torch_to_flax_and_back(sizes, dtype, kind):
    inputs, outputs, groups, kernel = sizes
    n = torch.nn
    theirs = n.Sequential(
        n.Conv2d(inputs * groups, outputs * groups, (kernel, 2), groups=groups),
        n.BatchNorm1d(outputs),
        n.ConvTranspose1d(inputs, outputs, kernel),
        n.ModuleList([n.Linear(inputs, outputs), n.Embedding(inputs, outputs)]),
        n.MultiheadAttention(inputs * groups, groups),
        n.LayerNorm((inputs, outputs)),
        n.Sequential(n.Linear(inputs, outputs, bias=False), n.Conv1d(inputs, outputs, kernel)),
        n.Conv3d(inputs, outputs, (1, kernel, 2)),
        n.ConvTranspose2d(inputs, outputs, (2, kernel)),
        n.ModuleDict({"group": n.GroupNorm(groups, groups * 2), "rms": n.RMSNorm(inputs)}),
        n.InstanceNorm2d(inputs, affine=True),
        n.BatchNorm3d(inputs, affine=False),
    ).to(dtype)
    bits = np.random.default_rng(0)
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            raw = bits.integers(0, 256, tensor.nbytes, dtype=np.uint8)
            tensor.copy_(torch.from_numpy(raw).view(dtype).reshape(tensor.shape))
    state = to_flax(from_torch(theirs), kind=kind)
    blank = from_torch(theirs)
    for tensor in blank.state_dict().values():
        tensor.zero_()
    back = to_torch(from_flax(state, into=blank))
    for key, wanted in theirs.state_dict().items():
        got = back.state_dict()[key]
        assert got.dtype is wanted.dtype
        assert torch.equal(as_bytes(got), as_bytes(wanted)), key
