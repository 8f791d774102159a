"""`torch.nn.functional`: the op registry's functions, and those written by hand over them.

Ops with the face `functional` appear by themselves; a hand-written function is imported below and
takes precedence over an op of its name.
"""
# ruff: noqa: F401

from torchcompat import _ops as _ops
from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat.nn._functional.embedding import _no_grad_embedding_renorm_, embedding
from torchcompat.nn._functional.norm import (
    _verify_batch_size,
    _verify_spatial_size,
    batch_norm,
    group_norm,
    instance_norm,
)

for _name, _function in _FUNCTIONS["functional"].items():
    globals().setdefault(_name, _function)
del _name, _function
