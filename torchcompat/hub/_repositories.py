"""Models of a repository's `hubconf.py`, run as ported source: its `import torch` means torchcompat."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import pathlib
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torchcompat.hub._download import download_url_to_file, get_dir

_HUBCONF = "hubconf.py"
_DEPENDENCIES = "dependencies"


@contextmanager
def _on_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _configuration(folder: str) -> Any:
    """The repository's `hubconf` module, loaded by the importer of ported source.

    Raises:
        FileNotFoundError: the folder has none.
        RuntimeError: packages that it needs are missing.
    """
    path = os.path.join(folder, _HUBCONF)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"[Errno 2] No such file or directory: {path!r}")
    sys.modules.pop("torchcompat.ported.hubconf", None)
    importlib.invalidate_caches()
    importlib.import_module("torchcompat.ported")
    with _on_path(folder):
        module = importlib.import_module("torchcompat.ported.hubconf")
    needed = getattr(module, _DEPENDENCIES, None) or []
    missing = [n for n in needed if n != "torch" and importlib.util.find_spec(n) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: Any, name: str) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if found is None or not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def _fetched(github: str, force_reload: bool, verbose: bool, trust_repo: Any) -> str:
    """The folder of a repository `owner/name[:ref]` of GitHub, downloaded once.

    Raises:
        ValueError: it is not named so.
    """
    repository, _, ref = github.partition(":")
    owner, slash, name = repository.partition("/")
    if not slash or not owner or not name:
        raise ValueError(f"expected a repository as owner/name[:ref], got {github!r}")
    _confirm(owner, name, trust_repo)
    ref = ref or "main"
    folder = os.path.join(get_dir(), f"{owner}_{name}_{ref.replace('/', '_')}")
    if os.path.isdir(folder) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    os.makedirs(get_dir(), exist_ok=True)
    archive = f"{folder}.zip"
    url = f"https://github.com/{owner}/{name}/zipball/{ref}"
    if verbose:
        sys.stderr.write(f'Downloading: "{url}" to {archive}\n')
    download_url_to_file(url, archive, progress=False)
    with zipfile.ZipFile(archive) as packed:
        inner = packed.infolist()[0].filename
        packed.extractall(get_dir())
    os.remove(archive)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.move(os.path.join(get_dir(), inner), folder)
    return folder


def _confirm(owner: str, name: str, trust_repo: Any) -> None:
    """Asks whether a repository's code may run, unless it is known to be trusted.

    Raises:
        Exception: it may not.
    """
    path = os.path.join(get_dir(), "trusted_list")
    known = pathlib.Path(path).read_text().split() if os.path.exists(path) else []
    if trust_repo is True or f"{owner}_{name}" in known or owner in ("pytorch", "facebookresearch"):
        return
    answer = input(
        f"The repository {owner}_{name} does not belong to the list of trusted repositories and as such "
        "cannot be downloaded. Do you trust this repository and wish to add it to the trusted list of "
        "repositories (y/N)?"
    )
    if answer.lower() not in ("y", "yes"):
        raise Exception("Untrusted repository.")
    os.makedirs(get_dir(), exist_ok=True)
    with open(path, "a") as file:
        file.write(f"{owner}_{name}\n")


def _folder(repo: str, source: str, force_reload: bool, verbose: bool, trust_repo: Any) -> str:
    if source.lower() not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source.lower() == "local":
        return os.path.abspath(os.path.expanduser(repo))
    return _fetched(repo, force_reload, verbose, trust_repo)


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Calls an entry point of a repository's `hubconf.py`.

    Args:
        repo_or_dir: `owner/name[:ref]` on GitHub, or a folder.
        model: the entry point's name.
        source: "github" or "local".
        trust_repo: True to run code of any repository; else it is asked for.
        force_reload: download again.
        verbose: say on stderr what is used.

    Raises:
        RuntimeError: there is no such entry point, or a package is missing.
    """
    folder = _folder(repo_or_dir, source, force_reload, verbose, trust_repo)
    return _entry(_configuration(folder), model)(*args, **kwargs)


def list(
    github: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
    source: str = "github",
) -> builtins.list[str]:
    """Names of a repository's entry points."""
    module = _configuration(_folder(github, source, force_reload, verbose, trust_repo))
    return [n for n in dir(module) if callable(getattr(module, n)) and not n.startswith("_")]


def help(
    github: str,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    source: str = "github",
) -> str | None:
    """The docstring of an entry point."""
    module = _configuration(_folder(github, source, force_reload, True, trust_repo))
    return _entry(module, model).__doc__
