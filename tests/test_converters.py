"""from_torch and to_torch: every bit kept, sharing kept, modules of torch's own layers."""

import copy

import numpy as np
import pytest
import torch as real

import converters
import torchcompat as torch
from torchcompat._dtype import BY_NAME

KINDS = sorted({kind.name for kind in BY_NAME.values()})


def bits(tensor):
    if not tensor.numel():
        return b""
    return bytes(real.as_tensor(tensor).detach().contiguous().flatten().view(real.uint8).tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (2, 3, 4)], ids=str)
def test_tensors_keep_every_bit(kind, shape):
    size = int(np.prod(shape)) * getattr(real, kind).itemsize
    raw = np.random.default_rng(0).integers(0, 2 if kind == "bool" else 256, size, dtype=np.uint8)
    theirs = real.empty(shape, dtype=getattr(real, kind))
    if size:
        theirs = real.from_numpy(raw).view(getattr(real, kind)).reshape(shape)
    ours = converters.from_torch(theirs)
    assert ours.dtype is BY_NAME[kind] and tuple(ours.shape) == shape
    back = converters.to_torch(ours)
    assert back.dtype is theirs.dtype and back.shape == theirs.shape
    assert bits(back) == bits(theirs)


def test_conversion_copies():
    theirs = real.ones(3)
    ours = converters.from_torch(theirs)
    theirs.add_(1)
    assert ours.tolist() == [1, 1, 1]
    back = converters.to_torch(ours)
    ours.add_(5)
    assert back.tolist() == [1, 1, 1]


def test_layouts_and_sharing_are_kept():
    base = real.arange(12.0)
    theirs = {"a": base.view(3, 4).t(), "b": base[2:5], "c": base[:1].expand(3), "d": base}
    ours = converters.from_torch(theirs)
    for key, tensor in theirs.items():
        assert ours[key].stride() == tensor.stride()
        assert ours[key].tolist() == tensor.tolist()
    ours["d"].mul_(2)
    assert ours["b"].tolist() == [4, 6, 8]
    back = converters.to_torch(ours)
    back["d"].zero_()
    assert back["a"].sum() == 0 and back["a"].stride() == theirs["a"].stride()


def test_parameters_and_flags():
    frozen = real.nn.Parameter(real.ones(2), requires_grad=False)
    ours = converters.from_torch([frozen, real.ones(2, requires_grad=True)])
    assert isinstance(ours[0], torch.nn.Parameter) and not ours[0].requires_grad
    assert ours[1].requires_grad and not isinstance(ours[1], torch.nn.Parameter)


def test_meta_tensors_dtypes_devices_sizes():
    out = converters.from_torch(
        (real.empty(2, 3, device="meta"), real.float16, real.device("cpu"), real.Size([2]))
    )
    assert out[0].device.type == "meta" and tuple(out[0].shape) == (2, 3)
    assert out[1] is torch.float16 and out[2] == torch.device("cpu")
    assert isinstance(out[3], torch.Size)


def test_state_dict_keeps_order_and_metadata():
    theirs = real.nn.BatchNorm2d(3).state_dict()
    ours = converters.from_torch(theirs)
    assert type(ours) is type(theirs) and list(ours) == list(theirs)
    assert ours._metadata == theirs._metadata
    assert converters.to_torch(ours)._metadata == theirs._metadata


def models():
    n = real.nn
    torchs = {
        "cnn": (
            n.Sequential(
                n.Conv2d(3, 6, 3, padding="same", padding_mode="reflect"),
                n.BatchNorm2d(6),
                n.ReLU(inplace=True),
                n.MaxPool2d(2),
                n.AdaptiveAvgPool2d((None, 2)),
                n.Flatten(),
                n.Linear(48, 4),
                n.Softmax(dim=1),
            ),
            (2, 3, 8, 8),
        ),
        "encoder": (
            n.TransformerEncoder(
                n.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), 2
            ),
            (2, 5, 8),
        ),
    }
    return [pytest.param(*value, id=name) for name, value in torchs.items()]


@pytest.mark.parametrize("theirs, shape", models())
def test_modules_both_ways(theirs, shape):
    theirs = theirs.eval()
    x = real.randn(shape)
    ours = converters.from_torch(theirs)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    with real.no_grad():
        expected = theirs(x)
        np.testing.assert_allclose(ours(x.numpy()), expected, rtol=1e-4, atol=1e-5)
        back = converters.to_torch(ours)
        assert repr(back) == repr(theirs) and not back.training
        np.testing.assert_array_equal(back(x), expected)


def test_ties_between_modules_are_kept():
    theirs = real.nn.Sequential(real.nn.Linear(2, 2), real.nn.Linear(2, 2))
    theirs[1].weight = theirs[0].weight
    theirs.again = theirs[0]
    ours = converters.from_torch(theirs)
    assert ours[1].weight is ours[0].weight and ours.again is ours[0]


def test_what_cannot_be_converted_is_named():
    with pytest.raises(NotImplementedError, match="layout torch.sparse_coo"):
        converters.from_torch(real.ones(2).to_sparse())
    message = r"^from_torch: \[1\] is torch.Stream, which has no counterpart in torchcompat$"
    with pytest.raises(NotImplementedError, match=message):
        converters.from_torch([1, real.Stream("cpu")])


def test_generators_go_on_where_they_are():
    theirs = real.Generator().manual_seed(5)
    real.rand(3, generator=theirs)
    ours = converters.from_torch({"generator": theirs})["generator"]
    again = converters.to_torch(ours)
    drawn = torch.rand(4, generator=ours).tolist()
    assert (
        drawn == real.rand(4, generator=theirs).tolist() == real.rand(4, generator=again).tolist()
    )


def test_source_is_unchanged():
    theirs = real.nn.BatchNorm1d(2)
    before = copy.deepcopy(theirs.state_dict())
    ours = converters.from_torch(theirs)
    ours(np.ones((4, 2), np.float32))
    for key, value in theirs.state_dict().items():
        assert real.equal(value, before[key])
