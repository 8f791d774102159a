"""The demo's forward and each layer lower for CPU, CUDA and TPU on a machine that has none of them."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import export

import torchcompat as torch
from torchcompat import nn
from torchcompat.func import functional_call

PLATFORMS = ("cpu", "cuda", "tpu")
F32 = jnp.float32
# One row a layer: the layer, then the shape of each input (integers where a dtype follows).
LAYERS = [
    (lambda: nn.Linear(4, 3), (2, 4)),
    (lambda: nn.Bilinear(4, 3, 2), (2, 4), (2, 3)),
    (lambda: nn.Identity(), (2, 4)),
    (lambda: nn.Flatten(), (2, 3, 4)),
    (lambda: nn.Unflatten(1, (2, 2)), (3, 4)),
    (lambda: nn.Conv1d(4, 4, 3, groups=2, padding=1), (2, 4, 8)),
    (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="valid"), (2, 3, 8, 8)),
    (lambda: nn.Conv2d(4, 4, 3, groups=4, padding_mode="reflect", padding=1), (2, 4, 8, 8)),
    (lambda: nn.Conv3d(2, 3, 3, dilation=2), (1, 2, 6, 6, 6)),
    (lambda: nn.BatchNorm1d(4), (2, 4)),
    (lambda: nn.BatchNorm2d(4), (2, 4, 3, 3)),
    (lambda: nn.BatchNorm3d(4), (2, 4, 3, 3, 3)),
    (lambda: nn.LayerNorm(4), (2, 4)),
    (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
    (lambda: nn.RMSNorm(4), (2, 4)),
    (lambda: nn.MaxPool1d(2), (2, 3, 8)),
    (lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 3, 8, 8)),
    (lambda: nn.MaxPool3d(2), (1, 2, 4, 4, 4)),
    (lambda: nn.AvgPool1d(2), (2, 3, 8)),
    (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 8, 8)),
    (lambda: nn.AvgPool3d(2), (1, 2, 4, 4, 4)),
    (lambda: nn.AdaptiveAvgPool1d(3), (2, 3, 8)),
    (lambda: nn.AdaptiveAvgPool2d((3, 5)), (2, 3, 8, 8)),
    (lambda: nn.AdaptiveAvgPool3d(2), (1, 2, 5, 5, 5)),
    (lambda: nn.AdaptiveMaxPool1d(3), (2, 3, 8)),
    (lambda: nn.AdaptiveMaxPool2d(3), (2, 3, 8, 8)),
    (lambda: nn.AdaptiveMaxPool3d(2), (1, 2, 5, 5, 5)),
    (lambda: nn.MultiheadAttention(8, 2), (5, 2, 8), (5, 2, 8), (5, 2, 8)),
    (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8)),
    (
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2),
        (5, 2, 8),
    ),
]
ACTIVATIONS = (
    "ReLU ReLU6 LeakyReLU ELU CELU SELU GELU SiLU Mish Softplus Softsign Softshrink Hardshrink Hardtanh "
    "Hardsigmoid Hardswish LogSigmoid Tanhshrink PReLU RReLU Sigmoid Tanh"
).split()
LAYERS += [(lambda name=name: getattr(nn, name)(), (2, 4)) for name in ACTIVATIONS]
LAYERS += [
    (lambda kind=kind: kind(dim=1), (2, 4)) for kind in (nn.Softmax, nn.LogSoftmax, nn.Softmin)
]
LAYERS += [(lambda: nn.GLU(), (2, 4)), (lambda: nn.Threshold(0.1, 2.0), (2, 4))]
LAYERS += [
    (lambda name=name: getattr(nn, name)(), (2, 4), (2, 4))
    for name in "L1Loss MSELoss SmoothL1Loss HuberLoss SoftMarginLoss CosineSimilarity".split()
]

LAYERS += [(lambda: nn.KLDivLoss(reduction="batchmean"), (2, 4), (2, 4))]


def lower(layer, *specs):
    """Exports the layer's evaluation forward, parameters as inputs, for every platform."""
    layer = layer.eval()
    state = {name: t._read() for name, t in layer.state_dict().items()}
    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), state)

    def forward(state, *inputs):
        return functional_call(layer, state, inputs)

    exported = export.export(jax.jit(forward), platforms=PLATFORMS)(shapes, *specs)
    return exported.platforms


@pytest.mark.parametrize("row", LAYERS, ids=lambda row: repr(row[0]()).split("(")[0])
def test_layer_lowers_everywhere(row):
    make, *shapes = row
    specs = [jax.ShapeDtypeStruct(shape, F32) for shape in shapes]
    assert lower(make(), *specs) == PLATFORMS


def test_embedding_and_cross_entropy_lower_everywhere():
    ids = jax.ShapeDtypeStruct((2, 3), jnp.int32)
    assert lower(nn.Embedding(5, 4, padding_idx=0), ids) == PLATFORMS
    scores, labels = jax.ShapeDtypeStruct((2, 3), F32), jax.ShapeDtypeStruct((2,), jnp.int32)
    assert lower(nn.CrossEntropyLoss(), scores, labels) == PLATFORMS


def test_training_batch_norm_lowers_everywhere():
    layer = nn.BatchNorm2d(3)

    def forward(state, x):
        boxes = {name: torch.as_tensor(value) for name, value in state.items()}
        y = functional_call(layer, boxes, (torch.as_tensor(x),))
        return y._read(), boxes["running_mean"]._read()

    state = {
        n: jax.ShapeDtypeStruct(t.shape, t._read().dtype) for n, t in layer.state_dict().items()
    }
    spec = jax.ShapeDtypeStruct((2, 3, 4, 4), F32)
    assert export.export(jax.jit(forward), platforms=PLATFORMS)(state, spec).platforms == PLATFORMS


def test_the_demo_lowers_everywhere(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "examples"))
    sys.modules.pop("bert", None)
    import bert

    config = {
        "vocab_size": 40,
        "hidden_size": 8,
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 32,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1,
    }
    ids = jax.ShapeDtypeStruct((2, 7), jnp.int32)
    assert lower(bert.SentenceEncoder(bert.BertModel(config)), ids, ids) == PLATFORMS
