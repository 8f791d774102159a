"""The house's rules: imports point downwards, Flax stays in its two files, torch is never imported."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# The floor of each place, lowest first; the longest matching prefix counts.
FLOORS = {
    "torchcompat.__future__": 0,
    "torchcompat._absent": 0,
    "torchcompat._dtype": 0,
    "torchcompat._device": 0,
    "torchcompat._deterministic": 0,
    "torchcompat._layout": 0,
    "torchcompat._strided": 0,
    "torchcompat._random": 0,
    "torchcompat._memory_format": 0,
    "torchcompat._ops": 1,
    "torchcompat._tensor": 2,
    "torchcompat.utils.hooks": 2,
    "torchcompat.autograd": 3,
    "torchcompat.profiler": 3,
    "torchcompat.nn.functional": 3,
    "torchcompat.nn._functional": 3,
    "torchcompat.nn.attention": 3,
    "torchcompat.nn.grad": 3,
    "torchcompat.overrides": 3,
    "torchcompat.nn.init": 3,
    "torchcompat.nn._reduction": 3,
    "torchcompat.nn.parameter": 3,
    "torchcompat.nn._bridge": 3,
    "torchcompat._overrides": 3,
    "torchcompat.fx": 6,
    "torchcompat.nn": 4,
    "torchcompat._compile": 5,
    "torchcompat.func": 5,
    "torchcompat.optim": 5,
    "torchcompat.linalg": 3,
    "torchcompat.special": 3,
    "torchcompat.fft": 3,
    "torchcompat.signal": 3,
    "torchcompat.serialization": 5,
    "torchcompat": 6,
    "converters": 7,
}
FILES = sorted(
    path for package in ("torchcompat", "converters") for path in (ROOT / package).rglob("*.py")
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(name: str) -> int | None:
    while name:
        if name in FLOORS:
            return FLOORS[name]
        name = name.rpartition(".")[0]
    return None


def imports(tree: ast.AST) -> list[str]:
    """Every module that the file imports, wherever in it; `from a import b` counts as a.b."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def typing_only(tree: ast.AST) -> set[ast.AST]:
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_downwards(path):
    name = module_name(path)
    own = floor(name)
    above = [i for i in imports(ast.parse(path.read_text())) if (floor(i) or 0) > own]
    assert not above, f"{name} (floor {own}) imports from above: {above}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_torch_is_not_imported(path):
    named = [i.partition(".")[0] for i in imports(ast.parse(path.read_text()))]
    assert "torch" not in named and "torchvision" not in named


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_bridge_knows_flax(path):
    named = [i for i in imports(ast.parse(path.read_text())) if i.partition(".")[0] == "flax"]
    allowed = module_name(path) in ("torchcompat.nn._bridge", "torchcompat.nn.modules.module")
    assert allowed or not named


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 500
