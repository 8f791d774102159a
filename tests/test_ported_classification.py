"""torchvision's classification models from their own source, on torch and on torchcompat.

The default run takes one model of each family; `TORCHCOMPAT_WHOLE=1` takes all.
"""

import pytest
import torch

import torchcompat
from tests._ported import WHOLE, check_model

torchvision = pytest.importorskip("torchvision")

# The one of each family that the default run takes: a small one.
SAMPLE = [
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_16",
]
# Those of them that also run eagerly there: their layers are those of the others.
EAGER = ("resnet18", "swin_t")
# Sides of the square input; 64 where no row says otherwise.
SIDES = {"inception_v3": 96, "maxvit_t": 224, "alexnet": 96, "googlenet": 64}
# Weights of vit_h_14 in both libraries and their compiled form come to more than the machine has.
TOO_LARGE = {"vit_h_14", "regnet_y_128gf"}


def names():
    every = torchvision.models.list_models(module=torchvision.models)
    return [name for name in every if name not in TOO_LARGE] if WHOLE else SAMPLE


def build(models, name, side):
    options = {"weights": None}
    if name in ("googlenet", "inception_v3"):
        options |= {"init_weights": False, "aux_logits": True}
    if name.startswith("vit_"):
        options["image_size"] = side
    return models.get_model(name, **options)


@pytest.mark.parametrize("name", names())
def test_classification(name):
    from torchcompat.ported.torchvision import models

    side = SIDES.get(name, 56 if name == "vit_h_14" else 64)
    torch.manual_seed(0)
    native = build(torchvision.models, name, side)
    ported = build(models, name, side)
    assert isinstance(ported, torchcompat.nn.Module)
    check_model(native, ported, torch.randn(2, 3, side, side), eager=WHOLE or name in EAGER)
