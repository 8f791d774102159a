"""The command `torchcompat`: inspect, convert, compare; tables, JSON, errors and exit statuses."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch as real
from _record import WHOLE

from converters._cli import _inspect, entry, main
from converters._cli._main import _parser
from converters._text import human, plain, table
from converters.files import Rule, compare, convert, open_checkpoint, read_rules
from converters.files._compare import errors
from torchcompat.serialization._atomic import write_file


@pytest.fixture
def state():
    state = {
        "module.fc.weight": real.arange(6.0).view(2, 3),
        "module.fc.bias": real.tensor([1.0, -2.0]),
        "module.steps": real.tensor(3),
    }
    state["module.tied"] = state["module.fc.weight"]
    return state


@pytest.fixture
def run(capsys):
    def run(*arguments):
        status = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return status, out, err

    return run


def load(path):
    if os.path.isdir(path) or str(path).endswith(".msgpack"):
        with open_checkpoint(path) as checkpoint:
            return {n: real.from_numpy(np.array(checkpoint.read(n))) for n in checkpoint.infos}
    if str(path).endswith(".safetensors"):
        return safetensors.torch.load_file(path)
    return real.load(path)


# -- inspect ---------------------------------------------------------------------------------------


def test_inspect_prints_a_table(run, state, tmp_path):
    real.save({"state_dict": state, "epoch": 4}, tmp_path / "x.pt")
    status, out, err = run("inspect", tmp_path / "x.pt", "--key", "state_dict")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "name               dtype     shape    size",
        "──────────────────────────────────────────",
        "module.fc.weight   float32   2x3      24 B",
        "module.fc.bias     float32   2         8 B",
        "module.steps       int64     scalar    8 B",
        "module.tied        float32   2x3      24 B",
        "tied: module.fc.weight = module.tied",
        "4 tensors, 40 B, torch zip",
    ]
    out = run("inspect", tmp_path / "x.pt")[1]
    assert "state_dict.module.fc.bias" in out and "no tensor: epoch (int 4)" in out


def test_inspect_as_json(run, state, tmp_path):
    real.save(state, tmp_path / "x.pt")
    status, out, err = run("inspect", "--json", tmp_path / "x.pt")
    found = json.loads(out)
    assert status == 0 and found["nbytes"] == 40 and found["format"] == "torch zip"
    assert found["tensors"][0] == {
        "name": "module.fc.weight",
        "dtype": "float32",
        "shape": [2, 3],
        "nbytes": 24,
        "file": str(tmp_path / "x.pt"),
    }
    assert found["tied"] == [["module.fc.weight", "module.tied"]] and found["other"] == {}


def test_inspect_runs_nothing(run, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for zipped in (True, False):
        real.save({"b": Bomb()}, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
        status, out, err = run("inspect", tmp_path / "x.pt")
        assert status == 2 and out == "" and err.startswith("torchcompat: error: ")
        assert "mkdir" in err
    assert not (tmp_path / "ran").exists()


# -- convert ---------------------------------------------------------------------------------------

ENDS = ["a.pt", "a.safetensors", "folder", "a.msgpack", "a.orbax"]


@pytest.mark.parametrize("start", ENDS)
@pytest.mark.parametrize("end", ENDS)
def test_any_format_into_any(start, end, run, state, tmp_path):
    real.save(state, tmp_path / "source.pth")
    options = ("--max-shard-size", 20, "--quiet")
    (tmp_path / "1").mkdir()
    assert run("convert", tmp_path / "source.pth", tmp_path / "1" / start, *options)[0] == 0
    (tmp_path / "2").mkdir()
    status, out, err = run("convert", tmp_path / "1" / start, tmp_path / "2" / end, *options)
    assert (status, err) == (0, "") and "4 tensors" in out
    with open_checkpoint(tmp_path / "2" / end) as checkpoint:
        assert [set(g) for g in checkpoint.ties()] == [{"module.fc.weight", "module.tied"}]
        for name, value in state.items():
            np.testing.assert_array_equal(np.asarray(checkpoint.read(name)), value.numpy())
    for name, value in load(tmp_path / "2" / end).items():
        assert value.equal(state[name])
    assert run("compare", tmp_path / "source.pth", tmp_path / "2" / end)[0] == 0


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "torch.float8_e4m3fn"])
def test_floating_dtypes_are_cast(kind, run, tmp_path):
    values = real.randn(100) * 50
    real.save({"x": values, "n": real.arange(3)}, tmp_path / "x.pt")
    target = tmp_path / "y.safetensors"
    assert run("convert", tmp_path / "x.pt", target, "--dtype", kind)[0] == 0
    found = load(target)
    dtype = getattr(real, kind.removeprefix("torch."))
    assert found["x"].dtype is dtype and found["n"].dtype is real.int64
    assert found["x"].double().equal(values.to(dtype).double())


def test_names_are_changed_by_a_table(run, state, tmp_path):
    real.save(state, tmp_path / "x.pt")
    rules = (
        "# ours\nmodule.fc. -> head.\nmodule.steps -> n  # a count\nre:(\\w+)\\.ti(ed) -> \\2.\\1\n"
    )
    (tmp_path / "table").write_text(rules + "nothing -> else\n")
    status, out, err = run(
        "convert", tmp_path / "x.pt", tmp_path / "y.pt", "--rename", tmp_path / "table"
    )
    assert status == 0 and "4 renamed" in out and err == "no name fits the rule 'nothing'\n"
    assert list(load(tmp_path / "y.pt")) == ["head.weight", "head.bias", "n", "ed.module"]
    (tmp_path / "table").write_text(json.dumps({"module.": ""}))
    assert read_rules(tmp_path / "table") == [Rule("module.", "")]
    run("convert", tmp_path / "x.pt", tmp_path / "z.pt", "--rename", tmp_path / "table")
    assert list(load(tmp_path / "z.pt")) == ["fc.weight", "fc.bias", "steps", "tied"]


@pytest.mark.parametrize(
    "text, said",
    [
        ("a b", "line 1: write 'old -> new', not 'a b'"),
        ("re:( -> x", "missing \\), unterminated subpattern"),
        ('{"a": 1}', "the new names must be texts"),
        ("module.fc.bias -> module.steps", "would both become 'module.steps'"),
        ("module.steps ->", "would become an empty name|write 'old -> new'"),
    ],
)
def test_wrong_tables(text, said, run, state, tmp_path):
    real.save(state, tmp_path / "x.pt")
    (tmp_path / "table").write_text(text)
    status, _, err = run(
        "convert", tmp_path / "x.pt", tmp_path / "y.pt", "--rename", tmp_path / "table"
    )
    assert status == 2 and re.search(said, err), err
    assert not (tmp_path / "y.pt").exists()


def test_nested_files_need_a_key(run, state, tmp_path):
    real.save({"state_dict": state, "optimizer": {"m": real.ones(1)}, "n": 1}, tmp_path / "x.pt")
    status, _, err = run("convert", tmp_path / "x.pt", tmp_path / "y.pt")
    assert status == 2 and "tensors under 'state_dict', 'optimizer'; choose one (key)" in err
    arguments = ("convert", tmp_path / "x.pt", tmp_path / "y.pt", "--key", "state_dict")
    assert run(*arguments)[0] == 0 and set(load(tmp_path / "y.pt")) == set(state)
    real.save({**state, "epoch": 1}, tmp_path / "x.pt")
    status, out, err = run("convert", tmp_path / "x.pt", tmp_path / "y.pt")
    assert status == 0 and err == "left out, as it is no tensor: epoch\n"
    found = json.loads(run("convert", "--json", tmp_path / "x.pt", tmp_path / "y.pt")[1])
    assert found["tensors"] == 4 and found["left_out"] == ["epoch"]


def test_a_file_can_be_converted_onto_itself(run, state, tmp_path):
    real.save(state, tmp_path / "x.pt")
    assert run("convert", tmp_path / "x.pt", tmp_path / "x.pt", "--dtype", "float16")[0] == 0
    assert load(tmp_path / "x.pt")["module.fc.bias"].dtype is real.float16


def test_header_texts_are_kept(run, tmp_path):
    safetensors.torch.save_file({"x": real.ones(1)}, tmp_path / "x.safetensors", {"by": "me"})
    run("convert", tmp_path / "x.safetensors", tmp_path / "y.safetensors")
    with safetensors.safe_open(tmp_path / "y.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "by": "me"}


def test_one_tensor_at_a_time(state, tmp_path, monkeypatch):
    import gc
    import weakref

    from converters.files import _pickles

    real.save({str(i): real.ones(64) * i for i in range(8)}, tmp_path / "x.pt")
    alive, most = [], []
    original = _pickles.TorchZip.read

    def read(self, name):
        gc.collect()
        most.append(sum(one() is not None for one in alive))
        tensor = original(self, name)
        alive.append(weakref.ref(tensor._cell))
        return tensor

    monkeypatch.setattr(_pickles.TorchZip, "read", read)
    convert(tmp_path / "x.pt", tmp_path / "folder", max_shard_size=600)
    assert len(most) == 8 and max(most) <= 1


# -- compare ---------------------------------------------------------------------------------------


def test_compare_reports_each_difference(run, state, tmp_path):
    real.save(state, tmp_path / "a.pt")
    assert run("compare", tmp_path / "a.pt", tmp_path / "a.pt") == (0, "equal: 4 tensors\n", "")
    other = {name.removeprefix("module."): value.clone() for name, value in state.items()}
    real.save(other, tmp_path / "b.pt")
    assert run("compare", tmp_path / "a.pt", tmp_path / "b.pt")[0] == 1
    other = {name: value.clone() for name, value in state.items()}
    other["module.fc.weight"][0, 1] += 0.5
    other["module.fc.bias"] = other["module.fc.bias"].double()
    other["module.steps"] = real.tensor([3])
    other["new"] = other.pop("module.tied")
    real.save(other, tmp_path / "b.pt")
    status, out, err = run("compare", tmp_path / "a.pt", tmp_path / "b.pt")
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "name               differs     detail                    max abs   max rel",
        "──────────────────────────────────────────────────────────────────────────",
        "module.fc.weight   values      1 of 6 values                 0.5     0.333",
        "module.fc.bias     dtype       float32 against float64",
        "module.steps       shape       () against (1,)",
        "module.tied        only in a   float32 (2, 3)",
        "new                only in b   float32 (2, 3)",
        "5 differ, 0 are equal",
    ]
    found = json.loads(run("compare", "--json", tmp_path / "a.pt", tmp_path / "b.pt")[1])
    assert not found["equal"] and found["differences"][0]["max_abs"] == 0.5


def test_compare_within_tolerances(run, tmp_path):
    real.save({"x": real.tensor([1.0, float("nan")])}, tmp_path / "a.pt")
    real.save({"x": real.tensor([1.001, float("nan")]).double()}, tmp_path / "b.pt")
    pair = (tmp_path / "a.pt", tmp_path / "b.pt", "--ignore-dtype")
    assert run("compare", *pair)[0] == 1
    assert run("compare", *pair, "--rtol", 0.01)[0] == 0
    assert run("compare", *pair, "--atol", 0.01)[0] == 0
    assert run("compare", *pair, "--atol", 0.0001)[0] == 1
    assert run("compare", *pair, "--atol", -1)[0] == 2
    assert compare(tmp_path / "a.pt", tmp_path / "a.pt").equal


def test_errors_of_special_values():
    inf, nan = np.inf, np.nan
    assert errors(np.array([nan, inf]), np.array([nan, inf])) == (0.0, 0.0, 0)
    assert errors(np.array([nan]), np.array([1.0])) == (inf, inf, 1)
    assert errors(np.array([inf]), np.array([-inf]), 1, 1)[2] == 1
    assert errors(np.array([True]), np.array([False])) == (1.0, inf, 1)
    assert errors(np.zeros(0), np.zeros(0)) == (0.0, 0.0, 0)
    assert errors(np.array([2j]), np.array([1j])) == (1.0, 1.0, 1)


def test_compare_guesses_what_was_meant(run, tmp_path):
    real.save({"fc.weight": real.ones(2, 3), "fc.bias": real.ones(2)}, tmp_path / "a.pt")
    real.save({"fc.weight": real.ones(3, 2), "fc.bais": real.ones(2)}, tmp_path / "b.pt")
    status, out, err = run("compare", tmp_path / "a.pt", tmp_path / "b.pt")
    assert status == 1 and "(2, 3) against (3, 2) (a permuted by (1, 0) has b's shape)" in out
    assert "float32 (2,) (b has fc.bais)" in out
    found = json.loads(run("compare", "--json", tmp_path / "a.pt", tmp_path / "b.pt")[1])
    assert [one["hint"] for one in found["differences"]][1:] == ["b has fc.bais", ""]


def test_prefixes_are_repaired_on_request(run, state, tmp_path):
    wrapped = {f"module._orig_mod.{name}": value for name, value in state.items()}
    real.save(wrapped, tmp_path / "a.pt")
    status, out, err = run("convert", tmp_path / "a.pt", tmp_path / "b.safetensors", "--repair")
    assert status == 0 and "4 renamed" in out
    assert err == "'module._orig_mod.module.' removed from 4 names\n"
    assert set(load(tmp_path / "b.safetensors")) == {"fc.weight", "fc.bias", "steps"}
    pair = tmp_path / "a.pt", tmp_path / "b.safetensors"
    assert run("compare", *pair)[0] == 1 and run("compare", *pair, "--repair")[0] == 0
    status, out, err = run("convert", pair[1], tmp_path / "c.pt", "--repair")
    assert (status, err) == (0, "no name has a prefix to take off\n")
    real.save({"module.a": real.ones(1), "a": real.ones(1)}, tmp_path / "d.pt")
    assert run("convert", tmp_path / "d.pt", tmp_path / "e.pt", "--repair")[0] == 0
    assert set(load(tmp_path / "e.pt")) == {"module.a", "a"}  # two would have one name


# -- errors and the process ------------------------------------------------------------------------


def test_errors_have_status_2(run, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.safetensors").write_bytes(b"\x10" + b"\0" * 7 + b"{")
    (tmp_path / "x.pt").write_bytes(b"PK\3\4 no archive")
    for name, said in [
        ("absent.pt", "No such file"),
        ("empty", "is empty"),
        ("x.safetensors", "invalid header length"),
        ("x.pt", "failed reading zip archive"),
        (".", "and several others: x.pt, x.safetensors; name one of them"),
        ("folder", "no checkpoint in the folder"),
    ]:
        status, out, err = run("inspect", tmp_path / name)
        assert status == 2 and out == "" and said in err, (name, err)
        status, out, err = run("inspect", "--json", tmp_path / name)
        assert status == 2 and said in json.loads(out)["error"] and err == ""
    real.save({"x": real.ones(1)}, tmp_path / "x.pt")
    for arguments, said in [
        (("y.xyz",), "must end in .safetensors"),
        (("y.pt", "--dtype", "int8"), "is no floating dtype"),
        (("y.pt", "--max-shard-size", "much"), "is no size"),
        (("y.pt", "--key", "state"), "no tensors under 'state'"),
        (("no/folder/y.pt",), "No such file"),
    ]:
        target, *rest = arguments
        status, _, err = run("convert", tmp_path / "x.pt", tmp_path / target, *rest)
        assert status == 2 and said in err, err
    with pytest.raises(SystemExit) as caught:
        main(["nonsense"])
    assert caught.value.code == 2


COMMANDS = ("inspect", "convert", "compare", "parity")


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    """Every argument is told of."""
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0 and out.startswith(f"usage: torchcompat {command} [-h]")
    commands = _parser()._subparsers._group_actions[0].choices
    assert tuple(commands) == COMMANDS
    text = " ".join(out.split())
    for action in commands[command]._actions:
        assert action.help, action.dest
        assert (action.option_strings or [action.metavar])[-1] in out
        assert " ".join(action.help.split())[:20] in text, action.dest
    assert "--json" in out


def test_the_main_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert caught.value.code == 0 and all(f" {command} " in out for command in COMMANDS)
    assert "exit status: 0 done or equal, 1 what was compared differs, 2 an error" in out
    for arguments in ([], ["inspect"], ["compare", "a"], ["convert", "a", "b", "--format", "zip"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2 and "usage: torchcompat" in capsys.readouterr().err


def test_defects_show_their_traceback(monkeypatch, capsys):
    """With the status of an error: Python's own would say that things differ."""
    monkeypatch.setattr(_inspect, "open_checkpoint", lambda *_: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["torchcompat", "inspect", "x"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as caught:
        entry()
    assert caught.value.code == 2
    assert "Traceback" in (err := capsys.readouterr().err) and "ZeroDivisionError" in err


def test_the_script_is_declared():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["scripts"] == {"torchcompat": "converters._cli:entry"}


# -- interruptions ---------------------------------------------------------------------------------

# The command, which stops and waits after it has written the tensor that AT names.
WAITING = """
import os, time
from converters._cli import _convert, entry
class Bar(_convert.Bar):
    def __call__(self, name, done, total):
        if name == os.environ["AT"]:
            print("wrote", name, flush=True)
            time.sleep(60)
_convert.Bar = Bar
entry()
"""


def interrupted(at, how, *arguments):
    """Runs the command and sends its process a signal once it has written a tensor."""
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AT": at},
    ) as process:
        assert process.stdout.readline() == f"wrote {at}\n"
        process.send_signal(how)
        return process.wait(30)


@pytest.fixture
def four(tmp_path):
    """A source that makes four shards, and the arguments that convert it."""
    real.save({str(i): real.full((8,), i) for i in range(4)}, tmp_path / "x.pt")
    options = "--max-shard-size", 70
    return ["convert", tmp_path / "x.pt", tmp_path / "out", *options]


def test_a_terminated_conversion_leaves_nothing(four, tmp_path):
    """In the midst of its first shard; it can be run again."""
    assert interrupted("0", signal.SIGTERM, *four) == 143
    assert os.listdir(tmp_path) == ["x.pt"]
    assert main(list(map(str, four))) == 0 and len(load(tmp_path / "out")) == 4


@pytest.mark.parametrize("present", [False, True] if WHOLE else [False])
def test_a_killed_conversion_goes_on(present, four, tmp_path, run):
    """Killed in its third shard: two are whole, the third has left nothing, and the name is free."""
    if present:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "config.json").write_text("{}")
    assert interrupted("2", signal.SIGKILL, *four) == -signal.SIGKILL
    stage = (tmp_path / "out" if present else tmp_path) / ".out.partial"
    shards = sorted(p.name for p in (stage / "files").iterdir())
    assert shards == [f"model-0000{i}-of-00004.safetensors" for i in (1, 2)]
    assert not any(p.suffix in (".safetensors", ".tmp") for p in (tmp_path).glob("out/*"))
    kept = [(stage / "files" / name).stat().st_mtime_ns for name in shards]
    status, out, err = run(*four)
    assert (status, err) == (0, "2 shards were complete already\n") and not stage.exists()
    assert [(tmp_path / "out" / name).stat().st_mtime_ns for name in shards] == kept
    found = load(tmp_path / "out")
    assert {name: value[0].item() for name, value in found.items()} == {str(i): i for i in range(4)}
    assert run("compare", tmp_path / "x.pt", tmp_path / "out")[0] == 0


@pytest.mark.skipif(not WHOLE, reason="starts three processes; the next test shows why it holds")
@pytest.mark.parametrize("name", ["y.pt", "y.safetensors", "y.msgpack"])
def test_a_killed_file_leaves_nothing(name, four, tmp_path):
    status = interrupted("2", signal.SIGKILL, "convert", four[1], tmp_path / name)
    assert status == -signal.SIGKILL and os.listdir(tmp_path) == ["x.pt"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs Linux's files without names")
def test_a_file_has_no_name_until_it_is_complete(tmp_path):
    write_file(tmp_path / "x", lambda file: file.write(b"%d" % len(os.listdir(tmp_path))))
    assert (tmp_path / "x").read_bytes() == b"0" and os.listdir(tmp_path) == ["x"]
    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~umask


@pytest.mark.parametrize("changed", ["source", "size", "names"])
def test_nothing_old_is_taken_up(changed, four, tmp_path, run):
    """Shards of another source, another size or other names are not mixed in."""

    def stop(name, done, total):
        if name == "2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(four[1], four[2], max_shard_size=70, progress=stop)
    assert (tmp_path / ".out.partial").exists()
    wanted = {str(i): i for i in range(4)}
    if changed == "source":
        times = os.stat(tmp_path / "x.pt")
        real.save({str(i): real.full((8,), i + 1) for i in range(4)}, tmp_path / "x.pt")
        os.utime(tmp_path / "x.pt", ns=(times.st_atime_ns, times.st_mtime_ns))
        wanted = {str(i): i + 1 for i in range(4)}
    elif changed == "size":
        four[-1] = 130
    else:
        (tmp_path / "table").write_text("0 -> 1\n1 -> 0\n")
        four += ["--rename", tmp_path / "table"]
        wanted |= {"0": 1, "1": 0}
    assert run(*four)[::2] == (0, "")
    found = load(tmp_path / "out")
    assert {name: value[0].item() for name, value in found.items()} == wanted
    assert not (tmp_path / ".out.partial").exists()


def test_a_source_that_changes_meanwhile(four, tmp_path, monkeypatch):
    def disturb(name, done, total):
        if name == "1":
            with open(tmp_path / "x.pt", "r+b") as file:
                file.write(b"PK")

    with pytest.raises(RuntimeError, match="x.pt changed while it was read"):
        convert(four[1], four[2], max_shard_size=70, progress=disturb)
    assert not (tmp_path / "out").exists()
    assert convert(four[1], four[2], max_shard_size=70).resumed == 0


def test_moving_into_a_folder_goes_on(four, tmp_path, monkeypatch, run):
    from converters.files import _shards

    (tmp_path / "out").mkdir()
    replace, moved = os.replace, []

    def fails(source, target):
        if str(target).startswith(str(tmp_path / "out" / "model")):
            if len(moved) == 2:
                raise OSError("gone")
            moved.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(_shards.os, "replace", fails)
        assert run(*four)[0] == 2
    assert len(list((tmp_path / "out").glob("model*"))) == 2
    status, out, err = run(*four)
    assert (status, err) == (0, "4 shards were complete already\n")
    assert os.listdir(tmp_path / "out") and len(load(tmp_path / "out")) == 4
    assert not (tmp_path / "out" / ".out.partial").exists()


def test_two_conversions_at_once(four, tmp_path, run):
    def second(name, done, total):
        status, _, err = run(*four)
        assert status == 2 and "another process is writing" in err

    convert(four[1], four[2], max_shard_size=70, progress=second)
    assert len(load(tmp_path / "out")) == 4


# -- printing --------------------------------------------------------------------------------------


def test_tables_and_sizes():
    made = table(("a", "n"), [("x[b]z", "1")], right=(1,))
    assert plain(made) == "a       n\n─────────\nx[b]z   1"
    assert [human(n) for n in (0, 999, 1500, 2 * 10**9)] == ["0 B", "999 B", "1.50 kB", "2.00 GB"]


def test_progress_is_shown_on_terminals_only(monkeypatch, capsys):
    from converters._cli._print import Bar

    with Bar("converting") as progress:
        progress("x", 1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Bar("converting") as progress:
        progress("layer", 1500, 3000)
        progress._bar.refresh()
    err = capsys.readouterr().err
    assert "converting" in err and "1.5/3.0 kB" in err
    with Bar("converting", hidden=True) as progress:
        progress("layer", 1500, 3000)
    assert capsys.readouterr().err == ""
