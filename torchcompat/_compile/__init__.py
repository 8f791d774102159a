"""`compile`: whole modules and functions as one XLA program a signature, state carried along."""

from torchcompat._compile._api import OptimizedModule, compile

__all__ = ["OptimizedModule", "compile"]
