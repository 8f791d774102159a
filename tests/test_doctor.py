"""`python -m torchcompat doctor`: planted files, exit statuses, and torchvision itself."""

import json
import re

import pytest

import torchcompat as tc
from torchcompat._doctor import main, read

PLANTED = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import tensor as make, no_such_thing
from torch.nn.functional import relu as act
from torch.distributed.tensor import DTensor
try:
    from torch import guarded_name
except ImportError:
    guarded_name = None

def f(x: torch.Tensor, names: dict):
    F.not_there(x)
    y = nn.Linear(3, 4, colour="red")
    torch.sum(x, dim=1, keepdim=True, out=None)
    torch.add(x, x, alhpa=2)
    names.values(); names.solve()
    x.solve(x)
    z = torch.ones(2)
    z.eig()
    x.int_repr()
    act(x, inplace=True)
    if hasattr(torch, "later"):
        torch.later(x)
    if isinstance(x, DTensor):
        DTensor(x)
    g = F.also_missing
    return make([1]), g

class M(nn.Module):
    def forward(self, F):
        return F.anything()
"""
FOUND = [
    (5, "name", "torch.no_such_thing"),
    (14, "name", "torch.nn.functional.not_there"),
    (15, "argument", "torch.nn.Linear(colour=)"),
    (17, "argument", "torch.add(alhpa=)"),
    (19, "method", "Tensor.solve"),
    (21, "method", "Tensor.eig"),
    (22, "method", "Tensor.int_repr"),
    (27, "name", "torch.distributed.tensor.DTensor"),
    (28, "name", "torch.nn.functional.also_missing"),
]
# What torchvision uses and torchcompat lacks, by the reason.
NOT_COVERED = {
    r"torch\.ops\.(image|extra_decoders_ns)\.": "libjpeg, libpng ... of the wheel: PIL reads images",
    r"torch\.ao\.quantization\.|Tensor\.(int_repr|q_scale|q_zero_point)|_make_per_tensor_quantized": (
        "there are no quantized dtypes"
    ),
    r"torch\.onnx\.symbolic_opset11\.": "nothing is exported to ONNX",
    r"torch\.version\.cuda\.split": "torch.version.cuda is None; the line is behind a test of it",
}


def test_planted_file(tmp_path, capsys, monkeypatch):
    for name in ("solve", "eig", "int_repr"):  # as if they were lacking, whether they are or not
        monkeypatch.delattr(tc.Tensor, name, raising=False)
    file = tmp_path / "planted.py"
    file.write_text(PLANTED)
    found = [(one.line, one.kind, one.name) for one in read(file)]
    assert found == FOUND
    assert main(["doctor", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"{file}:5: torch.no_such_thing: torchcompat has no torch.no_such_thing\n" in out


def test_json_and_statuses(tmp_path, capsys):
    good, bad, broken = (tmp_path / f"{n}.py" for n in ("good", "bad", "broken"))
    good.write_text("import torch\nx = torch.ones(2).relu()\n")
    bad.write_text("import torch\ntorch.nope()\n")
    broken.write_text("def f(:\n")
    assert main(["doctor", str(good), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["doctor", str(bad), "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["line"], one["kind"], one["name"]) == (2, "name", "torch.nope")
    assert main(["doctor", str(broken)]) == 1
    assert main(["doctor", str(tmp_path), "--exclude", "b*.py"]) == 0


@pytest.mark.parametrize("arguments", [[], ["doctor"], ["doctor", "no/such/place"], ["heal", "x"]])
def test_bad_use(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_torchvision_is_covered(capsys):
    main(["doctor", "torchvision", "--json"])
    found = json.loads(capsys.readouterr().out)
    rest = [f for f in found if not any(re.search(p, f["name"]) for p in NOT_COVERED)]
    assert not rest
