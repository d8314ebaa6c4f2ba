"""A text log that says of every frame its image file (or page), photon energy, time and incoming intensity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.history import recorded
from operando.log_table import IMAGE_NAME, LogTable, header_value, parse
from operando.sniff import Format, Head, head
from operando.units import DIMENSIONLESS, convert, require_parsable

from .frames import Frame, Image, beside, relative_name, require_positive
from .log_times import TIME_KEYS, times
from .stack import Floats, Found, stack
from .tiff import SUFFIXES, TiffFrame, pages
from .uview import first_frame

Column = str | int
COLUMNS = ("file", "energy", "i0", "time")
STEM = "{stem}"
_OFTEN = 4
"""How many lines may name an image, on average."""


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column] | None = None,
    units: Mapping[str, str] | None = None,
    time: Mapping[str, Any] | None = None,
    pages_of: str | None = None,
    flat: str | None = None,
    dark: str | None = None,
    pixel_size: float | None = None,
    full_scale: float | None = None,
    delimiter: str | None = None,
) -> xr.Dataset:
    """Return the stack that a log describes.

    Parameters
    ----------
    path
        The log: a header of any kind, then one line a frame.
    timezone
        Zone of the times in the log, such as ``"Europe/Paris"``, where they have none.
    columns
        ``{name: column}`` with the names ``file``, ``energy``, ``i0``, ``time``; a column is the log's label or its
        number, counted from 0. ``energy`` is needed; ``file`` is by default the column that names images.
    units
        Units of ``energy`` (eV by default) and ``i0`` (1 by default) in the log.
    time
        ``marks``: whether a frame's time is its ``"start"`` (the default), ``"middle"`` or ``"end"``; ``duration``: s
        per frame, by default the median step; ``format`` as strptime takes it.
    pages_of
        The one TIFF file whose pages are the frames, beside the log; ``{stem}`` in it is the log's own name.
    flat, dark
        TIFF images beside the log; by default those that its header names as ``Flat=`` and ``Dark=``.
    pixel_size
        Edge of a pixel on the sample, um; by default what the header says of ``Pixel size (um)``.
    full_scale
        Counts at which the camera is full, by default the largest number of the images' type.
    delimiter
        Tab, ``","``, ``";"`` or ``"whitespace"``; found from the lines by default.

    Returns
    -------
    xarray.Dataset
        ``counts`` (energy, y, x), lazy, and what else is known. An image that the log names and that is not there
        keeps its place and is flagged; images beside those that it does not name are left out and flagged.

    Raises
    ------
    FileError
        If the file holds no such table, lacks a column, or none of the images can be read.
    OperandoError
        If a setting is unknown.
    """
    path = Path(path)
    given: dict[str, Any] = {
        "timezone": timezone,
        "columns": columns,
        "units": units,
        "time": time,
        "pages_of": pages_of,
    }
    given |= {"flat": flat, "dark": dark, "pixel_size": pixel_size, "full_scale": full_scale, "delimiter": delimiter}
    settings = {name: value for name, value in given.items() if value is not None}
    _require_settings(path, columns, units, time)
    require_positive(path, "pixel_size", pixel_size)
    require_positive(path, "full_scale", full_scale)
    table = _table(head(path), delimiter)
    numbers = _columns(path, table, columns)
    units = units or {}
    frames, images, surplus = _frames(path, table, numbers.get("file"), pages_of)
    flat_file, dark_file = (_other_image(path, table, name, own) for name, own in (("Flat", flat), ("Dark", dark)))
    frame_time, span = times(path, table, numbers.get("time"), time or {}, timezone)
    found = Found(
        path,
        frames,
        convert(table.numbers(numbers["energy"]), units.get("energy", "eV"), "eV"),
        i0=table.numbers(numbers["i0"]) if "i0" in numbers else None,
        frame_time=frame_time,
        span=span,
        flat=_image(flat_file),
        dark=_image(dark_file),
        pixel_size=pixel_size or _stated_pixel(table),
        surplus=surplus,
        images=[*images, *(relative_name(path, file) for file in (flat_file, dark_file) if file is not None)],
        i0_units=units.get("i0", DIMENSIONLESS),
        remarks=[f"lines with a wrong number of columns left out: {table.lost[:10]}"] if table.lost else [],
        metadata={"header": table.header, "labels": table.labels},
    )
    ds = stack(found, reader="image_log", settings=settings, full_scale=full_scale)
    return recorded(ds, "xas.xpeem.read", {"reader": "image_log", **settings})


def recognizes(start: Head) -> bool:
    """Whether the file is text in whose lines a column names images."""
    if not start.is_text:
        return False
    table = _beginning(start)
    return table is not None and len(table.rows) > 2 and table.file_column() is not None


def suggest(start: Head) -> dict[str, Any]:
    """Return the columns and units that such a log probably has, guessed from its labels."""
    table = _beginning(start)
    return {} if table is None else _guess(table)


def _beginning(start: Head) -> LogTable | None:
    try:
        return parse(start.path, start.text)
    except FileError:
        return None


def _table(start: Head, delimiter: str | None) -> LogTable:
    data = start.path.read_bytes()
    if b"\x00" in data:
        raise FileError(start.path, "text", "binary data", place=f"byte {data.index(0)}", remedy="name the log instead")
    return parse(start.path, Head(start.path, data).text, delimiter)


def _guess(table: LogTable) -> dict[str, Any]:
    columns: dict[str, str] = {}
    units: dict[str, str] = {}
    for label in table.labels:
        name = _meaning(label)
        if name is not None and name not in columns:
            columns[name] = label
            unit = re.search(r"[(\[]\s*(k?eV|[pnu]?A|V|counts)\s*[)\]]", label)
            if unit is not None and name in ("energy", "i0"):
                units[name] = unit[1]
    return {name: found for name, found in (("columns", columns), ("units", units)) if found}


def _meaning(label: str) -> str | None:
    text = label.lower()
    if "energy" in text or text.startswith(("hv", "ev")):
        return "energy"
    if text.startswith(("i0", "mesh", "mirror", "flux")):
        return "i0"
    return "time" if text.startswith(("time", "date")) else None


def _require_settings(
    path: Path,
    columns: Mapping[str, Column] | None,
    units: Mapping[str, str] | None,
    time: Mapping[str, Any] | None,
) -> None:
    known = (("columns", columns, COLUMNS), ("units", units, ("energy", "i0")), ("time", time, TIME_KEYS))
    for name, value, keys in known:
        if not isinstance(value, Mapping | None):
            raise OperandoError(f"{path}: {name}: expected a table {{ ... }}, got {value!r}")
        unknown = [key for key in value or {} if key not in keys]
        if unknown:
            raise OperandoError(f"{path}: {name}: expected keys among {', '.join(keys)}, got {unknown[0]!r}")
    require_parsable(path, units or {})


def _columns(path: Path, table: LogTable, columns: Mapping[str, Column] | None) -> dict[str, int]:
    """Return the number of each column."""
    if columns is None or "energy" not in columns:
        guess = _guess(table).get("columns", {})
        text = ", ".join(f"{name} = {label!r}" for name, label in guess.items())
        remedy = f"for this file perhaps columns = {{{text}}}" if guess else f"its columns are {_labelled(table)}"
        raise FileError(path, "settings 'columns' with 'energy'", ", ".join(columns or {}) or "none", remedy=remedy)
    numbers = {name: _index(path, table, name, column) for name, column in columns.items()}
    file = table.file_column()
    return numbers if file is None else {"file": file, **numbers}


def _index(path: Path, table: LogTable, name: str, column: Column) -> int:
    if isinstance(column, int) and not isinstance(column, bool) and 0 <= column < table.width:
        return column
    hits = [k for k, label in enumerate(table.labels) if label.lower() == str(column).strip().lower()]
    if len(hits) != 1:
        remedy = "give a label or a number from 0"
        raise FileError(path, f"a column {column!r}", _labelled(table), place=f"columns.{name}", remedy=remedy)
    return hits[0]


def _labelled(table: LogTable) -> str:
    return ", ".join(map(repr, table.labels)) or f"0 to {table.width - 1}, without labels"


def _frames(
    path: Path, table: LogTable, column: int | None, pages_of: str | None
) -> tuple[list[Frame | None], list[str], list[str]]:
    """Return the frames in the order of the lines, the names of all image files, and those that no line names."""
    if pages_of is not None:
        return _pages(path, table, pages_of)
    if column is None:
        remedy = "name the column of the files, or the file of all pages by 'pages_of'"
        raise FileError(path, "a column that names images", _labelled(table), remedy=remedy)
    named = [row[column] for row in table.rows]
    if len(named) > _OFTEN * (len(set(named)) + 1):
        expected = "lines that each name an image of their own"
        raise FileError(path, expected, f"{len(named)} lines for {len(set(named))} images")
    files = [beside(path, name) if IMAGE_NAME.fullmatch(name) else None for name in named]
    frames = [None if file is None else _frame(file) for file in files]
    known = [file for file in files if file is not None]
    surplus = _not_named(known)
    return frames, [relative_name(path, file) for file in [*known, *surplus]], [file.name for file in surplus]


def _frame(file: Path) -> Frame | None:
    return TiffFrame(file) if file.suffix.lower() in SUFFIXES else first_frame(file)


def _pages(path: Path, table: LogTable, pages_of: str) -> tuple[list[Frame | None], list[str], list[str]]:
    file = beside(path, pages_of.replace(STEM, path.stem), given=True)
    count, rows = pages(file), len(table.rows)
    frames: list[Frame | None] = [TiffFrame(file, page) if page < count else None for page in range(rows)]
    return frames, [relative_name(path, file)], [f"page {page}" for page in range(rows, count)]


def _not_named(files: Sequence[Path]) -> list[Path]:
    """Return the images in the same folders that are numbered like the files and are none of them."""
    known, kinds = set(files), {(file.parent, *_unnumbered(file)) for file in files}
    folders = sorted({file.parent for file in files if file.parent.is_dir()})
    inside = (file for folder in folders for file in sorted(folder.iterdir()))
    return [file for file in inside if file not in known and (file.parent, *_unnumbered(file)) in kinds]


def _unnumbered(file: Path) -> tuple[str, str]:
    """Return a file's name without its last number, and its ending."""
    return re.sub(r"\d+(?=\D*$)", "#", file.stem), file.suffix.lower()


def _other_image(path: Path, table: LogTable, name: str, given: str | None) -> Path | None:
    stated = given or header_value(table.header, name)
    return beside(path, stated, given=bool(given)) if stated else None


def _image(file: Path | None) -> Image | None:
    return None if file is None else TiffFrame(file).read()


def _stated_pixel(table: LogTable) -> float | None:
    stated = header_value(table.header, "Pixel size (um)")
    try:
        size: Floats | float = float(stated) if stated else np.nan
    except ValueError:
        return None
    return float(size) if size > 0 else None


IMAGE_LOG = Format(
    name="image_log",
    technique="xpeem",
    about="a text log of image files (TIFF, UView) with their photon energies",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
    lazy=True,
)
