"""Thermo Avantage's own files (``.vgd``), through the optional package vgd-reader."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import FileError, printable
from operando.header_times import Span
from operando.sniff import Format, Head

from .counting import NOT_WHOLE, all_whole
from .region_names import region_in, region_name
from .regions import Entry, Regions, Wanted, read_region
from .spectrum import FEWEST
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

EXPORT = "export it from Avantage as VAMAS or text and read that"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_STREAMS = tuple(name.encode("utf-16-le") for name in ("VGData", "VGSpaceAxes"))
_HEADER, _SECTOR_SHIFT, _FIRST_DIRECTORY = 512, 30, 48
_MOST_BYTES, _MOST_COUNTS = 2**28, 1e15
_DEFAULT_PHOTONS = 1486.68
_GUESSED = (
    "photon energy, pass energy, dwell and sweeps are what vgd-reader finds among the file's numbers, which have no"
    " names; compare once with Avantage"
)


def read(
    path: str | Path,
    *,
    timezone: str | None = None,  # noqa: ARG001
    region: Regions = None,
    spectrum: Wanted = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    """Return the spectra of a file of Thermo Avantage.

    Parameters
    ----------
    path
        The file; its name tells the region.
    timezone
        Not used: no time of measurement is known in these files.
    region
        The region's name, such as ``"S 2p"``.
    spectrum
        The number of a spectrum, counted from 1, or a list of numbers; all of them by default.
    photon_energy
        The photon energy, eV; by default that of Al K-alpha which the file states.

    Returns
    -------
    xarray.Dataset
        ``counts`` (count; ``intensity`` if they are not whole) against ``binding_energy`` (eV), along ``scan`` if there
        are several spectra. The times are NaT.

    Raises
    ------
    FileError
        If vgd-reader is not installed, the file is damaged, its spectra have more than two dims, or it states no photon
        energy near Al K-alpha and none is given.

    Notes
    -----
    No measured file was seen: the streams are those that vgd-reader 0.1.0 reads, tried on simulated files. The binding
    energy is the photon energy less the kinetic energy, which vgd-reader takes to refer to the Fermi level. It
    falls back to Al K-alpha without saying so; here that is an error.
    """
    path = Path(path)
    parsed = _parsed(path)
    photons = _photon_energy(path, parsed, photon_energy)
    name = region_in(path.stem) or region_name(path.stem)
    rows = np.atleast_2d(np.array(parsed["intensities"], np.float64))
    if not (np.isfinite(rows) & (np.abs(rows) <= _MOST_COUNTS)).all():
        raise FileError(path, "counts", "numbers that are none", place="VGData", remedy="copy it again")
    labels = [name if len(rows) == 1 else f"{name}, spectrum {number}" for number in range(1, len(rows) + 1)]
    entries = [
        Entry(
            name,
            own,
            partial(_spectrum, path, parsed, row, photons=photons, label=own, name=name),
            {"spectrum": (str(number), own)},
        )
        for number, (own, row) in enumerate(zip(labels, rows, strict=True), 1)
    ]
    parameters = {"reader": "vgd", "spectrum": spectrum, "photon_energy": photon_energy}
    return read_region(path, entries, [], region, parameters, chosen_by={"spectrum": spectrum}, entry="spectrum")


def recognizes(start: Head) -> bool:
    """Whether a file is an OLE compound file whose directory names the streams of Thermo Avantage."""
    if not start.data.startswith(_OLE) or len(start.data) < _HEADER:
        return False
    return all(name in start.data or name in _directory(start) for name in _STREAMS)


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


def _parsed(path: Path) -> dict[str, Any]:
    """Return what vgd-reader finds in a file, once its axes are known to hold as many numbers as there are."""
    try:
        import olefile
        from vgd_reader import parse_vgd_file
    except ImportError:
        remedy = f"install it with 'pip install vgd-reader' (or operando[vgd]), or {EXPORT}"
        raise FileError(path, "the package vgd-reader", "none installed", remedy=remedy) from None
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB", remedy=EXPORT)
    data = path.read_bytes()
    try:
        with closing(olefile.OleFileIO(io.BytesIO(data))) as compound:
            sizes = _sizes(compound.openstream("VGDataAxes").read())
        parsed: dict[str, Any] = parse_vgd_file(io.BytesIO(data))
    except Exception as error:
        said = printable(f"{type(error).__name__}: {error}")[:200]
        raise FileError(path, "a whole file of Thermo Avantage", said, remedy="copy it again") from None
    _require_axes(path, parsed, sizes)
    return parsed


def _sizes(axes: bytes) -> list[int]:
    """Return the sizes of the dims: the last number of each record of 16 bytes, plus one."""
    return [struct.unpack_from("<i", axes, at + 12)[0] + 1 for at in range(0, len(axes) - 15, 16)]


def _require_axes(path: Path, parsed: Mapping[str, Any], sizes: list[int]) -> None:
    """Refuse spectra that vgd-reader would cut elsewhere than the file says."""
    points, spectra, total = (int(parsed[key]) for key in ("num_points", "num_spectra", "total_points"))
    first, second, *more = [*sizes, 1, 1]
    if (first, second) != (points, spectra) or points * spectra != total or any(size > 1 for size in more):
        got = f"{total} for dims of {' x '.join(map(str, sizes)) or 'no size'}"
        raise FileError(path, "numbers of spectra along two dims", got, place="VGDataAxes", remedy=EXPORT)
    start, step = parsed["ke_start"], parsed["ke_step"]
    usable = start is not None and step is not None and np.isfinite([start, step]).all()
    if not usable or not 0 < step < 100 or points < FEWEST:
        got = f"{points} points from {start} eV in steps of {step} eV"
        raise FileError(path, "rising kinetic energies", got, place="VGSpaceAxes", remedy=EXPORT)


def _photon_energy(path: Path, parsed: Mapping[str, Any], given: float | None) -> float:
    found = given if given is not None else parsed["source_energy"]
    if given is None and found == _DEFAULT_PHOTONS:
        remedy = "state photon_energy (eV)"
        raise FileError(path, "a photon energy near Al K-alpha", "none", place="property stream", remedy=remedy)
    if not 0 < float(found) < 20_000:
        raise FileError(path, "a photon energy in eV", repr(found), place="photon_energy")
    return float(found)


def _spectrum(
    path: Path, parsed: Mapping[str, Any], values: Floats, *, photons: float, label: str, name: str
) -> xr.Dataset:
    kinetic = parsed["ke_start"] + parsed["ke_step"] * np.arange(values.size)
    counted = all_whole(values)
    about = {key: str(value) for key, value in parsed["metadata"].items() if value}
    return as_dataset(
        path,
        photons - kinetic,
        {"counts" if counted else "intensity": values},
        Span(),
        region=name,
        entry=label,
        reader="vgd",
        metadata={**about, "transmission_coefficients": [float(one) for one in parsed["txf_coeffs"]]},
        conditions={
            "photon_energy": photons,
            "dwell": parsed["dwell_time"],
            "sweeps": parsed["periods"],
            "pass_energy": parsed["pass_energy"],
            "work_function": parsed["work_fn"],
        },
        remarks=[_GUESSED, *([] if counted else [NOT_WHOLE])],
    )


VGD = Format(name="vgd", technique="xps", about="Thermo Avantage (.vgd)", recognizes=recognizes, read=read)
