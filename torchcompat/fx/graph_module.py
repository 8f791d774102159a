"""`GraphModule`: a module whose `forward` is the code of a graph."""

from __future__ import annotations

import contextlib
import copy
import itertools
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torchcompat
from torchcompat import nn
from torchcompat.fx._attributes import (
    _assign_attr,
    _copy_attr,
    _del_attr,
    _get_attr,
    _get_attr_via_attr_list,
    _has_attr,
    _walk,
)
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx.graph import Graph, PythonCode, _custom_builtins, _PyTreeCodeGen

__all__ = [
    "GraphModule",
    "_assign_attr",
    "_copy_attr",
    "_del_attr",
    "_get_attr",
    "_get_attr_via_attr_list",
    "_has_attr",
    "reduce_graph_module",
]

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
FX_GRAPH_MODULE_FILE_PREFIX = "fx_generated_"
_serial = itertools.count()


def _exec_with_source(src: str, globals: dict[str, Any]) -> None:
    """Runs generated source so that tracebacks can show its lines."""
    name = f"<eval_with_key>.{next(_serial)}"
    linecache.cache[name] = (len(src), None, src.splitlines(keepends=True), name)
    exec(compile(src, name, "exec"), globals)  # noqa: S102


def _forward_from_src(src: str, globals: dict[str, Any]) -> Callable:
    return _method_from_src("forward", src, globals)


def _method_from_src(method_name: str, src: str, globals: dict[str, Any]) -> Callable:
    scope = globals.copy()
    _exec_with_source(src, scope)
    return scope[method_name]


def _format_import_block(globals: dict[str, Any]) -> str:
    """The imports that give generated source its globals again in another process."""
    lines = {_import_line(name, value) for name, value in globals.items()}
    return "\n".join(sorted(lines))


def _import_line(name: str, value: Any) -> str:
    if name in _custom_builtins:
        return _custom_builtins[name].import_str
    if value is torchcompat:
        return "import torchcompat as torch"
    if name in ("pytree", "fx_pytree"):
        return f"from torchcompat.utils import _pytree as {name}"
    title = getattr(value, "__qualname__", getattr(value, "__name__", name))
    return f"from {value.__module__} import {title} as {name}"


# -- the module ----------------------------------------------------------------------------------


class _WrappedCall:
    """Calls a GraphModule; an error in generated code comes with the line it happened in."""

    def __init__(self, cls: type, cls_call: Callable | None) -> None:
        self.cls, self.cls_call = cls, cls_call

    @staticmethod
    def _generate_error_message(frame: traceback.FrameSummary) -> str:
        number = frame.lineno or 0
        lines = linecache.getlines(frame.filename)
        before = "".join(lines[max(number - 2, 0) : number])
        rest = "".join(lines[number : number + 2])
        mark = "~" * len(lines[number - 1]) + "~~~ <--- HERE"
        text = (
            f"Call using an FX-traced Module, line {number} of the traced Module's generated forward "
            "function:"
        )
        return "\n".join([text, before, mark, rest])

    def __call__(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.cls_call is not None:
                return self.cls_call(obj, *args, **kwargs)
            return super(self.cls, obj).__call__(*args, **kwargs)  # type: ignore[misc]
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            if "eval_with_key" in last.filename:
                print(self._generate_error_message(last), file=sys.stderr)
            raise


class _CodeOnlyModule(nn.Module):
    """A module with the attributes of another, to which a graph is added."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        for name, value in body.items():
            if name != "_tc_version":
                self.__dict__[name] = value


@compatibility(is_backward_compatible=True)
class GraphModule(nn.Module):
    """A module made of a graph and the attributes that its nodes name.

    Args:
        root: the module the attributes are taken from, or a dict from their paths to values.
        graph: the graph; its code becomes `forward`.
        class_name: the name that it prints with.

    Raises:
        RuntimeError: `root` is a dict that lacks an attribute of the graph, or neither dict nor module.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # Each instance has a class of its own, which holds its forward.
        base = next(c for c in cls.__mro__ if not c.__dict__.get("_is_impl"))
        made = type("GraphModuleImpl", (base,), {"_is_impl": True, "__module__": base.__module__})
        return super().__new__(made)

    def __init__(
        self, root: nn.Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"
    ) -> None:
        super().__init__()
        self.__class__.__name__ = class_name
        targets = [str(n.target) for n in graph.nodes if n.op in ("get_attr", "call_module")]
        if isinstance(root, nn.Module):
            if hasattr(root, "training"):
                self.training = root.training
            for target in targets:
                _copy_attr(root, self, target)
        elif isinstance(root, dict):
            self._take(root, graph, targets)
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.graph = graph
        self._tracer_cls = None
        tracer = self.graph._tracer_cls
        if tracer and "<locals>" not in tracer.__qualname__:
            self._tracer_cls = tracer
        self._tracer_extras = self.graph._tracer_extras or {}
        self.meta: dict[str, Any] = dict(root.meta) if hasattr(root, "meta") else {}
        for name, value in self.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {}).items():
            setattr(self, name, value)
        self._replace_hooks: list[Callable] = []
        self._create_node_hooks: list[Callable] = []
        self._erase_node_hooks: list[Callable] = []
        self._deepcopy_hooks: list[Callable] = []

    def _take(self, root: dict[str, Any], graph: Graph, targets: list[str]) -> None:
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module") and node.target not in root:
                raise RuntimeError(
                    f"Node {node} referenced target {node.target} but that target was not "
                    "provided in ``root``!"
                )
        # Parents first, so that a child lands in its own parent.
        for target in sorted(targets, key=lambda t: t.count(".")):
            _assign_attr(root[target], self, target)

    @property
    def graph(self) -> Graph:
        """The graph; assigning one, or calling `recompile` after a change, renews `forward`."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    def __setattr__(self, name: str, value: Any) -> None:
        # A property wins over the bookkeeping of members.
        if name == "graph":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @property
    def code(self) -> str:
        """The source of `forward`.

        Raises:
            RuntimeError: nothing was generated yet.
        """
        if not hasattr(self, "_code"):
            raise RuntimeError("Code has not been generated! Please report a bug to PyTorch")
        return self._code

    def recompile(self) -> PythonCode:
        """Generates `forward` anew from the graph; to be called after every change of it."""
        python_code = self._graph.python_code(root_module="self")
        if isinstance(self._graph._codegen, _PyTreeCodeGen):
            info = self._graph._codegen.pytree_info
            self._in_spec, self._out_spec = info.in_spec, info.out_spec
        self._code = python_code.src
        self._lineno_map = python_code._lineno_map
        self._prologue_start = python_code._prologue_start
        cls: Any = type(self)
        name = self._graph._codegen._func_name
        setattr(cls, name, _method_from_src(name, python_code.src, python_code.globals))
        if "_wrapped_call" not in vars(cls):
            cls._wrapped_call = _WrappedCall(cls, vars(cls).get("__call__"))

            def call_wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
                return self._wrapped_call(self, *args, **kwargs)

            cls.__call__ = call_wrapped
        self._clock().advance()
        return python_code

    # -- submodules --------------------------------------------------------------------------------

    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Puts a module at a path, making empty modules on the way.

        Returns:
            False where something that is no module stands in the way.
        """
        prefix, last = _walk(self, target)
        module: nn.Module = self
        for part in prefix:
            if not hasattr(module, part):
                setattr(module, part, nn.Module())
            there = getattr(module, part)
            if not isinstance(there, nn.Module):
                return False
            module = there
        module.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Removes the module at a path; False where there is none."""
        prefix, last = _walk(self, target)
        module: Any = self
        for part in prefix:
            if not hasattr(module, part):
                return False
            module = getattr(module, part)
            if not isinstance(module, nn.Module):
                return False
        if not isinstance(getattr(module, last, None), nn.Module):
            return False
        delattr(module, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Removes every submodule that no node names, and that holds none that one names."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op not in ("get_attr", "call_module"):
                continue
            parts = str(node.target).split(".")
            used.update(".".join(parts[: i + 1]) for i in range(len(parts)))
            if node.op == "call_module":
                try:
                    inner = self.get_submodule(node.target).named_modules()
                except AttributeError:
                    continue
                used.update(f"{node.target}.{name}" for name, _ in inner if name)
        for name in [name for name, _ in self.named_modules() if name and name not in used]:
            self.delete_submodule(name)

    # -- copies ------------------------------------------------------------------------------------

    def _deepcopy_init(self) -> Callable:
        return GraphModule.__init__

    def __deepcopy__(self, memo: dict) -> GraphModule:
        res = type(self).__new__(type(self))
        memo[id(self)] = res
        fake = _CodeOnlyModule(copy.deepcopy(_without(self.__dict__, _DERIVED), memo))
        self._deepcopy_init()(res, fake, fake.__dict__["_graph"])
        res.__class__.__name__ = type(self).__name__
        for name in _KEPT:
            if name in self.__dict__:
                setattr(res, name, copy.deepcopy(self.__dict__[name], memo))
        res.meta = copy.deepcopy(getattr(self, "meta", {}), memo)
        for name, value in res.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {}).items():
            setattr(res, name, value)
        for hook in self._deepcopy_hooks:
            hook(res)
        return res

    def __copy__(self) -> GraphModule:
        res = GraphModule(self, self.graph)
        res.meta = getattr(self, "meta", {})
        return res

    def __reduce__(self) -> tuple:
        body = _without(self.__dict__, (*_DERIVED, "_graph"))
        python_code = self.graph.python_code(root_module="self")
        body["_code"] = python_code.src
        body["_graphmodule_cls_name"] = type(self).__name__
        return reduce_graph_module, (body, _format_import_block(python_code.globals))

    # -- hooks on changes --------------------------------------------------------------------------

    @contextlib.contextmanager
    def _set_replace_hook(self, f: Callable) -> Iterator[None]:
        self._register_replace_node_hook(f)
        try:
            yield
        finally:
            self._unregister_replace_node_hook(f)

    def _register_replace_node_hook(self, f: Callable) -> None:
        self._replace_hooks.append(f)

    def _unregister_replace_node_hook(self, f: Callable) -> None:
        self._replace_hooks.remove(f)

    def _register_create_node_hook(self, f: Callable) -> None:
        self._create_node_hooks.append(f)

    def _unregister_create_node_hook(self, f: Callable) -> None:
        self._create_node_hooks.remove(f)

    def _register_erase_node_hook(self, f: Callable) -> None:
        self._erase_node_hooks.append(f)

    def _unregister_erase_node_hook(self, f: Callable) -> None:
        self._erase_node_hooks.remove(f)

    def _register_deepcopy_hook(self, f: Callable) -> None:
        self._deepcopy_hooks.append(f)

    def _unregister_deepcopy_hook(self, f: Callable) -> None:
        self._deepcopy_hooks.remove(f)

    # -- text --------------------------------------------------------------------------------------

    def print_readable(self, print_output: bool = True, **options: Any) -> str:
        """The generated code as the source of a class, submodules that are GraphModules included."""
        body = self._graph.python_code("self", verbose=True).src.strip()
        lines = [f"    {line}" if line.strip() else "" for line in body.split("\n")]
        text = f"class {self._get_name()}(torch.nn.Module):\n" + "\n".join(lines) + "\n"
        for child in self.children():
            if isinstance(child, GraphModule):
                inner = child.print_readable(False)
                text += "\n" + "\n".join(f"    {line}" for line in inner.split("\n"))
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        more = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, more])

    def to_folder(self, folder: str | Path, module_name: str = "FxModule") -> None:
        """Writes the module as a Python package with its parameters in files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        torchcompat.save(self.state_dict(), folder / "state_dict.pt")
        lines = ["import torchcompat as torch", "from torchcompat import *", "", ""]
        lines += [f"class {module_name}(torch.nn.Module):", "    def __init__(self):"]
        lines += ["        super().__init__()"]
        for name, child in self.named_children():
            torchcompat.save(child, folder / f"{name}.pt")
            lines.append(
                f"        self.{name} = torch.load(r'{folder}/{name}.pt', weights_only=False)"
            )
        for kind, members in (("parameter", self._parameters), ("buffer", self._buffers)):
            for name, value in members.items():
                if value is not None:
                    made = f"torch.empty({list(value.shape)}, dtype={value.dtype})"
                    made = f"torch.nn.Parameter({made})" if kind == "parameter" else made
                    lines.append(f"        self.register_{kind}('{name}', {made})")
        lines.append(f"        self.load_state_dict(torch.load(r'{folder}/state_dict.pt'))")
        lines += [f"    {line}" for line in self.code.split("\n")]
        (folder / "module.py").write_text("\n".join(lines) + "\n")
        (folder / "__init__.py").write_text(f"from .module import {module_name}\n")


_DERIVED = ("_tc_static", "_tc_described", "_tc_version", "_compiled_call_impl")
_KEPT = (
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
    "_replace_hooks",
    "_create_node_hooks",
    "_erase_node_hooks",
    "_deepcopy_hooks",
)


def _without(state: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name not in names}


@compatibility(is_backward_compatible=True)
def reduce_graph_module(body: dict[Any, Any], import_block: str) -> nn.Module:
    """Makes a pickled GraphModule again, by tracing its code."""
    src = body.get("_code") or body["code"]
    forward = _forward_from_src(import_block + src, {})
    return _deserialize_graph_module(forward, body)


def _deserialize_graph_module(
    forward: Callable, body: dict[Any, Any], graph_module_cls: type | None = None
) -> nn.Module:
    tracer_cls = body.get("_tracer_cls") or tracer_class()
    name = body.get("_graphmodule_cls_name", "GraphModule")
    made = type("CodeOnlyModule", (_CodeOnlyModule,), {"forward": forward})(body)

    class KeepModules(tracer_cls):  # type: ignore[valid-type, misc]
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return True

    graph = KeepModules().trace(made)
    graph._tracer_cls = tracer_cls
    result = (graph_module_cls or GraphModule)(made, graph, name)
    for key, value in body.items():
        if not hasattr(result, key):
            setattr(result, key, value)
    return result


def tracer_class() -> type:
    """The standard tracer, which is defined above this file."""
    return sys.modules["torchcompat.fx._symbolic_trace"].Tracer
