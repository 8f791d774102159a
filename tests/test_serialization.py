"""Files: what torch writes we read, what we write torch reads: equal bits, layouts and aliases."""

from __future__ import annotations

import collections
import gc
import io
import marshal
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
import zipfile

import jax
import numpy as np
import pytest
import torch
from _checkpoints import (
    FORMATS,
    TYPED,
    UNTYPED,
    assert_same,
    bits,
    call,
    layouts,
    name,
    number,
    numbers,
    our_bits,
    our_bytes,
    program,
    state_dict,
    storage_of,
    tensor_code,
    text,
    torch_bytes,
    zip_of,
)
from safetensors.torch import save_file

from torchcompat import _device, serialization
from torchcompat._device import device
from torchcompat._dtype import BY_NAME
from torchcompat._tensor import Size, Tensor, from_cell, wrap
from torchcompat.nn.parameter import Buffer, Parameter
from torchcompat.serialization import _source, _zip_read, _zip_write, load, save


def load_bytes(data: bytes, **options: object) -> object:
    return load(io.BytesIO(data), **options)


def torch_load(data: bytes) -> object:
    return torch.load(io.BytesIO(data), weights_only=True)


# -- tensors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", TYPED + UNTYPED)
def test_every_dtype_and_layout_both_ways(dtype: str, form: str) -> None:
    theirs = layouts(dtype)
    ours = load_bytes(torch_bytes(theirs, form))
    assert list(ours) == list(theirs)
    for key, tensor in theirs.items():
        assert type(ours[key]) is Tensor
        assert_same(ours[key], tensor)
    cells = {ours[key]._cell for key in list(theirs)[:9]}
    assert len(cells) == 1 and ours["alone"]._cell not in cells
    written = our_bytes(ours, form)
    if form == "legacy" and dtype in UNTYPED:
        # torch writes these in the older format, but cannot read them back itself.
        with pytest.raises(AttributeError):
            torch_load(torch_bytes(theirs, form))
        back = load_bytes(written)
    else:
        back = torch_load(written)
        pointers = {back[key].untyped_storage().data_ptr() for key in list(theirs)[:9]}
        assert len(pointers) == 1
    for key, tensor in theirs.items():
        read = our_bits if type(back[key]) is Tensor else bits
        assert read(back[key]) == bits(tensor)
        assert tuple(back[key].stride()) == tensor.stride()
        assert back[key].storage_offset() == tensor.storage_offset()


@pytest.mark.parametrize("form", FORMATS)
def test_writing_through_an_alias_shows_in_all_of_them(form: str) -> None:
    base = torch.arange(6.0)
    ours = load_bytes(torch_bytes([base.view(2, 3), base.view(2, 3).t(), base[1:]], form))
    ours[0]._cell.write(jax.numpy.full((2, 3), 7.0))
    assert all((np.asarray(one) == 7).all() for one in ours)


def test_one_storage_under_two_dtypes() -> None:
    base = storage_of("uint32", 8)
    ours = load_bytes(torch_bytes([base, base.view(torch.uint16), base.view(torch.float8_e5m2)]))
    assert [our_bits(one) for one in ours] == [bits(base)] * 3
    assert ours[0]._cell is not ours[1]._cell


@pytest.mark.parametrize("form", FORMATS)
def test_conjugate_and_negative_bits_are_carried_out(form: str) -> None:
    base = storage_of("complex64", 6).view(2, 3)
    for tensor in (base, base.conj(), base.t().conj(), base.conj().imag):
        one = load_bytes(torch_bytes(tensor, form))
        np.testing.assert_array_equal(np.asarray(one), tensor.resolve_conj().resolve_neg().numpy())
        assert tuple(one.stride()) == tensor.stride()


@pytest.mark.parametrize("form", FORMATS)
def test_parameters_buffers_and_attributes(form: str) -> None:
    plain, frozen, marked = (torch.nn.Parameter(torch.ones(n)) for n in (1, 2, 3))
    frozen.requires_grad = False
    marked.tag = {"a": [1]}
    with_attribute = torch.ones(2)
    with_attribute.note = "x"
    theirs = [plain, frozen, marked, torch.nn.Buffer(torch.ones(4)), with_attribute]
    theirs.append(torch.ones(2, requires_grad=True) * 3)
    ours = load_bytes(torch_bytes(theirs, form))
    back = torch_load(our_bytes(ours, form))
    for objects, parameter, buffer in (
        (ours, Parameter, Buffer),
        (back, torch.nn.Parameter, torch.nn.Buffer),
    ):
        assert [type(one) is parameter for one in objects] == [True] * 3 + [False] * 3
        assert [one.requires_grad for one in objects] == [True, False, True, False, False, True]
        assert objects[2].tag == {"a": [1]} and objects[4].note == "x"
        assert isinstance(objects[3], buffer) and objects[3].persistent


def test_state_dict_keeps_order_metadata_and_ties() -> None:
    theirs = state_dict()
    ours = load_bytes(torch_bytes(theirs))
    assert type(ours) is collections.OrderedDict and list(ours) == list(theirs)
    assert ours._metadata == theirs._metadata
    assert ours["weight"]._cell is ours["tied"]._cell
    back = torch_load(our_bytes(ours))
    assert back._metadata == theirs._metadata
    assert back["tied"].data_ptr() == back["weight"].data_ptr()


def test_meta_tensors() -> None:
    theirs = [torch.ones(2, 3, device="meta"), torch.empty_strided((2, 3), (1, 2), device="meta")]
    ours = load_bytes(torch_bytes(theirs))
    back = torch_load(our_bytes(ours))
    for tensors in (ours, back):
        assert [str(one.device) for one in tensors] == ["meta", "meta"]
        assert [tuple(one.stride()) for one in tensors] == [(3, 1), (1, 2)]


@pytest.mark.parametrize("form", FORMATS)
def test_bare_storages(form: str) -> None:
    base = torch.arange(3, dtype=torch.int16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = [base, base.storage()]
    ours = load_bytes(torch_bytes(theirs, form))
    assert ours[1].tolist() == [0, 1, 2] and ours[1].dtype is BY_NAME["int16"]
    assert ours[1].cell(ours[1].dtype) is ours[0]._cell
    back = torch_load(our_bytes(ours, form))
    assert back[1].untyped().data_ptr() == back[0].data_ptr()


def test_untyped_storages() -> None:
    theirs = torch.arange(3, dtype=torch.int16).untyped_storage()
    ours = load_bytes(torch_bytes(theirs))
    assert serialization.location_tag(ours) == torch.serialization.location_tag(theirs) == "cpu"
    assert ours.tolist() == [0, 0, 1, 0, 2, 0] and len(ours) == ours.nbytes() == 6
    assert torch_load(our_bytes(ours)).tolist() == theirs.tolist()


def test_jax_arrays_are_saved_as_tensors() -> None:
    back = torch_load(our_bytes({"x": jax.numpy.arange(3.0)}))
    assert torch.equal(back["x"], torch.arange(3.0))


def test_tensors_that_torch_has_and_jax_lacks() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.quint8)
        half = torch.ones(2, dtype=torch.complex32)
    for tensor, what in (
        (quantized, "quint8"),
        (half, "complex32"),
        (torch.eye(2).to_sparse(), "sparse"),
    ):
        with pytest.raises(NotImplementedError, match=what):
            load_bytes(torch_bytes(tensor))


# -- other objects --------------------------------------------------------------------------------

OBJECTS = [
    None, True, False, 0, 255, 65536, -5, 1 << 40, 1 << 100, -(1 << 2100), 1.5, float("inf"), "",
    "é", "x" * 300, b"", b"ab\xff", bytearray(b"x\0"), 2 + 3j, (), (1,), (1, (2, [3])), [],
    [1, [2]], {}, {"a": {1: (2,)}}, {1, 2, "a"}, set(), collections.Counter("aab"),
    collections.OrderedDict(a=1, b=2),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_python_objects_both_ways(form: str) -> None:
    ours = load_bytes(torch_bytes(OBJECTS, form))
    assert ours == OBJECTS and [*map(type, ours)] == [*map(type, OBJECTS)]
    back = torch_load(our_bytes([*OBJECTS[:9], *OBJECTS[10:]], form))
    assert back == [*OBJECTS[:9], *OBJECTS[10:]]
    assert load_bytes(our_bytes(OBJECTS, form)) == OBJECTS


def test_sizes_devices_and_dtypes() -> None:
    theirs = [torch.Size([1, 2]), torch.device("cpu"), torch.device("cuda", 1)]
    theirs += [torch.strided, torch.sparse_csr, torch.complex32, torch.quint8]
    theirs += [getattr(torch, kind) for kind in TYPED + UNTYPED]
    ours = load_bytes(torch_bytes(theirs))
    assert ours[:3] == [Size([1, 2]), device("cpu"), device("cuda", 1)]
    assert type(ours[0]) is Size and [*map(repr, ours[3:7])] == [*map(repr, theirs[3:7])]
    assert all(one is BY_NAME[kind] for one, kind in zip(ours[7:], TYPED + UNTYPED, strict=True))
    assert torch_load(our_bytes(ours)) == theirs


def test_shared_and_cyclic_objects() -> None:
    shared = [1]
    cycle = {"a": shared, "b": shared}
    cycle["self"] = cycle
    for ours in (load_bytes(torch_bytes(cycle)), load_bytes(our_bytes(cycle))):
        assert ours["a"] is ours["b"] and ours["self"] is ours


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", FORMATS)
def test_pickle_protocols(form: str, protocol: int) -> None:
    theirs = {
        "x": torch.arange(3.0),
        "b": b"\xff",
        "s": {1},
        "long": "x" * 300,
        "a": bytearray(b"1"),
    }
    for data in (
        torch_bytes(theirs, form, pickle_protocol=protocol),
        our_bytes({**theirs, "x": wrap(jax.numpy.arange(3.0))}, form, pickle_protocol=protocol),
    ):
        ours = load_bytes(data)
        assert np.asarray(ours.pop("x")).tolist() == [0, 1, 2]
        assert ours == {key: value for key, value in theirs.items() if key != "x"}


def test_numpy_values_once_the_user_allows_them() -> None:
    data = torch_bytes([np.float64(1.5), np.arange(3)])
    with pytest.raises(Exception, match="numpy.*was not an allowed global by default"):
        load_bytes(data)
    names = serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    theirs = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    assert names == sorted(theirs)
    core = np._core.multiarray
    kinds = [type(np.dtype(kind)) for kind in ("f8", "i8")]
    serialization.add_safe_globals([core.scalar, core._reconstruct, np.dtype, np.ndarray, *kinds])
    value, array = load_bytes(data)
    serialization.clear_safe_globals()
    assert value == 1.5 and array.tolist() == [0, 1, 2]


class Allowed:
    """A user's class with a state."""

    def __init__(self) -> None:
        self.value = 3


def test_safe_globals() -> None:
    data = torch_bytes(Allowed())
    with serialization.safe_globals([Allowed]):
        assert Allowed in serialization.get_safe_globals()
        assert load_bytes(data).value == 3
        assert serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data)) == []
    assert serialization.get_safe_globals() == []
    renamed = program(name("another", "Name"), b")\x81}", text("value"), number(3), b"sb")
    with serialization.safe_globals([(Allowed, "another.Name")]):
        assert load_bytes(zip_of(renamed)).value == 3
    for wrong, error in (((1, 2, 3), ValueError), ((Allowed, 1), TypeError)):
        with serialization.safe_globals([wrong]), pytest.raises(error):
            load_bytes(data)


# -- the files themselves -------------------------------------------------------------------------


def test_our_zip_is_byte_for_byte_torchs_but_for_its_id() -> None:
    torch.manual_seed(0)
    theirs = {"w": torch.randn(3, 4), "p": torch.nn.Parameter(torch.ones(2)), "e": torch.zeros(0)}
    theirs |= {"u": storage_of("uint16"), "o": collections.OrderedDict(k=[1, 2.5, None])}
    want = torch_bytes(theirs)
    got = our_bytes(load_bytes(want))
    at = want.index(b"archive/.data/serialization_id")
    assert len(got) == len(want) and got[:at] == want[:at]
    differ = [i for i, (a, b) in enumerate(zip(got, want, strict=True)) if a != b]
    crc = 4
    assert len(differ) <= 40 + 2 * crc


def test_our_zip_passes_other_readers(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pt"
    save(load_bytes(torch_bytes(layouts("float32"))), path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert all(one.date_time == (1980, 0, 0, 0, 0, 0) for one in archive.infolist())
    # Torch then finds each storage by arithmetic alone, and checks it against the directory.
    monkeypatch.setenv("TORCH_SERIALIZATION_DEBUG", "1")
    for mapped in (False, True):
        with torch.utils.serialization.config.patch("load.calculate_storage_offsets", True):
            back = torch.load(path, weights_only=True, mmap=mapped)
        assert bits(back["whole"]) == bits(layouts("float32")["whole"])


@pytest.mark.parametrize("form", FORMATS)
def test_saving_again_gives_the_same_bytes(form: str, tmp_path: pathlib.Path) -> None:
    first = load_bytes(torch_bytes(state_dict(), form))
    second = load_bytes(torch_bytes(state_dict(), form))
    assert our_bytes(first, form) == our_bytes(first, form) == our_bytes(second, form)
    for path in (tmp_path / "a.pt", tmp_path / "b.pt"):
        save(first, path, _use_new_zipfile_serialization=form == "zip")
        assert path.read_bytes() == our_bytes(first, form)


def test_big_endian_files() -> None:
    base = {kind: storage_of(kind, 4) for kind in ("float32", "complex128", "int16", "bool")}
    parts = dict(zip(base, map(bits, base.values()), strict=True))
    swapped = {
        str(i): np.frombuffer(raw, BY_NAME[kind].numpy).byteswap().tobytes()
        for i, (kind, raw) in enumerate(parts.items())
    }
    with zipfile.ZipFile(io.BytesIO(torch_bytes(base))) as archive:
        data = zip_of(archive.read("archive/data.pkl"), swapped, byteorder=b"big")
    ours, theirs = load_bytes(data), torch_load(data)
    for kind, raw in parts.items():
        assert our_bits(ours[kind]) == raw == bits(theirs[kind])


def test_zip64_files(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {str(i): wrap(jax.numpy.arange(float(100 * i))) for i in range(4)}
    for module in (_zip_write, _zip_read):
        monkeypatch.setattr(module, "_MAX32", 1000)
        monkeypatch.setattr(module, "_MAX16", 5)
    ours = load_bytes(our_bytes(tensors))
    for key, tensor in tensors.items():
        assert our_bits(ours[key]) == our_bits(tensor)


@pytest.mark.parametrize("module", [torch.serialization, serialization])
def test_zip_files_without_crc(module: object) -> None:
    ours = load_bytes(torch_bytes(torch.arange(3.0)))
    assert module.get_crc32_options() is True
    module.set_crc32_options(False)
    try:
        written = (
            torch_bytes(torch.arange(3.0)) if module is torch.serialization else our_bytes(ours)
        )
    finally:
        module.set_crc32_options(True)
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert {one.CRC for one in archive.infolist()} == {0}
    assert np.asarray(load_bytes(written)).tolist() == torch_load(written).tolist() == [0, 1, 2]


def test_byte_order_of_files_that_do_not_say_theirs() -> None:
    whole = torch_bytes(torch.arange(3, dtype=torch.int16))
    data = whole.replace(b"archive/byteorder", b"archive/byteordeR")
    orders = serialization.LoadEndianness
    found = {}
    for order in (None, *orders):
        serialization.set_default_load_endianness(order)
        found[order] = np.asarray(load_bytes(data)).tolist()
    assert serialization.get_default_load_endianness() is orders.BIG
    serialization.set_default_load_endianness(None)
    assert found[orders.BIG] == [0, 256, 512]
    assert found[None] == found[orders.LITTLE] == [0, 1, 2]
    with pytest.raises(TypeError, match="Invalid argument type in function"):
        serialization.set_default_load_endianness("big")


# -- safetensors ----------------------------------------------------------------------------------


def test_safetensors(tmp_path: pathlib.Path) -> None:
    theirs = {f"{kind}.{n}": storage_of(kind, n) for n in (0, 5, 24) for kind in TYPED + UNTYPED
              if kind not in ("complex128", "float8_e8m0fnu")}  # fmt: skip
    theirs["matrix"] = torch.randn(3, 4)
    path = tmp_path / "weights.safetensors"
    save_file(theirs, path, metadata={"format": "pt"})
    want = torch.load(path)
    other = tmp_path / "no_extension"
    other.write_bytes(path.read_bytes())
    for file in (path, other, io.BytesIO(path.read_bytes())):
        ours = load(file)
        assert set(ours) == set(want)
        for key, tensor in want.items():
            assert_same(ours[key], tensor)
    assert str(load(path, map_location="meta")["matrix"].device) == "meta"


# -- where things go ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "location",
    [None, "cpu", "meta", {"cpu": "meta"}, {"cuda:0": "cpu"}, {}, "cuda", "cuda:1", "foo", "xla",
     {"cpu": "cuda:0"}, 5],
    ids=str,
)  # fmt: skip
def test_map_location(location: object, form: str) -> None:
    data = torch_bytes({"x": torch.arange(3.0)}, form)
    if location in ("cuda", "cuda:1") and torch.cuda.is_available():
        pytest.skip("the errors are those of a machine without a GPU")
    try:
        want = torch.load(io.BytesIO(data), map_location=location)["x"]
    except Exception as error:
        with pytest.raises(type(error)) as caught:
            load_bytes(data, map_location=location)
        assert str(caught.value) == str(error)
        return
    ours = load_bytes(data, map_location=location)["x"]
    assert str(ours.device) == str(want.device) and tuple(ours.shape) == (3,)
    if want.device.type == "cpu":
        assert our_bits(ours) == bits(want)


@pytest.mark.parametrize("form", FORMATS)
def test_map_location_by_object_and_function(form: str) -> None:
    data = torch_bytes({"x": torch.arange(3.0), "y": torch.arange(2)}, form)
    assert str(load_bytes(data, map_location=device("meta"))["x"].device) == "meta"
    seen = []

    def place(storage: object, tag: str) -> object:
        seen.append((storage.nbytes(), tag))
        return None if len(seen) == 1 else storage.cpu()

    ours = load_bytes(data, map_location=place)
    assert sorted(seen) == [(12, "cpu"), (16, "cpu")]
    assert np.asarray(ours["x"]).tolist() == [0, 1, 2]
    meta = load_bytes(data, map_location=lambda storage, tag: storage.to("meta"))
    assert str(meta["x"].device) == "meta"
    with pytest.raises(TypeError, match="UntypedStorage"):
        load_bytes(data, map_location=lambda storage, tag: 3)


def test_files_from_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zip_of(program(tensor_code((4,), (1,), place="cuda:1")), {"0": bytes(range(16))})
    with pytest.raises(RuntimeError) as theirs:
        torch_load(data)
    with pytest.raises(RuntimeError) as ours:
        load_bytes(data)
    assert str(ours.value) == str(theirs.value)
    for location in ("cpu", {"cuda:1": "cpu"}, lambda storage, tag: storage.cpu()):
        assert our_bits(load_bytes(data, map_location=location)) == bytes(range(16))
    monkeypatch.setitem(_device._PLATFORMS, "cuda", "cpu")  # one "GPU", cuda:0
    assert our_bits(load_bytes(data, map_location="cuda")) == bytes(range(16))
    with pytest.raises(RuntimeError, match="on CUDA device 1, but this process has fewer"):
        load_bytes(data)


def test_files_of_python_2() -> None:
    """Their strings are byte strings, and their modules have other names."""

    def old(value: str) -> bytes:
        return b"U" + bytes([len(value)]) + value.encode()

    items = call(name("__builtin__", "set"), b"]" + old("x") + b"a")
    held = b"(" + old("storage") + name("torch", "FloatStorage") + old("0") + old("cpu")
    held += number(4) + b"tQ" + number(0) + numbers(4) + numbers(1)
    rebuilt = name("torch._utils", "_rebuild_tensor") + b"(" + held + b"tR"
    data = zip_of(program(b"}" + old("w") + rebuilt + b"s" + items + b"\x86"), {"0": b"\0" * 16})
    ours, names = load_bytes(data)
    assert list(ours) == ["w"] and names == {"x"} and tuple(ours["w"].shape) == (4,)
    with pytest.warns(UserWarning, match="pickle_load_args"):
        ours, names = load_bytes(data, encoding="bytes")
    assert list(ours) == [b"w"] and names == {b"x"}


def test_loading_leaves_the_default_dtype_rules_alone() -> None:
    ours = load_bytes(torch_bytes(torch.arange(3)))
    assert str(ours.dtype) == "torch.int64" and jax.numpy.zeros(2).dtype == np.float32
    assert not jax.config.jax_enable_x64


def test_loading_while_jax_traces_leaks_no_tracer() -> None:
    data = torch_bytes(torch.arange(3.0))
    kept = []

    @jax.jit
    def function(x: jax.Array) -> jax.Array:
        kept.append(load_bytes(data))
        return x + kept[0]._cell.value

    assert function(jax.numpy.ones(3)).tolist() == [1, 2, 3]
    assert not isinstance(kept[0]._cell.value, jax.core.Tracer)


# -- mapped files ---------------------------------------------------------------------------------


def mapped_regions(path: pathlib.Path) -> list[range]:
    found = []
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(path)) or f"{path} (deleted)" in line:
            start, end = line.split()[0].split("-")
            found.append(range(int(start, 16), int(end, 16)))
    return found


def lies_in_map(tensor: Tensor, path: pathlib.Path) -> bool:
    address = tensor._cell.value.unsafe_buffer_pointer()
    return any(address in region for region in mapped_regions(path))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc/self/maps")
@pytest.mark.parametrize("dtype", TYPED + UNTYPED)
def test_mapping_copies_nothing(dtype: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pt"
    theirs = {"a": storage_of(dtype, 5), "b": storage_of(dtype, 24)}
    torch.save(theirs, path)
    ours = load(path, mmap=True)
    for key, tensor in theirs.items():
        assert lies_in_map(ours[key], path)
        assert_same(ours[key], tensor)
    assert not lies_in_map(load(path, mmap=False)["a"], path)
    assert not lies_in_map(load(path)["a"], path), "small files are read by default"


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc/self/maps")
def test_a_map_lives_as_long_as_its_tensors(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pt"
    torch.save([torch.arange(1000.0), torch.arange(5.0)], path)
    first, second = load(path, mmap=True)
    del first
    save([wrap(jax.numpy.zeros(7))], path)
    gc.collect()
    assert np.asarray(second).tolist() == [0, 1, 2, 3, 4], "the old file's pages stay"
    assert mapped_regions(path)
    del second
    gc.collect()
    assert not mapped_regions(path)


def test_writes_do_not_reach_a_mapped_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pt"
    torch.save(torch.arange(1000.0), path)
    before = path.read_bytes()
    ours = load(path, mmap=True)
    ours._cell.write(ours._cell.value + 1)
    donated = load(path, mmap=True)._cell.value
    jax.jit(lambda x: x * 2, donate_argnums=0)(donated).block_until_ready()
    assert path.read_bytes() == before
    assert np.asarray(ours)[:3].tolist() == [1, 2, 3]


@pytest.mark.parametrize("form", [*FORMATS, "safetensors"])
def test_large_files_of_every_format(
    form: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mapped by default, and read in parallel where asked for; both give the same bits."""
    monkeypatch.setattr(_source, "MAP_FROM", 1000)
    monkeypatch.setattr(_source, "_PARALLEL_FROM", 1000)
    monkeypatch.setattr(_source.PathSource, "threads", 4)
    monkeypatch.setattr("torchcompat.serialization._load.MAP_FROM", 1000)
    path = tmp_path / "x"
    theirs = {f"{i}": torch.randn(50 + i) for i in range(20)}
    theirs["flags"] = torch.tensor([True, False, True])
    if form == "safetensors":
        save_file(theirs, path)
    else:
        torch.save(theirs, path, _use_new_zipfile_serialization=form == "zip")
    for mapped in (None, True, False):
        ours = load(path, mmap=mapped)
        for key, tensor in theirs.items():
            assert_same(ours[key], tensor)


def test_bools_with_odd_bytes_become_proper() -> None:
    data = torch_bytes(torch.tensor([True, False, True]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        odd = zip_of(archive.read("archive/data.pkl"), {"0": b"\x05\x00\xff"})
    assert our_bits(load_bytes(odd)) == b"\1\0\1"


# -- files and file objects -----------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_file_objects(form: str, tmp_path: pathlib.Path) -> None:
    data = torch_bytes({"x": torch.arange(3.0)}, form)
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with open(path, "rb") as buffered, open(path, "rb", buffering=0) as raw:
        shifted = io.BytesIO(b"....." + data)
        shifted.seek(5)
        for file in (str(path), path, buffered, raw, shifted):
            assert np.asarray(load(file)["x"]).tolist() == [0, 1, 2]


def test_two_older_files_in_one() -> None:
    file = io.BytesIO(torch_bytes(torch.ones(1), "legacy") + torch_bytes(torch.ones(2), "legacy"))
    assert tuple(load(file).shape) == (1,)
    assert tuple(load(file).shape) == (2,)
    assert file.read() == b""


class Unseekable(io.RawIOBase):
    """A file that can only be read or written from start to end."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        return self.data.readinto(buffer)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self.data.write(data)


@pytest.mark.parametrize("form", FORMATS)
def test_writing_needs_no_seek(form: str) -> None:
    file = Unseekable()
    save({"x": wrap(jax.numpy.arange(3.0))}, file, _use_new_zipfile_serialization=form == "zip")
    assert torch_load(file.data.getvalue())["x"].tolist() == [0, 1, 2]


CALLS = {
    "no seek": lambda load, save, data: load(Unseekable(data)),
    "bytes": lambda load, save, data: load(data),
    "none": lambda load, save, data: load(None),
    "missing": lambda load, save, data: load("/nonexistent/x.pt"),
    "folder": lambda load, save, data: load("/tmp"),
    "explicit pickle": lambda load, save, data: load(
        io.BytesIO(data), weights_only=True, pickle_module=pickle
    ),
    "mmap of a file object": lambda load, save, data: load(io.BytesIO(data), mmap=True),
    "save to a number": lambda load, save, data: save(1, 3),
    "save to nowhere": lambda load, save, data: save(1, "/nonexistent/x.pt"),
    "save to nowhere, older": lambda load, save, data: save(
        1, "/nonexistent/x.pt", _use_new_zipfile_serialization=False
    ),
    "wrong magic": lambda load, save, data: load(io.BytesIO(pickle.dumps(5, 2))),
    "truncated zip": lambda load, save, data: load(io.BytesIO(data[:-30])),
}


@pytest.mark.parametrize("case", CALLS)
def test_errors_are_torchs(case: str) -> None:
    data = torch_bytes({"x": torch.arange(3.0)})
    with pytest.raises(Exception) as theirs:  # noqa: PT011, B017
        CALLS[case](torch.load, torch.save, data)
    with pytest.raises(type(theirs.value)) as ours:
        CALLS[case](load, save, data)
    want = str(theirs.value)
    if case == "truncated zip":
        want = want.replace(" This is an internal miniz error.", "")
    assert str(ours.value) == want


def test_environment_variables_force_the_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    data = torch_bytes({1: slice(1, 2)})
    assert load_bytes(data, weights_only=False) == {1: slice(1, 2)}
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(Exception, match="slice was not an allowed global"):
        load_bytes(data, weights_only=False)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(RuntimeError, match="should be set, but both were set"):
        load_bytes(data)
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD")
    assert load_bytes(data) == {1: slice(1, 2)}


def test_unknown_arguments() -> None:
    data = torch_bytes(1)
    with (
        pytest.warns(UserWarning, match="pickle_load_args only works"),
        pytest.raises(TypeError, match="unexpected keyword argument 'foo'"),
    ):
        load_bytes(data, foo=1)
    with pytest.raises(NotImplementedError, match="pickle_module"):
        save(1, io.BytesIO(), pickle_module=marshal)


# -- atomic writes --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMATS)
def test_a_failure_in_the_middle_leaves_the_old_file(
    form: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pt"
    save([1], path)
    before = path.read_bytes()
    tensors = [wrap(jax.numpy.arange(3.0)), wrap(jax.numpy.arange(4.0))]
    calls = []

    def fails(cell: object) -> memoryview:
        calls.append(cell)
        if len(calls) == 2:
            raise OSError("disk full")
        return memoryview(b"....")

    monkeypatch.setattr("torchcompat.serialization._save.storage_bytes", fails)
    with pytest.raises(OSError, match="disk full"):
        save(tensors, path, _use_new_zipfile_serialization=form == "zip")
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["x.pt"]


def test_what_cannot_be_pickled_writes_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.pt"
    file = io.BytesIO()
    for target in (path, file):
        with pytest.raises((AttributeError, pickle.PicklingError)):
            save([wrap(jax.numpy.ones(3)), lambda: 1], target)
    assert os.listdir(tmp_path) == [] and file.getvalue() == b""


def test_links_and_permissions_are_kept(tmp_path: pathlib.Path) -> None:
    real, link = tmp_path / "real.pt", tmp_path / "link.pt"
    save(1, real)
    assert real.stat().st_mode & 0o777 == 0o666 & ~_umask()
    real.chmod(0o640)
    link.symlink_to(real)
    save(2, link)
    assert link.is_symlink() and load(real) == 2
    assert real.stat().st_mode & 0o777 == 0o640


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


# -- without torch --------------------------------------------------------------------------------

NO_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import io
import numpy as np
from torchcompat.serialization import load, save
for path in sys.argv[1:]:
    value = load(path)
    file = io.BytesIO()
    save(value, file)
    again = load(io.BytesIO(file.getvalue()))
    assert np.asarray(again["x"]).tolist() == [0, 1, 2]
assert "torch" not in sys.modules
print("done")
"""


def test_torch_is_not_needed(tmp_path: pathlib.Path) -> None:
    theirs = {"x": torch.arange(3.0)}
    torch.save(theirs, tmp_path / "zip")
    torch.save(theirs, tmp_path / "legacy", _use_new_zipfile_serialization=False)
    save_file(theirs, tmp_path / "x.safetensors")
    run = subprocess.run(
        [sys.executable, "-c", NO_TORCH, *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert run.returncode == 0 and run.stdout == "done\n", run.stderr


def test_a_view_is_saved_with_its_whole_storage() -> None:
    cell = wrap(jax.numpy.arange(6.0))._cell
    back = torch_load(our_bytes(from_cell(cell, (2, 2), (3, 1), 1)))
    assert back.tolist() == [[1, 2], [4, 5]] and back.untyped_storage().nbytes() == 24
