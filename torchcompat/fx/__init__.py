"""`torch.fx`: symbolic tracing of modules to graphs that can be read, changed and run."""

from torchcompat.fx import immutable_collections as immutable_collections
from torchcompat.fx import node as node
from torchcompat.fx import proxy as proxy
from torchcompat.fx._symbolic_trace import PH as PH
from torchcompat.fx._symbolic_trace import ProxyableClassMeta as ProxyableClassMeta
from torchcompat.fx._symbolic_trace import Tracer as Tracer
from torchcompat.fx._symbolic_trace import symbolic_trace as symbolic_trace
from torchcompat.fx._symbolic_trace import wrap as wrap
from torchcompat.fx.graph import CodeGen as CodeGen
from torchcompat.fx.graph import Graph as Graph
from torchcompat.fx.graph_module import GraphModule as GraphModule
from torchcompat.fx.interpreter import Interpreter as Interpreter
from torchcompat.fx.interpreter import Transformer as Transformer
from torchcompat.fx.node import Node as Node
from torchcompat.fx.node import has_side_effect as has_side_effect
from torchcompat.fx.node import map_arg as map_arg
from torchcompat.fx.proxy import Proxy as Proxy
from torchcompat.fx.subgraph_rewriter import replace_pattern as replace_pattern

__all__ = [
    "CodeGen",
    "Graph",
    "GraphModule",
    "Interpreter",
    "Node",
    "PH",
    "Proxy",
    "ProxyableClassMeta",
    "Tracer",
    "Transformer",
    "has_side_effect",
    "map_arg",
    "replace_pattern",
    "symbolic_trace",
    "wrap",
]
