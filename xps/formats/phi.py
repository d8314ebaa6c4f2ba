"""PHI MultiPak: spectra (``.spe``) and sputter depth profiles (``.pro``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError
from operando.header_times import Span, span
from operando.sniff import Format, Head
from operando.xps.layout import SPUTTER_TIME

from .counting import NOT_WHOLE, all_whole, common_divisor, whole_counts
from .phi_file import START, Block, PhiFile, Region, parsed, regions
from .region_names import region_name
from .regions import Entry, Refusal, Regions, Wanted, numbered, read_region
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

_READ = {"SPECTRUM", "DEPTHPRO", ""}
_OTHERS = {
    "MAP": "a map",
    "LINE": "a line scan",
    "ANGLE": "spectra against the emission angle",
    "SXI": "an image",
    "PHO": "a photograph",
}
_RATE, _COUNTS = {"c/s", "cps"}, {"c", "cts", "counts"}
_AXES = {"cyc": "cycle", "sar": "area"}


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    cycle: Wanted = None,
    area: Wanted = None,
    spectrum: Wanted = None,
) -> xr.Dataset:
    """Return the spectra of one region of a PHI MultiPak file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the time in the header, where it has one: most files state the date only.
    region
        The region's name, such as ``"C 1s"`` or ``"C1s"``, ``"Sn 3d5/2"`` or ``"Sn3d5"``; ``"Survey"`` for ``Su1s``.
    cycle
        The number of a cycle of a depth profile, counted from 1, or a list of numbers; all of them by default.
    area
        The number of a place on the sample, counted from 1, or a list of numbers; all of them by default.
    spectrum
        The label of one spectrum in ``source``, or a list of labels; all of them by default.

    Returns
    -------
    xarray.Dataset
        ``counts`` (count), where the rates in the file times the time per point are whole numbers, else ``rate``
        (count/s); along ``scan`` if there are several cycles or areas. ``sweeps`` times ``dwell`` (s) is the time per
        point. Profiles have ``sputter_time`` (s), the time sputtered before each cycle, where the file states it.

    Raises
    ------
    FileError
        If the file breaks off within the region, is a map, a line scan, an image or measured against the angle, or its
        parts contradict each other.
    OperandoError
        If ``cycle`` or ``area`` is something else.

    Notes
    -----
    The parts of the file, as found in files of a VersaProbe 4 (SS 3.3): a text header from ``SOFH`` to ``EOFH``;
    4 numbers of 32 bits; 96 bytes for each block of numbers (axes, unit, type, size, offset); the blocks. Energies are
    those of ``SpectralRegDef``: binding energies, on which no energy reference has been applied. Where the instrument
    stopped after a part of the sweeps, the rates are still those for all of them: counts that are all multiples of 10
    in a region of 10 sweeps come from one sweep, and scatter accordingly. They are divided, and ``sweeps`` with them.
    """
    path = Path(path)
    file = parsed(path)
    _require_spectra(file)
    times = _times(file, timezone)
    entries, refused = _entries(file, times)
    chosen_by = {"cycle": cycle, "area": area, "spectrum": spectrum}
    parameters = {"reader": "phi", **chosen_by, "timezone": timezone}
    return read_region(path, entries, refused, region, parameters, chosen_by=chosen_by, entry="spectrum")


def recognizes(start: Head) -> bool:
    """Whether the file begins with PHI's ``SOFH``."""
    return start.data.startswith((START + b"\r", START + b"\n"))


def _require_spectra(file: PhiFile) -> None:
    kind, technique = file.first("FileType").upper(), file.first("Technique").upper()
    if kind not in _READ:
        told = next((text for name, text in _OTHERS.items() if kind.startswith(name)), "another kind of measurement")
        expected = "a spectrum or a depth profile (FileType SPECTRUM or DEPTHPRO)"
        raise FileError(file.path, expected, f"{told} ({kind})", place="FileType", remedy="export spectra in MultiPak")
    if technique and not technique.startswith(("XPS", "ESCA", "HAXPES", "UPS")):
        raise FileError(file.path, "photoemission", repr(technique), place="Technique")


@dataclass(frozen=True)
class _Measurement:
    """One region as measured: the numbers in one row a cycle and area, and what else the file tells of them.

    ``parts`` says for each row which part of its sweeps was measured: 1 of 1, 1 of 10.
    """

    file: PhiFile
    region: Region
    columns: Mapping[str, Floats]
    parts: Sequence[int]
    sputter_times: Floats | None
    times: Span
    remarks: Sequence[str]

    @property
    def name(self) -> str:
        """The region's name as it is shown."""
        return region_name(self.region.name)

    def spectrum(self, row: int, label: str, cycle: int) -> xr.Dataset:
        """Return one row as a spectrum."""
        region, sputtered, part = self.region, self.sputter_times, self.parts[row]
        sweeps = region.sweeps if region.sweeps > 0 else 1.0
        told = [f"all counts were multiples of {part}: 1 sweep in {part} was measured"] if part > 1 else []
        ds = as_dataset(
            self.file.path,
            region.energies,
            {kind: rows[row] / part for kind, rows in self.columns.items()},
            self.times,
            region=self.name,
            entry=label,
            reader="phi",
            metadata={**_metadata(self.file), "sputter_times": None if sputtered is None else sputtered.tolist()},
            conditions={
                "photon_energy": _photon_energy(self.file),
                "dwell": region.seconds / sweeps,
                "sweeps": sweeps / part,
                "pass_energy": region.pass_energy,
                "work_function": _leading_number(self.file.first("AnalyserWorkFcn")),
            },
            remarks=[*told, *self.remarks],
        )
        if sputtered is None:
            return ds
        attrs = {"units": "s", "long_name": SPUTTER_TIME.meaning}
        return ds.assign_coords(sputter_time=((), float(sputtered[cycle - 1]), attrs))


def _entries(file: PhiFile, times: Span) -> tuple[list[Entry], list[Refusal]]:
    """Return the spectra of all regions, and why some cannot be read."""
    known = regions(file)
    blocks = [block for block in file.blocks if block.axes[0] == "pnt"]
    if not blocks:
        kinds = ", ".join(sorted({" x ".join(block.axes) for block in file.blocks}))
        raise FileError(file.path, "blocks of spectra", f"blocks of {kinds}")
    told = [block.region for block in blocks]
    if not set(told) <= set(known) or len(set(told)) < len(told):
        expected, got = "one region (SpectralRegDef) for each block of spectra", f"blocks of the regions {told}"
        raise FileError(file.path, expected, got, place="directory of blocks")
    missing = FileError(file.path, "a block of spectra", "none", place="directory of blocks")
    refused = [Refusal(region_name(region.name), missing) for number, region in known.items() if number not in told]
    labels = numbered([region_name(known[number].name) for number in told], told)
    entries: list[Entry] = []
    for label, block in zip(labels, blocks, strict=True):
        try:
            entries += _rows(_measurement(file, block, known[block.region], times), block, label)
        except FileError as error:
            refused.append(Refusal(region_name(known[block.region].name), error))
    return entries, refused


def _measurement(file: PhiFile, block: Block, region: Region, times: Span) -> _Measurement:
    place = f"region {region.name}"
    strange = [axis for axis in block.axes[1:] if axis not in _AXES]
    if strange:
        expected, remedy = "spectra along cycles or areas", "export spectra in MultiPak"
        raise FileError(file.path, expected, f"spectra along {', '.join(strange)}", place=place, remedy=remedy)
    if block.shape[-1] != region.points:
        raise FileError(file.path, f"{region.points} points", str(block.shape[-1]), place=place)
    columns, parts, remarks = _measured(file.values(block).reshape(-1, region.points), block.unit, region)
    cycles = dict(zip(block.axes[::-1], block.shape, strict=True)).get("cyc", 1)
    sputtered = _sputter_times(file, region, cycles)
    if file.first("FileType").upper() == "DEPTHPRO" and sputtered is None:
        remarks.append("the file does not state the sputter times of this region")
    return _Measurement(file, region, columns, parts, sputtered, times, remarks)


def _rows(measurement: _Measurement, block: Block, name: str) -> list[Entry]:
    """Return the spectra of one region: as many as it has cycles and areas."""
    axes, shape = block.axes[:0:-1], block.shape[:-1]
    entries = []
    for row, index in enumerate(np.ndindex(*shape)):
        numbers = {axis: k + 1 for axis, k in zip(axes, index, strict=True)}
        told = [f"{_AXES[axis]} {numbers[axis]}" for axis, size in zip(axes, shape, strict=True) if size > 1]
        label = ", ".join([name, *told])
        make = partial(measurement.spectrum, row, label, numbers.get("cyc", 1))
        cycle, area = (str(numbers.get(axis, 1)) for axis in ("cyc", "sar"))
        keys = {"cycle": (cycle,), "area": (area,), "spectrum": (label,)}
        entries.append(Entry(measurement.name, label, make, keys))
    return entries


def _measured(values: Floats, unit: str, region: Region) -> tuple[dict[str, Floats], list[int], list[str]]:
    """Return what was measured under its name, which part of the sweeps that was, and what is to be said about it."""
    whole, seconds = [1] * len(values), region.seconds
    if unit in _COUNTS:
        return {"counts": values}, whole, [] if all_whole(values) else [NOT_WHOLE]
    if unit not in _RATE:
        return {"intensity": values}, whole, [f"the unit {unit!r} is unknown: the numbers are as in the file"]
    single = np.finfo(np.float32).eps
    stated = 0.5e-6 / seconds if seconds > 0 else np.inf
    counts = whole_counts(values, seconds, np.abs(values) * (stated + single))
    parts = [common_divisor(row) for row in counts] if counts is not None else whole
    if counts is None or any(part > 1 and not (region.sweeps / part).is_integer() for part in parts):
        return {"rate": values}, whole, [f"rates times {seconds:g} s per point are no whole counts: kept as rates"]
    return {"counts": counts}, parts, []


def _sputter_times(file: PhiFile, region: Region, cycles: int) -> Floats | None:
    """Return the seconds sputtered before each cycle, as the file's table of region and cycle has them."""
    table = next((one for one in file.blocks if one.axes == ("cyc", "reg") and one.unit == "s"), None)
    if table is None or table.shape[1] != cycles or not 0 < region.number <= table.shape[0]:
        return None
    try:
        seconds = file.values(table)[region.number - 1] + 0.0
    except FileError:
        return None
    usable = np.isfinite(seconds).all() and (seconds >= 0).all() and (np.diff(seconds) >= 0).all()
    return seconds if usable else None


def _times(file: PhiFile, timezone: str | None) -> Span:
    """Return the time of the header, where it has more than a date."""
    text = file.first("AcqFileDate") or file.first("FileDate")
    cells = [int(cell) for cell in re.findall(r"[0-9]{1,4}", text)][:6]
    if len(cells) < 5:
        return Span(note="the date only: not used")
    written = "{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format(*cells, *[0] * (6 - len(cells)))
    return span(file.path, written, timezone=timezone)


def _metadata(file: PhiFile) -> dict[str, Any]:
    return {key: values[0] if len(values) == 1 else list(values) for key, values in file.header.items()}


def _photon_energy(file: PhiFile) -> float | None:
    """Return the first number of the line of the source that can be a photon energy, as in ``Al 1486.6 mono``."""
    found = (float(text) for text in re.findall(r"\d+(?:\.\d+)?", file.first("XraySource")))
    return next((energy for energy in found if 10 < energy < 20_000), None)


def _leading_number(text: str) -> float | None:
    match = re.match(r"-?\d+(?:\.\d+)?", text)
    return float(match[0]) if match else None


PHI = Format(
    name="phi",
    technique="xps",
    about="PHI MultiPak spectrum or depth profile",
    recognizes=recognizes,
    read=read,
)
