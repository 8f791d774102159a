"""Whole pickled modules (`weights_only=False`): torch's become ours, and ours torch's."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _checkpoints import FORMATS, bits, name, our_bits, our_bytes, program, torch_bytes, zip_of

from torchcompat import nn
from torchcompat.serialization import load, safe_globals

MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "Module": torch.nn.Module,
    "containers": lambda: torch.nn.ModuleDict(
        {
            "list": torch.nn.ModuleList([torch.nn.Sequential()]),
            "tensors": torch.nn.ParameterList([torch.ones(2), torch.zeros(1)]),
            "named": torch.nn.ParameterDict({"a": torch.ones(3)}),
        }
    ),
    "mixed": lambda: torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2, bias=False)
    ).eval(),
    "convolutions": lambda: torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.MaxPool2d(2)
    ),
    "encoder": lambda: torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
    "embedding": lambda: torch.nn.Embedding(5, 3, padding_idx=0),
}


def torch_load(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=False)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", MODELS)
def test_torchs_modules_become_ours_and_return(case: str, form: str) -> None:
    torch.manual_seed(0)
    theirs = MODELS[case]()
    ours = load(io.BytesIO(torch_bytes(theirs, form)), weights_only=False)
    assert isinstance(ours, nn.Module) and type(ours).__module__.startswith("torchcompat.nn")
    assert repr(ours) == repr(theirs) and ours.training == theirs.training
    want, got = theirs.state_dict(), ours.state_dict()
    assert list(got) == list(want)
    assert all(our_bits(got[key]) == bits(want[key]) for key in want)
    back = torch_load(our_bytes(ours, form))
    assert type(back) is type(theirs) and repr(back) == repr(theirs)
    assert all(torch.equal(back.state_dict()[key], want[key]) for key in want)


def test_modules_are_refused_under_weights_only() -> None:
    with pytest.raises(pickle.UnpicklingError, match="torch.nn.modules.module.Module was not"):
        load(io.BytesIO(torch_bytes(torch.nn.Module())))


def test_a_module_class_can_be_allowed() -> None:
    with safe_globals([nn.Module]):
        ours = load(io.BytesIO(torch_bytes(torch.nn.Module())))
    assert type(ours) is nn.Module and repr(ours) == "Module()"


@pytest.mark.parametrize(
    ("module", "attribute", "message"),
    [
        (
            "torch.nn.modules.nowhere",
            "Thing",
            "torchcompat has no module 'torchcompat.nn.modules.no",
        ),
        (
            "torch.nn.modules.module",
            "Nothing",
            "Can't get attribute 'Nothing' on <module 'torchcompat",
        ),
    ],
)
def test_what_torchcompat_lacks_is_named(module: str, attribute: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        load(io.BytesIO(zip_of(program(name(module, attribute)))), weights_only=False)


def test_a_tensor_pickled_without_torch_save() -> None:
    """Plain `pickle` writes a tensor as a call of `torch.storage._load_from_bytes`."""
    tensor = torch.arange(6.0).view(2, 3)
    ours = load(io.BytesIO(zip_of(pickle.dumps([tensor], 2))), weights_only=False)
    assert our_bits(ours[0]) == bits(tensor)
