"""The files of a store around its chunks: publish a state, keep the copies in step, clear leftovers.

The root document is written beside, fsynced and renamed into place: its replacement is the commit. Chunks
are not fsynced, so a killed process loses nothing, but after a power failure the last commits may point to
chunks that never reached the disk (``operando.store.verify(path, data=True)`` finds them).
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from operando.errors import StoreError
from operando.store import ROOT_DOCUMENT, Root

GENERATIONS = ("default", "v2")
"""The two key encodings of Zarr v3, whose chunk files never share a name: ``c/0/0`` and ``0/0``."""
_NEW_ROOT = f".{ROOT_DOCUMENT}.new"
_PARTIAL = re.compile(r".+\.[0-9a-f]{32}\.partial")
_REMEDIES = {
    errno.ENOSPC: "free some space and run again",
    errno.EDQUOT: "free some of your quota and run again",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that you may write",
    errno.EPERM: "choose a folder that you may write",
    errno.ENOENT: "check that its folder exists",
}


@contextmanager
def one_line_errors(store: Path) -> Iterator[None]:
    """Turn what the system says about a failed write into one line for the user."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        at = f" at {error.filename}" if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "run again when this is mended")
        raise StoreError(
            f"{store}: writing failed ({reason}{at}); what was committed is untouched; {remedy}"
        ) from error


def create(root: Root) -> None:
    """Put a new store in place with one rename, so that nobody ever sees half of it."""
    aside = root.path.with_name(f".{root.path.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    _write_durably(aside / ROOT_DOCUMENT, root.text())
    if root.path.is_dir():
        root.path.rmdir()
    aside.rename(root.path)
    sync_folder(root.path.parent)


def publish(root: Root) -> None:
    """Commit: replace the root document."""
    new = root.path / _NEW_ROOT
    _write_durably(new, root.text())
    new.replace(root.path / ROOT_DOCUMENT)


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power failure, where the system lets folders be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_documents(root: Root, keys: Iterable[str]) -> None:
    """Write the groups' and arrays' own ``zarr.json``, copies that only unconsolidated readers look at."""
    for key in sorted(keys):
        text = json.dumps({k: v for k, v in root.metadata[key].items() if k != "consolidated_metadata"})
        document = root.path / key / ROOT_DOCUMENT
        if not document.is_file() or document.read_text() != text:
            document.parent.mkdir(parents=True, exist_ok=True)
            new = document.with_name(_NEW_ROOT)
            new.write_text(text)
            new.replace(document)


def clean(root: Root) -> None:
    """Remove what killed runs and replaced nodes have left; keep whatever no store has written.

    What cannot be removed just now (a reader on a network file system holds it) is left to the next run.
    """
    shutil.rmtree(root.path.with_name(f".{root.path.name}.new"), ignore_errors=True)
    for lock in root.path.parent.glob(f"{glob.escape(root.path.name)}.lock.*"):
        _remove(lock)
    for folder, _, files in os.walk(root.path):
        for name in files:
            if name == _NEW_ROOT or _PARTIAL.fullmatch(name):
                _remove(Path(folder, name))
    groups = [key for key, value in root.metadata.items() if value["node_type"] == "group"]
    for key in ["", *groups]:
        _clean_group(root, key)
    for key, value in root.metadata.items():
        if value["node_type"] == "array":
            _clean_array(root.path / key, value)
    write_documents(root, root.metadata)


def _clean_group(root: Root, key: str) -> None:
    for child in _children(root.path / key):
        published = str(child.relative_to(root.path).as_posix()) in root.metadata
        ours = (child / ROOT_DOCUMENT).is_file() or not _children(child)
        if child.is_dir() and not published and ours:
            _remove(child)


def _clean_array(folder: Path, metadata: dict[str, Any]) -> None:
    """Remove the chunks of the other generation and those beyond the committed rows."""
    other = "v2" if _is_prefixed(metadata) else "default"
    for chunk in _chunk_files(folder, other):
        _remove(chunk)
    if metadata["shape"]:
        used = -(-metadata["shape"][0] // metadata["chunk_grid"]["configuration"]["chunk_shape"][0])
        for child in _children(folder / "c" if _is_prefixed(metadata) else folder):
            if child.name.isdecimal() and int(child.name) >= used:
                _remove(child)


def free_generation(root: Root, key: str) -> str:
    """Return which key encoding the next version of an array is to use, so that no published chunk is touched.

    If another one is free, neither are the chunks of the version before.
    """
    published = root.metadata[key]["chunk_key_encoding"]["name"] if key in root.metadata else ""
    free = [name for name in GENERATIONS if name != published]
    unused = [name for name in free if not _chunk_files(root.path / key, name)]
    return (unused or free)[0]


def drop_chunks(folder: Path, metadata: dict[str, Any]) -> None:
    """Clear the place for an array that is written from its first row, where an older one may have been."""
    for chunk in _chunk_files(folder, metadata["chunk_key_encoding"]["name"]):
        if chunk.is_dir():
            shutil.rmtree(chunk)
        else:
            chunk.unlink()


def _is_prefixed(metadata: dict[str, Any]) -> bool:
    return bool(metadata["chunk_key_encoding"]["name"] == "default")


def _chunk_files(folder: Path, generation: str) -> list[Path]:
    prefixed = generation == "default"
    return [child for child in _children(folder) if (child.name == "c" if prefixed else child.name.isdecimal())]


def _children(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
