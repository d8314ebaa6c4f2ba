"""What CasaXPS writes into the comment of a VAMAS block: energy calibration, regions with backgrounds, components.

Its energies are kinetic ones, of the calibrated spectrum unless the calibration's line says ``Regions`` or ``Comps``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.entries import ENTRY
from operando.errors import OperandoError
from operando.history import recorded

_CALIBRATION = re.compile(r"Calib M = (\S+) A = (\S+)\s*(.*)")
_REGION = re.compile(r"CASA region \(\*(.*?)\*\) \(\*(.*?)\*\) (.*?) \(\*(.*?)\*\)(.*)")
_COMPONENT = re.compile(r"CASA comp \(\*(.*?)\*\) \(\*(.*?)\*\) Area (.*?) MFWHM (.*?) Position (.*?) RSF (\S+)(.*)")
_INDEX = re.compile(r"INDEX (-?\d{1,9})")
_UNCORRECTED = re.compile(r"UNCORRECTEDRSF (\S+)")

_WORDS = {"Regions", "Comps", "BE", "KE", "ADD"}

ATTRIBUTE = "casaxps"
DECIMALS = 9
"""Of energies in eV: files state fewer, and their sums and differences have no more."""
_TABLE = {
    "position": ("eV", "binding energy of the component"),
    "fwhm": ("eV", "full width at half maximum of the component"),
    "area": ("count*eV/s", "area of the component"),
    "sensitivity_factor": ("1", "relative sensitivity factor"),
}


def rounded(energy: Any) -> Any:
    """Return energies (eV) without what sums leave behind their ninth digit; what is beyond numbers is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.round(energy, DECIMALS)


def parsed_comment(
    comment: Sequence[str], photon_energy: float | None, *, calibrated: bool
) -> tuple[dict[str, Any], list[str]]:
    """Return what CasaXPS wrote, and remarks on what cannot be understood; nothing if it wrote nothing.

    Parameters
    ----------
    photon_energy
        Turns its kinetic energies into binding energies, eV.
    calibrated
        Whether binding energies are wanted on the calibrated axis, or on the one measured.

    Returns
    -------
    tuple
        ``calibration`` (shift of binding energies, eV, if there is one), ``regions`` and ``components``; positions
        are binding energies in eV, areas in count*eV/s.
    """
    calibrations = [match for line in comment if (match := _CALIBRATION.match(line.strip()))]
    shifts = [_shift(match) for match in calibrations]
    total = sum(one for one in shifts if one is not None)
    offsets = {
        word: (total if calibrated else 0.0) - _contained(calibrations, shifts, word) for word in ("Regions", "Comps")
    }
    odd = [match[0] for match, one in zip(calibrations, shifts, strict=True) if one is None]
    found: dict[str, Any] = {"regions": [], "components": []}
    for line in map(str.strip, comment):
        entry: dict[str, Any] | None = None
        if match := _REGION.match(line):
            entry = _region(match, photon_energy, offsets["Regions"])
        elif match := _COMPONENT.match(line):
            entry = _component(match, photon_energy, offsets["Comps"])
        if entry:
            found["regions" if "background" in entry else "components"].append(entry)
        elif line.startswith(("CASA region", "CASA comp")):
            odd.append(line[:60])
    if calibrations:
        found["calibration"] = {"shift": round(total, DECIMALS), "lines": [match[0] for match in calibrations]}
    remarks = [f"CasaXPS's line is not understood: {line}" for line in odd]
    return (found if any(found.values()) else {}), remarks


def casaxps_components(spectra: xr.Dataset) -> xr.Dataset:
    """Return the components that CasaXPS fitted to spectra, as a table.

    Parameters
    ----------
    spectra
        What :func:`~operando.xps.read` returned for one file that CasaXPS saved or exported; a series of files does
        not keep them.

    Returns
    -------
    xarray.Dataset
        Dim ``component``: ``position`` (eV, binding energy on the axis of the spectra), ``fwhm`` (eV), ``area``
        (count*eV/s, as CasaXPS gives it) and ``sensitivity_factor``; coordinates ``name``, ``line_shape`` and
        ``entry``, the spectrum it belongs to. CasaXPS keeps no errors.

    Raises
    ------
    OperandoError
        If the spectra have none.
    """
    entries: Mapping[str, Any] = json.loads(spectra.attrs.get(ATTRIBUTE, "{}"))
    rows = [(entry, one) for entry, found in entries.items() for one in found.get("components", [])]
    if not rows:
        raise OperandoError(
            "casaxps_components: expected spectra of a file in which CasaXPS fitted components, got spectra without any"
        )
    ds = xr.Dataset(
        {
            name: (
                "component",
                np.array([_or_nan(one.get(name)) for _, one in rows]),
                {"units": unit, "long_name": text},
            )
            for name, (unit, text) in _TABLE.items()
        }
    )
    texts = {
        "name": [one["name"] for _, one in rows],
        "line_shape": [one.get("line_shape", "") for _, one in rows],
        "entry": [entry for entry, _ in rows],
    }
    ds = ds.assign_coords({key: ("component", np.array(values, dtype=object)) for key, values in texts.items()})
    return recorded(ds, "xps.casaxps_components", {})


def with_components(spectra: xr.Dataset, found: Mapping[str, Any]) -> xr.Dataset:
    """Return spectra with what CasaXPS says of those among them, by their labels; of all where regions are joined."""
    kept = {str(source).partition(ENTRY)[2] for source in np.ravel(spectra["source"].values)}
    joined = "region" in spectra.coords
    fitted = {label: said for label, said in found.items() if said and (joined or label in kept)}
    return spectra.assign_attrs({ATTRIBUTE: json.dumps(fitted, ensure_ascii=False)}) if fitted else spectra


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _shift(match: re.Match[str]) -> float | None:
    """Return by how much a calibration raises binding energies, eV; None if it says something else."""
    words = match[3].split()
    measured, assigned = _floats(f"{match[1]} {match[2]}", 2)
    if measured is None or assigned is None or not set(words) <= _WORDS:
        return None
    return measured - assigned if "KE" in words else assigned - measured


def _contained(calibrations: Sequence[re.Match[str]], shifts: Sequence[float | None], word: str) -> float:
    """Return the shift that is part of the energies CasaXPS keeps, eV."""
    pairs = zip(calibrations, shifts, strict=True)
    return sum(one for match, one in pairs if one is not None and word not in match[3].split())


def _region(match: re.Match[str], photon_energy: float | None, offset: float) -> dict[str, Any]:
    numbers = _floats(match[3], 10)
    if None in numbers[:3]:
        return {}
    ends = [_binding(value, photon_energy, offset) for value in numbers[:2]]
    return {
        "name": match[1],
        "background": match[2],
        "range": sorted(end for end in ends if end is not None),
        "sensitivity_factor": numbers[2],
        "averaged_points": numbers[3],
        "offsets": numbers[4:6],
        "cross_section": numbers[6:10],
        "tag": match[4],
    }


def _component(match: re.Match[str], photon_energy: float | None, offset: float) -> dict[str, Any]:
    """Return a component; each number comes with its bounds, and with the component and factor it is tied to."""
    area, width, place = (_floats(match[k], 5) for k in (3, 4, 5))
    if area[0] is None or width[0] is None or place[0] is None:
        return {}
    index, uncorrected = _INDEX.search(match[7]), _UNCORRECTED.search(match[7])
    return {
        "name": match[1],
        "line_shape": match[2],
        "area": area[0],
        "fwhm": width[0],
        "position": _binding(place[0], photon_energy, offset),
        "kinetic_energy": place[0],
        "sensitivity_factor": _floats(match[6], 1)[0],
        "uncorrected_sensitivity_factor": _floats(uncorrected[1], 1)[0] if uncorrected else None,
        "index": int(index[1]) if index else None,
        "area_bounds": area[1:3],
        "fwhm_bounds": width[1:3],
        "kinetic_energy_bounds": place[1:3],
        "area_tied": _tied(area),
        "fwhm_tied": _tied(width),
        "kinetic_energy_tied": _tied(place),
    }


def _tied(numbers: Sequence[float | None]) -> dict[str, float] | None:
    """Return the number of the component that a value follows, from 0, and the factor or the distance."""
    to, by = numbers[3:5]
    return None if to is None or by is None or to < 0 else {"component": to, "by": by}


def _binding(kinetic: float | None, photon_energy: float | None, offset: float) -> float | None:
    return None if kinetic is None or photon_energy is None else round(photon_energy - kinetic + offset, DECIMALS)


def _floats(text: str, count: int) -> list[float | None]:
    """Return the first numbers of a text, None where one is missing."""
    found: list[float | None] = []
    for word in text.split()[:count]:
        try:
            value = float(word)
        except ValueError:
            value = np.nan
        found.append(value if np.isfinite(value) else None)
    return found + [None] * (count - len(found))
