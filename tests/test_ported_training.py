"""Ported models trained: unmodified third-party source, the same losses and weights as under torch.

The default run takes one; `TORCHCOMPAT_WHOLE=1` takes all of these, eager and compiled.
"""

import importlib

import numpy as np
import pytest
import torch

import converters
import torchcompat
from tests._ported import WHOLE, ours

STEPS = 4


def _package(name, ported):
    if ported:
        return importlib.import_module(f"torchcompat.ported.{name}")
    return pytest.importorskip(name)


def _torchvision(name, **options):
    def make(ported):
        models = _package("torchvision.models", ported)
        return getattr(models, name)(num_classes=5, **options)

    return make, lambda: {"x": torch.rand(4, 3, 64, 64)}


def _timm(name, **options):
    def make(ported):
        return _package("timm", ported).create_model(name, num_classes=5, **options)

    return make, lambda: {"x": torch.rand(4, 3, 32, 32)}


def _classifier(family, **options):
    def make(ported):
        transformers = _package("transformers", ported)
        config = getattr(transformers, f"{family}Config")(num_labels=5, pad_token_id=0, **options)
        return getattr(transformers, f"{family}ForSequenceClassification")(config)

    return make, lambda: {"input_ids": torch.randint(3, 99, (4, 7))}


_SMALL = {"vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
_STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
MODELS = {
    "bert": _classifier("Bert", intermediate_size=64, **_SMALL, **_STILL),
    "llama": _classifier("Llama", intermediate_size=64, **_SMALL),
    "mixtral": _classifier(
        "Mixtral", intermediate_size=64, num_local_experts=4, num_key_value_heads=2, **_SMALL
    ),
    "resnet18": _torchvision("resnet18"),
    "mobilenet_v3_small": _torchvision("mobilenet_v3_small", dropout=0.0),
    "shufflenet_v2_x0_5": _torchvision("shufflenet_v2_x0_5"),
    "vit": _timm("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2),
    "convnext": _timm("convnext_atto", drop_path_rate=0.0),
}
# torch has no grouped product of float64.
NARROW = {"mixtral": "float32"}
MODES = ["eager", "step", "model"]
CASES = [(name, mode) for name in MODELS for mode in MODES] if WHOLE else [("bert", "step")]


def train(library, model, batches, compiled=""):
    """The losses of some steps of AdamW on the model, or the whole step, compiled or not."""
    optimizer = library.optim.AdamW(model.parameters(), lr=1e-3)
    call = torchcompat.compile(model) if compiled == "model" else model

    def step(inputs, labels):
        optimizer.zero_grad()
        output = call(*inputs.values()) if "x" in inputs else call(**inputs)
        loss = library.nn.functional.cross_entropy(getattr(output, "logits", output), labels)
        loss.backward()
        library.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    run = torchcompat.compile(step, fullgraph=True) if compiled == "step" else step
    return [float(run(*batch)) for batch in batches]


@pytest.mark.parametrize("name, mode", CASES)
def test_training(name, mode):
    """In float64: the paths of float32 part after a few steps, torch's of one and two threads too."""
    torch.manual_seed(0)
    make, inputs = MODELS[name]
    kind = NARROW.get(name, "float64")
    native = make(False).to(getattr(torch, kind)).train()
    own = make(True).to(getattr(torchcompat, kind)).train()
    own.load_state_dict(converters.from_torch(native.state_dict()))
    batches = [(inputs(), torch.randint(0, 5, (4,))) for _ in range(STEPS)]
    for given, _ in batches:
        given.update(
            {k: v.to(getattr(torch, kind)) for k, v in given.items() if v.is_floating_point()}
        )
    expected = train(torch, native, batches)
    found = train(torchcompat, own, [(ours(x), ours(y)) for x, y in batches], mode)
    rtol = 1e-6 if kind == "float64" else 1e-4
    np.testing.assert_allclose(found, expected, rtol=rtol)
    for (key, want), got in zip(
        native.state_dict().items(), own.state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(np.asarray(got), want.numpy(), 10 * rtol, 2 * rtol, err_msg=key)
