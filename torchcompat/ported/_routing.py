"""Which name a ported module's import really means."""

from __future__ import annotations

import functools
import importlib.metadata
import re
import sys
from importlib.machinery import ModuleSpec
from typing import Any

PREFIX = "torchcompat.ported."
# A name by which torch goes, and what stands in for it.
STAND_INS = {"torch": "torchcompat"}
# torch's own test utilities and what they stand on, run from the files of the installed torch.
OWN_FILES = frozenset(
    {
        "torchcompat._prims_common",
        "torchcompat._vendor",
        "torchcompat.testing._comparison",
        "torchcompat.testing._internal",
        "torchcompat.testing._utils",
        "torchcompat.utils._inspect",
    }
)
# Never ported: ourselves, and what we run on (flax asks for torch to test itself).
NATIVE = frozenset(
    {"torchcompat", "converters", "jax", "jaxlib", "flax", "numpy", "optax", "orbax"}
)
# Ported although their distributions do not name torch: they look for it at run time.
PORTED = frozenset({"einops"})
_TORCH = re.compile(r"torch\b(?![-_.\w])")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def route(name: str) -> str:
    """The full name of the module that `import name` loads from inside ported source."""
    root, dot, rest = name.partition(".")
    if root in STAND_INS:
        return STAND_INS[root] + dot + rest
    return PREFIX + name if is_ported(root) else name


def native_name(name: str) -> str:
    """The name that ported source knows a module by."""
    if name.startswith(PREFIX):
        return name[len(PREFIX) :]
    root, dot, rest = name.partition(".")
    for torch_name, own in STAND_INS.items():
        if root == own:
            return torch_name + dot + rest
    return name


def is_own_file(name: str) -> bool:
    """Whether a module of ours is run from torch's files."""
    return any(name == root or name.startswith(root + ".") for root in OWN_FILES)


@functools.cache
def is_ported(root: str) -> bool:
    """Whether a top-level package is loaded anew when ported source imports it."""
    if root in NATIVE or root in sys.stdlib_module_names:
        return False
    if root in PORTED or PREFIX + root in sys.modules:
        return True
    distributions = _distributions().get(root)
    if distributions is None:
        return _is_loose_source(root)
    return any(_wants_torch(name) for name in distributions)


@functools.cache
def _distributions() -> Any:
    return importlib.metadata.packages_distributions()


def _wants_torch(distribution: str) -> bool:
    """Whether a distribution requires torch, always or under an extra of that name."""
    for requirement in importlib.metadata.requires(distribution) or []:
        if _TORCH.match(requirement):
            extra = _EXTRA.search(requirement)
            if extra is None or extra[1] in ("torch", "pytorch"):
                return True
    return False


def _is_loose_source(root: str) -> bool:
    spec = top_level_spec(root)
    return spec is not None and (spec.origin is None or spec.origin.endswith(".py"))


def top_level_spec(root: str) -> ModuleSpec | None:
    """The spec of a native top-level module, without importing it."""
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec(root, None, None) if find_spec is not None else None
        if spec is not None:
            return spec
    return None
