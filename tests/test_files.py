"""Checkpoints at scale: sharded folders, lazy reads, streaming loads, ties, prefixes, errors."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch as real
from _record import WHOLE

import torchcompat as torch
from converters.files import convert, load_checkpoint, open_checkpoint, save_checkpoint
from converters.files._names import bare, repair_names, transposition
from converters.files._saving import parse_size
from torchcompat import nn
from torchcompat._dtype import BY_NAME
from torchcompat.serialization._safetensors import _DTYPES


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.body = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 4))
        self.head = nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight


def theirs():
    state = {
        "embed.weight": real.randn(5, 4),
        "body.0.weight": real.randn(3, 4),
        "body.0.bias": real.randn(3),
        "body.1.weight": real.randn(3),
        "body.1.bias": real.randn(3),
        "body.1.running_mean": real.randn(3),
        "body.1.running_var": real.rand(3),
        "body.1.num_batches_tracked": real.tensor(7),
        "body.2.weight": real.randn(4, 3),
        "body.2.bias": real.randn(4),
    }
    state["head.weight"] = state["embed.weight"]
    return state


def assert_loaded(model, state):
    held = model.state_dict()
    assert set(held) == set(state)
    for name, value in state.items():
        np.testing.assert_array_equal(np.asarray(held[name]), value.numpy(), err_msg=name)


def write_shards(folder, state, ending, save):
    """Three shards with an index, as transformers writes them."""
    names = list(state)
    stem = "model" if ending == "safetensors" else "pytorch_model"
    weight_map = {}
    for i in range(3):
        shard = f"{stem}-{i + 1:05d}-of-00003.{ending}"
        part = {name: state[name] for name in names[i::3]}
        save(part, folder / shard)
        weight_map.update(dict.fromkeys(part, shard))
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps(index))


def save_safe(state, path):
    safetensors.torch.save_file({k: v.clone() for k, v in state.items()}, path, {"format": "pt"})


KINDS = {
    "safetensors": lambda state, at: save_safe(state, at / "one.safetensors"),
    "zip": lambda state, at: real.save(state, at / "one.pth"),
    "legacy": lambda state, at: real.save(
        state, at / "one.pth", _use_new_zipfile_serialization=False
    ),
    "sharded safetensors": lambda state, at: write_shards(at, state, "safetensors", save_safe),
    "sharded bin": lambda state, at: write_shards(at, state, "bin", real.save),
}


def path_of(folder):
    single = [p for p in folder.iterdir() if p.name.startswith("one")]
    return single[0] if single else folder


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_loads(kind, tmp_path):
    state = theirs()
    KINDS[kind](state, tmp_path)
    with open_checkpoint(path_of(tmp_path)) as checkpoint:
        assert set(checkpoint.infos) == set(state)
        assert kind.split()[0] in checkpoint.format
        for name, value in state.items():
            info = checkpoint.infos[name]
            assert info.shape == tuple(value.shape) and str(info.dtype) == str(value.dtype)
            assert info.nbytes == value.nbytes
            np.testing.assert_array_equal(np.asarray(checkpoint.read(name)), value.numpy())
    model = Tied()
    weight = model.embed.weight
    report = load_checkpoint(model, path_of(tmp_path))
    assert str(report) == "all keys matched"
    assert_loaded(model, state)
    assert model.embed.weight is weight and model.head.weight is weight


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
@pytest.mark.parametrize("name", sorted({kind.name for kind in BY_NAME.values()}))
def test_every_dtype_keeps_its_bits(kind, name, tmp_path):
    raw = np.random.default_rng(0).integers(0, 2 if name == "bool" else 120, 96, np.uint8)
    value = real.from_numpy(raw).view(getattr(real, name)).view(2, -1)
    ours = torch.from_numpy(raw).view(getattr(torch, name)).view(2, -1)
    path = tmp_path / ("x.pt" if kind == "zip" else "x.safetensors")
    state = {"x": ours, "none": ours[:, :0], "one": ours[0, 0]}
    if kind == "safetensors" and name not in _DTYPES.values():
        with pytest.raises(NotImplementedError, match=f"{name}, which safetensors has no name for"):
            save_checkpoint(state, path)
        assert not path.exists()
        return
    save_checkpoint(state, path)
    back = real.load(path) if kind == "zip" else safetensors.torch.load_file(path)
    assert back["x"].dtype is value.dtype and back["none"].shape == (2, 0)
    assert back["x"].view(real.uint8).equal(value.view(real.uint8))
    assert back["one"].shape == ()
    assert back["one"].view(1).view(real.uint8).tolist() == list(raw[: value.element_size()])
    with open_checkpoint(path) as checkpoint:
        assert np.asarray(checkpoint.read("x")).tobytes() == raw.tobytes()


def test_views_of_a_storage_are_read_by_themselves(tmp_path):
    flat = real.arange(100.0)
    state = {"a": flat[:6].view(2, 3), "t": flat[6:12].view(2, 3).t(), "e": flat[3:4].expand(4)}
    state["c"] = real.complex(flat[:4], flat[4:8]).conj()
    real.save(state, tmp_path / "x.pt")
    with open_checkpoint(tmp_path / "x.pt") as checkpoint:
        for name, value in state.items():
            ours = checkpoint.read(name)
            np.testing.assert_array_equal(np.asarray(ours), value.resolve_conj().numpy())
            np.testing.assert_array_equal(checkpoint.values(name), value.resolve_conj().numpy())
        read = checkpoint.read("a")
    assert read._cell.value.size == 6  # not the whole storage of 100


def test_one_tensor_at_a_time(tmp_path, monkeypatch):
    """No two tensors of the file are alive at once, beyond what the model holds."""
    import gc
    import weakref

    from converters.files import _checkpoint

    model = nn.Sequential(*(nn.Linear(8, 8) for _ in range(6)))
    save_checkpoint(model, tmp_path / "m", max_shard_size="1KB")
    assert len(list((tmp_path / "m").iterdir())) == 3
    alive, most = [], []
    original = _checkpoint.Safetensors.read

    def read(self, name):
        gc.collect()
        most.append(sum(one() is not None for one in alive))
        tensor = original(self, name)
        alive.append(weakref.ref(tensor))
        return tensor

    monkeypatch.setattr(_checkpoint.Safetensors, "read", read)
    load_checkpoint(model, tmp_path / "m")
    assert len(most) == 12 and max(most) <= 1


# -- writing ---------------------------------------------------------------------------------------


def test_shards_open_in_safetensors_and_keep_ties(tmp_path):
    model = Tied()
    save_checkpoint(model, tmp_path / "m", max_shard_size=100, metadata={"by": "test"})
    index = json.loads((tmp_path / "m" / "model.safetensors.index.json").read_text())
    kept = {n for n in model.state_dict() if n != "head.weight"}
    assert set(index["weight_map"]) == kept
    assert index["metadata"]["total_size"] == sum(
        v.nbytes for n, v in model.state_dict().items() if n in kept
    )
    found = {}
    for shard in set(index["weight_map"].values()):
        path = tmp_path / "m" / shard
        part = safetensors.torch.load_file(path)
        assert all(index["weight_map"][name] == shard for name in part)
        found |= part
        with safetensors.safe_open(path, "pt") as file:
            assert file.metadata()["format"] == "pt" and file.metadata()["by"] == "test"
    for name, value in found.items():
        np.testing.assert_array_equal(value, np.asarray(model.state_dict()[name].detach()))
    with open_checkpoint(tmp_path / "m") as checkpoint:
        assert checkpoint.ties() == [["embed.weight", "head.weight"]]
    fresh = Tied()
    assert str(load_checkpoint(fresh, tmp_path / "m")) == "all keys matched"
    assert fresh.head.weight is fresh.embed.weight


def test_ties_in_single_files(tmp_path):
    model = Tied()
    save_checkpoint(model, tmp_path / "m.pt")
    back = real.load(tmp_path / "m.pt")
    assert back["head.weight"].data_ptr() == back["embed.weight"].data_ptr()
    save_checkpoint(model, tmp_path / "m.safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "head.weight": "embed.weight"}
    theirs = real.nn.Module()
    theirs.embed, theirs.head = real.nn.Embedding(5, 4), real.nn.Linear(4, 5, bias=False)
    theirs.head.weight = theirs.embed.weight
    body = [real.nn.Linear(4, 3), real.nn.BatchNorm1d(3), real.nn.Linear(3, 4)]
    theirs.body = real.nn.Sequential(*body)
    safetensors.torch.load_model(theirs, tmp_path / "m.safetensors")
    np.testing.assert_array_equal(
        theirs.head.weight.detach(), np.asarray(model.embed.weight.detach())
    )
    safetensors.torch.save_model(theirs, str(tmp_path / "n.safetensors"))
    load_checkpoint(Tied(), tmp_path / "n.safetensors")


def test_a_tied_name_may_be_absent(tmp_path):
    state = theirs()
    del state["head.weight"]
    save_safe(state, tmp_path / "x.safetensors")
    model = Tied()
    report = load_checkpoint(model, tmp_path / "x.safetensors")
    assert report.tied == {"head.weight": "embed.weight"} and not report.missing_keys
    assert str(report) == "'head.weight' is tied to 'embed.weight'"
    untied = Tied()
    untied.head.weight = nn.Parameter(torch.ones(5, 4))
    with pytest.raises(RuntimeError, match='Missing key.*"head.weight"'):
        load_checkpoint(untied, tmp_path / "x.safetensors")


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_assign_fills_a_model_on_meta(ending, tmp_path):
    model = Tied()
    save_checkpoint(model, tmp_path / f"m{ending}")
    with torch.device("meta"):
        fresh = Tied()
    load_checkpoint(fresh, tmp_path / f"m{ending}", assign=True)
    assert fresh.head.weight is fresh.embed.weight
    assert isinstance(fresh.embed.weight, nn.Parameter)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(fresh.state_dict()[name]), np.asarray(value))


def test_writing_fails_whole(tmp_path, monkeypatch):
    from converters.files import _writing

    model = Tied()
    calls = []

    def fails(self):
        calls.append(self.name)
        if len(calls) == 4:
            raise OSError("disk full")
        return np.zeros(self.nbytes // self.dtype.itemsize, self.dtype.numpy)

    for target in ("new", "m.safetensors", "m.pt"):
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(_writing.Item, "values", fails)
            with pytest.raises(OSError, match="disk full"):
                save_checkpoint(model, tmp_path / target, max_shard_size=60)
        assert os.listdir(tmp_path) == []
        save_checkpoint(model, tmp_path / target, max_shard_size=60)
        load_checkpoint(Tied(), tmp_path / target)
        with open_checkpoint(tmp_path / target) as checkpoint:
            assert len(checkpoint.infos) == 11
        import shutil

        (shutil.rmtree if target == "new" else os.unlink)(tmp_path / target)


def test_folders_that_are_there(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    save_checkpoint(Tied(), tmp_path / "m", max_shard_size=100)
    names = sorted(os.listdir(tmp_path / "m"))
    assert "config.json" in names and not any("tmp" in name for name in names)
    with pytest.raises(FileExistsError, match="holds a checkpoint already: model-00001"):
        save_checkpoint(Tied(), tmp_path / "m")
    save_checkpoint(Tied(), tmp_path / "small")
    assert os.listdir(tmp_path / "small") == ["model.safetensors"]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(TypeError, match="'x' must be a tensor"):
        save_checkpoint({"x": 1}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="must end in .safetensors"):
        save_checkpoint({"x": torch.ones(1)}, tmp_path / "x.onnx")
    with pytest.raises(NotImplementedError, match="meta device"):
        save_checkpoint({"x": torch.ones(1, device="meta")}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="taken by the header's metadata"):
        save_checkpoint({"__metadata__": torch.ones(1)}, tmp_path / "x.safetensors")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "text, size", [("5GB", 5 * 10**9), ("1.5 MiB", 3 << 19), ("10kb", 10**4), (7, 7), ("12", 12)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5 parsecs", "-1GB", 0])
def test_wrong_sizes(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


# -- indices ---------------------------------------------------------------------------------------


def test_damaged_indices(tmp_path):
    state = theirs()
    write_shards(tmp_path, state, "safetensors", save_safe)
    index = tmp_path / "model.safetensors.index.json"
    good = json.loads(index.read_text())
    last = "model-00003-of-00003.safetensors"

    def refused(error, match, change):
        index.write_text(change if isinstance(change, str) else json.dumps(change))
        with pytest.raises(error, match=match):
            open_checkpoint(tmp_path)

    refused(ValueError, "is no JSON", "{")
    refused(ValueError, "it has no weight_map", {"metadata": {}})
    for name in ("../up.safetensors", "/etc/passwd", 3, "..", ""):
        refused(ValueError, "which is no file name", {"weight_map": {"a": name}})
    refused(
        ValueError,
        "promises tensors that the shards lack: 'a' in " + last,
        {"weight_map": {"a": last}},
    )
    os.unlink(tmp_path / last)
    refused(FileNotFoundError, f"names shards that do not exist: .*{last}", good)
    index.unlink()
    with pytest.raises(
        FileNotFoundError, match="model-00002-of-00003.safetensors; .* add the index"
    ):
        open_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint in the folder"):
        (tmp_path / "empty").mkdir()
        open_checkpoint(tmp_path / "empty")


def test_all_absent_shards_are_named(tmp_path):
    write_shards(tmp_path, theirs(), "safetensors", save_safe)
    for number in (1, 3):
        os.unlink(tmp_path / f"model-0000{number}-of-00003.safetensors")
    with pytest.raises(FileNotFoundError, match=r"00001-of-00003\.safetensors, .*00003-of-00003"):
        open_checkpoint(tmp_path)


def test_a_name_in_two_shards(tmp_path):
    """The index decides; where it says nothing, the checkpoint is refused."""
    write_shards(tmp_path, {n: real.full((2,), i) for i, n in enumerate("abc")}, "bin", real.save)
    index = tmp_path / "pytorch_model.bin.index.json"
    found = json.loads(index.read_text())
    last = "pytorch_model-00003-of-00003.bin"
    real.save({"c": real.full((2,), 2), "a": real.full((2,), 9)}, tmp_path / last)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.read("a").tolist() == [0, 0]
    del found["weight_map"]["a"]
    found["weight_map"]["d"] = "pytorch_model-00001-of-00003.bin"
    real.save({"a": real.ones(1), "d": real.ones(1)}, tmp_path / found["weight_map"]["d"])
    index.write_text(json.dumps(found))
    with pytest.raises(ValueError, match="'a' is in two shards, .*00003.* and .*00001.*not in"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "data, said",
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "a pointer of Git LFS and not the file",
        ),
        (b"<!DOCTYPE html><p>404", "a web page: the download went wrong"),
        (b"GGUF\x03\0\0\0", "a GGUF file, which is not supported"),
        (b"\0" * 50, "is no checkpoint: it begins with b"),
        (b"some text", "is no checkpoint: it begins with b'some tex'"),
    ],
)
@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_what_people_have_in_place_of_weights(data, said, ending, tmp_path):
    (tmp_path / f"x.{ending}").write_bytes(data)
    if ending == "safetensors" and "begins" in said:
        said = "header"
    with pytest.raises(Exception, match=said):
        open_checkpoint(tmp_path / f"x.{ending}")


def test_errors_name_the_shard(tmp_path):
    write_shards(tmp_path, theirs(), "safetensors", save_safe)
    second = tmp_path / "model-00002-of-00003.safetensors"
    with open_checkpoint(tmp_path) as checkpoint:
        name = next(n for n, info in checkpoint.infos.items() if info.file == str(second))
        os.truncate(second, second.stat().st_size - 1)
        os.truncate(second, 100)
        with pytest.raises(RuntimeError, match="unexpected EOF") as caught:
            checkpoint.fetch(name)
        assert caught.value.__notes__ == [f"while reading {name!r} from {second}"]
    with pytest.raises(Exception, match="header") as caught:
        open_checkpoint(tmp_path)
    assert f"while opening {second}" in caught.value.__notes__


def test_folders_with_one_file_of_any_name(tmp_path):
    save_safe(theirs(), tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with open_checkpoint(tmp_path) as checkpoint:
        assert "embed.weight" in checkpoint.infos
    save_safe(theirs(), tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="others: diffusion.*, other.safetensors; name one"):
        open_checkpoint(tmp_path)


def test_texts_of_headers_that_look_like_names(tmp_path):
    """A text may be called like a tensor, or be one's name, as long as no tie is meant."""
    state = {"format": torch.ones(1), "pt": torch.zeros(2)}
    save_checkpoint(state, tmp_path / "x.safetensors", metadata={"pt": "a text"})
    with open_checkpoint(tmp_path / "x.safetensors") as checkpoint:
        assert set(checkpoint.infos) == set(state) and not checkpoint.ties()
        assert checkpoint.metadata == {"format": "pt", "pt": "a text"}
    assert set(safetensors.torch.load_file(tmp_path / "x.safetensors")) == set(state)
    tied = torch.ones(3)
    with pytest.raises(ValueError, match="'by' is taken by the header's metadata"):
        save_checkpoint({"a": tied, "by": tied}, tmp_path / "y.safetensors", metadata={"by": "me"})


def test_destinations_that_cannot_be_written(tmp_path):
    state = {"a": torch.ones(2)}
    (tmp_path / "file").write_text("")
    (tmp_path / "d.pt").mkdir()
    os.symlink("/dev/full", tmp_path / "full.pt")
    for path, error, said in [
        ("file/x.pt", NotADirectoryError, "file/x.pt"),
        ("no/x.safetensors", FileNotFoundError, "no/x.safetensors"),
        ("no/folder", FileNotFoundError, "no/folder'"),
        ("d.pt", IsADirectoryError, "d.pt"),
        ("full.pt", OSError, "No space left"),
    ]:
        with pytest.raises(error, match=said):
            save_checkpoint(state, tmp_path / path)
    assert sorted(os.listdir(tmp_path)) == ["d.pt", "file", "full.pt"]
    assert os.listdir(tmp_path / "d.pt") == []


@pytest.mark.skipif(not WHOLE, reason="takes 7 GB of disk and half a minute")
@pytest.mark.parametrize("target", ["x.pt", "x.msgpack", "folder", "x.orbax"])
def test_tensors_of_more_than_two_gigabytes(target, tmp_path):
    size = (1 << 31) + 12345
    parts = np.zeros(size, np.int8)
    parts[[0, 1 << 30, (1 << 31) - 1, 1 << 31, -1]] = [1, 2, 3, 4, 5]
    save_checkpoint({"big": parts, "small": np.arange(3)}, tmp_path / "x.safetensors")
    convert(tmp_path / "x.safetensors", tmp_path / target)
    with open_checkpoint(tmp_path / target) as checkpoint:
        assert checkpoint.infos["big"].nbytes == size
        assert np.array_equal(checkpoint.values("big"), parts)


# -- memory ----------------------------------------------------------------------------------------


def test_memory_stays_at_one_tensor(tmp_path):
    """The measurement of `benchmarks/checkpoint_memory.py`, in small."""
    script = Path(__file__).parent.parent / "benchmarks" / "checkpoint_memory.py"
    jobs = [] if WHOLE else ["--jobs", "load", "convert to bfloat16"]
    arguments = [sys.executable, script, "256MB", "--shards", "2", "--together", *jobs]
    ran = subprocess.run(
        [*arguments, "--folder", tmp_path], stdout=subprocess.PIPE, text=True, timeout=300
    )
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 0 and len(found) == (8 if WHOLE else 2), ran.stdout
    assert all(one["above"] <= 1.15 for one in found), ran.stdout


def test_pickles_are_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    real.save({"w": real.ones(1), "b": Bomb()}, tmp_path / "x.pt")
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        open_checkpoint(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prefix, said",
    [
        ("module.", "'module.' removed from 11 names"),
        ("_orig_mod.", "'_orig_mod.' removed from 11 names"),
        ("module._orig_mod.model.", "'module._orig_mod.model.' removed from 11 names"),
    ],
)
def test_prefixes_are_repaired_on_request(prefix, said, tmp_path):
    state = theirs()
    real.save({prefix + name: value for name, value in state.items()}, tmp_path / "x.pt")
    model = Tied()
    before = {k: np.array(v.detach()) for k, v in model.state_dict().items()}
    with pytest.raises(RuntimeError, match=f"With repair=True: {said}") as caught:
        load_checkpoint(model, tmp_path / "x.pt")
    assert 'Missing key(s) in state_dict: "embed.weight"' in str(caught.value)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value.detach()), before[name])
    report = load_checkpoint(model, tmp_path / "x.pt", repair=True)
    assert str(report) == said and report.renamed[prefix + "head.weight"] == "head.weight"
    assert_loaded(model, state)


def test_prefixes_are_added_too(tmp_path):
    state = theirs()
    real.save(state, tmp_path / "x.pt")
    outer = nn.Module()
    outer.model = Tied()
    report = load_checkpoint(outer, tmp_path / "x.pt", repair=["model."])
    assert str(report) == "'model.' added to 11 names"
    assert_loaded(outer.model, state)


def test_names_that_two_could_have_stay():
    assert repair_names(["module.a", "model.a"], ["a"]) == {}
    assert repair_names(["module.a", "a"], ["a"]) == {}
    assert repair_names(["module.a", "b"], ["a", "b"]) == {"module.a": "a"}
    assert bare("layers.0._orig_mod.weight") == "layers.0.weight"
    assert bare("model.") == "model."


def test_guesses(tmp_path):
    state = theirs()
    state["body.0.wieght"] = state.pop("body.0.weight")
    state["body.2.weight"] = state["body.2.weight"].t().contiguous()
    real.save(state, tmp_path / "x.pt")
    with pytest.raises(RuntimeError) as caught:
        load_checkpoint(Tied(), tmp_path / "x.pt")
    text = str(caught.value)
    assert text.startswith("Error(s) in loading state_dict for Tied:\n\tMissing key(s)")
    assert "size mismatch for body.2.weight: copying a param with shape torch.Size([3, 4])" in text
    assert 'Did you mean "body.0.weight" by "body.0.wieght", which the file has?' in text
    assert '"body.2.weight" would fit transposed: permute(1, 0) of the file\'s (3, 4)' in text
    del state["body.2.weight"]
    real.save(state, tmp_path / "x.pt")
    report = load_checkpoint(Tied(), tmp_path / "x.pt", strict=False)
    assert report.missing_keys == ["body.0.weight", "body.2.weight"]
    assert report.unexpected_keys == ["body.0.wieght"]


def test_usual_transpositions():
    assert transposition((3, 2), (2, 3)) == (1, 0)
    assert transposition((5, 3, 2, 7), (7, 2, 5, 3)) == (3, 2, 0, 1)
    assert transposition((2, 3), (2, 3)) is None and transposition((6,), (2, 3)) is None
    assert transposition((2, 3), (2, 4)) is None


def test_weights_one_level_down(tmp_path):
    state = theirs()
    real.save({"state_dict": state, "epoch": 3, "more": [real.ones(2)]}, tmp_path / "x.pt")
    with pytest.raises(RuntimeError, match="tensors under 'state_dict', 'more'; give key="):
        load_checkpoint(Tied(), tmp_path / "x.pt")
    with pytest.raises(KeyError, match="no tensors under 'model'"):
        load_checkpoint(Tied(), tmp_path / "x.pt", key="model")
    model = Tied()
    load_checkpoint(model, tmp_path / "x.pt", key="state_dict")
    assert_loaded(model, state)


def test_modules_own_loading_is_honoured(tmp_path):
    """BatchNorm's counter is optional in old files; hooks that rename see the names."""
    state = theirs()
    del state["body.1.num_batches_tracked"]
    state["old.weight"] = state.pop("embed.weight")
    del state["head.weight"]
    save_safe(state, tmp_path / "x.safetensors")
    model = Tied()

    def rename(module, state_dict, prefix, *rest):
        if "old.weight" in state_dict:
            state_dict["embed.weight"] = state_dict.pop("old.weight")

    model.register_load_state_dict_pre_hook(rename)
    load_checkpoint(model, tmp_path / "x.safetensors", strict=False)
    np.testing.assert_array_equal(np.asarray(model.embed.weight.detach()), state["old.weight"])
    np.testing.assert_array_equal(np.asarray(model.body[0].weight.detach()), state["body.0.weight"])


def test_extra_state(tmp_path):
    class Extra(nn.Linear):
        seen = None

        def get_extra_state(self):
            return {"scale": 3}

        def set_extra_state(self, state):
            self.seen = state

    torch.save(Extra(2, 2).state_dict(), tmp_path / "x.pt")
    model = Extra(2, 2)
    load_checkpoint(model, tmp_path / "x.pt")
    assert model.seen == {"scale": 3}


def test_a_value_of_another_dtype_is_cast(tmp_path):
    real.save({"weight": real.randn(2, 2).half(), "bias": real.ones(2).double()}, tmp_path / "x.pt")
    model = nn.Linear(2, 2)
    load_checkpoint(model, tmp_path / "x.pt")
    assert model.weight.dtype is torch.float32 and model.bias.tolist() == [1, 1]
