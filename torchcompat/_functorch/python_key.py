"""`make_fx` under functorch's module name."""

from torchcompat.fx.experimental.proxy_tensor import make_fx

__all__ = ["make_fx"]
