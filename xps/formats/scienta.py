"""Scienta analysers: what their program SES saves as Igor binary waves (``.ibw``) and as text (``.txt``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from operando.errors import FileError
from operando.sniff import Format, Head

from .igor_wave import is_wave, read_wave
from .regions import Entry, Refusal, Regions, Wanted, numbered, read_region
from .ses_regions import SesRegion, checked_slices, ses_entries
from .ses_text import ses_regions

_WAVE, _TEXT = "scienta_ibw", "scienta_txt"
_SECTION = re.compile(r"^\[(\w[^\]\r\n]*)\]\s*$")
_DIMS = 3


def read_ibw(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    spectrum: Wanted = None,
    slices: Sequence[float] | None = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    """Return the spectrum in an Igor binary wave of SES, or the series if the region was measured again and again.

    Parameters
    ----------
    path
        The wave, of version 2 or 5 in either order of bytes.
    timezone
        Zone of the analyser's clock, such as ``"Europe/Stockholm"``; SES states none.
    region
        The region's name; a wave holds only one.
    spectrum
        The label of one spectrum in ``source``, or a list of labels; all of them by default.
    slices
        The slices of the detector that are summed, from and to on their own scale (deg, mm); all by default.
    photon_energy
        Photon energy in eV, in place of the excitation energy that was typed into SES.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV), from kinetic energies as E_B = hv - E_k: ``counts`` (summed over sweeps) if
        they are whole numbers and the detector counted pulses, else ``intensity``. ``dwell`` is the time per
        spectrum channel over the sweeps. Times begin at the header's; their end is the time counted. Another dim,
        such as iterations, is the dim ``scan``.

    Raises
    ------
    FileError
        If the file is broken off, disagrees with its checksum, or its first dim is no energy.
    OperandoError
        If ``slices`` is no pair of numbers.
    """
    path = Path(path)
    wave, chosen = read_wave(path), checked_slices(path, slices)
    if wave.values.ndim > _DIMS:
        raise FileError(path, f"at most {_DIMS} dims", str(wave.values.ndim))
    fields = {"Region Name": wave.name, **_note_fields(wave.note)}
    scales = [(axis.name, axis.values) for axis in wave.axes]
    found = SesRegion(fields, scales, np.asarray(wave.values, np.float64))
    spectra = ses_entries(
        path, found, found.name, reader=_WAVE, timezone=timezone, slices=chosen, photon_energy=photon_energy
    )
    chosen_by = {"spectrum": spectrum}
    parameters = {"reader": _WAVE, **chosen_by, "timezone": timezone, "slices": slices, "photon_energy": photon_energy}
    return read_region(path, spectra, [], region, parameters, chosen_by=chosen_by, entry="spectrum")


def read_txt(
    path: str | Path,
    *,
    timezone: str | None = None,
    region: Regions = None,
    spectrum: Wanted = None,
    slices: Sequence[float] | None = None,
    photon_energy: float | None = None,
) -> xr.Dataset:
    """Return the spectra of one region of a text file of SES.

    Parameters
    ----------
    path
        The text.
    timezone, spectrum, slices, photon_energy
        As :func:`read_ibw` takes them.
    region
        The region's name; the only one by default.

    Returns
    -------
    xarray.Dataset
        As :func:`read_ibw` returns it. A region that is broken off is left out with a warning.

    Raises
    ------
    FileError
        If no region is whole, there are several and none is named, or numbers disagree with the sizes or scales that
        the header states.
    OperandoError
        If ``slices`` is no pair of numbers.
    """
    path = Path(path)
    chosen = checked_slices(path, slices)
    regions, left_out = ses_regions(path)
    spectra: list[Entry] = []
    refused = [Refusal("", reason) for reason in left_out]
    for one, label in zip(regions, numbered([one.name for one in regions]), strict=True):
        try:
            spectra += ses_entries(
                path, one, label, reader=_TEXT, timezone=timezone, slices=chosen, photon_energy=photon_energy
            )
        except FileError as error:
            refused.append(Refusal(one.name, error))
    chosen_by = {"spectrum": spectrum}
    parameters = {"reader": _TEXT, **chosen_by, "timezone": timezone, "slices": slices, "photon_energy": photon_energy}
    return read_region(path, spectra, refused, region, parameters, chosen_by=chosen_by, entry="spectrum")


def _note_fields(note: str) -> Mapping[str, str]:
    """Return the fields of a wave's note; those behind its first section carry the section's name."""
    fields: dict[str, str] = {}
    section = ""
    for line in note.splitlines():
        if match := _SECTION.match(line):
            section = "" if match[1] == "SES" else f"{match[1]}: "
        elif line.partition("=")[0].strip() and "=" in line:
            name, _, value = line.partition("=")
            fields.setdefault(f"{section}{name.rstrip()}", value.strip())
    return fields


def is_ses_text(start: Head) -> bool:
    """Whether a text begins with SES's section of information, and states how many regions it has."""
    first = [line.strip() for line in start.lines[:4]]
    return start.is_text and bool(first) and first[0] == "[Info]" and any("Number of Regions" in one for one in first)


SCIENTA_IBW = Format(
    name=_WAVE,
    technique="xps",
    about="Igor binary wave of SES (Scienta)",
    recognizes=lambda start: is_wave(start.data),
    read=read_ibw,
)
SCIENTA_TXT = Format(name=_TEXT, technique="xps", about="text of SES (Scienta)", recognizes=is_ses_text, read=read_txt)
