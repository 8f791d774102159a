"""What the tests see of each layer, functional and op, kept for `docs/coverage.md`.

With TORCHCOMPAT_RECORD=<folder> every test process leaves a file there as it ends, and
`scripts/coverage` joins them. A test belongs to the row that its parameter `name` names, in the
sections that `SECTIONS` gives its file; `assert_close` adds the error of each comparison.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("TORCHCOMPAT_RECORD")
# TORCHCOMPAT_WHOLE=brief runs every test of the whole sweep, with a sample of rows for each.
BRIEF = os.environ.get("TORCHCOMPAT_WHOLE") == "brief"
WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE")) and not BRIEF
_PREFIX = "nn.functional."
# test file -> sections of the document
SECTIONS = {
    "test_module_db": ("modules",),
    "test_module_training": ("modules",),
    "test_functional_db": ("functionals", "ops"),
    "test_functional_rest": ("functionals",),
    "test_functional_compiled": ("functionals",),
    "test_ops": ("ops",),
}
_rows: dict[str, dict[str, dict]] = {}
# The rows of the running test, and what it compares at the moment.
_current: list[dict] = []
_aspects: list[str] = []


def _row(section: str, name: str) -> dict:
    if section == "functionals":
        name = name.removeprefix(_PREFIX).split("/")[0]
    fresh = {"tests": {}, "errors": {}, "compared": {}}
    return _rows.setdefault(section, {}).setdefault(name, fresh)


def begin(item: Any) -> None:
    """A pytest item starts: figures go to its rows from now on."""
    name = getattr(item, "callspec", None) and item.callspec.params.get("name")
    if FOLDER is None or name is None:
        return
    _current.extend(_row(section, name) for section in SECTIONS.get(item.path.stem, ()))
    _aspects.append(item.function.__name__.removeprefix("test_"))


def end(item: Any, error: BaseException | None) -> None:
    """The item is over."""
    title = item.function.__name__.removeprefix("test_")
    for row in _current:
        if error is not None:
            row["tests"][title] = f"failed: {str(error).strip()[:120]}"
        else:
            row["tests"].setdefault(title, "passed")
    if _current:
        save()
    _current.clear()
    _aspects.clear()


@contextlib.contextmanager
def aspect(title: str) -> Iterator[None]:
    """Inside, comparisons are of `title` ("forward", "gradient" ...), whatever the test's name."""
    _aspects.append(title)
    try:
        yield
    finally:
        _aspects.pop()


def figure(error: float, dtype: str) -> None:
    """Keeps the largest relative error of a comparison of values of a dtype."""
    for row in _current:
        key = f"{_aspects[-1]} {dtype}"
        row["whole"] = WHOLE
        row["errors"][key] = max(row["errors"].get(key, 0.0), error)
        row["compared"][key] = row["compared"].get(key, 0) + 1


def note(section: str, name: str, reason: str) -> None:
    """Why a row has no figures."""
    if FOLDER is not None:
        _row(section, name)["note"] = reason


def save() -> None:
    """Writes what this process saw into the folder; after each test, so that a killed run is kept."""
    if FOLDER is not None and _rows:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        Path(FOLDER, f"{os.getpid()}.json").write_text(json.dumps(_rows))
