"""Files that are named, not read: recognized by what they hold, whatever they are called, and never written to."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from operando import xps
from operando.errors import FileError
from operando.sniff import head, identify
from operando.xps.formats import FORMATS

TABLES = ("Configuration", "Spectrum", "RawData", "NodeMapping")


def database(folder: Path, tables: tuple[str, ...] = TABLES) -> Path:
    path = folder / "scan #1?.dat"
    with closing(sqlite3.connect(path)) as made:
        for table in tables:
            made.execute(f"CREATE TABLE {table} (Key TEXT, Value BLOB)")
        made.commit()
    return path


def compound(folder: Path, *streams: str, directory: int = 1) -> Path:
    """Write an OLE compound file: header, and a directory of 128 bytes a stream in one sector of 512."""
    header = bytearray(512)
    header[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    header[30:32] = (9).to_bytes(2, "little")
    header[48:52] = directory.to_bytes(4, "little")
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\x00") for name in ("Root Entry", *streams))
    path = folder / "scan"
    path.write_bytes(bytes(header) + bytes(512 * directory) + entries.ljust(512, b"\x00") + bytes(2048))
    return path


def test_a_database_of_prodigy_is_named_with_the_way_out(tmp_path):
    path = database(tmp_path)
    before = path.read_bytes()
    assert identify(head(path), FORMATS).name == "sle"
    with pytest.raises(FileError, match=r"SpecsLab Prodigy.*VAMAS.*pynxtools-xps"):
        xps.read(path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_another_database_is_none_of_prodigy(tmp_path):
    assert identify(head(database(tmp_path, ("Configuration", "Users"))), FORMATS) is None


@pytest.mark.parametrize("directory", [1, 200])
def test_a_compound_file_of_avantage_is_named_wherever_its_directory_lies(tmp_path, directory):
    path = compound(tmp_path, "VGData", "VGSpaceAxes", directory=directory)
    assert identify(head(path), FORMATS).name == "vgd"
    with pytest.raises(FileError, match=r"Thermo Avantage.*text"):
        xps.read(path)


def test_another_compound_file_is_none_of_avantage(tmp_path):
    assert identify(head(compound(tmp_path, "WordDocument")), FORMATS) is None


@pytest.mark.parametrize("kind", ["sle", "vgd"])
def test_damaged_files_are_named_or_not_recognized(tmp_path, kind):
    whole = (database(tmp_path) if kind == "sle" else compound(tmp_path, "VGData", "VGSpaceAxes")).read_bytes()
    rng = np.random.default_rng(5)
    damaged = [whole[: len(whole) * k // 10] for k in range(1, 10)]
    for at, value in zip(rng.integers(0, 1500, 200), rng.integers(0, 256, 200), strict=True):
        damaged.append(whole[:at] + bytes([int(value)]) + whole[at + 1 :])
    fmt = next(fmt for fmt in FORMATS if fmt.name == kind)
    recognized = 0
    for data in damaged:
        path = tmp_path / "broken"
        path.write_bytes(data)
        recognized += fmt.recognizes(head(path))
        with pytest.raises(FileError):
            xps.read(path)
    assert 0 < recognized < len(damaged)
