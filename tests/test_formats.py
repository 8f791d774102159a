"""Flax's msgpack and Orbax checkpoints, both ways, against Flax and Orbax themselves; ties in all."""

import os

import flax.serialization
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
import torch as real
from flax import nnx

import torchcompat as torch
from converters.files import convert, load_checkpoint, open_checkpoint, save_checkpoint
from converters.files._formats import FORMATS, format_for
from converters.files._trees import joined, nest
from torchcompat import nn
from torchcompat._dtype import BY_NAME

NAMES = sorted({kind.name for kind in BY_NAME.values()})
# Every row of the table, and its files in folders of shards.
TARGETS = ["x.safetensors", "x.pt", "x.msgpack", "x.orbax", "shards", "torch shards"]


def save(state, folder, target, **options):
    form = "torch" if target == "torch shards" else None
    save_checkpoint(state, folder / target, format=form, **options)
    return folder / target


def tree():
    """What a Linen user saves."""
    return {
        "params": {
            "Dense_0": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3, jnp.bfloat16)},
            "scale": np.float32(2.5),
        },
        "step": 7,
        "name": "run",
        "list": [np.array(3, np.int8), np.zeros((2, 0), np.float16)],
        "none": None,
    }


def assert_tree(checkpoint):
    assert set(checkpoint.infos) >= {"params.Dense_0.kernel", "params.Dense_0.bias", "list.0"}
    kernel = checkpoint.read("params.Dense_0.kernel")
    assert kernel.dtype is torch.float32 and kernel.tolist() == [[0, 1, 2], [3, 4, 5]]
    bias = checkpoint.infos["params.Dense_0.bias"]
    assert bias.dtype is torch.bfloat16 and bias.shape == (3,)
    assert checkpoint.read("list.0").tolist() == 3 and checkpoint.infos["list.0"].shape == ()
    assert checkpoint.other["step"] == 7 and checkpoint.other["name"] == "run"


# -- every format ----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
def test_every_dtype_and_layout_keeps_its_bits(target, tmp_path):
    raw = np.random.default_rng(0).integers(0, 120, 96, np.uint8)
    lacks = ["complex128"] if target in ("x.safetensors", "shards") else []
    state = {}
    for name in (name for name in NAMES if name not in lacks):
        values = torch.from_numpy(raw % 2 if name == "bool" else raw).view(getattr(torch, name))
        grid = values.view(2, -1)
        state |= {
            f"{name}.grid": grid,
            f"{name}.turned": grid.t(),
            f"{name}.none": values[:0].view(0, 3),
            f"{name}.one": values[1],
            f"{name}.part": values[2:5],
        }
    path = save(state, tmp_path, target, max_shard_size=2000)
    with open_checkpoint(path) as checkpoint:
        assert set(checkpoint.infos) == set(state) and not checkpoint.ties()
        for name, value in state.items():
            back = checkpoint.read(name)
            assert back.dtype is value.dtype and back.shape == value.shape, name
            expected = np.ascontiguousarray(np.asarray(value)).tobytes()
            assert np.ascontiguousarray(np.asarray(back)).tobytes() == expected, name
            assert np.ascontiguousarray(checkpoint.values(name)).tobytes() == expected, name


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.head = nn.Linear(4, 5)
        self.head.weight = self.embed.weight
        self.register_buffer("empty", torch.zeros(0, 2))


@pytest.mark.parametrize("start", TARGETS)
@pytest.mark.parametrize("end", ["x.pt", "x.msgpack", "x.orbax"])
def test_ties_survive_every_format(start, end, tmp_path):
    model = Tied()
    (tmp_path / "2").mkdir()
    convert(save(model, tmp_path, start, max_shard_size=100), tmp_path / "2" / end)
    with open_checkpoint(tmp_path / "2" / end) as checkpoint:
        assert [set(names) for names in checkpoint.ties()] == [{"embed.weight", "head.weight"}]
    with torch.device("meta"):
        fresh = Tied()
    load_checkpoint(fresh, tmp_path / "2" / end, assign=True)
    assert fresh.head.weight is fresh.embed.weight and fresh.empty.shape == (0, 2)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(fresh.state_dict()[name]), np.asarray(value))


def test_names_say_the_format(tmp_path):
    endings = {ending: form.name for form in FORMATS.values() for ending in form.endings}
    for ending, name in endings.items():
        assert format_for(f"a/x{ending}")[0].name == name
    assert format_for("a/folder") == (FORMATS["safetensors"], True)
    assert format_for("a/folder", "torch") == (FORMATS["torch"], True)
    assert format_for("a/folder", "orbax") == (FORMATS["orbax"], False)
    for path, name, said in [
        ("a/x.pt", "safetensors", "does not fit the format safetensors, whose names are .safete"),
        ("a/folder", "msgpack", "does not fit the format msgpack"),
        ("a/x.onnx", None, "must end in .safetensors, .pt, .pth, .bin, .ckpt, .msgpack, .orbax"),
        ("a/x.pt", "zip", "no format 'zip'; there are safetensors, torch, msgpack, orbax"),
    ]:
        with pytest.raises(ValueError, match=said):
            format_for(path, name)


def test_trees_of_names():
    assert nest({"a.b": 1, "a.c.d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    for names in (["a", "a.b"], ["a.b", "a"]):
        with pytest.raises(ValueError, match="is a tensor"):
            nest(dict.fromkeys(names))
    with pytest.raises(ValueError, match="'a..b' has an empty part"):
        nest({"a..b": 1})
    assert joined([("a", "value"), ("b", "c", "value")]) == ["a", "b.c"]
    assert joined([("a", "value"), ("b", "c")]) == ["a.value", "b.c"] and joined([()]) == ["tensor"]
    with pytest.raises(ValueError, match="two entries called 'a.b'"):
        joined([("a.b",), ("a", "b")])


@pytest.mark.parametrize("end", ["x.msgpack", "x.orbax"])
def test_names_that_make_no_tree(end, tmp_path):
    with pytest.raises(ValueError, match="is a tensor"):
        save_checkpoint({"a": torch.ones(1), "a.b": torch.ones(1)}, tmp_path / end)
    assert os.listdir(tmp_path) == []


# -- msgpack ---------------------------------------------------------------------------------------


def test_what_flax_writes_is_read(tmp_path, monkeypatch):
    for limit in (1 << 30, 8):  # the second writes arrays in parts
        monkeypatch.setattr(flax.serialization, "MAX_CHUNK_SIZE", limit)
        (tmp_path / "x.msgpack").write_bytes(flax.serialization.to_bytes(tree()))
        with open_checkpoint(tmp_path / "x.msgpack") as checkpoint:
            assert checkpoint.format == "msgpack"
            assert_tree(checkpoint)
            assert checkpoint.read("params.scale").tolist() == 2.5
            assert checkpoint.infos["list.1"].shape == (2, 0)
            assert checkpoint.other["none"] is None
    with open_checkpoint(tmp_path / "x.msgpack", key="params") as checkpoint:
        assert set(checkpoint.infos) == {"Dense_0.kernel", "Dense_0.bias", "scale"}
    with pytest.raises(KeyError, match="tensors under 'params', 'list'"):
        open_checkpoint(tmp_path / "x.msgpack", key="weights")
    (tmp_path / "no ending").write_bytes(flax.serialization.msgpack_serialize({"a": np.ones(2)}))
    with open_checkpoint(tmp_path / "no ending") as checkpoint:
        assert list(checkpoint.infos) == ["a"]
    (tmp_path / "y.msgpack").write_bytes(flax.serialization.msgpack_serialize(np.ones(2)))
    with open_checkpoint(tmp_path / "y.msgpack") as checkpoint:
        assert list(checkpoint.infos) == ["tensor"]
    numbers = {"c": 1 + 2j, "big": 1 << 60, "f": 0.5, "neg": -5, "yes": True, "raw": b"ab"}
    (tmp_path / "z.msgpack").write_bytes(flax.serialization.msgpack_serialize(numbers))
    with open_checkpoint(tmp_path / "z.msgpack") as checkpoint:
        assert checkpoint.other == numbers


@pytest.mark.parametrize("limit", [1 << 30, 16])
def test_flax_reads_what_we_write(limit, tmp_path, monkeypatch):
    from converters.files import _msgpack_write

    monkeypatch.setattr(_msgpack_write, "MAX_CHUNK", limit)
    model, fresh = Tied(), Tied()
    save_checkpoint(model, tmp_path / "x.msgpack")
    target = nnx.to_pure_dict(nnx.split(fresh)[1])
    found = flax.serialization.from_bytes(target, (tmp_path / "x.msgpack").read_bytes())
    assert set(found["head"]) == {"bias"}  # tied, and so only in `embed`, as NNX has it
    for name, value in model.state_dict().items():
        above, _, last = name.replace("head.weight", "embed.weight").rpartition(".")
        kept = found[above][last] if above else found[last]
        np.testing.assert_array_equal(kept, np.asarray(value.detach()), err_msg=name)
    with open_checkpoint(tmp_path / "x.msgpack") as checkpoint:
        assert checkpoint.ties() == [["embed.weight", "head.weight"]]


def test_damaged_msgpack_files(tmp_path):
    """Cut or changed anywhere, a file is refused or read; nothing else comes of it."""
    good = flax.serialization.to_bytes({"a": {"b": np.arange(3, dtype=np.int16)}, "c": [1.5, "x"]})
    path = tmp_path / "x.msgpack"
    for size in range(1, len(good)):
        path.write_bytes(good[:size])
        with pytest.raises(ValueError, match="no msgpack file of Flax, or a damaged one"):
            open_checkpoint(path)
    path.write_bytes(good + b"\0")
    with pytest.raises(ValueError, match="something follows its value"):
        open_checkpoint(path)
    random = np.random.default_rng(0)
    for _ in range(500):
        data = bytearray(good)
        data[random.integers(len(data))] = random.integers(256)
        path.write_bytes(data)
        try:
            with open_checkpoint(path) as checkpoint:
                for name in checkpoint.infos:
                    checkpoint.read(name)
        except (ValueError, NotImplementedError):
            pass
    path.write_bytes(b"\x91" * 5000)
    with pytest.raises(ValueError, match="nested more than 100 deep"):
        open_checkpoint(path)
    path.write_bytes(b"\xdf\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="ends too early"):
        open_checkpoint(path)
    path.write_bytes(flax.serialization.msgpack_serialize({"a": np.ones(2, np.dtype("int4"))}))
    with pytest.raises(NotImplementedError, match="an array of 'int4'"):
        open_checkpoint(path)


# -- Orbax -----------------------------------------------------------------------------------------


def test_what_orbax_writes_is_read(tmp_path):
    saved = tree()
    saved["list"].pop()  # Orbax refuses empty arrays
    ocp.PyTreeCheckpointer().save(tmp_path / "o", saved)
    with open_checkpoint(tmp_path / "o") as checkpoint:
        assert checkpoint.format == "orbax"
        assert_tree(checkpoint)
    with open_checkpoint(tmp_path / "o", key="params") as checkpoint:
        assert set(checkpoint.infos) >= {"Dense_0.kernel", "Dense_0.bias"}


def test_steps_of_a_manager(tmp_path):
    state = nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
    with ocp.CheckpointManager(tmp_path / "m") as manager:
        manager.save(3, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()
        with open_checkpoint(tmp_path / "m") as checkpoint:
            assert set(checkpoint.infos) == {"kernel", "bias"}  # nnx's `value` is left out
            np.testing.assert_array_equal(np.asarray(checkpoint.read("kernel")), state.kernel[...])
        manager.save(4, args=ocp.args.StandardSave(state))
    with pytest.raises(ValueError, match="several Orbax checkpoints, 3, 4: name one of them"):
        open_checkpoint(tmp_path / "m")
    with open_checkpoint(tmp_path / "m" / "4") as checkpoint:
        assert checkpoint.infos["kernel"].shape == (2, 3)


def test_orbax_restores_what_we_write(tmp_path):
    model, fresh = Tied(), Tied()
    save_checkpoint(model, tmp_path / "o", format="orbax", metadata={"by": "test"})
    state = nnx.split(fresh)[1]
    wanted = nnx.to_pure_dict(state)
    empty = wanted.pop("empty")
    restored = ocp.StandardCheckpointer().restore(tmp_path / "o", wanted)
    nnx.replace_by_pure_dict(state, restored | {"empty": empty})
    nnx.update(fresh, state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(fresh.state_dict()[name]), np.asarray(value))
    with open_checkpoint(tmp_path / "o") as checkpoint:
        assert checkpoint.metadata == {"by": "test"}
    with pytest.raises(FileExistsError, match="is there already"):
        save_checkpoint(model, tmp_path / "o", format="orbax")
    convert(tmp_path / "o", tmp_path / "x.safetensors")
    with open_checkpoint(tmp_path / "x.safetensors") as checkpoint:
        assert checkpoint.metadata == {"format": "pt", "by": "test"}


def test_orbax_writes_one_tensor_at_a_time(tmp_path, monkeypatch):
    from converters.files import _orbax

    order = []
    cast = _orbax._Promise.cast
    monkeypatch.setattr(
        _orbax._Promise, "cast", lambda self: order.append(self.item.name) or cast(self)
    )
    real.save({f"w{i}": real.full((4,), float(i)) for i in range(3)}, tmp_path / "x.pt")
    seen = []
    convert(
        tmp_path / "x.pt",
        tmp_path / "x.orbax",
        dtype="bfloat16",
        progress=lambda *p: seen.append((*p, len(order))),
    )
    assert seen == [("w0", 8, 24, 1), ("w1", 16, 24, 2), ("w2", 24, 24, 3)]


def test_a_failed_orbax_leaves_nothing(tmp_path):
    real.save({"w": real.ones(4)}, tmp_path / "x.pt")

    def fails(*args):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        convert(tmp_path / "x.pt", tmp_path / "x.orbax", progress=fails)
    assert os.listdir(tmp_path) == ["x.pt"]


def test_types_that_torch_lacks(tmp_path):
    ocp.PyTreeCheckpointer().save(tmp_path / "o", {"a": np.ones(2, np.dtype("int4"))})
    with pytest.raises(NotImplementedError, match="'a' is int4, which torchcompat has not"):
        open_checkpoint(tmp_path / "o")


def test_without_orbax_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(RuntimeError, match=r"pip install 'torchcompat\[orbax\]'"):
        save_checkpoint({"a": torch.ones(1)}, tmp_path / "x.orbax")
