"""`docs/coverage.md` is fresh: it renders its data, and the data's names are those of today's tables."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import _record
from tests._op_cases import ENTRIES
from tests._op_rows import EXCLUDED, NOT_BUILT
from tests.test_functional_rest import FUNCTIONS

ROOT = Path(__file__).parent.parent
TABLES = {
    "modules": set(torch.nn.modules.__all__),
    "functionals": set(FUNCTIONS),
    "ops": set(ENTRIES),
}


@pytest.fixture(scope="module")
def data():
    return json.loads((ROOT / "docs" / "coverage.json").read_text())


def test_page_renders_the_data():
    script = [sys.executable, str(ROOT / "scripts" / "coverage"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_name_has_a_row(data):
    """A new layer, functional or entry fails here until its figures are recorded."""
    for section in data:
        assert set(data[section]) == TABLES[section], f"{section}: record and run scripts/coverage"


def test_every_row_was_seen_to_pass(data):
    for section, rows in data.items():
        for name, row in rows.items():
            assert row["errors"] or row["tests"] or row.get("note"), f"{section} {name}: no figures"
            failed = [text for text in row["tests"].values() if text != "passed"]
            assert not failed, f"{section} {name}: {failed}"


def test_what_is_not_run_has_a_reason():
    """The rows that `test_ops.py` leaves out; a recording run takes their reasons from here."""
    for table, outcome in ((NOT_BUILT, "raises"), (EXCLUDED, "not compared")):
        for title, reason in table.items():
            entries = [name for name in ENTRIES if title in (name, name.split("/")[0])]
            assert entries, title
            for name in entries:
                _record.note("ops", name, f"{outcome}: {reason}")


def test_the_example_in_contributing_is_in_the_tree():
    """Every block that its diff adds stands in the file that it names."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    diff = text.split("```diff\n")[1].split("```")[0]
    for part in diff.split("diff --git ")[1:]:
        source = (ROOT / part.split()[0].removeprefix("a/")).read_text()
        for hunk in part.split("\n@@")[1:]:
            lines = [line[1:] for line in hunk.splitlines()[1:] if line[:1] in "+ "]
            assert "\n".join(lines).strip() in source
