"""SPEC files: many scans in one text file, as spec itself, BLISS and the beamlines at ESRF and APS write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.entries import as_series, asked_for, differing, named
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import NOT_A_TIME, Span, moment, parsed_time, seconds
from operando.sniff import Format, Head, head
from operando.text_table import Column

from .choice import Choice, choice, picked
from .guess import guessed_settings
from .scan import scan
from .spec_scans import SpecScan, scans_in

Key = str | int
_LEAST_SPAN = 1.0
_ABSOLUTE = 1e9
_ZONES = 15 * 3600.0


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    columns: Mapping[str, Column | Sequence[Column]] | None = None,
    units: Mapping[str, str] | None = None,
    d_spacing: float | None = None,
    scan: Key | Sequence[Key] | None = None,
) -> xr.Dataset:
    """Return the energy scans of a SPEC file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the dates in the file, such as ``"Europe/Paris"``. Scans with a column ``Epoch`` need none.
    columns
        ``{name: column}`` with ``energy`` and what was measured (``i0``, ``mu``, ``tey`` ...); a column is a label of
        the line ``#L`` or a number counted from 0. A list of columns gives the dim ``detector``.
    units
        ``{name: unit in the file}``, by default eV for the energy and 1 for all else; an angle as ``energy`` needs
        ``d_spacing`` (angstrom).
    scan
        Scans to read: a number, or ``"number.order"`` where a number is repeated (``"7.2"`` is the second scan 7), or
        a list of such. By default all that hold the columns named, with energies that move.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending), along ``scan`` if there are several, whose ``source`` is
        ``file::number.order``. Scans without the columns, over less than 1 eV, or on energies that most others do not
        share are left out with a warning that names them, and in ``attrs["remarks"]``. A scan that was aborted, has
        fewer points than its command says or breaks off in the middle of a line is flagged as truncated. Spectra of
        multichannel analyzers (lines ``@A``) are passed over with a remark.

    Raises
    ------
    FileError
        If no scan can be read so, or there is no such scan.
    OperandoError
        If a setting is unknown.

    Notes
    -----
    The format is described in the manual of spec, "Standard data file format", https://www.certif.com.
    """
    path = Path(path)
    chosen = choice(path, columns, units, d_spacing)
    found = scans_in(path, _text(path))
    spectra, left_out = [], []
    for one in (found[k] for k in asked_for(path, scan, [(one.key, str(one.number)) for one in found], "scan")):
        try:
            spectra.append(_spectrum(path, one, chosen, timezone))
        except FileError as error:
            left_out.append(FileError(path, error.expected, error.got, place=f"scan {one.key}", remedy=error.remedy))
    parameters = {"reader": "spec", "columns": columns, "units": chosen.units, "d_spacing": d_spacing, "scan": scan}
    ds = as_series(path, spectra, left_out, {**parameters, "timezone": timezone}, entry="scan")
    return differing(ds, spectra)


def recognizes(start: Head) -> bool:
    """Whether the file begins as SPEC files do: with ``#F`` or ``#S``, and labels, a date or an epoch behind it."""
    if not start.is_text:
        return False
    lines = [line for line in start.lines if line.strip()]
    first = lines[0] if lines else ""
    if first.startswith("#F "):
        return any(line.startswith(("#E ", "#D ", "#S ")) for line in lines[1:10])
    return first.startswith("#S ") and any(line.startswith("#L ") for line in lines)


def suggest(start: Head) -> dict[str, Any]:
    """Return the settings for the first scan whose labels and numbers look like absorption.

    Scans that align the beamline often fill the beginning of a file, so the whole of it is looked through.
    """
    try:
        text = _text(start.path) if start.path.is_file() else start.text
        found = scans_in(start.path, text)
    except (OperandoError, OSError):
        return {}
    guesses = [guess for one in found if (guess := _guess(one))]
    return max(guesses, key=lambda guess: len(guess["columns"]) > 1, default={})


def _guess(one: SpecScan) -> dict[str, Any]:
    if one.table is None:
        return {}
    guess = guessed_settings(one.table)
    energy = guess.get("columns", {}).get("energy")
    if energy is None or (one.table.labels and energy not in one.table.labels):
        return {}
    guess.pop("time", None)
    try:
        wanted = choice(Path(), {"mu": 0, **guess["columns"]}, guess.get("units"), guess.get("d_spacing"))
        values, _ = picked(Path(), one.table, wanted)
    except FileError:
        return {}
    return guess if _moves(values) else {}


def _text(path: Path) -> str:
    start = head(path)
    data = path.read_bytes()
    if b"\x00" in data:
        raise FileError(path, "text", "binary data", place=f"byte {data.index(0)}", remedy="copy the file again")
    return Head(start.path, data).text


def _spectrum(path: Path, one: SpecScan, chosen: Choice, timezone: str | None) -> xr.Dataset:
    """Return one scan of the file.

    Raises
    ------
    FileError
        If it is no energy scan, without its place.
    """
    if one.table is None:
        raise FileError(path, "rows of numbers", "none")
    energy, measured = picked(path, one.table, chosen)
    if not _moves(energy):
        raise FileError(
            path, f"energies over {_LEAST_SPAN:g} eV or more", "fewer", remedy="is it another kind of scan?"
        )
    remarks = list(one.remarks)
    ds = scan(
        path,
        energy,
        measured,
        _times(path, one, timezone, remarks),
        units=chosen.units,
        metadata=one.metadata,
        reader="spec",
        flag=(Flag.truncated if one.truncated else Flag(0)) | (Flag.not_finite if one.table.lost else Flag(0)),
        remarks=remarks,
    )
    return named(ds, path, one.key)


def _moves(energy: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Whether energies are scanned, not read back at rest."""
    finite = energy[np.isfinite(energy) & (energy > 0)]
    return finite.size > 0 and float(np.ptp(finite)) >= _LEAST_SPAN


def _times(path: Path, one: SpecScan, timezone: str | None, remarks: list[str]) -> Span:
    """Return when the scan was measured: by its column of epochs, else from its date."""
    local = parsed_time(one.date) if one.date else None
    if one.date and local is None:
        remarks.append(f"#D is no date: {one.date}")
    epochs = _epochs(one)
    if epochs is not None:
        apart = 0.0 if local is None else abs((np.datetime64(local) - epochs[0]) / np.timedelta64(1, "s"))
        if apart <= _ZONES:
            return Span(epochs[0], epochs[0] + (epochs[1] - epochs[0]) // 2, epochs[1], note="column of epochs")
        remarks.append("the column of epochs is more than 15 h from the date of the scan and not used")
    if local is None:
        return Span()
    began = moment(path, one.date, timezone)
    if began is None:
        return Span(local=one.date, note="local time without a zone: not used")
    return Span(began, began, NOT_A_TIME, note="start only: the time is that of the start")


def _epochs(one: SpecScan) -> tuple[np.datetime64, np.datetime64] | None:
    """Return the first and the last point's time in UTC; seconds count from ``#E`` or from 1970."""
    labels = [label.lower() for label in one.table.labels] if one.table else []
    if one.table is None or labels.count("epoch") != 1:
        return None
    values = one.table.values[:, labels.index("epoch")]
    first, last = values[0], values[-1]
    origin = 0.0 if first > _ABSOLUTE else one.epoch
    if origin is None or not 0 <= first <= last or not last + origin < 2**33:
        return None
    zero = np.datetime64("1970-01-01", "ns")
    return zero + seconds(float(first + origin)), zero + seconds(float(last + origin))


SPEC = Format(
    name="spec",
    technique="xas",
    about="SPEC file",
    recognizes=recognizes,
    read=read,
    suggest=suggest,
)
