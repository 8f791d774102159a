"""The guides in docs/: their code runs, from top to bottom."""

import re
from pathlib import Path

import pytest

GUIDES = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", ["write_a_model", "wrap_a_flax_model", "debug_a_mismatch"])
def test_the_guide_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (GUIDES / f"{name}.md").read_text(), re.S)
    assert len(blocks) >= 4
    exec(compile("\n".join(blocks), f"{name}.md", "exec"), {"__name__": name})
