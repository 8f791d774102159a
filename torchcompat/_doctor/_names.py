"""Which names of a file mean something of torch, scope by scope."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator

# Names of other packages whose methods have torch's names.
_FOREIGN = frozenset("np numpy os re math random json torchvision PIL Image ET pd".split())


class Scope:
    """Names bound to torch's dotted names; an inner scope may hide an outer one's."""

    def __init__(self) -> None:
        self._levels: list[dict[str, str | None]] = [{}]

    @contextlib.contextmanager
    def inner(self) -> Iterator[None]:
        """A scope inside of this one."""
        self._levels.append({})
        try:
            yield
        finally:
            self._levels.pop()

    def bind(self, name: str, means: str) -> None:
        """`name` means torch's `means` from here on."""
        self._levels[-1][name] = means

    def hide(self, name: str) -> None:
        """`name` means something else from here on."""
        self._levels[-1][name] = None

    def meaning(self, name: str) -> str | None:
        """torch's name that `name` means, or None."""
        for level in reversed(self._levels):
            if name in level:
                return level[name]
        return None

    def dotted(self, node: ast.AST) -> str | None:
        """torch's full name of an expression such as `F.relu`, or None."""
        if isinstance(node, ast.Name):
            return self.meaning(node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return None if base is None else f"{base}.{node.attr}"
        return None

    def is_foreign(self, node: ast.AST) -> bool:
        """Whether a method's object is surely no tensor: `self`, a module, a literal, another package."""
        while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
            node = node.func if isinstance(node, ast.Call) else node.value
            if isinstance(node, ast.Name) and node.id == "self":
                return False
        if isinstance(node, ast.Name):
            return node.id in _FOREIGN
        return isinstance(node, (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Tuple))
