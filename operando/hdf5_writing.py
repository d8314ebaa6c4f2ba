"""Whether an HDF5 file is open for writing, by the marks in its first bytes."""

from __future__ import annotations

from pathlib import Path

from .hdf5_damage import SIGNATURE

_MARKED_FROM, _VERSION_AT, _MARKS_AT = 3, 8, 11
_WRITING, _SINGLE_WRITER = 1, 4


def is_being_written(path: str | Path, *, readably: bool = False) -> bool:
    """Return whether a file says that a program is writing it, or was killed while it did.

    HDF5 marks files of its newer formats so; ``readably`` asks whether others may read meanwhile (SWMR, one writer and
    many readers). What is no file has no marks.
    """
    try:
        with Path(path).open("rb") as stream:
            start = stream.read(_MARKS_AT + 1)
    except OSError:
        return False
    if len(start) <= _MARKS_AT or not start.startswith(SIGNATURE) or start[_VERSION_AT] < _MARKED_FROM:
        return False
    wanted = _WRITING | _SINGLE_WRITER if readably else _WRITING
    return start[_MARKS_AT] & wanted == wanted
