"""Attention and the Transformer against torch: masks, weights, gradients and first values."""

from __future__ import annotations

import itertools
import warnings

import jax
import numpy as np
import pytest
import torch
import torch.nn.functional as theirs

import torchcompat
import torchcompat.nn.functional as ours
from tests._against_torch import compare, same_outcome
from tests._parity import assert_close, assert_equal, to_ours
from torchcompat.func import functional_call
from torchcompat.nn.modules.transformer import _detect_is_causal_mask

INF = float("inf")
torch.manual_seed(0)
Q, K, V = torch.randn(2, 4, 3, 8), torch.randn(2, 4, 5, 8), torch.randn(2, 4, 5, 6)
SEEN = torch.rand(3, 5) > 0.4
SEEN[1] = False  # this query may look nowhere
SEEN[2] = True
ADDED = torch.randn(2, 1, 3, 5)
ADDED[0, 0, 1] = -INF
ADDED[1, 0, :, 2] = -INF

SDPA = [
    ((Q, K, V), {}),
    ((Q, K, V), {"is_causal": True}),
    ((Q, K, V, SEEN), {}),
    ((Q, K, V, SEEN.expand(2, 4, 3, 5)), {"scale": 0.5}),
    ((Q, K, V, ADDED), {}),
    ((Q[:, 0], K[:, 0], V[:, 0]), {}),
    ((Q[0, 0], K[0, 0], V[0, 0]), {"is_causal": True}),
    ((Q, K[:, :2], V[:, :2]), {"enable_gqa": True}),
    ((Q, K[:1], V[:1]), {}),
    ((Q, K, V), {"dropout_p": 0.4}),
    ((Q, K, V, SEEN), {"dropout_p": 0.4}),
    ((Q, K[:, :2], V[:, :2]), {"dropout_p": 0.4, "enable_gqa": True}),
    ((Q, K[:, :, :0], V[:, :, :0]), {}),
]


@pytest.mark.parametrize("args, kwargs", SDPA, ids=range(len(SDPA)))
def test_scaled_dot_product_attention(args, kwargs):
    args = [x.double().requires_grad_() if x.is_floating_point() else x for x in args]
    compare(ours.scaled_dot_product_attention, theirs.scaled_dot_product_attention, args, kwargs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_scaled_dot_product_attention_types(dtype):
    args = [x.to(dtype).requires_grad_() for x in (Q, K, V)]
    run = ours.scaled_dot_product_attention, theirs.scaled_dot_product_attention
    compare(*run, (*args, SEEN), factor=2.0)
    compare(*run, (*args, ADDED.to(dtype)), factor=2.0)


SDPA_ERRORS = [
    ((Q, K, V, SEEN, 0.0, True), {}),
    ((Q, K, V, SEEN.long()), {}),
    ((Q, K, V, ADDED.double()), {}),
    ((Q, K.double(), V), {}),
    ((Q, K[..., :7], V), {}),
    ((Q, K, V[:, :, :4]), {}),
    ((Q[0, 0, 0], K[0, 0, 0], V[0, 0, 0]), {}),
    ((Q, K[:, :2], V[:, :2]), {}),
    ((Q, K[:, :3], V[:, :3]), {"enable_gqa": True}),
    ((Q, K, V, SEEN[:2]), {}),
    ((Q.long(), K.long(), V.long()), {}),
    ((Q, K, V), {"dropout_p": 1.5}),
]


@pytest.mark.parametrize("args, kwargs", SDPA_ERRORS, ids=range(len(SDPA_ERRORS)))
def test_scaled_dot_product_attention_errors(args, kwargs):
    same_outcome(
        ours.scaled_dot_product_attention, theirs.scaled_dot_product_attention, args, kwargs
    )


LAYERS = [
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "add_bias_kv": True},
    {"kdim": 6, "vdim": 10},
    {"batch_first": True},
    {"dropout": 0.3},
    {"kdim": 6, "vdim": 10, "bias": False, "add_bias_kv": True},
]


def pair(kind: str, *args, seed: int = 0, **kwargs):
    """torch's layer and ours, made from one seed."""
    torch.manual_seed(seed), torchcompat.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = getattr(torch.nn, kind)(*args, **kwargs)
    return other, getattr(torchcompat.nn, kind)(*args, **kwargs)


def check_first_values(other, mine) -> None:
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    assert [name for name, _ in mine.named_parameters()] == [
        name for name, _ in other.named_parameters()
    ]
    for name, value in other.state_dict().items():
        assert_equal(mine.state_dict()[name], value, name)


def arrays(x):
    """torch tensors as JAX arrays, in nested tuples and dicts."""
    held = to_ours(x)
    return jax.tree.map(lambda t: t._read() if is_tensor(t) else t, held, is_leaf=is_tensor)


def is_tensor(x) -> bool:
    return isinstance(x, torchcompat.Tensor)


def check_call(other, mine, args, kwargs, factor: float = 2.0) -> None:
    """Outputs, and the gradients of all parameters and of the first argument."""
    leaf = args[0].detach().clone().requires_grad_()
    torch.manual_seed(7)
    want = other(leaf, *args[1:], **kwargs)
    want = [x for x in (want if isinstance(want, tuple) else (want,)) if x is not None]
    names = [name for name, _ in other.named_parameters()]
    slopes = torch.autograd.grad(
        sum((x * x).sum() for x in want),
        [leaf, *other.parameters()],
        allow_unused=True,
        materialize_grads=True,
    )
    state = {name: p._read() for name, p in mine.named_parameters()}
    rest, named = arrays((args[1:], kwargs))

    def run(state, x):
        torchcompat.manual_seed(7)
        with jax.enable_x64(True):
            got = functional_call(mine, state, (x, *rest), named)
            got = [y for y in (got if isinstance(got, tuple) else (got,)) if y is not None]
            return sum((y * y).sum() for y in got), got

    with jax.enable_x64(True):
        first = arrays(args[0])
        (_, got), found = jax.value_and_grad(run, (0, 1), has_aux=True)(state, first)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert_close(a, b, f"result {i}", factor)
    assert_close(found[1], slopes[0], "gradient of the input", 5 * factor)
    for name, slope in zip(names, slopes[1:]):
        assert_close(found[0][name], slope, f"gradient of {name}", 5 * factor)


@pytest.mark.parametrize("kwargs", LAYERS, ids=str)
def test_multihead_attention(kwargs):
    other, mine = pair("MultiheadAttention", 8, 2, **kwargs)
    check_first_values(other, mine)
    first = kwargs.get("batch_first", False)
    shape = (lambda n, e: (3, n, e)) if first else (lambda n, e: (n, 3, e))
    key, value = (
        torch.randn(shape(5, kwargs.get("kdim", 8))),
        torch.randn(shape(5, kwargs.get("vdim", 8))),
    )
    padding = torch.tensor([[False] * 5, [False, False, True, True, True], [True] + [False] * 4])
    call = {"key_padding_mask": padding, "attn_mask": torch.rand(6, 4, 5) > 0.9}
    check_call(other, mine, (torch.randn(shape(4, 8)), key, value), call | {"need_weights": False})
    check_call(other, mine, (torch.randn(shape(4, 8)), key, value), {})


CALLS = [
    {"average_attn_weights": False},
    {"attn_mask": torch.rand(4, 4) > 0.7},
    {"attn_mask": torch.rand(6, 4, 4) > 0.9, "need_weights": False},
    {"attn_mask": torch.triu(torch.ones(4, 4), 1).bool(), "is_causal": True, "need_weights": False},
    {"attn_mask": torch.triu(torch.ones(4, 4), 1).bool(), "is_causal": True},
    {"key_padding_mask": torch.randn(3, 4)},
]


@pytest.mark.parametrize("kwargs", CALLS, ids=range(len(CALLS)))
def test_self_attention(kwargs):
    other, mine = pair("MultiheadAttention", 8, 2, batch_first=True)
    x = torch.randn(3, 4, 8)
    check_same_argument(other.eval(), mine.eval(), x, kwargs)


def check_same_argument(other, mine, x, kwargs) -> None:
    own = to_ours(x)
    got, want = mine(own, own, own, **to_ours(kwargs)), other(x, x, x, **kwargs)
    for a, b in zip(got, want, strict=True):
        assert (a is None) == (b is None)
        if b is not None:
            assert_close(a, b, "", 2.0)


def test_unbatched_and_merged_masks():
    other, mine = pair("MultiheadAttention", 8, 2, batch_first=True)
    x = torch.randn(4, 8)
    check_same_argument(other, mine, x, {"key_padding_mask": torch.tensor([False] * 3 + [True])})
    check_same_argument(other, mine, x, {"attn_mask": torch.randn(2, 4, 4)})
    x, mask, padding = torch.randn(3, 4, 8), torch.randn(4, 4), torch.randn(3, 4)
    for masks in ((None, None), (None, padding), (mask, None), (mask, padding)):
        (got, kind), (want, other_kind) = (
            mine.merge_masks(*to_ours((*masks, x))),
            other.merge_masks(*masks, x),
        )
        assert kind == other_kind
        assert (got is None) == (want is None)
        if want is not None:
            assert_close(got, want)


def test_a_row_masked_throughout():
    """NaN where the weights are asked for, 0 before the projection where not: as in torch."""
    other, mine = pair("MultiheadAttention", 8, 2)
    x, mask = torch.randn(4, 3, 8), torch.zeros(4, 4, dtype=torch.bool)
    mask[1] = True
    check_same_argument(other, mine, x, {"attn_mask": mask})
    check_same_argument(other, mine, x, {"attn_mask": mask, "need_weights": False})


FORWARD = [
    {"static_k": torch.randn(6, 5, 4), "static_v": torch.randn(6, 5, 4)},
    {"static_k": torch.randn(6, 5, 4), "static_v": torch.randn(6, 5, 4), "add_zero_attn": True},
    {"bias": True, "add_zero_attn": True, "training": False, "dropout_p": 0.5},
    {"dropout_p": 0.5},
    {"dropout_p": 0.5, "need_weights": False},
]


def forward_arguments(**changes) -> tuple[list, dict]:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(shape, generator=generator) for shape in ((24, 8), (24,), (8, 8), (8,))]
    bias = [torch.randn(1, 1, 8, generator=generator) for _ in range(2)]
    bias = bias if changes.pop("bias", False) else [None, None]
    zero, dropout = changes.pop("add_zero_attn", False), changes.pop("dropout_p", 0.0)
    x = [torch.randn(5, 3, 8, generator=generator) for _ in range(3)]
    sizes = changes.pop("sizes", (8, 2))
    return [*x, *sizes, *weights[:2], *bias, zero, dropout, *weights[2:]], changes


@pytest.mark.parametrize("changes", FORWARD, ids=range(len(FORWARD)))
def test_multi_head_attention_forward(changes):
    args, kwargs = forward_arguments(**changes)
    args = [x.requires_grad_() if isinstance(x, torch.Tensor) else x for x in args]
    compare(
        ours.multi_head_attention_forward,
        theirs.multi_head_attention_forward,
        args,
        kwargs,
        factor=20.0,
    )


FORWARD_ERRORS = [
    {"sizes": (9, 2)},
    {"sizes": (8, 3)},
    {"attn_mask": torch.zeros(4, 5)},
    {"attn_mask": torch.zeros(4, 5, 5)},
    {"attn_mask": torch.zeros(5)},
    {"attn_mask": torch.zeros(5, 5).long()},
    {"key_padding_mask": torch.zeros(3)},
    {"key_padding_mask": torch.zeros(4, 5)},
    {"key_padding_mask": torch.zeros(3, 4)},
    {"is_causal": True},
    {"use_separate_proj_weight": True},
    {"bias": True, "static_k": torch.zeros(6, 5, 4)},
    {"static_k": torch.zeros(5, 5, 4)},
    {"static_v": torch.zeros(6, 5, 3)},
]


@pytest.mark.parametrize("changes", FORWARD_ERRORS, ids=range(len(FORWARD_ERRORS)))
def test_multi_head_attention_forward_errors(changes):
    args, kwargs = forward_arguments(**changes)
    same_outcome(
        ours.multi_head_attention_forward, theirs.multi_head_attention_forward, args, kwargs
    )


SHAPES = [((5, 3, 8), (5, 8), (5, 3, 8)), ((5, 8), (5, 3, 8), (5, 8)), ((8,), (8,), (8,))]
SHAPES += [((5, 3, 8), (4, 3, 8), (5, 3, 8))]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_multi_head_attention_shape_errors(shapes):
    args, kwargs = forward_arguments()
    args[:3] = [torch.zeros(shape) for shape in shapes]
    same_outcome(
        ours.multi_head_attention_forward, theirs.multi_head_attention_forward, args, kwargs
    )


def test_masks_of_two_types_warn():
    """A boolean and a float mask together: torch's warning, and still its numbers."""
    other, mine = pair("MultiheadAttention", 8, 2)
    x = torch.randn(4, 3, 8)
    kwargs = {"attn_mask": torch.randn(4, 4), "key_padding_mask": torch.zeros(3, 4).bool()}
    pattern = "Support for mismatched key_padding_mask and attn_mask is deprecated"
    with pytest.warns(UserWarning, match=pattern):
        check_same_argument(other, mine, x, kwargs)


def test_layer_errors():
    for library in (torch, torchcompat):
        with pytest.raises(ValueError, match="embed_dim and num_heads must be greater than 0"):
            library.nn.MultiheadAttention(0, 2)
        with pytest.raises(AssertionError, match="embed_dim must be divisible by num_heads"):
            library.nn.MultiheadAttention(8, 3)
        with pytest.raises(RuntimeError, match="activation should be relu/gelu, not tanh"):
            library.nn.TransformerEncoderLayer(8, 2, 4, activation="tanh")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = library.nn.Transformer(8, 2, 1, 1, 4)
        with pytest.raises(RuntimeError, match="the batch number of src and tgt must be equal"):
            model(library.zeros(3, 2, 8), library.zeros(3, 1, 8))
        with pytest.raises(RuntimeError, match="the feature number of src and tgt must be equal"):
            model(library.zeros(3, 2, 8), library.zeros(3, 2, 7))


def test_old_checkpoint_of_multihead_attention():
    layer = torchcompat.nn.MultiheadAttention(4, 2)
    state = dict(layer.__getstate__())
    del state["_qkv_same_embed_dim"]
    fresh = torchcompat.nn.MultiheadAttention.__new__(torchcompat.nn.MultiheadAttention)
    fresh.__setstate__(state)
    assert fresh._qkv_same_embed_dim is True


def encoder(**kwargs):
    torch.manual_seed(0), torchcompat.manual_seed(0)
    made = []
    for library in (torch, torchcompat):
        layer = library.nn.TransformerEncoderLayer(16, 4, 32, **{"dropout": 0.0, **kwargs})
        norm = library.nn.LayerNorm(16)
        made.append(library.nn.TransformerEncoder(layer, 2, norm, enable_nested_tensor=False))
    return made


CAUSAL = torch.nn.Transformer.generate_square_subsequent_mask(5)
# Samples of 5, 3 and 1 positions: the rest is padding.
PADDING = torch.arange(5) >= torch.tensor([[5], [3], [1]])
ENCODER = [
    {},
    {"mask": CAUSAL},
    {"mask": torch.rand(5, 5) * 4 > 3.2},
    {"mask": torch.randn(12, 5, 5)},
    {"src_key_padding_mask": PADDING},
    {"mask": CAUSAL, "src_key_padding_mask": PADDING.float() * -1e4},
    {"mask": CAUSAL.isinf(), "src_key_padding_mask": PADDING},
    {"mask": CAUSAL, "is_causal": True},
]
FORMS = [{"batch_first": True}, {"batch_first": True, "norm_first": True, "activation": "gelu"}]


@pytest.mark.parametrize("kwargs", ENCODER, ids=range(len(ENCODER)))
def test_transformer_encoder(kwargs):
    """Two layers with torch's weights: output and every gradient, in training and in evaluation."""
    other, mine = encoder(batch_first=True)
    check_first_values(other, mine)
    x = torch.randn(3, 5, 16)
    check_call(other, mine, (x,), kwargs, 5.0)
    other.eval(), mine.eval()
    assert_close(mine(to_ours(x), **to_ours(kwargs)), other(x, **kwargs), "", 5.0)


@pytest.mark.parametrize(
    "form", [{"norm_first": True, "activation": "gelu"}, {"bias": False}], ids=str
)
def test_transformer_encoder_forms(form):
    other, mine = encoder(**form)
    check_first_values(other, mine)
    check_call(other, mine, (torch.randn(5, 3, 16),), {"mask": CAUSAL}, 5.0)
    check_call(other, mine, (torch.randn(5, 16),), {}, 5.0)


def test_transformer_encoder_with_dropout_draws_torchs_numbers():
    other, mine = encoder(dropout=0.3)
    x = torch.randn(5, 3, 16)
    for _ in range(2):
        torch.manual_seed(11), torchcompat.manual_seed(11)
        assert_close(mine(to_ours(x)), other(x), "", 5.0)


def test_transformer_encoder_on_arrays_and_under_jit():
    other, mine = encoder(batch_first=True)
    args = torch.randn(3, 5, 16), CAUSAL.isinf(), PADDING
    want, given = other(*args), arrays(args)
    got = mine(*given)
    assert isinstance(got, jax.Array)
    assert_close(got, want, "", 5.0)
    assert_close(jax.jit(lambda m, *args: m(*args))(mine, *given), want, "", 5.0)


def test_backward_fills_grad_as_torch():
    other, mine = encoder(batch_first=True)
    x = torch.randn(3, 5, 16)
    other(x, src_key_padding_mask=PADDING).square().sum().backward()
    out = mine(to_ours(x), src_key_padding_mask=to_ours(PADDING))
    (out * out).sum().backward()
    for (name, a), b in zip(mine.named_parameters(), other.parameters(), strict=True):
        assert_close(a.grad, b.grad, name, 25.0)


@pytest.mark.parametrize("form", [{}, {"batch_first": True, "norm_first": True}], ids=str)
def test_transformer(form):
    other, mine = pair("Transformer", 8, 2, 1, 2, 16, dropout=0.0, **form)
    check_first_values(other, mine)
    shape = (lambda n: (3, n, 8)) if form else (lambda n: (n, 3, 8))
    call = {
        "tgt_mask": torch.nn.Transformer.generate_square_subsequent_mask(4),
        "memory_mask": torch.randn(4, 5),
        "memory_key_padding_mask": PADDING.float() * -1e4,
        "tgt_key_padding_mask": torch.zeros(3, 4),
    }
    check_call(other, mine, (torch.randn(shape(5)), torch.randn(shape(4))), call, 10.0)


def test_transformer_decoder():
    made = []
    torch.manual_seed(0), torchcompat.manual_seed(0)
    for library in (torch, torchcompat):
        layer = library.nn.TransformerDecoderLayer(8, 2, 16, 0.0, library.nn.functional.silu)
        made.append(library.nn.TransformerDecoder(layer, 2, library.nn.LayerNorm(8)))
    check_first_values(*made)
    call = {"tgt_is_causal": True, "tgt_mask": CAUSAL}
    check_call(*made, (torch.randn(5, 3, 8), torch.randn(4, 3, 8)), call, 10.0)


def test_custom_encoder_and_given_activation_module():
    for library in (torch, torchcompat):
        model = library.nn.Transformer(8, 2, 1, 1, 16, custom_encoder=library.nn.Identity())
        assert isinstance(model.encoder, library.nn.Identity)
        layer = library.nn.TransformerEncoderLayer(8, 2, 16, activation=library.nn.GELU())
        assert layer.activation_relu_or_gelu == 2 and "activation" in dict(layer.named_modules())


def test_causal_masks_are_recognised():
    masks = [CAUSAL, CAUSAL.double(), torch.zeros(5, 5), CAUSAL[:4], torch.randn(12, 5, 5)]
    from torch.nn.modules.transformer import _detect_is_causal_mask as expected

    for mask, hint, size in itertools.product([None, *masks], [None, True, False], [None, 5, 4]):
        got = _detect_is_causal_mask(None if mask is None else to_ours(mask), hint, size)
        assert got == expected(mask, hint, size), (mask, hint, size)


def test_square_subsequent_mask():
    made = torchcompat.nn.Transformer.generate_square_subsequent_mask(4, dtype=torchcompat.float64)
    assert_equal(made, torch.nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64))


def test_self_attention_is_one_product():
    """One tensor given three times, or one array, is projected by one matrix product."""
    _, mine = pair("MultiheadAttention", 8, 2)
    x = jax.numpy.ones((4, 3, 8))
    text = str(jax.make_jaxpr(lambda x: mine(x, x, x, need_weights=False)[0])(x))
    assert text.count("dot_general") == 4  # projection, scores, values, output
    other = str(jax.make_jaxpr(lambda x, y: mine(x, y, y, need_weights=False)[0])(x, x))
    assert other.count("dot_general") == 5
    np.testing.assert_allclose(mine(x, x, x)[0], mine(x, x + 0, x + 0)[0], rtol=1e-5, atol=1e-6)
