"""The tables of a SpecsLab Prodigy database (``.sle``, SQLite): what was measured, scan by scan, and its counts."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from operando.decompression import inflating_errors
from operando.errors import FileError, printable

Floats = NDArray[np.float64]

MAGIC = b"SQLite format 3\x00"
EXPORT = "export it from Prodigy as VAMAS, XML or xy and read that"
DAMAGED = "copy it again"
_SPECTRUM = ("Node", "EnergyChns", "NonEnergyChns", "Samples", "ElectronEnergy", "EnergyType", "Step", "EpassOrRR")
_RAW = ("RawID", "Node", "ScanDate", "Scans", "Eexc", "Head", "Tail", "Trace")
_NEEDED = {
    "Configuration": ("Key", "Value"),
    "NodeMapping": ("Node", "InternalID"),
    "Spectrum": _SPECTRUM,
    "RawData": _RAW,
    "CountRateData": ("RawID", "Offset", "NextOffset", "ChunkSize", "Data"),
}
_MOST_VALUES, _MOST_CHARACTERS = 1 << 26, 1 << 26
_MOST_COUNTS = 1e15
_PAGE, _PAGES = slice(16, 18), slice(28, 32)
_DEFLATE = b"\x78"


@dataclass(frozen=True)
class Measured:
    """A row of the table ``Spectrum``: the axis and the settings of the analyser."""

    node: int
    channels: int
    slices: int
    samples: int
    start: float
    kind: str
    step: float
    pass_energy: float
    work_function: float


@dataclass(frozen=True)
class StoredScan:
    """A row of the table ``RawData``: one scan of a spectrum; ``written`` are its points, if the file tells."""

    number: int
    node: int
    date: str
    scans: int
    photon_energy: float
    head: int
    tail: int
    trace: str
    written: int | None


@dataclass(frozen=True)
class Tables:
    """What a database has, without its counts; ``nodes`` tells the node of a number in the schedule."""

    version: str
    app_version: str
    schedule: str
    nodes: dict[int, int]
    spectra: dict[int, Measured]
    scans: dict[int, list[StoredScan]]


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database for reading only: nothing is written, no journal is played back.

    Raises
    ------
    FileError
        If it is damaged, or SQLite says so while it is read.
    """
    where = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(where, uri=True)) as database:
            yield database
    except UnicodeDecodeError:
        raise FileError(path, "a whole SQLite database", "text that is none", remedy=DAMAGED) from None
    except (sqlite3.Error, OverflowError) as error:
        raise FileError(path, "a whole SQLite database", printable(str(error)), remedy=DAMAGED) from None


def tables(path: Path) -> Tables:
    """Return what a database has.

    Raises
    ------
    FileError
        If it is damaged, still open in Prodigy, or lacks tables or columns that are known.
    """
    _require_whole(path)
    with opened(path) as database:
        said = _configuration(path, database)
        version = said.get("version", "")
        _require_columns(path, database, version)
        rows = database.execute("SELECT InternalID, Node FROM NodeMapping").fetchall()
        nodes = {_whole(path, internal, "NodeMapping"): _whole(path, node, "NodeMapping") for internal, node in rows}
        _require_kept(path, database)
        return Tables(
            version=version,
            app_version=said.get("appversion", ""),
            schedule=said.get("schedule", ""),
            nodes=nodes,
            spectra={one.node: one for one in _spectra(path, database)},
            scans=_scans(path, database),
        )


def node_text(path: Path, node: int) -> str:
    """Return the XML that a node has in ``NodeData``; empty if there is none."""
    with opened(path) as database:
        if "NodeData" not in _names(database):
            return ""
        query = "SELECT substr(Data, 1, ?) FROM NodeData WHERE Node = ?"
        row = database.execute(query, (_MOST_CHARACTERS, node)).fetchone()
    found = row[0] if row else ""
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found or "")


def transmission(path: Path, node: int) -> Floats:
    """Return the transmission of a spectrum, in the order measured; empty if there is none."""
    with opened(path) as database:
        if "TransmissionData" in _names(database):
            query = "SELECT Data, Samples FROM TransmissionData WHERE Node = ? AND length(Data) <= ? LIMIT 2"
        elif {"TransmissionData", "TransmissionLen"} <= _columns(database, "Spectrum"):
            query = "SELECT TransmissionData, TransmissionLen FROM Spectrum WHERE Node = ?"
            query += " AND length(TransmissionData) <= ?"
        else:
            return np.empty(0)
        rows = database.execute(query, (node, _MOST_VALUES)).fetchall()
    if len(rows) != 1 or not isinstance(rows[0][1], int) or not 0 < rows[0][1] <= _MOST_VALUES:
        return np.empty(0)
    values = _numbers(*rows[0])
    usable = values is not None and np.isfinite(values).all() and (values > 0).all()
    return values if usable and values is not None else np.empty(0)


def counts(path: Path, scan: StoredScan, channels: int, place: str) -> Floats:
    """Return the counts of a scan, (point, channel), as many points as were written.

    Raises
    ------
    FileError
        If they are not there, or no counts.
    """
    if scan.written == 0:
        raise FileError(path, "a scan", "one that stopped before its first point", place=place)
    with opened(path) as database:
        query = "SELECT Offset, NextOffset, ChunkSize, length(Data) FROM CountRateData WHERE RawID = ? ORDER BY Offset"
        chunks = database.execute(query, (scan.number,)).fetchall()
        total = _require_chunks(path, chunks, channels, place)
        query = "SELECT Data FROM CountRateData WHERE RawID = ? ORDER BY Offset"
        parts = [row[0] for row in database.execute(query, (scan.number,))]
    pieces = [_numbers(part, int(chunk[2])) for part, chunk in zip(parts, chunks, strict=True)]
    if any(piece is None for piece in pieces):
        raise FileError(path, f"{total * channels} numbers", "other bytes", place=place, remedy=DAMAGED)
    values = np.concatenate([piece for piece in pieces if piece is not None]).reshape(-1, channels)
    if not (np.isfinite(values) & (values >= 0) & (values <= _MOST_COUNTS)).all():
        raise FileError(path, "counts", "numbers that are none", place=place, remedy=DAMAGED)
    return values[: total if scan.written is None else scan.written]


def points_stored(path: Path, scan: StoredScan) -> int:
    """Return how many points a scan has in the file, those before and behind its axis included."""
    with opened(path) as database:
        row = database.execute("SELECT max(NextOffset) FROM CountRateData WHERE RawID = ?", (scan.number,)).fetchone()
    return row[0] if isinstance(row[0], int) else 0


def _require_whole(path: Path) -> None:
    """Refuse a file that is shorter than its header states, or that another program is still writing."""
    start = _begins(path, 100)
    page, pages = int.from_bytes(start[_PAGE], "big"), int.from_bytes(start[_PAGES], "big")
    stated, size = (65536 if page == 1 else page) * pages, path.stat().st_size
    if size < stated:
        raise FileError(path, f"{stated} bytes", f"{size}: the file breaks off", remedy=DAMAGED)
    for ending in ("-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        if beside.is_file() and _begins(beside, 8).strip(b"\x00"):
            remedy = "close it in Prodigy, or copy the file afterwards"
            raise FileError(path, "a database at rest", f"one that is being written ({beside.name})", remedy=remedy)


def _begins(path: Path, size: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(size)


def _configuration(path: Path, database: sqlite3.Connection) -> dict[str, str]:
    if not {"Key", "Value"} <= _columns(database, "Configuration"):
        raise FileError(path, "the table Configuration with Key and Value", "another", remedy=EXPORT)
    rows = database.execute("SELECT Key, Value FROM Configuration WHERE length(Value) <= ?", (_MOST_CHARACTERS,))
    return {key.casefold(): value for key, value in rows if isinstance(key, str) and isinstance(value, str)}


def _require_columns(path: Path, database: sqlite3.Connection, version: str) -> None:
    """Refuse versions whose tables are not known."""
    for table, needed in _NEEDED.items():
        missing = [name for name in needed if name not in _columns(database, table)]
        if missing:
            got = f"version {printable(version)[:20] or 'unknown'} without {', '.join(missing)}"
            raise FileError(path, f"a known table {table}", got, remedy=EXPORT)


def _require_kept(path: Path, database: sqlite3.Connection) -> None:
    """Refuse a database that lost rows: SQLite finds damage between its pages, not that a row has no other one."""
    found = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != ("ok",):
        said = " ".join(printable(str(found[0])).split())[:200] if found else "nothing"
        raise FileError(path, "a whole SQLite database", said, remedy=DAMAGED)
    for what, table, column, kept in (
        ("spectra of the scans", "RawData", "Node", "Spectrum"),
        ("scans of the counts", "CountRateData", "RawID", "RawData"),
    ):
        query = f"SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT {column} FROM {kept}) LIMIT 1"  # noqa: S608
        lost = database.execute(query).fetchone()
        if lost is not None:
            got = f"none for {column} {printable(str(lost[0]))[:40]}"
            raise FileError(path, what, got, place=f"table {kept}", remedy=DAMAGED)


def _names(database: sqlite3.Connection) -> set[str]:
    return {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _spectra(path: Path, database: sqlite3.Connection) -> Iterator[Measured]:
    optional = "Wf" if "Wf" in _columns(database, "Spectrum") else "NULL"
    for row in database.execute(f"SELECT {', '.join(_SPECTRUM)}, {optional} FROM Spectrum"):  # noqa: S608
        node, channels, slices, samples = (_whole(path, value, "Spectrum") for value in row[:4])
        start, step, passed, work = (_float(value) for value in (row[4], row[6], row[7], row[8]))
        yield Measured(node, channels, slices, samples, start, str(row[5]), step, passed, work)


def _scans(path: Path, database: sqlite3.Connection) -> dict[int, list[StoredScan]]:
    """Return the scans of each node in the order in which they were measured."""
    optional = "WriteIndex" if "WriteIndex" in _columns(database, "RawData") else "NULL"
    found: dict[int, list[StoredScan]] = {}
    for row in database.execute(f"SELECT {', '.join(_RAW)}, {optional} FROM RawData ORDER BY RawID"):  # noqa: S608
        number, node, scans, head, tail = (_whole(path, row[k], "RawData") for k in (0, 1, 3, 5, 6))
        written = None if row[8] is None else _whole(path, row[8], "RawData")
        scan = StoredScan(number, node, str(row[2]), scans, _float(row[4]), head, tail, str(row[7]), written)
        found.setdefault(node, []).append(scan)
    return found


def _require_chunks(path: Path, chunks: list[Any], channels: int, place: str) -> int:
    """Return how many points the chunks of a scan hold, one following the other."""
    end = 0
    for offset, following, size, length in chunks:
        numbers = all(isinstance(value, int) for value in (offset, following, size, length))
        if not numbers or offset != end or following <= offset or size != (following - offset) * channels:
            raise FileError(path, f"{channels} counts a point from point {end}", "others", place=place, remedy=DAMAGED)
        end = following
        if end * channels > _MOST_VALUES or length > 16 * size + 1024:
            raise FileError(path, f"at most {_MOST_VALUES} counts", "more", place=place)
    if not end:
        raise FileError(path, "counts", "none", place=place, remedy=EXPORT)
    return int(end)


def _numbers(data: object, count: int) -> Floats | None:
    """Return as many numbers as asked for: 64 or 32 bits each, perhaps deflated; None if the bytes are others."""
    if not isinstance(data, bytes):
        return None
    if len(data) != 8 * count and data.startswith(_DEFLATE):
        with suppress(*inflating_errors()):
            data = zlib.decompressobj().decompress(data, 8 * count + 1)
    kind = {8 * count: "<f8", 4 * count: "<f4"}.get(len(data))
    return None if kind is None else np.frombuffer(data, kind).astype(np.float64)


def _whole(path: Path, value: object, table: str) -> int:
    if isinstance(value, int) and 0 <= value < 1 << 40:
        return value
    raise FileError(path, "whole numbers", printable(repr(value))[:40], place=f"table {table}", remedy=DAMAGED)


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
