"""`torch._dynamo`: the names by which torch source steers a compiler that is not used here."""

from torchcompat._compile import compile as optimize
from torchcompat._compile._api import OptimizedModule
from torchcompat._dynamo import _steering, config, eval_frame, exc, utils
from torchcompat._dynamo._steering import (
    disallow_in_graph,
    explain,
    export,
    forbid_in_graph,
    graph_break,
    is_dynamo_supported,
    mark_dynamic,
    mark_static,
    mark_static_address,
    maybe_mark_dynamic,
    optimize_assert,
    reset_code_caches,
    run,
)
from torchcompat.compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
    substitute_in_graph,
)

__all__ = [
    "OptimizedModule",
    "_steering",
    "allow_in_graph",
    "assume_constant_result",
    "config",
    "disable",
    "disallow_in_graph",
    "eval_frame",
    "exc",
    "explain",
    "export",
    "forbid_in_graph",
    "graph_break",
    "is_compiling",
    "is_dynamo_supported",
    "list_backends",
    "mark_dynamic",
    "mark_static",
    "mark_static_address",
    "maybe_mark_dynamic",
    "optimize",
    "optimize_assert",
    "reset",
    "reset_code_caches",
    "run",
    "set_stance",
    "substitute_in_graph",
    "utils",
]
