"""Text that CasaXPS exports: spectra in columns with what was fitted to them; tables of results are no spectra."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.sniff import Format, Head, head
from operando.text_table import whole_text

from .casaxps import rounded, with_components
from .counting import NOT_WHOLE, all_whole, counts_of
from .region_names import region_name
from .regions import Entry, Refusal, Regions, Wanted, numbered, read_region
from .spectrum import spectrum

Floats = NDArray[np.float64]

_ENERGY, _TIME = "Characteristic Energy eV", "Acquisition Time s"
_COLUMN = re.compile(r"(K\.?E\.?|B\.?E\.?|Counts|CPS)(?:_(.*))?", re.IGNORECASE)
_FIT = ("Name", "Position", "FWHM", "Area", "Lineshape")
_RESULTS = ("Name", "Position", "FWHM")
_FIRST_LINES = 40
_MOST_BESIDE = 1000
_SAME = 1e-3


@dataclass
class _Export:
    """One spectrum of a file: its title, the time counted per point (s) and its columns by what they are."""

    title: str
    photon_energy: float | None
    duration: float | None
    columns: dict[str, Floats]
    components: list[dict[str, Any]]
    curves: list[str]
    cut: bool
    line: int


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    block: Wanted = None,
) -> xr.Dataset:
    """Return the spectra of one region of a text that CasaXPS exported.

    Parameters
    ----------
    path
        The file, tab or comma separated.
    timezone
        Not used: exports have no times.
    region
        One of the regions, such as ``"S 2p"``; the only one by default.
    block
        Spectra to read, by title (``"Cycle 0:FeO:Fe2p"``) or by number, counted from 1; all of the region by default.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV) as CasaXPS exported it, calibrated if it was. ``counts`` if the file has them, or
        counts per second that are whole counts in its acquisition time; else ``rate``. ``dwell`` is that time, over
        all sweeps. The numbers of fitted components are kept (:func:`~operando.xps.casaxps_components`), their curves
        are not.

    Raises
    ------
    FileError
        If the file has no spectrum, or several regions and none is named, or a number in it cannot be read.
    """
    path = Path(path)
    text = whole_text(head(path))
    exports = list(_exports(path, text))
    if not exports:
        results = any(_is_results(line) for line in text.splitlines())
        got = "a table of results" if results else f"none below {_ENERGY!r}"
        raise FileError(path, "spectra exported by CasaXPS", got, remedy="export the spectra")
    labels = numbered([one.title for one in exports])
    entries = [
        Entry(_region(one.title), label, partial(_spectrum, path, label, one), {"block": (label, str(k), one.title)})
        for k, (label, one) in enumerate(zip(labels, exports, strict=True), start=1)
    ]
    parameters = {"reader": "casaxps_text", "block": block, "timezone": timezone}
    end = FileError(path, "whole lines", "a file that breaks off", place="end of the file", remedy="export it again")
    refused = [Refusal("", end)] if exports[-1].cut and len(exports) > 1 else []
    ds = read_region(path, entries, refused, region, parameters, chosen_by={"block": block}, entry="block")
    fitted = {label: one.components for label, one in zip(labels, exports, strict=True)}
    return with_components(ds, {label: {"components": found} for label, found in fitted.items() if found})


def recognizes(start: Head) -> bool:
    """Whether the text states a characteristic energy as CasaXPS does, or is its table of results."""
    if not start.is_text:
        return False
    lines = start.lines[:_FIRST_LINES]
    return any(_ENERGY in line for line in lines) or any(_is_results(line) for line in lines)


def _is_results(line: str) -> bool:
    cells = _cells(line)
    return tuple(cells[:3]) == _RESULTS and any("Area" in cell for cell in cells)


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split("\t" if "\t" in line else ",")]


def _exports(path: Path, text: str) -> Iterator[_Export]:
    """Yield the spectra of a file: below each other, and beside each other where CasaXPS wrote them so."""
    lines = text.splitlines()
    starts = [k for k, line in enumerate(lines) if _ENERGY in line and _ENERGY in _cells(line)]
    if not starts:
        return
    ends = [*(_title_line(lines, k) for k in starts[1:]), len(lines)]
    whole = text.endswith("\n")
    for start, end in zip(starts, ends, strict=True):
        cells = {k: _cells(lines[k]) for k in range(start, max(end, start + 1))}
        places = [k for k, cell in enumerate(cells[start]) if cell == _ENERGY]
        if len(places) > _MOST_BESIDE:
            expected = f"at most {_MOST_BESIDE} spectra beside each other"
            raise FileError(path, expected, str(len(places)), place=f"line {start + 1}", remedy="export it again")
        offset, title_at = places[0], _title_line(lines, start)
        title = lines[title_at].strip() if title_at < start else ""
        for place, behind in zip(places, [*places[1:], None], strict=True):
            part = slice(place - offset, None if behind is None else behind - offset)
            open_end = end == len(lines) and not whole and behind is None
            yield _export(path, {k: row[part] for k, row in cells.items()}, title, open_end=open_end)


def _title_line(lines: Sequence[str], start: int) -> int:
    """Return the line where a spectrum begins that states its energy in line ``start``: that of its title, if any."""
    title = lines[start - 1].strip().strip(",") if start else ""
    return start - 1 if title and not _is_row(_cells(lines[start - 1])) else start


def _is_row(cells: Sequence[str]) -> bool:
    return bool(cells) and _number(cells[0]) is not None


def _export(path: Path, rows: Mapping[int, list[str]], title: str, *, open_end: bool) -> _Export:
    """Return one spectrum of its cells by line, that of its energy first."""
    start = next(iter(rows))
    head_at = next((k for k, row in rows.items() if _columns(row)), None)
    if head_at is None:
        expected = "a line that names the columns, such as K.E., B.E., Counts or CPS"
        raise FileError(path, expected, "none", place=f"line {start + 1} and behind")
    names = rows[head_at]
    wanted = _columns(names)
    columns = _values(path, {k: row for k, row in rows.items() if k > head_at}, wanted, len(names), open_end=open_end)
    photons, duration = (_stated(rows[start], key) for key in (_ENERGY, _TIME))
    measured = set(wanted.values())
    curves = [name for k, name in enumerate(names) if name and k not in measured]
    components = _components([row for k, row in rows.items() if start < k < head_at])
    return _Export(title or _suffix(names), photons, duration, columns, components, curves, open_end, start + 1)


def _columns(names: Sequence[str]) -> dict[str, int]:
    """Return which columns are energies and what was measured; nothing if the line does not name them."""
    found: dict[str, int] = {}
    for k, name in enumerate(names):
        match = _COLUMN.fullmatch(name)
        if match:
            found.setdefault(match[1].replace(".", "").upper(), k)
    return found if found.keys() & {"KE", "BE"} and found.keys() & {"COUNTS", "CPS"} else {}


def _suffix(names: Sequence[str]) -> str:
    """Return what stands behind the names of the columns: the identifier of the block."""
    return next((match[2] for name in names if (match := _COLUMN.fullmatch(name)) and match[2]), "")


def _stated(cells: Sequence[str], key: str) -> float | None:
    at = next((k for k, cell in enumerate(cells[:-1]) if cell == key), None)
    value = None if at is None else _number(cells[at + 1])
    return value if value is not None and value > 0 else None


def _values(
    path: Path, lines: Mapping[int, list[str]], wanted: Mapping[str, int], width: int, *, open_end: bool
) -> dict[str, Floats]:
    """Return the columns wanted; a last row that breaks off before them, or perhaps within them, is left out."""
    rows: list[list[float]] = []
    filled = {k: cells for k, cells in lines.items() if any(cells)}
    last = next(reversed(filled), None)
    for k, cells in filled.items():
        texts = [cells[column] if column < len(cells) else "" for column in wanted.values()]
        numbers = [_number(text) for text in texts]
        if open_end and k == last and (None in numbers or len(cells) - 1 in wanted.values()):
            break
        if None in numbers or any(cells[width:]):
            got = repr(texts[numbers.index(None)][:40]) if None in numbers else f"{len(cells)}"
            expected = "a number" if None in numbers else f"{width} cells"
            raise FileError(path, expected, got, place=f"line {k + 1}", remedy="export the spectrum again")
        rows.append([value for value in numbers if value is not None])
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
    return {name: table[:, k] for k, name in enumerate(wanted)}


def _number(text: str) -> float | None:
    try:
        value = float(text) if "_" not in text else np.nan
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _components(rows: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Return the components fitted: name, position (eV), fwhm (eV), area (count*eV/s) and line shape."""
    table = {row[0]: row for row in rows if row and row[0] in _FIT}
    names, width = table.get("Name", [""]), max((len(row) for row in table.values()), default=0)
    found = []
    for k in range(1, width):
        cells = {key: row[k] if k < len(row) else "" for key, row in table.items()}
        if k < len(names) and cells["Name"]:
            found.append(
                {
                    "name": cells["Name"],
                    "position": _number(cells.get("Position", "")),
                    "fwhm": _number(cells.get("FWHM", "")),
                    "area": _number(cells.get("Area", "")),
                    "line_shape": cells.get("Lineshape", ""),
                }
            )
    return found


def _region(title: str) -> str:
    """Return what a title says was measured: its last part, as in ``Cycle 0:FeO:Fe2p``."""
    return region_name(title.rpartition(":")[2]) or "spectrum"


def _spectrum(path: Path, label: str, one: _Export) -> xr.Dataset:
    remarks: list[str] = []
    place = f"block {label!r}, line {one.line}"
    energy = one.columns.get("BE")
    if energy is None:
        if one.photon_energy is None:
            raise FileError(path, "a photon energy beside kinetic energies", "none", place=place)
        energy = one.photon_energy - one.columns["KE"]
    elif "KE" in one.columns and one.photon_energy is not None and energy.size:
        shift = float(np.median(energy + one.columns["KE"] - one.photon_energy))
        if abs(shift) > _SAME:
            remarks.append(f"the binding energies are calibrated: {shift:+.3f} eV from photon minus kinetic energy")
    measured = _measured(one, remarks)
    if one.curves:
        remarks.append(f"fitted curves are left out: {', '.join(dict.fromkeys(one.curves))}")
    if one.cut:
        remarks.append("the file breaks off within its last line")
    return spectrum(
        path,
        rounded(energy),
        measured,
        Span(),
        region=_region(one.title),
        entry=label,
        reader="casaxps_text",
        metadata={"title": one.title},
        conditions={"photon_energy": one.photon_energy, "dwell": one.duration},
        flag=Flag.truncated if one.cut else None,
        remarks=remarks,
    )


def _measured(one: _Export, remarks: list[str]) -> dict[str, Floats]:
    if "COUNTS" in one.columns:
        if not all_whole(one.columns["COUNTS"]):
            remarks.append(NOT_WHOLE)
        return {"counts": one.columns["COUNTS"]}
    counts = counts_of(one.columns["CPS"], one.duration)
    if counts is None:
        return {"rate": one.columns["CPS"]}
    remarks.append(f"rates in {one.duration:g} s are whole counts and are given as such")
    return {"counts": counts}


CASAXPS_TEXT = Format(
    name="casaxps_text",
    technique="xps",
    about="spectra exported by CasaXPS as text",
    recognizes=recognizes,
    read=read,
)
