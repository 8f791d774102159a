"""`FileOpener`: files, opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from torchcompat.utils.data.datapipes._decorator import functional_datapipe
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe

__all__ = ["FileOpenerIterDataPipe"]


@functional_datapipe("open_files")
class FileOpenerIterDataPipe(IterDataPipe):
    """Pairs of a path and the file, opened.

    Args:
        datapipe: the paths.
        mode: as `open` takes it.
        encoding: of text.
        length: what `len` says.
    """

    def __init__(
        self,
        datapipe: IterDataPipe,
        mode: str = "r",
        encoding: str | None = None,
        length: int = -1,
    ) -> None:
        if mode not in ("b", "t", "rb", "rt", "r"):
            raise ValueError(f"Invalid mode {mode}")
        if "b" in mode and encoding is not None:
            raise ValueError("binary mode doesn't take an encoding argument")
        self.datapipe, self.encoding, self.length = datapipe, encoding, length
        self.mode = f"r{mode}" if mode in ("b", "t") else mode

    def __iter__(self) -> Iterator[tuple[str, IO]]:
        for path in self.datapipe:
            yield path, open(path, self.mode, encoding=self.encoding)  # noqa: SIM115

    def __len__(self) -> int:
        if self.length == -1:
            raise TypeError(f"{type(self).__name__} instance doesn't have valid length")
        return self.length
