"""The training example under both imports: the same curve from the same seed."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent.parent / "examples" / "train_digits.py"
SMALL = ["--epochs", "1", "--images", "160", "--batch-size", "32", "--quiet"]


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(PROGRAM))["main"]


@pytest.fixture(scope="module")
def theirs(main):
    return main([*SMALL, "--library", "torch"])


def test_same_curve_as_torch(main, theirs, capsys):
    losses, accuracy = main(SMALL)
    assert losses == pytest.approx(theirs[0], rel=1e-3)
    assert accuracy == pytest.approx(theirs[1], abs=0.01)
    assert "of 500 new images" in capsys.readouterr().out


def test_compiled(main, theirs):
    losses, _ = main([*SMALL, "--compile"])
    # Dropout draws other masks in a compiled step.
    assert losses == pytest.approx(theirs[0], rel=0.15)


def test_progress_bar(main, capsys):
    pytest.importorskip("tqdm")
    main(["--epochs", "1", "--images", "64", "--batch-size", "32"])
    assert "epoch 1" in capsys.readouterr().err


def test_plot(main, tmp_path, monkeypatch, capsys):
    arguments = ["--epochs", "1", "--images", "64", "--batch-size", "32", "--quiet", "--plot"]
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(SystemExit, match="pip install"):
            main([*arguments, str(tmp_path / "a.png")])
        return
    main([*arguments, str(tmp_path / "a.png")])
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_without_extras(main, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    losses, _ = main(["--epochs", "1", "--images", "64", "--batch-size", "32"])
    assert len(losses) == 2
