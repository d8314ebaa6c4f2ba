"""A disk of a few MB that can be filled up or made read-only, where this machine lets one be mounted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A file system in memory, ``folder``; it ends with its block of :func:`small_disk`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, free: int) -> None:
        """Leave so many bytes free."""
        self.empty()
        state = os.statvfs(self.folder)
        size = state.f_bavail * state.f_frsize - free
        with self._ballast.open("wb") as stream:
            if size > 0:
                os.posix_fallocate(stream.fileno(), 0, size)

    def empty(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Refuse every write within the block, as disks do that have gone bad."""
        _mount("-o", "remount,ro", self.folder)
        try:
            yield
        finally:
            _mount("-o", "remount,rw", self.folder)


@contextmanager
def small_disk(folder: Path, size: str = "16m") -> Iterator[SmallDisk]:
    """Mount a small disk at a folder, or skip the test with the reason why that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"no small disk can be mounted here: {said.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*options: object) -> None:
    subprocess.run(["mount", *map(str, options)], check=True, capture_output=True, text=True)
