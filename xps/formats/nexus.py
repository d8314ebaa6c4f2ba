"""NeXus files of photoemission: the application definitions NXmpes and NXxps, an entry a region."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import hdf5
from operando.clock import to_ns
from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.header_times import NOT_A_TIME, Span, moment, parsed_time, span
from operando.sniff import Format, Head

from .level_energies import may_be
from .nexus_entry import Entry, entries, entry
from .regions import Entry as Choice
from .regions import Refusal, Regions, Wanted, read_region
from .spectrum import spectrum as as_dataset

Floats = NDArray[np.float64]

_KINDS = {"binding": True, "kinetic": False}
_EARLIEST = 1970
_LONGEST = 1e9


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    spectrum: Wanted = None,
    energies: str | None = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    """Return the spectra of one region of a NeXus file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the times where they state none, such as ``"Europe/Paris"``.
    region
        The region's name; the only one by default. An entry's transition names its region, else the end of its name.
    spectrum
        The name of an entry, or the label of one spectrum in ``source``, or a list of them; all by default.
    energies
        ``"binding"`` or ``"kinetic"``: what the energies are, where the file says nothing or is wrong.
    photon_energy
        Photon energy in eV, in place of the file's. Binding energies stay as the file states them.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV), from kinetic energies as E_B = hv - E_k, the work function not subtracted again:
        ``counts`` of the detector (its channels summed) if the file keeps them and they are whole numbers, else
        ``rate`` or ``intensity``; ``transmission`` at each energy, if the file has it. Scans of an entry, and entries
        of one region, lie along ``scan``.

    Raises
    ------
    FileError
        If the file is broken off, no entry has spectra, there are several regions and none is named, kinetic energies
        lack a photon energy, or the energies cannot be those of the core level that their region is named after.
    OperandoError
        If a setting is something else.

    Notes
    -----
    https://fairmat-nfdi.github.io/nexus_definitions/classes/contributed_definitions/NXxps.html
    """
    path = Path(path)
    if energies is not None and energies not in _KINDS:
        raise OperandoError(f"{path}: energies: expected 'binding' or 'kinetic', got {energies!r}")
    if photon_energy is not None and not (isinstance(photon_energy, int | float) and photon_energy > 0):
        raise OperandoError(f"{path}: photon_energy: expected an energy in eV, got {photon_energy!r}")
    found, left_out = _entries(path)
    spectra: list[Choice] = []
    refused = [Refusal("", reason) for reason in left_out]
    for one in found:
        try:
            if energies is not None:
                one.binding = _KINDS[energies]
            if photon_energy is not None:
                one.photon_energy = np.array([float(photon_energy)])
            binding_energy = _binding_energy(path, one)
            if energies is None:
                _require_level(path, one, binding_energy)
            spectra += _spectra(path, one, binding_energy, timezone)
        except _WrongAxisError:
            raise
        except FileError as error:
            refused.append(Refusal(one.region, error))
    chosen_by = {"spectrum": spectrum}
    parameters = {
        "reader": "nexus",
        **chosen_by,
        "timezone": timezone,
        "energies": energies,
        "photon_energy": photon_energy,
    }
    return read_region(path, spectra, refused, region, parameters, chosen_by=chosen_by, entry="spectrum")


def recognizes(start: Head) -> bool:
    """Whether the file is HDF5 with an entry whose definition is NXmpes or NXxps."""
    if not hdf5.is_hdf5(start):
        return False
    try:
        with hdf5.opened(start.path) as root:
            return any(not isinstance(found, FileError) for found in entries(root))
    except OperandoError:
        return False


class _WrongAxisError(FileError):
    """Energies that cannot be what a file says: nothing in it is read by that word."""


def _entries(path: Path) -> tuple[list[Entry], list[FileError]]:
    found: list[Entry] = []
    left_out: list[FileError] = []
    with hdf5.opened(path) as root:
        for node in entries(root):
            if isinstance(node, FileError):
                left_out.append(node)
                continue
            try:
                found.append(entry(node))
            except FileError as error:
                left_out.append(error)
        if not found and not left_out:
            raise FileError(path, "an entry of NXmpes or NXxps", f"a file with {hdf5.content(root)}")
    return found, left_out


def _binding_energy(path: Path, one: Entry) -> Floats:
    if one.binding is None:
        remedy = "state energies = 'binding' or 'kinetic'"
        raise FileError(path, "energies said to be binding or kinetic", "neither", place=one.name, remedy=remedy)
    if one.binding:
        return one.energy
    known = np.unique(one.photon_energy) if one.photon_energy is not None else np.empty(0)
    if known.size != 1:
        expected, remedy = "one photon energy for kinetic energies", "state photon_energy in eV"
        raise FileError(path, expected, str(known.size or "none"), place=one.name, remedy=remedy)
    return np.asarray(known[0] - one.energy, np.float64)


def _require_level(path: Path, one: Entry, binding_energy: Floats) -> None:
    """Refuse energies that lie far from the core level of their name, as where binding energies are called kinetic.

    Raises
    ------
    FileError
        If so, with what would make them fit.
    """
    if may_be(one.region, binding_energy):
        return
    kind = "binding" if one.binding else "kinetic"
    low, high = np.nanmin(binding_energy), np.nanmax(binding_energy)
    got = f"{low:.1f} to {high:.1f} eV from what it calls {kind} energies"
    fits = not one.binding and may_be(one.region, one.energy)
    remedy = "they fit as they are: state energies = 'binding'" if fits else "state energies, or photon_energy in eV"
    raise _WrongAxisError(path, f"binding energies around {one.region}", got, place=one.name, remedy=remedy)


def _spectra(path: Path, one: Entry, binding_energy: Floats, timezone: str | None) -> list[Choice]:
    """Return the spectra of an entry; what holds for all of them is remarked upon once."""
    labels = one.measured.labels
    remarks = list(one.remarks)
    transmission = _transmission(one, binding_energy, remarks)
    told = _conditions(one, len(labels), remarks)
    flags = _flags(one, len(labels))
    times = _times(path, one, len(labels), timezone, remarks)
    spectra: list[Choice] = []
    for k, label in enumerate(labels):
        columns = {one.measured.quantity: one.measured.values[k]}
        if transmission is not None:
            columns["transmission"] = _of(transmission, k)
        conditions = {name: float(_of(numbers, k)) for name, numbers in told.items()}
        there = _inside(one.measured.values[k], flags[k])
        name = f"{one.name}, {label}" if label else one.name
        build = partial(
            as_dataset,
            path,
            binding_energy[there],
            {name: column[there] for name, column in columns.items()},
            times[k],
            region=one.region,
            entry=name,
            reader="nexus",
            metadata=one.fields,
            conditions=conditions,
            flag=flags[k],
            remarks=remarks if k == 0 else (),
        )
        spectra.append(Choice(one.region, name, build, {"spectrum": (name, one.name)}))
    return spectra


def _conditions(one: Entry, scans: int, remarks: list[str]) -> dict[str, Floats]:
    """Return the conditions that hold for all scans or are stated for each; of others nobody knows whose they are."""
    stated = dict(one.conditions)
    if one.photon_energy is not None:
        stated["photon_energy"] = one.photon_energy
    known = {}
    for name, values in stated.items():
        if values.size in (1, scans) or np.ptp(values) == 0:
            known[name] = values
        else:
            remarks.append(f"{name} left out: {values.size} values for {scans} spectra")
    return known


def _flags(one: Entry, scans: int) -> list[Flag]:
    """Return the reasons for doubt that the file states for each scan, but those of the times, found again."""
    if one.flags is None or one.flags.size not in (1, scans):
        return [Flag(0)] * scans
    every = 2 * int(max(Flag)) - 1
    known = np.where(np.isfinite(one.flags) & (one.flags >= 0), one.flags, 0.0)
    return [Flag(int(_of(known, k)) & every) & ~Flag.no_time for k in range(scans)]


def _inside(values: Floats, flag: Flag) -> slice:
    """Return where a spectrum has values, if it was filled up at its ends to lie on the energies of a series."""
    known = np.flatnonzero(np.isfinite(values))
    if not flag & (Flag.truncated | Flag.regridded) or known.size == 0:
        return slice(None)
    return slice(known[0], known[-1] + 1)


def _of(values: Floats, scan: int) -> Any:
    """Return what belongs to one scan, of values for all of them or one a scan."""
    return values[scan] if scan < values.shape[0] else values[0]


def _transmission(one: Entry, binding_energy: Floats, remarks: list[str]) -> Floats | None:
    """Return the transmission (scan, energy), where need be from the analyser's curve at the kinetic energies."""
    if one.transmission is not None:
        if one.transmission.shape[0] in (1, one.measured.values.shape[0]):
            return one.transmission
        remarks.append(f"transmission left out: {one.transmission.shape[0]} of them")
        return None
    if one.curve is None or one.photon_energy is None or one.photon_energy.size != 1:
        return None
    kinetic, (at, relative) = one.photon_energy[0] - binding_energy, one.curve
    if np.nanmin(kinetic) < at[0] or np.nanmax(kinetic) > at[-1]:
        remarks.append(f"transmission left out: its curve from {at[0]:g} to {at[-1]:g} eV ends within the spectrum")
        return None
    return np.asarray(np.interp(kinetic, at, relative)[np.newaxis], np.float64)


def _times(path: Path, one: Entry, scans: int, timezone: str | None, remarks: list[str]) -> list[Span]:
    """Return when each spectrum was measured: as stated for it, else from the start to the end of a lone one."""
    columns = {name: one.clock[name] for name in ("time_start", "time", "time_end") if name in one.clock}
    if columns:
        read_out = {name: _moments(path, start, seconds, scans, timezone) for name, (start, seconds) in columns.items()}
        nothing = np.full(scans, NOT_A_TIME)
        starts, middles, ends = (read_out.get(name, nothing) for name in ("time_start", "time", "time_end"))
        return [Span(starts[k], middles[k], ends[k], note="times of each spectrum") for k in range(scans)]
    start, end = (one.clock.get(name) for name in ("start_time", "end_time"))
    if not isinstance(start, str) or not _is_time(start):
        return [Span()] * scans
    if scans > 1:
        remarks.append(
            f"{scans} spectra from {start} to {end or 'an unknown end'}: when each was measured is not stated"
        )
        return [Span()] * scans
    return [span(path, start, timezone=timezone, end=end if isinstance(end, str) and _is_time(end) else None)]


def _moments(path: Path, start: str, seconds: Floats, scans: int, timezone: str | None) -> NDArray[np.datetime64]:
    if seconds.size != scans:
        raise FileError(path, f"times of {scans} spectra", str(seconds.size))
    began = moment(path, start, timezone) if _is_time(start) else None
    if began is None:
        return np.full(scans, NOT_A_TIME)
    within = np.where(np.abs(seconds) < _LONGEST, seconds, np.nan)
    return np.asarray(began + to_ns(within), "datetime64[ns]")


def _is_time(text: str) -> bool:
    parsed = parsed_time(text)
    return parsed is not None and parsed.year >= _EARLIEST


NEXUS = Format(
    name="nexus",
    technique="xps",
    about="NeXus of photoemission (NXmpes, NXxps)",
    recognizes=recognizes,
    read=read,
)
