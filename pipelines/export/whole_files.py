"""Write a file whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
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
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        yield aside
        with aside.open("rb") as stream:
            os.fsync(stream.fileno())
        _put(aside, path, overwrite=overwrite)
        sync_folder(path.parent)
    except OSError as error:
        said = error.strerror or str(error)
        raise OperandoError(f"{path}: writing failed ({said}); no file was changed; check the folder") from None
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


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
    return OperandoError(f"{path}: expected no file here, got one; say overwrite = true to replace it")
