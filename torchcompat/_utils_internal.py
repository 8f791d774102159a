"""Paths, as third parties ask `torch._utils_internal`."""

from __future__ import annotations

import os
import tempfile

__all__ = ["get_file_path", "get_file_path_2", "get_writable_path"]


def get_file_path(*path_components: str) -> str:
    """A path below the folder of the package."""
    return os.path.join(os.path.dirname(__file__), *path_components)


def get_file_path_2(*path_components: str) -> str:
    """A path of these parts."""
    return os.path.join(*path_components)


def get_writable_path(path: str) -> str:
    """`path`, or a temporary folder where it cannot be written."""
    return path if os.access(path, os.W_OK) else tempfile.mkdtemp(suffix=os.path.basename(path))
