"""Vendors' own files that are recognized and named, not read: SpecsLab Prodigy ``.sle`` and Thermo Avantage ``.vgd``.

Neither format is published. What others have found out of them (tables and their versions, channels that are to be
shifted, axes of several kinds) could not be tried on a measured file here, so nothing is guessed: whoever has such a
file is told how to get its spectra in a form that is read.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import xarray as xr

from operando.errors import FileError
from operando.sniff import Format, Head

from .regions import Regions

_SQLITE = b"SQLite format 3\x00"
_SLE_TABLES = {"Configuration", "Spectrum", "RawData"}
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_VGD_STREAMS = tuple(name.encode("utf-16-le") for name in ("VGData", "VGSpaceAxes"))
_HEADER, _SECTOR_SHIFT, _FIRST_DIRECTORY = 512, 30, 48


def read_sle(path: str | Path, *, timezone: str | None = None, region: Regions = None) -> xr.Dataset:  # noqa: ARG001
    """Say how to get the spectra out of a file of SpecsLab Prodigy.

    Raises
    ------
    FileError
        Always: with the exports that are read, and the package that converts such files to NeXus, which is read too.
    """
    remedy = "export it from Prodigy as VAMAS, XML or xy, or convert it to NeXus with pynxtools-xps, and read that"
    raise FileError(path, "an exported file", "a database of SpecsLab Prodigy (.sle)", remedy=remedy)


def read_vgd(path: str | Path, *, timezone: str | None = None, region: Regions = None) -> xr.Dataset:  # noqa: ARG001
    """Say how to get the spectra out of a file of Thermo Avantage.

    Raises
    ------
    FileError
        Always: with the exports that are read, and the package that reads such files.
    """
    remedy = "export it from Avantage as VAMAS or text, or write the columns that the package vgd-reader gives to text"
    raise FileError(path, "an exported file", "a file of Thermo Avantage (.vgd)", remedy=remedy)


def is_sle(start: Head) -> bool:
    """Whether a file is an SQLite database with the tables of SpecsLab Prodigy; it is opened for reading only."""
    if not start.data.startswith(_SQLITE):
        return False
    with suppress(sqlite3.Error, OSError, ValueError):
        where = f"file:{quote(str(start.path.resolve()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(where, uri=True)) as database:
            rows = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1000").fetchall()
        return {str(name) for (name,) in rows} >= _SLE_TABLES
    return False


def is_vgd(start: Head) -> bool:
    """Whether a file is an OLE compound file whose directory names the streams of Thermo Avantage."""
    if not start.data.startswith(_OLE) or len(start.data) < _HEADER:
        return False
    return all(name in start.data or name in _directory(start) for name in _VGD_STREAMS)


def _directory(start: Head) -> bytes:
    """Return the first sector of an OLE file's directory, where its header says that it lies."""
    shift = int.from_bytes(start.data[_SECTOR_SHIFT : _SECTOR_SHIFT + 2], "little")
    sector = int.from_bytes(start.data[_FIRST_DIRECTORY : _FIRST_DIRECTORY + 4], "little")
    if shift not in (9, 12):
        return b""
    with suppress(OSError, ValueError), start.path.open("rb") as stream:
        stream.seek((sector + 1) << shift)
        return stream.read(1 << shift)
    return b""


SLE = Format(name="sle", technique="xps", about="SpecsLab Prodigy (named, not read)", recognizes=is_sle, read=read_sle)
VGD = Format(name="vgd", technique="xps", about="Thermo Avantage (named, not read)", recognizes=is_vgd, read=read_vgd)
