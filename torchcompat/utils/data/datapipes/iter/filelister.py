"""`FileLister`: the paths of files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence

from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe
from torchcompat.utils.data.datapipes.iter.utils import IterableWrapperIterDataPipe

__all__ = ["FileListerIterDataPipe"]


@functional_datapipe("list_files")
class FileListerIterDataPipe(IterDataPipe):
    """The paths of the files in folders.

    Args:
        root: a folder, several, or a pipe of them.
        masks: patterns that names have to fit, one or several.
        recursive: look into folders in the folder.
        abspath: give absolute paths.
        non_deterministic: leave paths in the order of the file system.
        length: what `len` says.
    """

    def __init__(
        self,
        root: str | Sequence[str] | IterDataPipe = ".",
        masks: str | list[str] = "",
        *,
        recursive: bool = False,
        abspath: bool = False,
        non_deterministic: bool = False,
        length: int = -1,
    ) -> None:
        folders = [root] if isinstance(root, str) else root
        self.datapipe = (
            folders if isinstance(folders, IterDataPipe) else IterableWrapperIterDataPipe(folders)
        )
        self.masks, self.recursive, self.abspath = masks, recursive, abspath
        self.non_deterministic, self.length = non_deterministic, length

    def __iter__(self) -> Iterator[str]:
        for root in self.datapipe:
            start = os.path.abspath(root) if self.abspath else root
            walk = os.walk(start)
            for folder, inner, names in walk:
                if not self.recursive:
                    inner.clear()
                if not self.non_deterministic:
                    inner.sort()
                    names = sorted(names)
                yield from (os.path.join(folder, name) for name in names if self._fits(name))

    def _fits(self, name: str) -> bool:
        masks = [self.masks] if isinstance(self.masks, str) else self.masks
        return not self.masks or any(fnmatch.fnmatch(name, mask) for mask in masks)

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length
