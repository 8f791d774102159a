"""Asks torchcompat itself: does it have a name, is it of use, does it take an argument?"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import types
from typing import Any

import torchcompat
from torchcompat._absent import is_absent, reason
from torchcompat._ops._registry import ROWS
from torchcompat._tensor._spellings import SPELLINGS

# Methods of torch's Tensor that may be lacking here, whose names say that the object is a tensor.
_PLAIN = """as_subclass ccol_indices chalf col_indices const_data_ptr crow_indices dense_dim dequantize
fill_diagonal_ grad_dtype int_repr ipu is_coalesced lstsq map2_ module_load mtia q_per_channel_axis
q_per_channel_scales q_per_channel_zero_points q_scale q_zero_point qscheme record_stream reinforce
resize_as resize_as_sparse_ row_indices slice_inverse smm sparse_dim sparse_mask sparse_resize_
sparse_resize_and_clear_ sspaddmm storage_type symeig to_dense to_mkldnn to_padded_tensor to_sparse
to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr unsafe_split_with_sizes xpu"""
# The same for names that other objects have too: only where the object is known to be a tensor.
_SHARED = "coalesce eig frexp index indices name resize solve values volatile"
_CREATORS = """torch.as_tensor torch.arange torch.cat torch.empty torch.eye torch.from_numpy torch.full
torch.linspace torch.ones torch.rand torch.randint torch.randn torch.stack torch.tensor torch.where
torch.zeros torch.zeros_like torch.ones_like torch.empty_like torch.full_like torch.rand_like
torch.randn_like torch.matmul torch.bmm torch.einsum torch.exp torch.log torch.sqrt torch.sum
torch.mean torch.abs torch.clamp torch.sigmoid torch.tanh torch.softmax torch.flatten""".split()


@dataclasses.dataclass(frozen=True)
class Missing:
    """A torch name that torchcompat lacks.

    Attributes:
        name: the shortest part of it that is missing.
        problem: what is the matter.
    """

    name: str
    problem: str


@functools.cache
def find(name: str) -> Any:
    """What a torch name means in torchcompat, or a `Missing`."""
    value: Any = torchcompat
    path = "torchcompat"
    for part in name.split(".")[1:]:
        if is_absent(value):
            return value
        path = f"{path}.{part}"
        found = _attribute(value, part, path)
        if found is _NOTHING:
            shown = path.replace("torchcompat", "torch", 1)
            return Missing(shown, f"torchcompat has no {shown}")
        value = found
    return value


_NOTHING = object()


def _attribute(value: Any, part: str, path: str) -> Any:
    try:
        return getattr(value, part)
    except AttributeError:
        if not isinstance(value, types.ModuleType):
            return _NOTHING
    except Exception:  # an attribute that raises exists
        return None
    try:
        return importlib.import_module(path)
    except ImportError:
        return _NOTHING


@functools.cache
def refusal(name: str) -> str | None:
    """Why using a name raises NotImplementedError, or None if it does not."""
    found = find(name)
    return reason(found) if is_absent(found) else None


@functools.cache
def _keywords(name: str) -> frozenset[str] | None:
    """The keywords that a torch name's value takes; None for any."""
    value = find(name)
    if isinstance(value, Missing) or is_absent(value) or not callable(value):
        return None
    if isinstance(value, type) and type(value).__call__ is not type.__call__:
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    given = {p.name for p in parameters if p.kind is not p.VAR_POSITIONAL}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        return frozenset(given)
    row = ROWS.get(name.rpartition(".")[2])
    if row is None or not _is_face(value):
        return None
    spellings = {word for word, own in SPELLINGS.items() if own in row.names}
    return frozenset({*given, *row.names, *spellings, "out", "inplace"})


def _is_face(value: Any) -> bool:
    """Whether a function was made from a row of the op registry."""
    code = getattr(inspect.unwrap(value), "__code__", None)
    return code is not None and code.co_filename.startswith("<")


def accepts(name: str, keyword: str) -> bool:
    """Whether the value of a torch name takes a keyword, as far as its signature tells."""
    known = _keywords(name)
    return known is None or keyword in known


def is_lacking_method(name: str, surely_tensor: bool) -> bool:
    """Whether torch's Tensor has a method of this name and ours has not."""
    if name in _PLAIN.split() or (surely_tensor and name in _SHARED.split()):
        return not hasattr(torchcompat.Tensor, name)
    return False


def makes_tensor(name: str) -> bool:
    """Whether calling a torch name surely gives one tensor."""
    return name in _CREATORS
