"""What a run is made from: fingerprints of files and of recipe parts."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from operando.errors import FileError
from operando.history import software_version
from operando.schema import SCHEMA_VERSION

ENTRY = "::"
"""What stands between a file and its entry in the ``source`` of a scan."""

WHOLE_BYTES = 16 * 2**20
END_BYTES = 2**20
SAMPLE_BYTES = 2**12
MOST_SAMPLED = 5000
"""Files of a folder that are opened for its fingerprint."""


def checksum(path: Path) -> str:
    """Return a fingerprint of a file's content, or of what lies in a folder; it does not hang on times of change.

    Files above 16 MiB are judged by their size and their first and last MiB, since reading a volume twice would cost
    more than it tells. Folders, such as the slices of a volume, are judged by the names and sizes of all files below
    them and 4 KiB at the beginning, in the middle and at the end of each, of more than 5000 files those of 5000 evenly
    chosen ones: one that is written again with the same size is seen to have changed if it differs there, as noise
    does everywhere.

    Raises
    ------
    FileError
        If the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            return _of_folder(path)
        if not stat.S_ISREG(state.st_mode):
            raise FileError(path, "a file", "a pipe or a device")
        size = state.st_size
        with path.open("rb") as stream:
            if size <= WHOLE_BYTES:
                digest.update(stream.read())
            else:
                digest.update(f"{size}".encode() + stream.read(END_BYTES))
                stream.seek(-END_BYTES, 2)
                digest.update(stream.read())
    except OSError as error:
        raise FileError(path, "a readable file", error.strerror or str(error)) from None
    return digest.hexdigest()


def _of_folder(folder: Path) -> str:
    """Return a fingerprint of the names and sizes of the files below a folder, and of samples of them."""
    digest = hashlib.blake2b(digest_size=8)
    files = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        files += [Path(place) / name for name in sorted(names)]
    every = max(1, -(-len(files) // MOST_SAMPLED))
    for number, path in enumerate(files):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name} {_sample(path, size_only=number % every > 0)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sample(path: Path, *, size_only: bool = False) -> str:
    """Return a file's size and a fingerprint of its beginning, middle and end; of a link that of what it leads to."""
    try:
        state = path.stat()
        if size_only or not stat.S_ISREG(state.st_mode):
            return f"{state.st_size}"
        parts = {0, max(0, state.st_size // 2 - SAMPLE_BYTES // 2), max(0, state.st_size - SAMPLE_BYTES)}
        digest = hashlib.blake2b(digest_size=8)
        with path.open("rb", buffering=0) as stream:
            for part in sorted(parts):
                stream.seek(part)
                digest.update(stream.read(SAMPLE_BYTES))
    except FileNotFoundError:
        return "not there"
    return f"{state.st_size} {digest.hexdigest()}"


def _raise(error: OSError) -> None:
    raise error


def checksum_with(path: Path, images: str) -> str:
    """Return a fingerprint of a file and of the images beside it that it stands for.

    The file is judged by its content, the images, which may be many and large, by their sizes and samples of them; one
    that is not there counts, so that it is seen when it arrives.

    Parameters
    ----------
    images
        Their names as seen from the file's folder, one a line; none for a file that holds its own.

    Raises
    ------
    FileError
        If the file itself cannot be read.
    """
    own = checksum(path)
    if not images:
        return own
    digest = hashlib.blake2b(own.encode(), digest_size=8)
    for name in images.splitlines():
        try:
            digest.update(f"{name} {_sample(path.parent / name)}\n".encode())
        except OSError:
            digest.update(f"{name} not there\n".encode())
    return digest.hexdigest()


def made_from(*parts: Any) -> str:
    """Return a fingerprint of everything that a result depends on, software and schema included."""
    text = json.dumps([*parts, software_version(), SCHEMA_VERSION], sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def checksums(paths: Iterable[Path], of: Callable[[Path], str] = checksum) -> list[str]:
    """Return the fingerprints of several files; one that cannot be read is ``unreadable``."""
    found = []
    for path in paths:
        try:
            found.append(of(path))
        except FileError:
            found.append("unreadable")
    return found


def file_of(source: str) -> str:
    """Return the file that a scan came from, without the entry in it."""
    return str(source).partition(ENTRY)[0]
