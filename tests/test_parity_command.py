"""`torchcompat parity`: two factories and a checkpoint; the plot; pictures in the docs."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch as real
from _record import WHOLE

import converters
import torchcompat
from converters._cli import main
from converters._text import console
from converters.files import save_checkpoint
from converters.parity import compare_models
from converters.parity._factories import doubled, read_spec

ROOT = Path(__file__).parent.parent
SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, eps=1e-5):
        super().__init__()
        self.embed = nn.Embedding(9, 4)
        self.norm = nn.LayerNorm(4, eps=eps)
        self.head = nn.Linear(4, 9, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids, scale=None):
        x = self.norm(self.embed(ids))
        return self.head(x if scale is None else x * scale)


def wrong():
    return Net(eps=0.5)


def fails():
    raise LookupError("no weights here")


def text():
    return "text"


def inputs():
    return {"ids": torch.tensor([[1, 8]]), "scale": torch.ones(1, 2, 4)}


def one_input():
    return torch.tensor([[1, 8]])


number = 3
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A module of a name that no other test has."""
    name = f"parity_net_{abs(hash(str(tmp_path))):x}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = main(["parity", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, err

    return run


IDS = "--input", "2x3:int64:0..8"


def test_the_same_source_on_both(net, run):
    status, out, err = run(f"{net}:Net", *IDS)
    assert (status, err) == (0, ""), out
    lines = out.splitlines()
    assert lines[0].split() == "module class max abs max rel grad abs grad rel".split()
    assert [line.split()[0] for line in lines[2:6]] == ["embed", "norm", "head", "(model)"]
    assert lines[-2:] == ["forward: agrees", "backward: agrees"]


def test_a_wrong_layer_is_named(net, run, tmp_path):
    save, plot = tmp_path / "report.json", tmp_path / "errors.svg"
    arguments = f"{net}:Net", f"torchcompat.ported.{net}:wrong", *IDS, "--save", save
    status, out, err = run(*arguments, "--plot", plot, "--forward")
    assert status == 1 and "forward: first diverges at norm (LayerNorm): output" in out
    assert "grad" not in out and "backward" not in out
    found = json.loads(save.read_text())
    assert found["first_divergence"]["module"] == "norm" and not found["ok"]
    picture = plot.read_text()
    assert "<svg" in picture and "output over the tolerance" in picture
    status, out, err = run(*arguments, "--json")
    assert status == 1 and json.loads(out) == json.loads(save.read_text())
    assert run(*arguments, "--atol", 10)[0] == 0


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "shards", "w.msgpack"])
def test_both_load_the_checkpoint(name, net, run, tmp_path):
    """Each by itself, with tied names that the file has once, and prefixes taken off on request."""
    real.manual_seed(0)
    weight = torchcompat.tensor(np.random.default_rng(0).standard_normal((9, 4), np.float32))
    state = {"embed.weight": weight, "norm.weight": weight[0], "norm.bias": weight[1]}
    state["head.weight"] = state["embed.weight"]
    state = {f"module.{key}": value for key, value in state.items()}
    save_checkpoint(state, tmp_path / name)
    arguments = f"{net}:Net", *IDS, "--checkpoint", tmp_path / name
    status, out, err = run(*arguments)
    assert status == 2 and "With repair=True: 'module.' removed from 4 names" in err
    status, out, err = run(*arguments, "--repair")
    assert status == 0 and err == f"{tmp_path / name}: 'module.' removed from 4 names\n"
    del state["module.head.weight"]
    if name == "w.pt":
        save_checkpoint(state, tmp_path / name)
        status, out, err = run(*arguments, "--repair")
        assert status == 0 and "'head.weight' is tied to 'embed.weight'" in err


def test_inputs_from_a_factory_and_double_precision(net, run):
    assert run(f"{net}:Net", "--inputs", f"{net}:inputs")[0] == 0
    assert run(f"{net}:Net", "--inputs", f"{net}:one_input")[0] == 0
    status, out, err = run(
        f"{net}:Net", "--inputs", f"{net}:inputs", "--double", "--train", "--json"
    )
    found = json.loads(out)
    assert status == 0 and all(row["output"]["max_rel"] < 1e-12 for row in found["rows"])


def test_wrong_arguments(net, run, tmp_path):
    for arguments, said in [
        ((f"{net}:Net",), "give the inputs: --input once for each, or --inputs"),
        ((f"{net}:Net", *IDS, "--inputs", f"{net}:inputs"), "give the inputs"),
        ((f"{net}:Nett", *IDS), f"{net} has no 'Nett'; did you mean 'Net'?"),
        ((f"{net}:zzz", *IDS), f"{net} has no 'zzz'\n"),
        ((f"{net}:number", *IDS), "is no function but int"),
        ((f"{net}:fails", *IDS), "fails raised LookupError: no weights here"),
        ((f"{net}:text", *IDS), "text made str, which is no module of torch"),
        ((f"{net}:Net", f"{net}:Net", *IDS), "Net made Net, which is no module of torchcompat"),
        (("Net", *IDS), "'Net' is no factory; write"),
        (("no.module:Net", *IDS), "cannot import no.module"),
        (("no/file.py:Net", *IDS), "there is no file no/file.py"),
        ((f"{net}:Net", "--input", "2xx"), "its shape is not like 2x3x32"),
        ((f"{net}:Net", "--input", "2:complex64"), "is no input; write SHAPE"),
        ((f"{net}:Net", "--input", "2:int64:5..1"), "5 is above 1"),
        ((f"{net}:Net", *IDS, "--checkpoint", tmp_path / "no.pt"), "No such file"),
        ((f"{net}:Net", *IDS, "--plot", tmp_path / "x.what"), "not supported"),
    ]:
        status, out, err = run(*arguments)
        assert status == 2 and said in err and out == "", (arguments, err)


def test_a_file_is_a_factory_too(net, run, tmp_path):
    assert run(f"{tmp_path / net}.py:Net", *IDS, "--forward")[0] == 0


def test_specs():
    random = np.random.default_rng(0)
    assert read_spec("2x3", random).shape == (2, 3)
    assert read_spec("scalar:float64", random).dtype == np.float64
    assert read_spec("4:bool", random).dtype == np.bool_
    values = read_spec("1000:int32:-1..1", random)
    assert values.dtype == np.int32 and set(values.tolist()) == {-1, 0, 1}
    values = read_spec("1000:float32:2..3", random)
    assert values.min() >= 2 and values.max() <= 3
    made = doubled({"a": [np.ones(1, np.float32), torchcompat.ones(1)], "b": (real.ones(1), 3)})
    kinds = [*made["a"], made["b"][0]]
    assert [str(one.dtype).rpartition(".")[2] for one in kinds] == ["float64"] * 3
    assert made["b"][1] == 3


# -- tables and plots ------------------------------------------------------------------------------


@pytest.fixture
def report():
    theirs = real.nn.Sequential(real.nn.Linear(2, 2), real.nn.ReLU(), real.nn.Linear(2, 2)).eval()
    ours = converters.from_torch(theirs)
    ours[1] = torchcompat.nn.GELU().eval()
    return compare_models(theirs, ours, real.ones(1, 2) * -1)


def test_terminals_get_colours(report):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file = Terminal()
    console(file, color_system="standard", width=60, force_terminal=True).print(report)
    assert "\x1b[1;31m" in file.getvalue() and "\x1b" not in str(report)
    assert max(len(line) for line in str(report).splitlines()[:6]) > 60


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plots(ending, report, tmp_path):
    report.plot(tmp_path / f"x.{ending}")
    report.plot(tmp_path / f"y.{ending}")
    first = (tmp_path / f"x.{ending}").read_bytes()
    assert first[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
    assert ending == "pdf" or first == (tmp_path / f"y.{ending}").read_bytes()


def test_plots_of_many_modules_and_of_none(tmp_path):
    layers = [real.nn.Identity() for _ in range(90)]
    theirs = real.nn.Sequential(*layers)
    report = compare_models(theirs, converters.from_torch(theirs), real.ones(2))
    report.plot(tmp_path / "many.png")
    report.rows.clear()
    report.plot(tmp_path / "none.png")
    assert (tmp_path / "many.png").stat().st_size > (tmp_path / "none.png").stat().st_size > 0


def test_without_matplotlib_the_extra_is_named(report, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(RuntimeError, match=r"pip install 'torchcompat\[plot\]'"):
        report.plot(tmp_path / "x.png")


@pytest.mark.skipif(not WHOLE, reason="runs a script whose parts the others test")
def test_the_pictures_can_be_made_again(tmp_path):
    """And what the docs show is still what comes out."""
    runpy.run_path(str(ROOT / "scripts" / "pictures"))["main"](tmp_path)
    words = "inspect_table.svg", "parity_table.svg", "parity_plot.svg"
    for name, shown in zip(
        words, ("in_proj_weight", "layers.1.norm1", "output over the tolerance")
    ):
        for folder in (ROOT / "docs", tmp_path):
            assert shown in (folder / name).read_text(), (folder, name)
