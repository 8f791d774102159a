"""From a graph to the Python source of its `forward`."""

from __future__ import annotations

import enum
import re
import sys
import types
import typing
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torchcompat._device import device
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._namespace import _custom_builtins, _Namespace
from torchcompat.fx.node import Node, _get_qualified_name, _type_repr
from torchcompat.utils import _pytree as pytree

reflectable_magic_methods = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "floordiv": "{} // {}",
    "truediv": "{} / {}",
    "div": "{} / {}",
    "mod": "{} % {}",
    "pow": "{} ** {}",
    "lshift": "{} << {}",
    "rshift": "{} >> {}",
    "and_": "{} & {}",
    "or_": "{} | {}",
    "xor": "{} ^ {}",
    "getitem": "{}[{}]",
    "matmul": "{} @ {}",
}
magic_methods = {
    "eq": "{} == {}",
    "ne": "{} != {}",
    "lt": "{} < {}",
    "gt": "{} > {}",
    "le": "{} <= {}",
    "ge": "{} >= {}",
    "pos": "+{}",
    "neg": "-{}",
    "invert": "~{}",
    **reflectable_magic_methods,
}
inplace_methods = {
    "iadd": "{} += {}",
    "iand": "{} &= {}",
    "ifloordiv": "{} //= {}",
    "ilshift": "{} <<= {}",
    "imod": "{} %= {}",
    "imul": "{} *= {}",
    "imatmul": "{} @= {}",
    "ior": "{} |= {}",
    "ipow": "{} **= {}",
    "irshift": "{} >>= {}",
    "isub": "{} -= {}",
    "itruediv": "{} /= {}",
    "ixor": "{} ^= {}",
    "setitem": "{}[{}] = {}",
}
_origin_type_map = {
    list: typing.List,  # noqa: UP006
    dict: typing.Dict,  # noqa: UP006
    set: typing.Set,  # noqa: UP006
    frozenset: typing.FrozenSet,  # noqa: UP006
    tuple: typing.Tuple,  # noqa: UP006
}


@compatibility(is_backward_compatible=True)
@dataclass
class PythonCode:
    """Generated source and the globals it needs."""

    src: str
    globals: dict[str, Any]
    _lineno_map: dict[int, int | None] | None = None
    _prologue_start: int = 0


class _PyTreeInfo(NamedTuple):
    """How the arguments and results of a graph nest: argument names and the trees' shapes."""

    orig_args: list[str]
    in_spec: Any
    out_spec: Any


def _torch() -> types.ModuleType:
    return sys.modules["torchcompat"]


def _reached(title: str) -> Any:
    """What the name `torch.a.b` means here, or None."""
    found: Any = _torch()
    for part in title.split(".")[1:]:
        found = getattr(found, part, None)
    return found


def _is_reached(title: str, obj: Any) -> bool:
    """Whether generated code can say `torch.a.b` and get `obj`."""
    return title.startswith("torch.") and _reached(title) is obj


def _format_target(base: str, target: str) -> str:
    """`base.a.b`, or `getattr(base, "0")` where a part is no identifier."""
    for part in target.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base


@compatibility(is_backward_compatible=False)
class CodeGen:
    """Makes the source of a graph's `forward`; a subclass may change its signature and result."""

    def __init__(self) -> None:
        self._body_transformer: Callable[[list[str]], list[str]] | None = None
        self._func_name = "forward"

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str, **options: Any) -> str:
        """The line `def forward(self, ...):` and what has to come right after it."""
        if not free_vars or free_vars[0] != "self":
            free_vars.insert(0, "self")
        return f"def {self._func_name}({', '.join(free_vars)}){maybe_return_annotation}:"

    def generate_output(self, output_args: Any, **options: Any) -> str:
        """The return statement."""
        return f"return {_repr(output_args, None)}"

    def process_inputs(self, *args: Any) -> Any:
        """The caller's arguments as the graph's placeholders take them."""
        return args

    def process_outputs(self, outputs: Any) -> Any:
        """The graph's output as the caller gets it."""
        return outputs

    def additional_globals(self) -> list[tuple[str, Any]]:
        """Names and values that the generated source needs besides."""
        return []

    def _gen_python_code(
        self, nodes: Iterable[Node], root_module: str, namespace: _Namespace, **options: Any
    ) -> PythonCode:
        verbose = bool(options.get("verbose"))
        return _Writer(self, list(nodes), root_module, namespace, verbose).written()


class _Writer:
    """Writes the source of one graph."""

    def __init__(
        self,
        codegen: CodeGen,
        nodes: list[Node],
        root: str,
        namespace: _Namespace,
        verbose: bool,
    ) -> None:
        self.verbose = verbose
        self.stack: str | None = None
        self.codegen, self.nodes, self.root, self.namespace = codegen, nodes, root, namespace
        self.globals: dict[str, Any] = {}
        self.wrapped: dict[str, None] = {}
        self.free_vars: list[str] = []
        self.body: list[str] = []
        self.returns = ""
        self.dying = _last_uses(nodes)

    def written(self) -> PythonCode:
        builtin = {name: one.obj for name, one in _custom_builtins.items()}
        builtin |= {"torch": _torch(), "fx_pytree": pytree, "pytree": pytree}
        for name, value in (*builtin.items(), *self.codegen.additional_globals()):
            self.add_global(name, value)
        for number, node in enumerate(self.nodes):
            self.body.append(f"# COUNTER: {number}\n")
            self.emit(node)
        if all(line.startswith("# COUNTER") for line in self.body):
            self.body.append("pass\n")
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        if self.codegen._body_transformer:
            self.body = self.codegen._body_transformer(self.body)
        for name, value in self.codegen.additional_globals():
            self.add_global(name, value)
        prologue = self.codegen.gen_fn_def(self.free_vars, self.returns)
        lines: list[str] = []
        numbers: dict[int, int | None] = {}
        start = 1 + wraps.count("\n") + 3
        current: int | None = None
        for line in "".join(self.body).lstrip("\n").split("\n"):
            if line.startswith("# COUNTER: "):
                current = int(line.removeprefix("# COUNTER: "))
                continue
            if not line and not lines:
                continue
            lines.append("    " + line)
            numbers[len(lines)] = current
        return PythonCode(
            f"\n{wraps}\n\n{prologue}\n" + "\n".join(lines), self.globals, numbers, start
        )

    # -- names -------------------------------------------------------------------------------------

    def add_global(self, hint: str, obj: Any) -> str:
        """The name by which the source can say `obj`, put among its globals where need be."""
        if obj is not device:
            title = _get_qualified_name(obj) if callable(obj) else hint
            if _is_reached(title, obj):
                return title
        hint = hint.replace(".", "_")
        if self.globals.get(hint, self) is obj:
            return hint
        name = self.namespace.create_name(hint, obj)
        self.globals[name] = obj
        return name

    def type_repr(self, kind: Any) -> str:
        if kind == ():
            return "()"
        if isinstance(kind, str):
            return kind
        origin = getattr(kind, "__origin__", None)
        if origin is None:
            return self.add_global(_type_repr(kind), kind)
        origin = _origin_type_map.get(origin, origin)
        title = self.add_global(_type_repr(origin), origin)
        inner = [self.type_repr(one) for one in getattr(kind, "__args__", ())]
        return f"{title}[{','.join(inner)}]" if inner else title

    # -- lines -------------------------------------------------------------------------------------

    def emit(self, node: Node) -> None:
        if node.op == "output":
            self.returns = "" if node.type is None else f" -> {self.type_repr(node.type)}"
            self.body.append(_repr_output(self.codegen, self, node.args[0]))
        elif node.op == "placeholder":
            self.placeholder(node)
            return
        else:
            if self.verbose:
                self.place(node)
            kind = "" if node.type is None else f" : {self.type_repr(node.type)}"
            self.body.append(self.statement(node, f"{node!r}{kind} = "))
            self.forget(node)
            return
        self.body.append("\n")

    def place(self, node: Node) -> None:
        """A comment that says which line the nodes from here on come from."""
        if self.stack == (node.stack_trace or ""):
            return
        self.stack = node.stack_trace or ""
        found = re.findall(r'File "(.+)", line (\d+), in (.+)\n\s*(.*)', self.stack)
        if not found:
            self.body.append("\n# No stacktrace found for following nodes\n")
            return
        file, number, name, code = found[-1]
        self.body.append(f"\n# File: {file}:{number} in {name}, code: {code}\n")

    def placeholder(self, node: Node) -> None:
        kind = "" if node.type is None else f" : {self.type_repr(node.type)}"
        default = f" = {_repr(node.args[0], self)}" if node.args else ""
        self.free_vars.append(f"{node.target}{kind}{default}")
        name = str(node.target).replace("*", "")
        if name != repr(node):
            self.body.append(f"{node!r} = {name}\n")

    def statement(self, node: Node, head: str) -> str:
        target: Any = node.target
        if node.op == "get_attr":
            return head + _format_target(self.root, target)
        if node.op == "call_module":
            return f"{head}{_format_target(self.root, target)}({self.arguments(node)})"
        if node.op == "call_method":
            owner = _format_target(_repr(node.args[0], self), target)
            return f"{head}{owner}({self.arguments(node, 1)})"
        return self.call(node, target, head)

    def call(self, node: Node, target: Any, head: str) -> str:
        args = [_repr(a, self) for a in node.args]
        if getattr(target, "__module__", "") == "_operator":
            if target.__name__ in magic_methods:
                return head + magic_methods[target.__name__].format(*args)
            if target.__name__ in inplace_methods:
                return f"{inplace_methods[target.__name__].format(*args)};  {head}{args[0]}"
        name = self.add_global(_get_qualified_name(target), target)
        if name == "getattr" and len(args) == 2 and str(node.args[1]).isidentifier():
            return head + _format_target(args[0], str(node.args[1]))
        if node.meta.get("is_wrapped", False):
            self.wrapped.setdefault(name)
        return f"{head}{name}({self.arguments(node)})"

    def arguments(self, node: Node, start: int = 0) -> str:
        given = [_repr(a, self) for a in node.args[start:]]
        return ", ".join([*given, *(f"{k} = {_repr(v, self)}" for k, v in node.kwargs.items())])

    def forget(self, node: Node) -> None:
        """Drops the values that no later line reads, so that they are not kept alive."""
        names = self.dying.get(node, [])
        if not node.users:
            names = [*names, node]
        if names:
            self.body.append(f";  {' = '.join([*map(repr, names), 'None'])}")
        self.body.append("\n")


def _repr_output(codegen: CodeGen, writer: _Writer, value: Any) -> str:
    if type(codegen).generate_output is CodeGen.generate_output:
        return f"return {_repr(value, writer)}"
    return codegen.generate_output(value)


def _last_uses(nodes: list[Node]) -> dict[Node, list[Node]]:
    """For each node, the nodes whose values it is the last to read."""
    seen: set[Node] = set()
    dying: dict[Node, list[Node]] = defaultdict(list)
    for node in reversed(nodes):
        for one in node._input_nodes:
            if one not in seen:
                seen.add(one)
                dying[node].append(one)
    return dying


def _repr(arg: Any, writer: _Writer | None) -> str:
    """An argument as source."""
    if isinstance(arg, tuple):
        inner = ", ".join(_repr(a, writer) for a in arg)
        if hasattr(arg, "_fields"):
            title = _get_qualified_name(type(arg))
            return f"{writer.add_global(title, type(arg)) if writer else title}({inner})"
        if type(arg) is not tuple:
            return repr(arg)
        return f"({inner}{',' if len(arg) == 1 else ''})"
    if isinstance(arg, list):
        return f"[{', '.join(_repr(a, writer) for a in arg)}]"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k!r}: {_repr(v, writer)}" for k, v in arg.items()) + "}"
    if isinstance(arg, slice):
        inner = ", ".join(_repr(a, writer) for a in (arg.start, arg.stop, arg.step))
        return f"slice({inner})"
    if isinstance(arg, enum.Enum):
        kind = type(arg)
        title = writer.add_global(kind.__name__, kind) if writer else kind.__name__
        return f"{title}.{arg.name}"
    if not isinstance(arg, Node) and callable(arg) and hasattr(arg, "__name__") and writer:
        return writer.add_global(_get_qualified_name(arg), arg)
    return repr(arg)


class _PyTreeCodeGen(CodeGen):
    """Code whose arguments are nested as the traced function's were, flattened on entry."""

    def __init__(self, pytree_info: _PyTreeInfo) -> None:
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        return pytree.tree_leaves(inputs)

    def process_outputs(self, out: Any) -> Any:
        if self.pytree_info is None or self.pytree_info.out_spec is None:
            return out
        leaves = out if isinstance(out, (list, tuple)) else [out]
        return pytree.tree_unflatten(leaves, self.pytree_info.out_spec)

    def gen_fn_def(self, free_vars: list[str], maybe_return_annotation: str, **options: Any) -> str:
        if self.pytree_info is None:
            return super().gen_fn_def(free_vars, maybe_return_annotation)
        names = list(self.pytree_info.orig_args)
        if names[:1] == ["self"]:
            names = names[1:]
        bare = [one.split(":")[0].split("=")[0].strip() for one in free_vars]
        head = super().gen_fn_def(names[:], maybe_return_annotation)
        if not bare:
            return head
        line = f"{', '.join(bare)}, = pytree.tree_leaves(([{', '.join(names)}],{{}}))"
        return f"{head}\n    {line}"

    def generate_output(self, output_args: Any, **options: Any) -> str:
        if self.pytree_info is not None and self.pytree_info.out_spec:
            return f"return pytree.tree_unflatten({_repr(output_args, None)}, self._out_spec)"
        return super().generate_output(output_args)
