"""`torch._higher_order_ops`: control flow and scans as functions, which `compile` carries into XLA."""

from torchcompat._higher_order_ops.associative_scan import associative_scan
from torchcompat._higher_order_ops.cond import cond
from torchcompat._higher_order_ops.map import map
from torchcompat._higher_order_ops.scan import scan
from torchcompat._higher_order_ops.while_loop import while_loop

__all__ = ["cond", "while_loop", "scan", "map", "associative_scan"]
