"""Write a file whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from operando.errors import OperandoError
from operando.pipelines.commit import sync_folder


@contextmanager
def written_whole(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a place beside ``path`` to write to; what was written there is synced to the disk and gets the name.

    A write that fails leaves what was there.

    Raises
    ------
    OperandoError
        If the file is there and may not be replaced, or cannot be written.
    """
    if not overwrite and path.exists():
        raise _exists(path)
    if not path.parent.is_dir():
        raise OperandoError(
            f"{path}: writing failed (there is no folder {path.parent}); make it, or choose another one"
        )
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield aside
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        _put(aside, path, overwrite=overwrite)
        sync_folder(path.parent)
    except OSError as error:
        said = error.strerror or (os.strerror(error.errno) if error.errno else " ".join(str(error).split()))
        raise OperandoError(f"{path}: writing failed ({said}); no file was changed; check the folder") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


IN_MEMORY = 2**28
"""Bytes up to which a file is made in memory: HDF5 may end the process where it cannot write."""


def require_space(path: Path, size: int) -> None:
    """Refuse to begin a large file where the disk has no room for it.

    Raises
    ------
    OperandoError
        With what it takes, before compression, and what is free.
    """
    if not path.parent.is_dir():
        return
    free = shutil.disk_usage(path.parent).free
    if free < size:
        needed, there = (f"{bytes_ / 2**30:.3g} GiB" for bytes_ in (size, free))
        raise OperandoError(
            f"{path}: expected {needed} of free space, got {there}; export fewer nodes, or to another disk"
        )


def made_folder(folder: Path) -> Path:
    """Make a folder for several files if it is not there, and return it.

    Raises
    ------
    OperandoError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        said = error.strerror or str(error)
        raise OperandoError(f"{folder}: expected a folder that can be made, got {said}; choose another one") from None
    return folder


def made_for(folder: Path, paths: Iterable[Path], *, overwrite: bool) -> None:
    """Make the folder of several files, but not if one of them is there and may not be replaced.

    Raises
    ------
    OperandoError
        If it cannot be made, or with the first of the files that are there.
    """
    if not overwrite:
        refuse_existing(paths)
    made_folder(folder)


def refuse_existing(paths: Iterable[Path]) -> None:
    """Refuse to go on if one of several files is there.

    Raises
    ------
    OperandoError
        With the first of them.
    """
    for path in paths:
        if path.exists():
            raise _exists(path)


def _put(aside: Path, path: Path, *, overwrite: bool) -> None:
    """Give the file its name; where none may be replaced, a file that came meanwhile stays too."""
    if overwrite:
        aside.replace(path)
        return
    try:
        os.link(aside, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        if path.exists():
            raise _exists(path) from None
        aside.replace(path)


def _exists(path: Path) -> OperandoError:
    return OperandoError(f"{path}: expected no file here, got one; --force (overwrite = true) replaces it")
