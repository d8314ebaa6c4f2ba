"""One sound input in, one damaged input out, in a folder, all of it following from one number."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import damage_hdf5
import damage_packed
from damage_bytes import BYTES, spliced
from seeds import Seed


def written(seed: Seed, folder: Path) -> Path:
    """Write a sound input into an empty folder and return what the reader is given."""
    for name, data in seed.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder if seed.main == "." else folder / seed.main


def damaged(seed: Seed, seeds: Sequence[Seed], folder: Path, random: Random) -> tuple[Path, str]:
    """Write a damaged input into an empty folder; return what the reader is given, and the damage in a word."""
    main = written(seed, folder)
    files = sorted(seed.files)
    if len(files) > 1 and random.random() < 0.15:
        damage_packed.folder(folder, random)
        return main, "folder"
    own = main.relative_to(folder).as_posix()
    name = own if own in seed.files and random.random() < 0.8 else random.choice(files)
    return main, f"{name}: {_spoil(folder / name, seed.files[name], seeds, random)}"


def _spoil(path: Path, data: bytes, seeds: Sequence[Seed], random: Random) -> str:
    way = _container(data)
    if way == "hdf5" and random.random() < 0.7:
        damage_hdf5.spoil(path, random)
        return "hdf5"
    if way == "sqlite" and random.random() < 0.7:
        damage_packed.database(path, random)
        return "sqlite"
    if way in ("gzip", "zip", "json", "classifier") and random.random() < 0.8:
        path.write_bytes(_WITHIN[way](data, random))
        return way
    if random.random() < 0.05:
        other = random.choice(seeds)
        path.write_bytes(spliced([random.choice(sorted(other.files.items()))[1]])(data, random))
        return "spliced"
    if way in ("hdf5", "sqlite"):
        path.write_bytes(random.choice(BYTES)(data, random))
        return "bytes"
    path.write_bytes(damage_packed.changed(data, random))
    return "changed"


_WITHIN = {
    "gzip": damage_packed.gzipped,
    "zip": damage_packed.zipped,
    "json": damage_packed.document,
    "classifier": damage_packed.classifier,
}


def _container(data: bytes) -> str:
    marks = {b"\x89HDF": "hdf5", b"SQLite format 3": "sqlite", b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"{": "json"}
    marks[b"operando pixel classifier"] = "classifier"
    return next((way for mark, way in marks.items() if data.startswith(mark)), "")


GENERATING = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, MemoryError, OverflowError,
              IndexError, sqlite3.Error, zipfile.BadZipFile)  # fmt: skip
"""What libraries raise when a damage cannot be written; such a number is passed over and counted."""
