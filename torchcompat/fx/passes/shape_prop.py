"""`ShapeProp`: runs a graph and notes the shape and type of every node's value."""

from __future__ import annotations

from typing import Any, NamedTuple

from torchcompat._dtype import dtype
from torchcompat._memory_format import channels_last, contiguous_format, memory_format
from torchcompat._tensor import Size, Tensor
from torchcompat.fx._compatibility import compatibility
from torchcompat.fx.interpreter import Interpreter
from torchcompat.fx.node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


@compatibility(is_backward_compatible=True)
class TensorMetadata(NamedTuple):
    """What a node notes of its tensor, under `node.meta["tensor_meta"]`."""

    shape: Size
    dtype: dtype
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: memory_format | None
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Tensor, include_contiguity: bool = True) -> TensorMetadata:
    """What is noted of one tensor."""

    layout = None
    if include_contiguity:
        formats = [contiguous_format, *([channels_last] if result.ndim == 4 else [])]
        layout = next((f for f in formats if result.is_contiguous(memory_format=f)), None)
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, result.stride(), layout, False, {}
    )


@compatibility(is_backward_compatible=True)
class ShapeProp(Interpreter):
    """Runs a graph once and notes what every node gives.

    Args:
        gm: the module of the graph.
    """

    def __init__(self, gm: Any, fake_mode: Any = None) -> None:
        if fake_mode is not None:
            raise NotImplementedError(f"ShapeProp(fake_mode={fake_mode!r})")
        super().__init__(gm)

    def run_node(self, n: Node) -> Any:
        """The node's value, noted in its `meta`."""
        try:
            result = super().run_node(n)
        except Exception as error:
            raise RuntimeError(
                f"ShapeProp error for: node={n.format_node()} with meta={n.meta}"
            ) from error
        found = False

        def note(one: Any) -> Any:
            nonlocal found
            if not isinstance(one, Tensor):
                return one
            found = True
            return _extract_tensor_metadata(one)

        noted = map_aggregate(result, note)
        if found:
            n.meta["tensor_meta"] = noted
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Runs the graph on these arguments and returns its result."""
        return super().run(*args)
