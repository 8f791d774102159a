"""`torch.cuda`: JAX's GPUs. Without one, the answers are torch's own on a machine that has none."""

from torchcompat.cuda import amp, graphs, jiterator, memory, nvtx, random
from torchcompat.cuda._names import *  # noqa: F403
from torchcompat.cuda._names import _is_compiled, _lazy_init

__all__ = ["_is_compiled", "_lazy_init", "amp", "graphs", "jiterator", "memory", "nvtx", "random"]
