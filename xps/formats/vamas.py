"""VAMAS (ISO 14976), whatever the ending: photoemission spectra of regions, as instruments and CasaXPS write them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.flags import Flag
from operando.sniff import Format, Head, head

from .casaxps import parsed_comment, rounded, with_components
from .region_names import region_name
from .regions import Entry, Refusal, Regions, Wanted, numbered, read_region
from .spectrum import spectrum
from .vamas_blocks import Block, File, parsed
from .vamas_lines import FORMAT, NOT_GIVEN, Experiment, number
from .vamas_times import block_span, exact
from .vamas_values import axis, emission_angle, measured

_PHOTOEMISSION = ("XPS", "UPS")
_SAID = {"scans": "number of scans"}
"""``scans`` of a series says in what its scans differ."""


@dataclass(frozen=True)
class _Settings:
    """What a recipe says of energies and times."""

    timezone: str | None
    photon_energy: float | None
    work_function: float | None
    hours_ahead: float | str | None
    calibrate: bool


def read(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    block: Wanted = None,
    photon_energy: float | None = None,
    work_function: float | None = None,
    hours_ahead: float | str | None = None,
    calibrate: bool = False,
) -> xr.Dataset:
    """Return the spectra of one region of a VAMAS file.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of the times of blocks that state 0 hours ahead of GMT, which is what instruments write that do not know
        them. Without it the hours stated are taken as they are.
    region
        One of the regions, such as ``"S 2p"``; the only one by default.
    block
        Blocks to read, by identifier or by number, counted from 1; all of the region by default.
    photon_energy
        Photon energy in eV instead of the one stated.
    work_function
        Energy in eV to subtract as well, for kinetic energies that count from the vacuum level; by default 0. The
        standard leaves their zero open; instruments and CasaXPS count from the Fermi level, whatever work function
        they state, which is therefore not subtracted.
    hours_ahead
        What the instrument's clock was ahead of GMT, h, instead of what the file states; ``"timezone"`` takes
        ``timezone`` always.
    calibrate
        Whether the energy calibration that CasaXPS notes in a block is applied.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV), and ``scan`` for several blocks of the region. ``counts`` if the file has counts,
        or rates that are whole counts in the time stated; else ``rate`` or ``intensity``. ``transmission`` is the
        file's; nothing is divided by it. ``attrs["casaxps"]`` holds what CasaXPS fitted, if it did
        (:func:`~operando.xps.casaxps_components`).

    Raises
    ------
    FileError
        If the file cannot be read, holds no photoemission spectrum, lacks the region or the block, or has several
        regions and none is named; if kinetic energies come without a photon energy.
    OperandoError
        If a setting is of the wrong kind.

    Notes
    -----
    W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988), doi:10.1002/sia.740130202.
    """
    path = Path(path)
    for name, value in (("photon_energy", photon_energy), ("work_function", work_function)):
        _require_energy(path, name, value)
    head(path)
    file = parsed(path, path.read_bytes())
    settings = _Settings(timezone, photon_energy, work_function, hours_ahead, calibrate)
    casaxps: dict[str, Any] = {}
    entries = _entries(path, file, settings, casaxps)
    refused = [Refusal("", reason) for reason in file.left_out]
    parameters = {
        "reader": "vamas",
        "block": block,
        "photon_energy": photon_energy,
        "work_function": work_function,
        "hours_ahead": hours_ahead,
        "timezone": timezone,
        "calibrate": calibrate,
    }
    ds = read_region(path, entries, refused, region, parameters, chosen_by={"block": block}, entry="block")
    return with_components(ds, casaxps)


def recognizes(start: Head) -> bool:
    """Whether the first line that is not blank is the identifier of the format."""
    return start.data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(FORMAT.encode())


def _entries(path: Path, file: File, settings: _Settings, casaxps: dict[str, Any]) -> list[Entry]:
    """Return the blocks as spectra to be built; what CasaXPS says of those that are is put into ``casaxps``."""
    labels = numbered([one.fields["block"] for _, one in file.blocks], [count for count, _ in file.blocks])

    def built(label: str, numbered_block: tuple[int, Block]) -> xr.Dataset:
        one, casaxps[label] = _spectrum(path, file.experiment, label, numbered_block, settings)
        return one

    return [
        Entry(_region(*one), label, partial(built, label, one), {"block": (label, str(one[0]), one[1].fields["block"])})
        for label, one in zip(labels, file.blocks, strict=True)
    ]


def _require_energy(path: Path, name: str, value: float | None) -> None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf):
        return
    raise OperandoError(f"{path}: {name}: expected an energy above 0 in eV, got {value!r}")


def _region(count: int, block: Block) -> str:
    """Return what a block measured: species and transition, else its identifier or its number."""
    species, transition = block.fields["species"], block.fields["transition"]
    name = f"{species} {transition}".strip() or block.fields["block"]
    return region_name(name) if name else f"block {count}"


def _spectrum(
    path: Path, experiment: Experiment, label: str, numbered: tuple[int, Block], settings: _Settings
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the spectrum of one block, and what CasaXPS says of it.

    Raises
    ------
    FileError
        If it is none.
    """
    count, block = numbered
    place, fields = f"block {label!r}", block.fields
    if fields["technique"] not in _PHOTOEMISSION:
        raise FileError(path, "a photoemission spectrum (XPS or UPS)", fields["technique"], place=place)
    if experiment.scan == "MAPPING":
        raise FileError(path, "values along an energy", "a map", place=place)
    remarks: list[str] = [block.odd] if block.odd else []
    photons = settings.photon_energy or _positive(fields["source energy"])
    casaxps, odd = parsed_comment(block.comment, photons, calibrated=settings.calibrate)
    remarks += odd
    energy, used = axis(
        path, place, block, photon_energy=photons, work_function=settings.work_function, remarks=remarks
    )
    own = exact(block.comment)
    if own is None or used is None:
        energy = rounded(energy + _calibration(casaxps, remarks, applied=settings.calibrate))
    dwell, sweeps = _positive(fields["collection time"]), _positive(fields["scans"])
    columns = measured(path, place, block, energies=used, dwell=dwell, sweeps=sweeps, remarks=remarks)
    times = block_span(
        path,
        fields,
        dwell * sweeps * block.stated if dwell and sweeps else None,
        timezone=settings.timezone,
        hours_ahead=settings.hours_ahead,
        remarks=remarks,
    )
    times = times if own is None else own[0]
    conditions = {
        "photon_energy": photons,
        "dwell": dwell,
        "sweeps": sweeps,
        "pass_energy": _positive(fields["pass energy or retard ratio"])
        if fields["analyser mode"].upper() == "FAT"
        else None,
        "work_function": _positive(fields["analyser work function"]),
        "emission_angle": emission_angle(fields),
    }
    one = spectrum(
        path,
        energy,
        columns,
        times,
        region=_region(count, block),
        entry=label,
        reader="vamas",
        metadata=_metadata(experiment, block),
        conditions=conditions,
        flag=Flag.truncated if block.odd else None,
        remarks=remarks,
    )
    if own is not None:
        one = one.assign_coords(flag=one["flag"].copy(data=np.int32(own[1])))
    return one, casaxps


def _calibration(casaxps: dict[str, Any], remarks: list[str], *, applied: bool) -> float:
    """Return by how much the energies are to be raised, eV."""
    if "calibration" not in casaxps:
        return 0.0
    shift = float(casaxps["calibration"]["shift"])
    if applied:
        remarks.append(f"CasaXPS's energy calibration of {shift:+g} eV is applied")
        return shift
    remarks.append(f"CasaXPS's energy calibration of {shift:+g} eV is not applied; calibrate = true applies it")
    return 0.0


def _positive(text: str) -> float | None:
    value = number(text)
    return value if value is not None and value > 0 else None


def _metadata(experiment: Experiment, block: Block) -> dict[str, Any]:
    """Return all that file and block say, without what they say is not given."""
    own = {_SAID.get(name, name): text for name, text in block.fields.items() if _given(text)}
    pairs = zip(experiment.variables, block.experimental, strict=True)
    variables = {label: f"{text} {unit}" for (label, unit), text in pairs if _given(text)}
    additional = {label: f"{text} {unit}" for label, unit, text in block.additional if _given(text)}
    return {
        **{name: text for name, text in experiment.fields.items() if _given(text)},
        "experiment comment": experiment.comment,
        "experiment mode": experiment.mode,
        "scan mode": experiment.scan,
        **own,
        "comment": block.comment,
        "experimental variables": variables,
        "additional parameters": additional,
    }


def _given(text: str) -> bool:
    """Whether a text says something: it is not blank and no number that stands for none."""
    try:
        return bool(text) and abs(float(text)) < NOT_GIVEN
    except ValueError:
        return True


VAMAS = Format(
    name="vamas",
    technique="xps",
    about="VAMAS, ISO 14976",
    recognizes=recognizes,
    read=read,
)
