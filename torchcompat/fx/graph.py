"""`Graph`: a linked list of nodes, and the ways of adding to it, changing it and printing it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

from torchcompat import _overrides
from torchcompat.fx._codegen import (
    CodeGen,
    PythonCode,
    _PyTreeCodeGen,
    _PyTreeInfo,
    inplace_methods,
    magic_methods,
    reflectable_magic_methods,
)
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._namespace import (
    _custom_builtins,
    _is_magic,
    _Namespace,
    _register_custom_builtin,
    _snake_case,
)
from torchcompat.fx.node import Argument, Node, Target, _get_qualified_name, _type_repr, map_arg

__all__ = [
    "CodeGen",
    "Graph",
    "PythonCode",
    "_Namespace",
    "_PyTreeCodeGen",
    "_PyTreeInfo",
    "_custom_builtins",
    "_get_qualified_name",
    "_register_custom_builtin",
    "_type_repr",
    "inplace_methods",
    "magic_methods",
    "reflectable_magic_methods",
]


class _node_list:
    """The nodes in order, as a sequence that may change while it is walked."""

    def __init__(self, graph: Graph, direction: Literal["_prev", "_next"] = "_next") -> None:
        self.graph, self.direction = graph, direction

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Node]:
        root = self.graph._root
        node = getattr(root, self.direction)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, self.direction)

    def __reversed__(self) -> _node_list:
        return _node_list(self.graph, "_next" if self.direction == "_prev" else "_prev")


class _InsertPoint:
    """Where new nodes go, until the `with` block ends."""

    def __init__(self, graph: Graph, new_insert: Callable[[Node], None]) -> None:
        self.graph, self.before = graph, graph._insert
        graph._insert = new_insert

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.graph._insert = self.before


@compatibility(is_backward_compatible=True)
class Graph:
    """A program as a list of nodes: placeholders first, the output last.

    Args:
        owning_module: the GraphModule whose attributes the nodes name.
        tracer_cls: the class of the tracer that made it.
    """

    def __init__(
        self,
        owning_module: Any = None,
        tracer_cls: type | None = None,
        tracer_extras: dict[str, Any] | None = None,
    ) -> None:
        self._order: dict[Node, int] | None = None
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._graph_namespace = _Namespace()
        self._owning_module = owning_module
        self._tracer_cls = tracer_cls
        self._tracer_extras = tracer_extras
        self._codegen: CodeGen = CodeGen()

    @property
    def owning_module(self) -> Any:
        """The GraphModule that this is the graph of."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, mod: Any) -> None:
        self._owning_module = mod

    @property
    def nodes(self) -> _node_list:
        """All nodes in order; `reversed(graph.nodes)` from the end."""
        return _node_list(self)

    def output_node(self) -> Node:
        """The node that returns the result."""
        node = next(iter(reversed(self.nodes)))
        if node.op != "output":
            raise AssertionError("Expected output node")
        return node

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of one kind, in order.

        Args:
            target: for `call_function`, `call_method` and the others: only nodes with this target.
        """
        if op == "call_function" and target is None:
            raise AssertionError("target must not be None for call_function op")
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    # -- adding ------------------------------------------------------------------------------------

    def create_node(
        self,
        op: str,
        target: Target,
        args: tuple | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a node at the insertion point.

        Args:
            name: wish for its name; made from the target if None.
            type_expr: the type of its result, for the generated code.
        """
        args, kwargs = args or (), kwargs or {}
        if not isinstance(args, tuple):
            raise AssertionError("args must be a tuple")
        if not isinstance(kwargs, dict):
            raise AssertionError("kwargs must be a dict")
        title = self._graph_namespace.create_name(name or self._target_to_str(target), None)
        node = Node(self, title, op, target, args, kwargs, type_expr)
        if self._owning_module is not None:
            for hook in getattr(self._owning_module, "_create_node_hooks", ()):
                hook(node)
        self._graph_namespace.associate_name_with_obj(title, node)
        self._insert(node)
        self._len += 1
        return node

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """Adds an argument of the function; `*name` and `**name` collect the rest."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args=args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """Adds a node that reads an attribute of the owning module, `a.b.weight`."""
        if self._owning_module is not None and not _has_attr(self._owning_module, qualified_name):
            warnings.warn(
                "Attempted to insert a get_attr Node with no underlying reference in the owning "
                "GraphModule! Call GraphModule.add_submodule to add the necessary submodule, "
                "GraphModule.add_parameter to add the necessary Parameter, or "
                "nn.Module.register_buffer to add the necessary buffer",
                stacklevel=2,
            )
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self,
        module_name: str,
        args: tuple | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a call of a submodule of the owning module.

        Raises:
            AttributeError: the owning module does not have it.
        """
        if self._owning_module is not None:
            self._owning_module.get_submodule(module_name)
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Adds a call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple | None = None,
        kwargs: dict[str, Any] | None = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """Adds a call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any = None) -> Node:
        """Adds the node that returns the result."""
        return self.create_node("output", "output", args=(result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """Adds a copy of another graph's node.

        Args:
            arg_transform: gives this graph's node for one of the other's.
        """
        args = map_arg(node.args, arg_transform)
        kwargs = map_arg(node.kwargs, arg_transform)
        result = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        result.meta = copy.copy(node.meta)
        return result

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False
    ) -> Any:
        """Adds copies of all of another graph's nodes.

        Args:
            val_map: maps its nodes to this graph's; filled on the way.
            return_output_node: returns the value with the other's output node.

        Returns:
            What the other graph returns, in terms of this graph; no output node is added.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                value = map_arg(node.args[0], lambda n: val_map[n])
                return (value, node) if return_output_node else value
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def _target_to_str(self, target: Target | None) -> str:
        known = _overrides.known(target) if callable(target) else None
        if known is not None:
            name = known.title.rpartition(".")[2]
        else:
            name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
        name = name[2:-2] if _is_magic(name) else name
        return _snake_case(name)

    def _place(self, node: Node) -> int:
        """How many nodes come before this one."""
        if self._order is None:
            self._order = {one: i for i, one in enumerate(self.nodes)}
        return self._order[node]

    # -- where to insert ---------------------------------------------------------------------------

    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """Has new nodes go before `n`, or to the start, until the `with` block ends."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Has new nodes go after `n`, or to the end, until the `with` block ends."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    # -- removing ----------------------------------------------------------------------------------

    def erase_node(self, to_erase: Node) -> None:
        """Removes a node that nothing uses.

        Raises:
            RuntimeError: it has users.
        """
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in "
                f"the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            warnings.warn(f"erase_node({to_erase}) on an already erased node")
            return
        for hook in getattr(self._owning_module, "_erase_node_hooks", None) or ():
            hook(to_erase)
        to_erase._remove_from_list()
        to_erase._erased = True
        self._len -= 1
        to_erase._update_args_kwargs((), {})

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Removes every node whose result nothing uses and that does nothing else.

        Returns:
            Whether any was removed.
        """
        self.lint()
        impure = is_impure_node or (lambda node: node.is_impure())
        changed = False
        for node in list(reversed(self.nodes)):
            if not node.users and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    # -- checking ----------------------------------------------------------------------------------

    def lint(self) -> None:
        """Checks that the graph is well formed.

        Raises:
            RuntimeError: a node uses one that comes later, two share a name, or a name is not in the
                owning module.
        """
        seen_names: set[str] = set()
        seen: set[Node] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for arg in node._input_nodes:
                if arg.graph is not self:
                    raise RuntimeError(
                        f"Argument '{arg}' of Node '{node}' does not belong to this Graph, but was "
                        f"used as an argument! If you are copying nodes from another graph, make "
                        f"sure to use ``arg_transform`` on node_copy() to remap values\n{self}"
                    )
                if arg not in seen:
                    raise RuntimeError(
                        f"Argument '{arg}' of Node '{node}' was used before it has been defined! "
                        f"Please check that Nodes in the graph are topologically ordered\n{self}"
                    )
            if node.name in seen_names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            seen.add(node)
            seen_names.add(node.name)
            if self._owning_module is not None and node.op in ("get_attr", "call_module"):
                _check_reference(self._owning_module, node)

    # -- text and code -----------------------------------------------------------------------------

    def python_code(self, root_module: str, **options: Any) -> PythonCode:
        """The graph as Python source.

        Args:
            root_module: the name by which the source reaches the owning module, `self`.
        """
        namespace = _Namespace()
        kept = {node: node._repr_fn for node in self.nodes}

        def node_repr(n: Node) -> str:
            return namespace.create_name(n.name, n)

        for node in kept:
            node._repr_fn = node_repr
        try:
            return self._codegen._gen_python_code(self.nodes, root_module, namespace, **options)
        finally:
            for node, before in kept.items():
                node._repr_fn = before

    def __str__(self) -> str:
        names: list[str] = []
        returns = [""]
        lines = [node.format_node(names, returns) for node in self.nodes]
        head = f"graph({', '.join(names)}){returns[0]}:"
        return head + "".join(f"\n    {line}" for line in lines if line)

    def print_tabular(self) -> None:
        """Prints a table of the nodes; needs the package `tabulate`."""
        try:
            from tabulate import tabulate
        except ImportError:
            print(
                "`print_tabular` relies on the library `tabulate`, which could not be found on this "
                "machine. Run `pip install tabulate` to install the library."
            )
            raise
        rows = [[n.op, n.name, n.target, n.args, n.kwargs] for n in self.nodes]
        print(tabulate(rows, headers=["opcode", "name", "target", "args", "kwargs"]))

    # -- calling conventions -----------------------------------------------------------------------

    def process_inputs(self, *args: Any) -> Any:
        """The caller's arguments as the placeholders take them."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """The output as the caller gets it."""
        return self._codegen.process_outputs(out)

    def set_codegen(self, codegen: CodeGen) -> None:
        """Replaces what turns the graph into source."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Callable) -> Any:
        """Registers a change of the generated lines.

        Args:
            make_transformer: is given the transformer before it (or None) and gives the new one,
                a function from a list of lines to a list of lines.

        Returns:
            A context manager that takes it off again on exit.
        """
        before = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(before)
        return _TransformerGuard(self, before)

    # -- copies ------------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        memo = {} if memo is None else memo
        g = Graph(tracer_cls=self._tracer_cls)
        output = g.graph_copy(self, memo_nodes := {}, return_output_node=True)
        g._codegen = copy.deepcopy(self._codegen)
        if output is not None:
            value, old = output
            node = g.output(value, type_expr=old.type)
            node.meta = copy.copy(old.meta)
            memo_nodes[old] = node
        memo[id(self)] = g
        memo.update({id(old): new for old, new in memo_nodes.items()})
        return g

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_insert"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._insert = self._root.prepend


class _TransformerGuard:
    """Takes a change of the generated lines off on exit."""

    def __init__(self, graph: Graph, before: Callable | None) -> None:
        self.graph, self.before = graph, before

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        self.graph._codegen._body_transformer = self.before


def _has_attr(module: Any, path: str) -> bool:
    for part in path.split("."):
        if not hasattr(module, part):
            return False
        module = getattr(module, part)
    return True


def _check_reference(owner: Any, node: Node) -> None:
    module = owner
    for part in str(node.target).split("."):
        if not hasattr(module, part):
            name = type(module).__name__ if module is not owner else ""
            raise RuntimeError(
                f"Node {node} target {node.target} references nonexistent attribute {part} of {name}"
            )
        module = getattr(module, part)
