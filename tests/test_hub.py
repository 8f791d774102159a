"""torch.hub on a local server: downloads, hashes, the cache, and repositories."""

import hashlib
import http.server
import threading

import pytest
import torch

import torchcompat as tc


@pytest.fixture
def server(tmp_path):
    """A server of a folder, and the number of requests it has had."""
    folder = tmp_path / "served"
    folder.mkdir()
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            requests.append(args)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{one.server_port}", requests
        one.shutdown()


def checkpoint(folder):
    """A checkpoint that torch wrote, under a name that ends in its hash."""
    torch.save({"weight": torch.arange(6.0).reshape(2, 3)}, folder / "model.pth")
    digest = hashlib.sha256((folder / "model.pth").read_bytes()).hexdigest()
    name = f"model-{digest[:8]}.pth"
    (folder / "model.pth").rename(folder / name)
    return name, digest


def test_load_state_dict_from_url(server, tmp_path, monkeypatch, capsys):
    folder, url, requests = server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    name, _ = checkpoint(folder)
    for _ in range(2):
        found = tc.hub.load_state_dict_from_url(f"{url}/{name}?x=1", check_hash=True)
        assert found["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(requests) == 1
    kept = tmp_path / "home" / "hub" / "checkpoints"
    assert [f.name for f in kept.iterdir()] == [name]
    captured = capsys.readouterr()
    assert captured.out == f'Downloading: "{url}/{name}?x=1" to {kept / name}\n'
    assert "100%" in captured.err


def test_a_wrong_hash_leaves_no_file(server, tmp_path):
    folder, url, _ = server
    _, digest = checkpoint(folder)
    next(folder.iterdir()).rename(folder / "model-00000000.pth")
    with pytest.raises(RuntimeError) as error:
        tc.hub.load_state_dict_from_url(
            f"{url}/model-00000000.pth", model_dir=tmp_path / "m", check_hash=True, progress=False
        )
    assert str(error.value) == f'invalid hash value (expected "00000000", got "{digest}")'
    assert list((tmp_path / "m").iterdir()) == []


def test_download_url_to_file(server, tmp_path, capsys):
    folder, url, _ = server
    (folder / "data").write_bytes(b"x" * 300_000)
    tc.hub.download_url_to_file(f"{url}/data", str(tmp_path / "data"), progress=False)
    assert (tmp_path / "data").read_bytes() == b"x" * 300_000
    assert capsys.readouterr().err == ""


def test_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert tc.hub.get_dir() == torch.hub.get_dir() == str(tmp_path / "hub")
    tc.hub.set_dir(tmp_path / "other")
    try:
        assert tc.hub.get_dir() == str(tmp_path / "other")
    finally:
        tc.hub._download._chosen[0] = None


def test_local_repository(tmp_path):
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['torch']\n"
        "import torch\n"
        "def tiny(width=2):\n"
        "    'A tiny model.'\n"
        "    return torch.nn.Linear(width, 1)\n"
    )
    place = str(tmp_path)
    assert tc.hub.list(place, source="local") == ["tiny"]
    assert tc.hub.help(place, "tiny", source="local") == "A tiny model."
    assert isinstance(tc.hub.load(place, "tiny", width=3, source="local"), tc.nn.Linear)
    with pytest.raises(RuntimeError, match="Cannot find callable nope in hubconf"):
        tc.hub.load(place, "nope", source="local")
    with pytest.raises(ValueError, match='Unknown source: "moon"'):
        tc.hub.load(place, "tiny", source="moon")
