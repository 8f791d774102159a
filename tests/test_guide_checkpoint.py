"""docs/port_a_checkpoint.md: its code runs, and its listing is what the command prints."""

import re
from pathlib import Path

from converters._cli import main

GUIDE = (Path(__file__).parent.parent / "docs" / "port_a_checkpoint.md").read_text()


def test_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    assert len(blocks) == 4
    exec(compile("\n".join(blocks), "port_a_checkpoint.md", "exec"), {})
    listing = re.search(r"\$ torchcompat (inspect.*?)\n(.*?)```", GUIDE, re.S)
    assert main(listing[1].split()) == 0
    assert capsys.readouterr().out == listing[2]
    (tmp_path / "table.txt").write_text("module. ->  layer.  # ours\n")
    commands = re.findall(r"^\$ torchcompat ((?:convert|compare) .*)$", GUIDE, re.M)
    (tmp_path / "folder" / "model.safetensors").unlink()
    assert [main(command.split()) for command in commands] == [0, 1]
    assert main("inspect half.pt".split()) == 0
