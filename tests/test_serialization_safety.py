"""Files that mean harm, or are damaged: a clear exception, nothing run, nothing large allocated."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from _checkpoints import (
    call,
    legacy_of,
    name,
    number,
    numbers,
    our_bits,
    program,
    state_dict,
    storage,
    tensor_code,
    text,
    torch_bytes,
    zip_of,
)
from safetensors import SafetensorError
from safetensors.torch import save as save_safetensors

from torchcompat import serialization
from torchcompat._tensor import Tensor
from torchcompat.serialization import load

# What a damaged or hostile file may end in.
CLEAR = (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, SafetensorError)
MiB = 1 << 20


def load_bytes(data: bytes, **options: Any) -> Any:
    return load(io.BytesIO(data), **options)


@pytest.fixture
def small() -> Iterator[None]:
    """The test may not allocate more than a few MiB."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    yield
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 8 * MiB, f"allocated {peak / MiB:.0f} MiB"


# -- names that are not on the list ---------------------------------------------------------------

REFUSED = """
    os.system posix.system nt.system os.popen sys.exit sys.modules subprocess.Popen builtins.eval
    builtins.exec builtins.getattr builtins.setattr builtins.__import__ builtins.compile
    builtins.open builtins.globals builtins.type builtins.object builtins.slice
    builtins.frozenset builtins.map
    importlib.import_module copyreg._reconstructor copyreg.__newobj__ functools.partial
    functools.reduce operator.attrgetter operator.methodcaller types.FunctionType types.CodeType
    collections.defaultdict collections.deque codecs.decode _codecs.decode pickle.loads
    marshal.loads ctypes.CDLL shutil.rmtree socket.socket webbrowser.open runpy._run_code
    numpy.load numpy.ndarray numpy._core.multiarray._reconstruct jax.jit jax.numpy.load
    torch.hub.load torch.load torch.save torch.utils.cpp_extension.load
    torch.nn.modules.linear.Linear
    torch.nn.functional.relu torch._utils._rebuild_tensor_v9 torch.storage._load_from_bytes
    torch.serialization.load torch.Tensor.__reduce__ torch._dynamo.optimize torch.compile
    torchcompat.load torchcompat.serialization._native.find_torch_global antigravity.fly this.s
    __main__.anything
""".split()  # noqa: SIM905 - a table of names


@pytest.fixture
def alarmed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records calls of the functions that hostile pickles like best."""
    rung: list[str] = []
    for module, attribute in ((os, "system"), (os, "popen"), (subprocess, "Popen")):
        monkeypatch.setattr(module, attribute, lambda *args, **kwargs: rung.append("called"))
    return rung


@pytest.mark.parametrize("wrap", [zip_of, legacy_of], ids=["zip", "legacy"])
@pytest.mark.parametrize("full", REFUSED)
def test_other_names_are_refused_by_name(
    full: str, wrap: Callable[[bytes], bytes], alarmed: list[str]
) -> None:
    module, _, attribute = full.rpartition(".")
    modules = set(sys.modules)
    named = (
        name(module, attribute),
        b"\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(attribute)])
        + attribute.encode() + b"\x93",
    )  # fmt: skip
    for push in named:
        data = wrap(program(b"]", call(push, text("echo harm")), b"a"))
        with pytest.raises(pickle.UnpicklingError) as caught:
            load_bytes(data)
        message = str(caught.value)
        assert message.startswith("Weights only load failed.")
        assert full.removeprefix("builtins.") in message
    assert not alarmed and set(sys.modules) == modules


@pytest.mark.parametrize("full", ["builtins.eval", "posix.system", "__main__.X", "torch.hub.load"])
def test_refusals_read_as_torchs(full: str) -> None:
    module, _, attribute = full.rpartition(".")
    data = zip_of(program(call(name(module, attribute), text("1"))))
    with pytest.raises(pickle.UnpicklingError) as theirs:
        torch.load(io.BytesIO(data), weights_only=True)
    with pytest.raises(pickle.UnpicklingError) as ours:
        load_bytes(data)
    assert str(ours.value) == str(theirs.value)


def test_blocked_modules_stay_blocked_even_if_allowed(alarmed: list[str]) -> None:
    data = zip_of(program(call(name("posix", "system"), text("echo harm"))))
    with (
        serialization.safe_globals([(os.system, "posix.system")]),
        pytest.raises(pickle.UnpicklingError, match="whose module posix is blocked"),
    ):
        load_bytes(data)
    assert not alarmed


# -- misuse of what is on the list ----------------------------------------------------------------

ORDERED = name("collections", "OrderedDict")
EMPTY = call(ORDERED)
VIEW = tensor_code((2,), (1,))


def nested(depth: int) -> bytes:
    return b")" + b"\x85" * depth


def doubled(times: int) -> bytes:
    return b")" + b"q\x00h\x00\x86" * times


HOSTILE = {
    # calls
    "call of a tensor": call(VIEW),
    "call of a dict": call(b"}"),
    "call of a string": call(text("print")),
    "call of a dtype": call(name("torch", "float32")),
    "call of a storage class": call(name("torch", "FloatStorage"), number(1 << 33)),
    "call of Tensor with a size": call(name("torch", "Tensor"), number(1 << 33)),
    "arguments are no tuple": ORDERED + b"]R",
    "huge bytearray": call(name("builtins", "bytearray"), number(8 << 30)),
    "huge bytes": call(name("builtins", "bytes"), number(8 << 30)),
    "other codec": call(name("_codecs", "encode"), text("x"), text("bz2")),
    "codec of a module": call(name("_codecs", "encode"), text("x"), text("os.path")),
    "complex of text": call(name("builtins", "complex"), text("1")),
    "Size of text": call(name("torch", "Size"), text("abc")),
    "device of a list": call(name("torch", "device"), b"]"),
    "Parameter of text": call(
        name("torch._utils", "_rebuild_parameter"), text("x"), b"\x88", EMPTY
    ),
    "function by state": call(
        name("torch._tensor", "_rebuild_from_type_v2"), ORDERED, name("torch", "Tensor"), b")", b"}"
    ),
    "type that is not allowed": call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        name("torch._utils", "_rebuild_tensor_v2"),
        ORDERED,
        b"(" + storage() + number(0) + numbers(2) + numbers(1) + b"\x89" + EMPTY + b"t",
        b"}",
    ),
    # instances and states
    "new list": name("builtins", "set") + b")\x81",
    "new Tensor": name("torch", "Tensor") + b")\x81",
    "state of a list": b"]}b",
    "state of a tensor": VIEW + b"}" + text("shape") + number(1) + b"sb",
    "state of a class": ORDERED + b"N}" + text("update") + number(1) + b"s\x86b",
    "state of a storage": storage() + b"}b",
    "OrderedDict method replaced": EMPTY + b"}" + text("items") + number(1) + b"sb",
    "OrderedDict class replaced": EMPTY + b"}" + text("__class__") + number(1) + b"sb",
    "tensor method replaced": call(
        name("torch._utils", "_rebuild_parameter_with_state"),
        VIEW, b"\x88", EMPTY, b"}" + text("add_") + ORDERED + b"s",
    ),
    "tensor slot replaced": call(
        name("torch._utils", "_rebuild_parameter_with_state"),
        VIEW, b"\x88", EMPTY, b"N}" + text("_cell") + number(1) + b"s\x86",
    ),
    "append to a set": call(name("builtins", "set")) + b"Na",
    "item of a list": b"]" + number(0) + b"Ns",
    "item of a tensor": VIEW + number(0) + number(1) + b"s",
    # hashing: the first crashes Python's own `hash`, the second does not end
    "nested key": b"}" + nested(60_000) + b"Ns",
    "doubled key": b"}" + doubled(60) + b"Ns",
    "nested set item": call(name("builtins", "set"), b"]" + nested(60_000) + b"a"),
    "nested pair": call(ORDERED, b"]" + nested(60_000) + b"N\x86a"),
    "list as a key": b"}]Ns",
    # stack and memo
    "nothing": b"",
    "empty stack": b"R",
    "no mark": b"Nt",
    "memo that is not there": b"h\x07",
    "far memo that is not there": b"j\xff\xff\xff\xff",
    "odd items": b"}(NNNu",
    "unknown opcode": b"\xfe",
    "opcode of protocol 0": b"I1\n",
    "protocol 200": b"\x80\xc8N",
    "copies without end": b"](" + b"N" * 20_000 + b"e" + b"q\x01"
    + call(name("builtins", "bytearray"), text("x" * 200_000)) + b"0"
    + text("y" * 200_000) + b"q\x02" + call(name("_codecs", "encode"), b"h\x02", text("latin1")) * 3
    + (name("_codecs", "encode") + b"(h\x02" + text("latin1") + b"tR0") * 20_000,
    # claims
    "text of 4 GB": b"X\xff\xff\xff\xff",
    "text of 2**62": b"\x8d" + struct.pack("<Q", 1 << 62),
    "bytes of 2**62": b"\x8e" + struct.pack("<Q", 1 << 62),
    "bytearray of 2**62": b"\x96" + struct.pack("<Q", 1 << 62),
    "bytes of 4 GB": b"B\xff\xff\xff\xff",
    "number of 2 GB": b"\x8b\xff\xff\xff\x7f",
    "number of -1 bytes": b"\x8b\xff\xff\xff\xff",
    "name without end": b"c" + b"x" * 10_000,
    # persistent ids
    "id that is text": text("storage") + b"Q",
    "id that is empty": b")Q",
    "id of a module": b"(" + text("module") + ORDERED + text("f") + text("source") + b"tQ",
    "id that is too short": b"(" + text("storage") + b"tQ",
    "id with another class": b"(" + text("storage") + ORDERED + text("0") + text("cpu")
    + number(4) + b"tQ",
    "id with a negative size": storage(-1),
    "id with a size of 8 GB": storage(1 << 31),
    "id with a size of 2**62": storage(1 << 62),
    "id with another key": storage(key="7"),
    "id with a path as key": storage(key="../version"),
    "id with a text size": b"(" + text("storage") + name("torch", "FloatStorage") + text("0")
    + text("cpu") + text("4") + b"tQ",
    # layouts
    "reaches too far": tensor_code((5,), (1,)),
    "offset too far": tensor_code((2,), (1,), 3),
    "stride too far": tensor_code((2,), (1 << 62,)),
    "negative stride": tensor_code((2,), (-1,), 1),
    "negative size": tensor_code((-2,), (1,)),
    "negative offset": tensor_code((2,), (1,), -1),
    "size overflows": tensor_code((1 << 62, 1 << 62), (0, 0)),
    "other number of strides": tensor_code((2, 2), (1,)),
    "too many dimensions": tensor_code((1,) * 2000, (1,) * 2000),
    "8 GB tensor": tensor_code((1 << 31,), (1,)),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_misuse_is_refused(case: str, alarmed: list[str], small: None) -> None:
    data = zip_of(program(HOSTILE[case]), {"0": b"\0" * 16})
    with pytest.raises(CLEAR) as caught:
        load_bytes(data)
    assert str(caught.value) and not alarmed
    if HOSTILE[case] and b"tQ" not in HOSTILE[case]:
        with pytest.raises(CLEAR):
            load_bytes(legacy_of(program(HOSTILE[case])))


def test_a_refused_state_changes_nothing() -> None:
    before = dict(vars(Tensor))
    for case in ("state of a class", "tensor method replaced", "tensor slot replaced"):
        with pytest.raises(CLEAR):
            load_bytes(zip_of(program(HOSTILE[case]), {"0": b"\0" * 16}))
    assert dict(vars(Tensor)) == before


def test_an_expanded_tensor_of_gigabytes_is_a_view(small: None) -> None:
    ours = load_bytes(zip_of(program(tensor_code((1 << 20, 1 << 20), (0, 0))), {"0": b"\0" * 16}))
    assert tuple(ours.shape) == (1 << 20, 1 << 20)


# -- archives that lie ----------------------------------------------------------------------------


def plain_zip() -> bytes:
    return torch_bytes({"x": torch.arange(100.0), "y": torch.arange(50)})


def directory(data: bytes) -> int:
    return data.index(b"PK\1\2")


def entry(data: bytes, record: str) -> int:
    return data.rindex(b"PK\1\2", 0, data.rindex(record.encode()))


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def repacked(
    method: int = zipfile.ZIP_STORED, twice: bool = False, folder: str = "archive/"
) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(plain_zip())) as source,
        zipfile.ZipFile(file, "w", method) as target,
    ):
        for one in source.namelist():
            target.writestr(one.replace("archive/", folder), source.read(one))
        if twice:
            with pytest.warns(UserWarning, match="Duplicate name"):
                target.writestr("archive/data/0", b"\0" * 400)
    return file.getvalue()


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "record of 3 GB": (
        lambda: patched(
            plain_zip(),
            entry(plain_zip(), "archive/data/0") + 20,
            struct.pack("<LL", *[3 << 30] * 2),
        ),
        "lies outside of the file",
    ),
    "record at 3 GB": (
        lambda: patched(
            plain_zip(), entry(plain_zip(), "archive/data/0") + 42, struct.pack("<L", 3 << 30)
        ),
        "lies outside of the file",
    ),
    "directory of 4 GB": (
        lambda: patched(plain_zip(), len(plain_zip()) - 10, b"\xff\xff\xff\x7f"),
        "directory|disagree",
    ),
    "a million entries": (
        lambda: patched(plain_zip(), len(plain_zip()) - 12, b"\xfe\xff"),
        "directory|disagree",
    ),
    "overlapping records": (
        lambda: patched(
            plain_zip(),
            entry(plain_zip(), "archive/data/0") + 42,
            plain_zip()[entry(plain_zip(), "archive/data/1") + 42 :][:4],
        ),
        "disagrees with the directory",
    ),
    "longer than its place": (
        lambda: patched(
            plain_zip(), entry(plain_zip(), "archive/data/0") + 20, struct.pack("<LL", 700, 700)
        ),
        "overlaps another",
    ),
    "encrypted": (
        lambda: patched(plain_zip(), entry(plain_zip(), "archive/data/0") + 8, b"\x01\x08"),
        "is encrypted",
    ),
    "two records of one name": (lambda: repacked(twice=True), "two records are named"),
    "no folder": (lambda: repacked(folder=""), "not in a subdirectory"),
    "no pickle": (lambda: repacked().replace(b"data.pkl", b"data.xyz"), "file not found: data.pkl"),
    "cut payload": (lambda: plain_zip().replace(b"\x80?", b"\x81?", 1), "CRC-32"),
    "other byte order": (lambda: zip_of(program(b"N"), byteorder=b"middle"), "Unknown endianness"),
    "TorchScript": (lambda: zip_of(program(b"N"), **{"constants.pkl": b""}), "TorchScript"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_that_lie(case: str, small: None) -> None:
    make, message = ARCHIVES[case]
    with pytest.raises((RuntimeError, ValueError), match=message):
        load_bytes(make())


def test_compressed_archives_are_refused_and_stored_ones_read() -> None:
    with pytest.raises(NotImplementedError, match="is compressed"):
        load_bytes(repacked(zipfile.ZIP_DEFLATED))
    assert our_bits(load_bytes(repacked())["x"]) == np.arange(100, dtype=np.float32).tobytes()


# -- safetensors that lie -------------------------------------------------------------------------


def safetensors_of(header: Any, payload: int = 8, length: int | None = None) -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + b"\0" * payload


def one_tensor(**changes: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


SAFETENSORS = {
    "header of 8 GB": safetensors_of(one_tensor(), length=8 << 30),
    "header longer than the file": safetensors_of(one_tensor(), length=10_000),
    "shape of 8 GB": safetensors_of(one_tensor(shape=[1 << 31])),
    "shape that overflows": safetensors_of(one_tensor(shape=[1 << 62, 1 << 62])),
    "negative shape": safetensors_of(one_tensor(shape=[-2])),
    "shape of text": safetensors_of(one_tensor(shape="2")),
    "offsets beyond the file": safetensors_of(one_tensor(shape=[4], data_offsets=[0, 16])),
    "offsets with a gap": safetensors_of(one_tensor(data_offsets=[8, 16]), payload=16),
    "offsets backwards": safetensors_of(one_tensor(data_offsets=[8, 0])),
    "one offset": safetensors_of(one_tensor(data_offsets=[8])),
    "bytes left over": safetensors_of(one_tensor(), payload=9),
    "overlap": safetensors_of({**one_tensor(), "y": one_tensor()["x"]}),
    "unknown dtype": safetensors_of(one_tensor(dtype="F33")),
    "dtype of a list": safetensors_of(one_tensor(dtype=["F32"])),
    "missing field": safetensors_of({"x": {"dtype": "F32", "shape": [2]}}),
    "list": safetensors_of(b"[1, 2]"),
    "duplicate name": safetensors_of(b'{"x": 1, "x": 2}'),
    "nested without end": safetensors_of(b'{"x":' + b"[" * 100_000),
    "not JSON": safetensors_of(b"{hello"),
    "not UTF-8": safetensors_of(b'{"\xff": 1}'),
    "metadata of numbers": safetensors_of({"__metadata__": {"a": 1}}, payload=0),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors_that_lie(case: str, small: None, tmp_path: Any) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(SAFETENSORS[case])
    for file in (path, io.BytesIO(SAFETENSORS[case])):
        with pytest.raises(CLEAR) as caught:
            load(file)
        assert str(caught.value)
    with pytest.raises(Exception):  # noqa: B017 - the package refuses them all too
        torch.load(path)


def test_safetensors_of_a_type_that_jax_lacks() -> None:
    with pytest.raises(NotImplementedError, match="F4"):
        load_bytes(safetensors_of(one_tensor(dtype="F4", shape=[16])))


# -- damage ---------------------------------------------------------------------------------------


def samples() -> dict[str, bytes]:
    whole = state_dict()
    flat = {
        key: value.contiguous() for key, value in whole.items() if key not in ("tied", "config")
    }
    return {
        "zip": torch_bytes(whole),
        "legacy": torch_bytes(whole, "legacy"),
        "safetensors": save_safetensors({key: value.detach() for key, value in flat.items()}),
    }


def outcome(data: bytes) -> Any:
    """What loading gives, or None where it ends in a clear exception."""
    try:
        return load_bytes(data)
    except (*CLEAR, NotImplementedError) as error:
        assert str(error) and len(str(error)) < 10_000
        return None


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_every_truncation_ends_in_an_exception(form: str, small: None) -> None:
    data = samples()[form]
    for size in range(len(data)):
        assert outcome(data[:size]) is None


def damaged(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        at = chance.randrange(len(changed))
        size = chance.choice([1, 1, 4, 8])
        kind = chance.choice(["flip", "set", "insert", "delete"])
        if kind == "flip":
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == "set":
            changed[at : at + size] = bytes([chance.choice([0, 255, 128])]) * size
        elif kind == "insert":
            changed[at:at] = chance.randbytes(size)
        else:
            del changed[at : at + size]
    return bytes(changed)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_random_damage_ends_in_an_exception_or_in_data(form: str, small: None) -> None:
    data = samples()[form]
    want = load_bytes(data)
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        found = outcome(damaged(data, chance))
        refused += found is None
        if form == "zip" and found is not None:
            # Every record is checked, so damage that passes lies between the records.
            assert list(found) == list(want)
            assert our_bits(found["weight"]) == our_bits(want["weight"])
    assert refused > 200


def test_damage_under_weights_only_false(small: None) -> None:
    """Python's own unpickler runs here, after a walk over the opcodes."""
    for part in (b"r\xff\xff\xff\x7f", b"\x8e" + struct.pack("<Q", 1 << 62), b"\x96" + b"\xff" * 8):
        with pytest.raises(pickle.UnpicklingError):
            load_bytes(zip_of(program(b"N", part)), weights_only=False)


def test_a_failed_load_leaves_the_file_object_usable() -> None:
    data = torch_bytes(torch.ones(1), "legacy")
    file = io.BytesIO(data + b"harm")
    load(file)
    with pytest.raises(CLEAR):
        load(file)
    file.seek(0)
    assert tuple(load(file).shape) == (1,)


def test_messages_do_not_print_what_the_file_holds() -> None:
    bomb = b"](" + b"N" * 1000 + b"e" + b"q\x00" + b"](" + b"h\x00" * 1000 + b"e"
    with pytest.raises(pickle.UnpicklingError) as caught:
        load_bytes(zip_of(program(call(bomb))))
    assert len(str(caught.value)) < 2000
    assert re.search("unrecognized function", str(caught.value))
