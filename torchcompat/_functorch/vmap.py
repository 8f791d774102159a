"""`vmap` under functorch's module name."""

from torchcompat.func import vmap

__all__ = ["vmap"]
