"""Downloads: with progress, checked against a hash, kept, and never seen half-done."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import warnings
import zipfile
from typing import Any
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from torchcompat import serialization

try:
    from tqdm import tqdm
except ImportError:

    class tqdm:  # type: ignore[no-redef]
        """A progress bar of text, in place of the package tqdm."""

        def __init__(
            self,
            total: int | None = None,
            disable: bool = False,
            unit: str | None = None,
            **options: Any,
        ) -> None:
            self.total, self.disable, self.n = total, disable, 0

        def update(self, n: int) -> None:
            """Notes that `n` more bytes have come."""
            self.n += n
            if not self.disable:
                share = (
                    f"{self.n} bytes" if self.total is None else f"{100 * self.n / self.total:.1f}%"
                )
                sys.stderr.write(f"\r{share}")
                sys.stderr.flush()

        def close(self) -> None:
            """Ends the line."""
            if not self.disable:
                sys.stderr.write("\n")

        def __enter__(self) -> tqdm:
            return self

        def __exit__(self, *exc: object) -> None:
            self.close()


HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
READ_DATA_CHUNK = 128 * 1024
_chosen: list[str | None] = [None]


def torch_home() -> str:
    """Where torch keeps its files: `$TORCH_HOME`, or `torch` in `$XDG_CACHE_HOME` (`~/.cache`)."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """The folder of downloads: what `set_dir` chose, or `hub` in torch's own."""
    if os.getenv("TORCH_HUB"):
        warnings.warn("TORCH_HUB is deprecated, please use env TORCH_HOME instead")
    return os.path.join(torch_home(), "hub") if _chosen[0] is None else _chosen[0]


def set_dir(d: str | os.PathLike) -> None:
    """Chooses the folder of downloads."""
    _chosen[0] = os.path.expanduser(d)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Downloads a file, which appears under its name when it is complete.

    Args:
        url: where from.
        dst: the full path of the file.
        hash_prefix: what the SHA256 of the content must start with.
        progress: show a bar on stderr.

    Raises:
        RuntimeError: the hash is another.
    """
    request = Request(url, headers={"User-Agent": "torchcompat.hub"})
    with urlopen(request) as source:
        length = source.headers.get("Content-Length")
        total = int(length) if length and int(length) > 0 else None
        folder = os.path.dirname(os.path.expanduser(dst)) or "."
        handle, partial = tempfile.mkstemp(".partial", os.path.basename(dst), folder)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = _copy(source, file, total, progress)
            _check(digest, hash_prefix, total, partial)
            os.chmod(partial, 0o666 & ~_umask())
            os.replace(partial, os.path.expanduser(dst))
        finally:
            if os.path.exists(partial):
                os.remove(partial)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _copy(source: Any, file: Any, total: int | None, progress: bool) -> str:
    """Copies all bytes; returns their SHA256."""
    digest = hashlib.sha256()
    with tqdm(
        total=total, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024
    ) as bar:
        while chunk := source.read(READ_DATA_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _check(digest: str, prefix: str | None, total: int | None, path: str) -> None:
    size = os.path.getsize(path)
    if total is not None and size != total:
        raise RuntimeError(f"download incomplete (expected {total} bytes, got {size})")
    if prefix is not None and digest[: len(prefix)] != prefix:
        raise RuntimeError(f'invalid hash value (expected "{prefix}", got "{digest}")')


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> dict[str, Any]:
    """The checkpoint behind a URL, downloaded unless the folder has it already.

    Args:
        url: where from.
        model_dir: the folder; default: `checkpoints` in `get_dir()`.
        map_location: as of `torch.load`.
        progress: show a bar on stderr.
        check_hash: the name ends in `-<first digits of the SHA256>.ext`, which the content must have.
        file_name: what to call the file; default: as the URL does.
        weights_only: as of `torch.load`.

    Raises:
        RuntimeError: the hash is another.
    """
    if os.getenv("TORCH_MODEL_ZOO"):
        warnings.warn("TORCH_MODEL_ZOO is deprecated, please use env TORCH_HOME instead")
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = os.path.basename(urlparse(url).path) if file_name is None else file_name
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found[1] if found else None, progress=progress)
    if _is_legacy_zip(path):
        path = _unpacked(path, folder)
    return serialization.load(path, map_location=map_location, weights_only=weights_only)


def _is_legacy_zip(path: str) -> bool:
    """Whether a file is a zip of one checkpoint, as once was usual, and not a checkpoint in zip form."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        names = archive.infolist()
    return len(names) == 1 and not names[0].filename.endswith("data.pkl")


def _unpacked(path: str, folder: str) -> str:
    warnings.warn(
        "Falling back to the old format < 1.6. This support will be "
        "deprecated in favor of default zipfile format introduced in 1.6. "
        "Please redo torch.save() to save it in the new zipfile format.",
        DeprecationWarning,
    )
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[0]
        target = os.path.realpath(os.path.join(folder, member.filename))
        if not target.startswith(os.path.realpath(folder) + os.sep):
            raise RuntimeError(f"the zip file {path} names a file outside of its folder")
        archive.extract(member, folder)
    return target
