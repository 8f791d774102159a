"""timm's models from their own source, on torch and on torchcompat.

The default run takes a few families; `TORCHCOMPAT_WHOLE=1` takes all of these.
"""

import pytest
import torch

import torchcompat
from tests._ported import WHOLE, check_model

native = pytest.importorskip("timm")

# Side of the square input, and options that models of other sizes need, by model: one a family.
SAMPLE = {
    "resnet18": (64, {}),
    "vit_tiny_patch16_224": (64, {"img_size": 64}),
    "convnext_atto": (64, {}),
    "mixer_s32_224": (64, {"img_size": 64}),
}
REST = {
    "swin_tiny_patch4_window7_224": (224, {}),
    "beit_base_patch16_224": (224, {}),
    "cait_xxs24_224": (224, {}),
    "coat_lite_tiny": (224, {}),
    "convit_tiny": (224, {}),
    "crossvit_tiny_240": (240, {}),
    "deit_tiny_patch16_224": (64, {"img_size": 64}),
    "densenet121": (64, {}),
    "dla34": (64, {}),
    "edgenext_xx_small": (128, {}),
    "efficientformer_l1": (224, {}),
    "efficientnet_b0": (64, {}),
    "fastvit_t8": (128, {}),
    "ghostnet_050": (64, {}),
    "hardcorenas_a": (64, {}),
    "hiera_tiny_224": (224, {}),
    "hrnet_w18_small": (64, {}),
    "inception_v4": (128, {}),
    "lcnet_050": (64, {}),
    "levit_128s": (224, {}),
    "maxvit_rmlp_nano_rw_256": (256, {}),
    "mobileone_s0": (64, {}),
    "mobilenetv3_small_050": (64, {}),
    "mobilevit_xxs": (128, {}),
    "mvitv2_tiny": (224, {}),
    "nfnet_l0": (64, {}),
    "pit_ti_224": (224, {}),
    "poolformer_s12": (64, {}),
    "regnetx_002": (64, {}),
    "repvgg_a0": (64, {}),
    "resnest14d": (64, {}),
    "starnet_s1": (64, {}),
    "tinynet_e": (64, {}),
    "tnt_s_patch16_224": (224, {}),
    "twins_pcpvt_small": (224, {}),
    "vgg11_bn": (64, {}),
    "visformer_tiny": (224, {}),
    "volo_d1_224": (224, {}),
    "xception41": (128, {}),
    "xcit_nano_12_p16_224": (224, {}),
}
CASES = {**SAMPLE, **REST} if WHOLE else SAMPLE


@pytest.mark.parametrize("name", CASES)
def test_timm(name):
    from torchcompat.ported import timm

    side, options = CASES[name]
    torch.manual_seed(0)
    theirs = native.create_model(name, num_classes=10, **options)
    ours = timm.create_model(name, num_classes=10, **options)
    assert isinstance(ours, torchcompat.nn.Module)
    check_model(theirs, ours, torch.randn(2, 3, side, side), eager=WHOLE)


def test_feature_maps():
    from torchcompat.ported import timm

    theirs = native.create_model("resnet10t", features_only=True)
    ours = timm.create_model("resnet10t", features_only=True)
    assert ours.feature_info.channels() == theirs.feature_info.channels()
    check_model(theirs, ours, torch.randn(1, 3, 64, 64), eager=False)
