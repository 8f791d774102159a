"""`Interpreter`: runs a graph node by node; `Transformer` makes a new graph on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchcompat import nn
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._symbolic_trace import Tracer
from torchcompat.fx.graph import Graph
from torchcompat.fx.graph_module import GraphModule
from torchcompat.fx.node import Argument, Node, Target, map_aggregate, map_arg
from torchcompat.fx.proxy import Proxy

__all__ = ["Interpreter", "Transformer"]


@compatibility(is_backward_compatible=True)
class Interpreter:
    """Runs a GraphModule one node at a time; override its methods to change what a node does.

    Args:
        module: the module to run.
        garbage_collect_values: whether a value is dropped after its last use.
        graph: the graph to run instead of the module's own.
    """

    def __init__(
        self, module: nn.Module, garbage_collect_values: bool = True, graph: Graph | None = None
    ) -> None:
        self.module = module
        self.submodules = dict(self.module.named_modules())
        self.graph: Graph = module.graph if graph is None else graph
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.garbage_collect_values = garbage_collect_values
        self.extra_traceback = True
        self.user_to_last_uses: dict[Node, list[Node]] = {}
        if garbage_collect_values:
            self._note_last_uses()

    def _note_last_uses(self) -> None:
        seen: set[Node] = set()
        for node in reversed(self.graph.nodes):
            for one in node.all_input_nodes:
                if one not in seen:
                    seen.add(one)
                    self.user_to_last_uses.setdefault(node, []).append(one)

    @compatibility(is_backward_compatible=True)
    def run(
        self,
        *args: Any,
        initial_env: dict[Node, Any] | None = None,
        enable_io_processing: bool = True,
    ) -> Any:
        """Runs the graph.

        Args:
            initial_env: values of nodes that are known already.
            enable_io_processing: whether arguments and result are nested as the traced function's.
        """
        self.env = {} if initial_env is None else initial_env
        given = self.graph.process_inputs(*args) if enable_io_processing else args
        self.args_iter: Iterator[Any] = iter(given)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                self.env[node] = self.run_node(node)
            except Exception as error:
                if self.extra_traceback:
                    _explain(error, node)
                raise
            if self.garbage_collect_values:
                for one in self.user_to_last_uses.get(node, []):
                    self.env.pop(one, None)
            if node.op == "output":
                value = self.env[node]
                return self.graph.process_outputs(value) if enable_io_processing else value
        return None

    @compatibility(is_backward_compatible=True)
    def boxed_run(self, args_list: list) -> Any:
        """Runs the graph on a list of arguments, which is emptied so that they can be freed."""
        names = [n for n in self.graph.nodes if n.op == "placeholder"]
        env = dict(zip(names, args_list))
        args_list.clear()
        return self.run(initial_env=env)

    @compatibility(is_backward_compatible=True)
    def run_node(self, n: Node) -> Any:
        """The value of one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    # -- one method a kind of node -----------------------------------------------------------------

    @compatibility(is_backward_compatible=True)
    def placeholder(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The next argument, or the rest of them for `*args`."""
        if str(target).startswith("*"):
            return list(self.args_iter)
        try:
            return next(self.args_iter)
        except StopIteration as error:
            if args:
                return args[0]
            raise RuntimeError(
                f"Expected positional argument for parameter {target}, but one was not passed in!"
            ) from error

    @compatibility(is_backward_compatible=True)
    def get_attr(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The attribute of the module."""
        return self.fetch_attr(str(target))

    @compatibility(is_backward_compatible=True)
    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The function's result."""
        return target(*args, **kwargs)  # type: ignore[operator]

    @compatibility(is_backward_compatible=True)
    def call_method(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The result of the method of the first argument."""
        owner, *rest = args
        return getattr(owner, str(target))(*rest, **kwargs)

    @compatibility(is_backward_compatible=True)
    def call_module(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The submodule's result."""
        return self.fetch_attr(str(target))(*args, **kwargs)

    @compatibility(is_backward_compatible=True)
    def output(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The graph's result."""
        return args[0]

    # -- helpers -----------------------------------------------------------------------------------

    @compatibility(is_backward_compatible=True)
    def fetch_attr(self, target: str) -> Any:
        """The attribute of the module that a path names.

        Raises:
            RuntimeError: there is none.
        """
        found: Any = self.module
        parts = target.split(".")
        for i, part in enumerate(parts):
            if not hasattr(found, part):
                raise RuntimeError(f"Node referenced nonexistent target {'.'.join(parts[: i + 1])}")
            found = getattr(found, part)
        return found

    @compatibility(is_backward_compatible=True)
    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[tuple, dict]:
        """The node's arguments with values in the place of nodes."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    @compatibility(is_backward_compatible=True)
    def map_nodes_to_values(self, args: Argument, n: Node) -> Argument:
        """Nested arguments with values in the place of nodes."""

        def load(one: Node) -> Any:
            if one not in self.env:
                raise RuntimeError(
                    f"Node {n} referenced nonexistent value {one}! Run Graph.lint() to diagnose "
                    "such issues"
                )
            return self.env[one]

        return map_arg(args, load)


def _explain(error: Exception, node: Node) -> None:
    """Adds to an error which node it happened in."""
    text = f"While executing {node.format_node()}"
    text = f"{error.args[0]}\n\n{text}" if error.args else text
    text += f"\nOriginal traceback:\n{node.stack_trace}"
    error.args = (text, *error.args[1:])
    if isinstance(error, KeyError):
        raise RuntimeError(*error.args) from error


class _TransformerTracer(Tracer):
    """Records onto the transformer's new graph; every module is a leaf."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        self.tensor_attrs = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


@compatibility(is_backward_compatible=True)
class Transformer(Interpreter):
    """Runs a graph on proxies, so that what its methods do becomes a new graph.

    Args:
        module: the module whose graph is transformed.
    """

    def __init__(self, module: GraphModule) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        self.new_graph.set_codegen(module.graph._codegen)
        self.tracer = _TransformerTracer(self.new_graph)
        self.tracer.root = module

    @compatibility(is_backward_compatible=True)
    def placeholder(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Proxy:
        """The argument's proxy in the new graph."""
        default = args[0] if args else ...
        return Proxy(self.new_graph.placeholder(str(target), default_value=default), self.tracer)

    @compatibility(is_backward_compatible=True)
    def get_attr(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Proxy:
        """The attribute's proxy in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    @compatibility(is_backward_compatible=True)
    def call_module(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call's proxy in the new graph."""
        submodule = self.fetch_attr(str(target))
        return self.tracer.call_module(submodule, submodule.forward, args, kwargs)

    @compatibility(is_backward_compatible=True)
    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call's proxy in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    @compatibility(is_backward_compatible=True)
    def transform(self) -> GraphModule:
        """Runs the transformation and returns the module of the new graph."""
        result = super().run(enable_io_processing=False)
        if result is not None:

            def strip(a: Any) -> Any:
                return a.node if isinstance(a, Proxy) else a

            old = self.module.graph.output_node()
            new = self.new_graph.output(map_aggregate(result, strip))
            new.meta.update(old.meta)
        return GraphModule(self.module, self.new_graph)
