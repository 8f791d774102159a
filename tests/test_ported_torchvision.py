"""torchvision's other models from their own source, on torch and on torchcompat; feature extraction.

The default run takes one model of each family; `TORCHCOMPAT_WHOLE=1` takes all.
"""

import functools
import warnings

import numpy as np
import pytest
import torch

import torchcompat
from tests._ported import WHOLE, check_close, check_model, check_state, ours, randomise
from tests._regions import nms

torchvision = pytest.importorskip("torchvision")
extraction = pytest.importorskip("torchvision.models.feature_extraction")

# torch's own scripting decorators, which torchvision uses, are deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

# Model, and the shapes of its inputs. Of each table the first rows are in the default run.
SEGMENTATION = {
    "lraspp_mobilenet_v3_large": [(1, 3, 64, 64)],
    "deeplabv3_mobilenet_v3_large": [(1, 3, 64, 64)],
    "deeplabv3_resnet50": [(1, 3, 64, 64)],
    "deeplabv3_resnet101": [(1, 3, 64, 64)],
    "fcn_resnet50": [(1, 3, 64, 64)],
    "fcn_resnet101": [(1, 3, 64, 64)],
}
VIDEO = {
    "r3d_18": [(1, 3, 4, 32, 32)],
    "mc3_18": [(1, 3, 4, 32, 32)],
    "r2plus1d_18": [(1, 3, 4, 32, 32)],
    "s3d": [(1, 3, 16, 224, 224)],
    "swin3d_t": [(1, 3, 4, 64, 64)],
    "swin3d_s": [(1, 3, 4, 64, 64)],
    "swin3d_b": [(1, 3, 4, 64, 64)],
    "mvit_v1_b": [(1, 3, 16, 224, 224)],
    "mvit_v2_s": [(1, 3, 16, 224, 224)],
}
FLOW = {
    "raft_small": [(1, 3, 128, 128)] * 2,
    "raft_large": [(1, 3, 128, 128)] * 2,
}
DETECTION = [
    "ssdlite320_mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fcos_resnet50_fpn",
    "keypointrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "maskrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn",
    "retinanet_resnet50_fpn_v2",
    "ssd300_vgg16",
]
ROWS = [
    row
    for table, sample in ((SEGMENTATION, 1), (VIDEO, 1), (FLOW, 1))
    for row in list(table.items())[: None if WHOLE else sample]
]


def both(name, **options):
    from torchcompat.ported.torchvision import models

    torch.manual_seed(0)
    native = torchvision.models.get_model(name, weights=None, **options)
    return native, models.get_model(name, weights=None, **options)


@pytest.mark.parametrize("name, shapes", ROWS, ids=[name for name, _ in ROWS])
def test_model(name, shapes):
    native, ported = both(name, **({"weights_backbone": None} if name in SEGMENTATION else {}))
    inputs = [torch.rand(shape) * 2 - 1 for shape in shapes]
    options = {"num_flow_updates": 3 if WHOLE else 1} if name in FLOW else {}
    check_model(native, ported, *inputs, eager=WHOLE, **options)


def _spread(native, image):
    """Makes class scores differ: with torchvision's start they tie, and their order is luck.

    Weights are drawn anew, each layer's so that its results have a deviation of 1; those of class
    scores 2, and the changes of boxes 0.1.
    """
    generator = torch.Generator().manual_seed(1)
    handles = []

    def scale(module, args, output, deviation):
        if module not in scaled:
            scaled.add(module)
            factor = deviation / max(float(output.std()), 1e-3)
            module.weight.data *= factor
            return output * factor
        return None

    scaled = set()
    for name, module in native.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear, torch.nn.ConvTranspose2d)):
            module.weight.data = torch.randn(module.weight.shape, generator=generator)
            if module.bias is not None:
                module.bias.data.zero_()
            boxes = any(part in name for part in ("bbox", "regression"))
            scores = any(part in name for part in ("cls", "classification"))
            hook = functools.partial(scale, deviation=0.1 if boxes else 2 if scores else 1)
            handles.append(module.register_forward_hook(hook))
    with torch.no_grad():
        native([image])
    for handle in handles:
        handle.remove()


def _in_order(found):
    """The detections, those of equal scores (two regions that see the same) by label and box."""
    columns = [found["scores"], found["labels"], *found["boxes"].T]
    keys = zip(*(np.asarray(column).round(5).tolist() for column in columns))
    order = [i for _, i in sorted((key, i) for i, key in enumerate(keys))]
    return {name: value[order] for name, value in found.items()}


def _reference_nms(boxes, scores, threshold):
    kept = nms(boxes.double().numpy(), scores.numpy(), threshold)
    return torch.tensor(kept, dtype=torch.int64)


@pytest.mark.filterwarnings("ignore:compile. .* runs as it is")
@pytest.mark.parametrize("name", DETECTION if WHOLE else DETECTION[:1])
def test_detection(name, monkeypatch):
    """Features in float32; boxes, labels and scores of an image in float64 (in float32 the order of
    near scores is luck: torch's own boxes differ from its float64 ones by up to 0.9).

    torch takes the slow reference of `nms`.
    """
    monkeypatch.setattr(torchvision.ops.boxes, "nms", _reference_nms)
    small = {} if name.startswith("ssd") else {"min_size": 128, "max_size": 192}
    native, ported = both(name, weights_backbone=None, **small)
    native.eval(), ported.eval()
    image = torch.rand(3, 96, 128)
    _spread(native, image)
    check_state(native, ported)
    ported.load_state_dict(ours(native.state_dict()))
    large = torch.rand(1, 3, 300, 300)
    with torch.no_grad(), torchcompat.no_grad():
        check_close(native.backbone(large), ported.backbone(ours(large)))
        native, ported, image = native.double(), ported.double(), image.double()
        expected, found = native([image]), ported([ours(image)])
        fast = torchcompat.compile(ported)
        again = [fast([ours(image)]) for _ in range(2)]
    assert len(expected[0]["boxes"])
    for one in (found, *again):
        check_close(_in_order(expected[0]), _in_order(one[0]))


def _names(model):
    from torchcompat.ported.torchvision import models
    from torchcompat.ported.torchvision.models import feature_extraction as ported_extraction

    options = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
    native = torchvision.models.get_model(model, weights=None, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the graphs of training and evaluation differ
        expected = extraction.get_graph_node_names(native)
        ported = models.get_model(model, weights=None, **options)
        return expected, ported_extraction.get_graph_node_names(ported)


@pytest.mark.parametrize(
    "model",
    ["resnet18", "swin_t"]
    + [
        "vit_b_16",
        "efficientnet_b0",
        "resnet50",
        "vgg16_bn",
        "densenet121",
        "googlenet",
        "inception_v3",
        "maxvit_t",
    ]
    * WHOLE,
)
def test_graph_node_names(model):
    expected, found = _names(model)
    assert found == expected


RETURNED = {
    "vgg16_bn": {"features.43": "pool5", "features.33": "pool4", "features.23": "pool3"},
    "resnet50": ["layer1.0.relu", "layer2.0.add", "flatten"],
    "vit_b_16": ["encoder.layers.encoder_layer_1.add_1", "getitem_5"],
    "swin_t": ["features.3", "permute"],
    "efficientnet_b0": ["features.4.1.add", "avgpool"],
}


@pytest.mark.parametrize("model", list(RETURNED) if WHOLE else ["vgg16_bn"])
def test_create_feature_extractor(model):
    from torchcompat.ported.torchvision.models import feature_extraction as ported_extraction

    native, ported = both(model)
    randomise(native)
    ported.load_state_dict(ours(native.state_dict()))
    options = {"suppress_diff_warning": True}
    nodes = RETURNED[model]
    native = extraction.create_feature_extractor(native.eval(), nodes, **options)
    ported = ported_extraction.create_feature_extractor(ported.eval(), nodes, **options)
    assert list(ported.state_dict()) == list(native.state_dict())
    x = torch.rand(1, 3, *((224, 224) if model == "vit_b_16" else (64, 64)))
    with torch.no_grad(), torchcompat.no_grad():
        expected = native(x)
        check_close(expected, torchcompat.compile(ported)(ours(x)))
        if WHOLE:
            check_close(expected, ported(ours(x)))
    assert ported.train().training and ported.graph is ported.train_graph


def test_intermediate_layer_getter():
    from torchcompat.ported.torchvision.models._utils import IntermediateLayerGetter

    native, ported = both("resnet34")
    layers = {"layer1": "low", "layer3": "high"}
    native = torchvision.models._utils.IntermediateLayerGetter(native, layers)
    check_model(native, IntermediateLayerGetter(ported, layers), torch.rand(1, 3, 32, 32))


def test_references_agree_with_torchvisions_python():
    """torchvision's own `roi_align` in Python, on real torch, for regions inside the image."""
    from torchcompat.ported.torchvision import ops

    x = torch.rand(2, 4, 16, 20)
    rois = torch.tensor([[0, 1.0, 2, 15, 13], [1, 4, 0, 18, 9], [1, 3, 3, 4, 4]])
    for ratio in (2, -1):
        expected = torchvision.ops.roi_align(x, rois, (3, 2), 0.9, ratio, True)
        found = ops.roi_align(ours(x), ours(rois), (3, 2), 0.9, ratio, True)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
