"""Reads one file: follows its imports, and looks up each torch name, method and argument it uses."""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections.abc import Iterator
from pathlib import Path

from torchcompat._doctor._lookup import (
    Missing,
    accepts,
    find,
    is_lacking_method,
    makes_tensor,
    refusal,
)
from torchcompat._doctor._names import Scope


@dataclasses.dataclass(frozen=True)
class Finding:
    """One use of torch that is not covered.

    Attributes:
        file, line: where.
        kind: "name", "argument", "method" or "syntax".
        name: torch's name of it.
        problem: what is the matter.
    """

    file: str
    line: int
    kind: str
    name: str
    problem: str


def read(file: Path) -> list[Finding]:
    """What one file uses of torch and torchcompat lacks, in the order of its lines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the source's own escapes
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 0
        return [Finding(str(file), line, "syntax", file.name, f"cannot be read: {error}")]
    reader = _Reader(str(file))
    reader.bind_imports(tree)
    reader.visit(tree)
    return sorted(set(reader.findings), key=lambda one: (one.line, one.name))


# What a guard that is never true here may ask: its body is not read.
_NEVER = ("torch.jit.is_scripting", "torch.jit.is_tracing", "torch.onnx.is_in_onnx_export")


class _Reader(ast.NodeVisitor):
    """Walks the source with the scopes of its names."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.scope = Scope()
        self.findings: list[Finding] = []
        self.guarded = 0

    def note(self, node: ast.AST, kind: str, name: str, problem: str) -> None:
        if not self.guarded:
            line = getattr(node, "lineno", 0)
            self.findings.append(Finding(self.file, line, kind, name, problem))

    def bind_imports(self, tree: ast.Module) -> None:
        """Binds the file's own imports, which functions may use above them."""
        self.guarded += 1
        for statement in tree.body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self.visit(statement)
        self.guarded -= 1

    # -- imports ------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.partition(".")[0] != "torch":
                self.scope.hide(alias.asname or alias.name.partition(".")[0])
                continue
            self.check(node, alias.name)
            if alias.asname:
                self.scope.bind(alias.asname, alias.name)
            else:
                self.scope.bind("torch", "torch")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        ours = node.level == 0 and module.partition(".")[0] == "torch"
        if ours and any(alias.name == "*" for alias in node.names):
            self.check(node, module)
            return
        for alias in node.names:
            if not ours:
                self.scope.hide(alias.asname or alias.name)
                continue
            self.check(node, f"{module}.{alias.name}")
            self.scope.bind(alias.asname or alias.name, f"{module}.{alias.name}")

    # -- names --------------------------------------------------------------------------------------

    def check(self, node: ast.AST, name: str) -> None:
        """Notes a torch name that is missing."""
        found = find(name)
        if isinstance(found, Missing):
            self.note(node, "name", name, found.problem)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.scope.dotted(node)
        if name is not None:
            self.check(node, name)
            return
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = self.scope.dotted(node.func)
        if name is not None:
            self.check(node.func, name)
            self.use(node, name)
        elif isinstance(node.func, ast.Attribute):
            self.method(node.func)
            self.visit(node.func.value)
        else:
            self.visit(node.func)
        for one in (*node.args, *node.keywords):
            self.visit(one)

    def use(self, node: ast.Call, name: str) -> None:
        """Notes a call of what only exists to be imported, and arguments that are not taken."""
        why = refusal(name)
        if why is not None:
            self.note(node, "name", name, f"raises NotImplementedError when it is used: {why}")
        for keyword in node.keywords:
            if keyword.arg is not None and not accepts(name, keyword.arg):
                problem = f"torchcompat has no argument {keyword.arg!r}"
                self.note(keyword.value, "argument", f"{name}({keyword.arg}=)", problem)

    def method(self, node: ast.Attribute) -> None:
        if self.scope.is_foreign(node.value):
            return
        if is_lacking_method(node.attr, self.is_tensor(node.value)):
            self.note(
                node, "method", f"Tensor.{node.attr}", "torchcompat's Tensor has no such method"
            )

    def is_tensor(self, node: ast.AST) -> bool:
        """Whether an expression surely is a tensor."""
        if isinstance(node, ast.Name):
            return self.scope.meaning(f"{node.id}:") == "tensor"
        if isinstance(node, ast.Call):
            name = self.scope.dotted(node.func)
            return name is not None and makes_tensor(name)
        return False

    # -- scopes and guards --------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.scope.hide(node.name)
        outside = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, node.returns]
        for one in outside:
            if one is not None:
                self.visit(one)
        with self.scope.inner():
            for argument in _arguments(node.args):
                if argument.annotation is not None:
                    self.visit(argument.annotation)
                self.scope.hide(argument.arg)
                self.mark(argument.arg, self._says_tensor(argument.annotation))
            for statement in node.body:
                self.visit(statement)

    def _says_tensor(self, annotation: ast.expr | None) -> bool:
        return annotation is not None and self.scope.dotted(annotation) == "torch.Tensor"

    def mark(self, name: str, tensor: bool) -> None:
        """Notes whether a name stands for a tensor."""
        self.scope.bind(f"{name}:", "tensor" if tensor else "other")

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        with self.scope.inner():
            for argument in _arguments(node.args):
                self.scope.hide(argument.arg)
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.scope.hide(node.name)
        for one in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(one)
        with self.scope.inner():
            for statement in node.body:
                self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        name = self.scope.dotted(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                if name is None:
                    self.scope.hide(target.id)
                else:
                    self.scope.bind(target.id, name)
                self.mark(target.id, self.is_tensor(node.value))
            else:
                self.visit(target)

    def visit_Try(self, node: ast.Try) -> None:
        caught = set(_caught(node.handlers))
        guards = caught & {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", ""}
        self.guarded += bool(guards)
        for statement in node.body:
            self.visit(statement)
        self.guarded -= bool(guards)
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_If(self, node: ast.If) -> None:
        asked = _asks_for(node.test, self.scope)
        self.visit(node.test)
        self.guarded += asked
        for statement in node.body:
            self.visit(statement)
        self.guarded -= asked
        for statement in node.orelse:
            self.visit(statement)


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (one for one in (arguments.vararg, arguments.kwarg) if one is not None)


def _caught(handlers: list[ast.ExceptHandler]) -> Iterator[str]:
    for handler in handlers:
        if handler.type is None:
            yield ""
        for node in ast.walk(handler.type) if handler.type is not None else ():
            if isinstance(node, ast.Name):
                yield node.id


def _asks_for(test: ast.expr, scope: Scope) -> bool:
    """Whether a condition asks if torch has something (`hasattr`), or is never true here."""
    for node in ast.walk(test):
        if isinstance(node, ast.Name) and node.id in ("hasattr", "TYPE_CHECKING"):
            return True
    if isinstance(test, ast.Call):
        return scope.dotted(test.func) in _NEVER
    return False
