"""Layers, in torch's own file names."""

import sys as _sys

from torchcompat.nn.modules.activation import *  # noqa: F403
from torchcompat.nn.modules.adaptive import *  # noqa: F403
from torchcompat.nn.modules.batchnorm import *  # noqa: F403
from torchcompat.nn.modules.channelshuffle import *  # noqa: F403
from torchcompat.nn.modules.container import *  # noqa: F403
from torchcompat.nn.modules.conv import *  # noqa: F403
from torchcompat.nn.modules.distance import *  # noqa: F403
from torchcompat.nn.modules.dropout import *  # noqa: F403
from torchcompat.nn.modules.flatten import *  # noqa: F403
from torchcompat.nn.modules.fold import *  # noqa: F403
from torchcompat.nn.modules.instancenorm import *  # noqa: F403
from torchcompat.nn.modules.linear import *  # noqa: F403
from torchcompat.nn.modules.linear_cross_entropy_options import *  # noqa: F403
from torchcompat.nn.modules.loss import *  # noqa: F403
from torchcompat.nn.modules.module import *  # noqa: F403
from torchcompat.nn.modules.normalization import *  # noqa: F403
from torchcompat.nn.modules.padding import *  # noqa: F403
from torchcompat.nn.modules.pixelshuffle import *  # noqa: F403
from torchcompat.nn.modules.pooling import *  # noqa: F403
from torchcompat.nn.modules.rnn import *  # noqa: F403
from torchcompat.nn.modules.sparse import *  # noqa: F403
from torchcompat.nn.modules.transformer import *  # noqa: F403
from torchcompat.nn.modules.upsampling import *  # noqa: F403

# Classes only: a star import must not carry the submodules `flatten`, `utils` and so on with it.
__all__ = sorted(name for name, value in globals().items() if isinstance(value, type))

# A class is at home in the file that lists it, as in torch, also where a private file defines it.
for _name in __all__:
    _class = globals()[_name]
    _file = _sys.modules[_class.__module__]
    if _file.__name__.rpartition(".")[2].startswith("_"):
        _class.__module__ = next(
            name
            for name, module in _sys.modules.items()
            if name.startswith(f"{__name__}.")
            and not name.rpartition(".")[2].startswith("_")
            and _name in getattr(module, "__all__", ())
        )
del _name, _class, _file
