"""Checkpoints for the tests of serialization: made by torch, or by hand with a flaw."""

from __future__ import annotations

import io
import struct
from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from torchcompat.serialization import save
from torchcompat.serialization._zip_write import ZipWriter

FORMATS = ("zip", "legacy")
# Torch has storage classes for these; the others it writes as bytes with the dtype beside them.
TYPED = ["float64", "float32", "float16", "bfloat16", "complex128", "complex64"]
TYPED += ["int64", "int32", "int16", "int8", "uint8", "bool"]
UNTYPED = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz"]
UNTYPED += ["float8_e5m2fnuz", "float8_e8m0fnu"]


def torch_bytes(obj: Any, form: str = "zip", **options: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=form == "zip", **options)
    return file.getvalue()


def our_bytes(obj: Any, form: str = "zip", **options: Any) -> bytes:
    """What `torchcompat.save` writes."""
    file = io.BytesIO()
    save(obj, file, _use_new_zipfile_serialization=form == "zip", **options)
    return file.getvalue()


def storage_of(dtype: str, count: int = 24) -> torch.Tensor:
    """A contiguous tensor whose bytes are all different from their neighbours."""
    kind = getattr(torch, dtype)
    if dtype == "bool":
        return (torch.arange(count) % 3 == 0).clone()
    if not count:
        return torch.empty(0, dtype=kind)
    raw = np.random.default_rng(0).integers(0, 120, count * kind.itemsize, np.uint8)
    return torch.from_numpy(raw).clone().view(kind)


def layouts(dtype: str) -> dict[str, torch.Tensor]:
    """Tensors of every kind of layout; the first ones share a storage."""
    base = storage_of(dtype)
    whole = base.view(4, 6)
    return {
        "whole": whole,
        "flat": base,
        "transposed": whole.t(),
        "offset": whole[1:3],
        "column": whole[:, 2],
        "strided": base[3::5],
        "expanded": whole[1:2].expand(3, 6),
        "overlapping": base.as_strided((3, 4), (2, 1), 5),
        "scalar": whole[2, 3],
        "empty": storage_of(dtype, 0),
        "empty 2d": storage_of(dtype, 0).view(0, 3),
        "alone": storage_of(dtype, 5),
    }


def bits(tensor: torch.Tensor) -> bytes:
    """The bytes of a torch tensor's elements in row-major order."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).numpy()) if flat.numel() else b""


def our_bits(tensor: Any) -> bytes:
    """The bytes of one of our tensors' elements in row-major order."""
    return np.asarray(tensor).tobytes()


def assert_same(ours: Any, theirs: torch.Tensor) -> None:
    """Same dtype, layout, flags and bits."""
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert tuple(ours.stride()) == tuple(theirs.stride())
    assert ours.storage_offset() == theirs.storage_offset()
    assert ours.requires_grad == theirs.requires_grad
    assert our_bits(ours) == bits(theirs)


# -- made by hand ---------------------------------------------------------------------------------


def zip_of(pickled: bytes, storages: dict[str, bytes] | None = None, **records: bytes) -> bytes:
    """A torch archive around a pickle."""
    file = io.BytesIO()
    archive = ZipWriter(file)
    archive.add("data.pkl", pickled)
    for name, data in ({"byteorder": b"little", "version": b"3\n"} | records).items():
        archive.add(name, data)
    for key, data in (storages or {}).items():
        archive.add(f"data/{key}", data)
    archive.finish()
    return file.getvalue()


def legacy_of(pickled: bytes) -> bytes:
    """A file of the older format around a pickle, with no storages."""
    whole = torch_bytes(0, "legacy")
    start = whole.index(b"\x80\x02K\x00.")
    return whole[:start] + pickled + b"\x80\x02]q\x00."


def text(value: str) -> bytes:
    """The opcode that pushes a string."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    """The opcode that pushes a global."""
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Opcodes that push the result of a call."""
    return function + b"(" + b"".join(arguments) + b"tR"


def program(*parts: bytes) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + b"".join(parts) + b"."


def number(value: int) -> bytes:
    """The opcode that pushes an int."""
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + raw


def storage(
    numel: int = 4, key: str = "0", kind: str = "FloatStorage", place: str = "cpu"
) -> bytes:
    """Opcodes that push a storage."""
    return (
        b"("
        + text("storage")
        + name("torch", kind)
        + text(key)
        + text(place)
        + number(numel)
        + b"tQ"
    )


def numbers(*values: int) -> bytes:
    """Opcodes that push a tuple of ints."""
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor_code(size: tuple, stride: tuple, offset: int = 0, **storage_options: Any) -> bytes:
    """Opcodes that push a tensor over a storage of float32."""
    hooks = call(name("collections", "OrderedDict"))
    arguments = storage(**storage_options), number(offset), numbers(*size), numbers(*stride)
    return call(name("torch._utils", "_rebuild_tensor_v2"), *arguments, b"\x89", hooks)


def state_dict() -> OrderedDict:
    """A small state_dict with every kind of value."""
    torch.manual_seed(0)
    weight = torch.randn(6, 5)
    found = OrderedDict(
        weight=weight,
        tied=weight.t(),
        counts=torch.arange(7),
        parameter=torch.nn.Parameter(torch.randn(3)),
        half=torch.ones(3, dtype=torch.bfloat16),
        mask=torch.tensor([True, False]),
        config={"lr": 0.1, "sizes": [1, 2, (3, "x")], "kind": torch.float32, "set": {1, 2}},
    )
    found._metadata = OrderedDict({"": {"version": 1}})
    return found
