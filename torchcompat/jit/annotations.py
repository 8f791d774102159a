"""Names for annotations that TorchScript reads."""

import enum
from typing import Any, Dict, List, Optional, Tuple, Union  # noqa: UP035  torch has these names here

from torchcompat._jit_internal import (
    BroadcastingList1,
    BroadcastingList2,
    BroadcastingList3,
    is_dict,
    is_future,
    is_ignored_fn,
    is_list,
    is_optional,
    is_tuple,
    is_union,
)
from torchcompat.futures import Future
from torchcompat.nn.modules.module import Module

__all__ = [
    "Any",
    "BroadcastingList1",
    "BroadcastingList2",
    "BroadcastingList3",
    "Dict",
    "Future",
    "List",
    "Module",
    "Optional",
    "Tuple",
    "Union",
    "enum",
    "is_dict",
    "is_future",
    "is_ignored_fn",
    "is_list",
    "is_optional",
    "is_tuple",
    "is_union",
]
