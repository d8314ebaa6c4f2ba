"""What the numbers of a VAMAS block are: its energies, what was measured, and the angle it was measured at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .casaxps import rounded
from .counting import NOT_WHOLE, all_whole, counts_of
from .vamas_blocks import Block
from .vamas_lines import number

Floats = NDArray[np.float64]

_RATES = ("rate", "cps", "c/s", "per second", "/s")


def axis(
    path: Path,
    place: str,
    block: Block,
    *,
    photon_energy: float | None,
    work_function: float | None,
    remarks: list[str],
) -> tuple[Floats, int | None]:
    """Return the binding energies in eV, and which corresponding variable gave them, if one did.

    Parameters
    ----------
    photon_energy
        Binding energy is photon minus kinetic energy, eV.
    work_function
        Subtracted as well where it is given, eV.

    Raises
    ------
    FileError
        If the block has no energies in eV, or kinetic ones and no photon energy is known.
    """
    column = None
    label, unit = block.fields.get("abscissa label", ""), block.fields.get("abscissa unit", "")
    if not label and "abscissa start" not in block.fields:
        column = next((k for k, (name, _) in enumerate(block.variables) if _kind(name)), None)
        label, unit = block.variables[0] if column is None else block.variables[column]
    kind = _kind(label)
    if kind is None or unit.casefold() not in ("ev", ""):
        raise FileError(path, "binding or kinetic energies in eV", f"{label!r} in {unit!r}", place=place)
    values = _evenly(path, place, block) if column is None else block.values[:, column]
    if kind == "binding":
        if work_function is not None:
            raise FileError(path, "kinetic energies for a work function", "binding energies", place=place)
        return values, column
    if photon_energy is None:
        remedy = "give photon_energy in eV"
        raise FileError(path, "a photon energy beside kinetic energies", "none", place=place, remedy=remedy)
    if work_function is not None:
        remarks.append(f"a work function of {work_function:g} eV is subtracted from the binding energies")
    return photon_energy - values - (work_function or 0.0), column


def measured(
    path: Path,
    place: str,
    block: Block,
    *,
    energies: int | None,
    dwell: float | None,
    sweeps: float | None,
    remarks: list[str],
) -> dict[str, Floats]:
    """Return what was measured, by its name in the layout, and the transmission if there is one.

    Parameters
    ----------
    energies
        The corresponding variable that holds energies, which is left out.
    dwell, sweeps
        Seconds per point and sweep, and their number: rates that are whole counts in that time become counts.

    Raises
    ------
    FileError
        If there is nothing but energies and transmission.
    """
    columns: dict[str, Floats] = {}
    for k, (label, _) in enumerate(block.variables):
        if k == energies:
            continue
        if "transmission" in label.casefold():
            columns.setdefault("transmission", block.values[:, k])
        elif not columns.keys() - {"transmission"}:
            name, values = _quantity(block, k, (dwell or 0.0) * (sweeps or 0.0), remarks)
            columns[name] = values
        else:
            remarks.append(f"the variable {label!r} is left out")
    if not columns.keys() - {"transmission"}:
        raise FileError(path, "counts, a rate or an intensity", "none", place=place)
    _compare_limits(block, remarks)
    return columns


def emission_angle(fields: Mapping[str, str]) -> float | None:
    """Return the angle between the surface's normal and the analyser's axis, degree, where the file tells it.

    Both are stated against the sample stage: cos = cos a cos n + sin a sin n cos(difference of azimuths).
    """
    analyser, azimuth = number(fields["take-off polar angle"]), number(fields["take-off azimuth"])
    tilt, tilt_azimuth = number(fields["sample tilt polar angle"]), number(fields["sample tilt azimuth"])
    if analyser is None:
        return None
    if not tilt:
        return analyser
    if not analyser:
        return tilt
    if azimuth is None or tilt_azimuth is None:
        return None
    a, n, between = np.deg2rad([analyser, tilt, azimuth - tilt_azimuth])
    cosine = np.cos(a) * np.cos(n) + np.sin(a) * np.sin(n) * np.cos(between)
    return float(np.rad2deg(np.arccos(np.clip(cosine, -1, 1))))


def _kind(label: str) -> str | None:
    """Return whether a label names kinetic or binding energies, or nothing of the kind."""
    text = label.casefold()
    return next((kind for kind in ("kinetic", "binding") if kind in text and "energ" in text), None)


def _evenly(path: Path, place: str, block: Block) -> Floats:
    start, step = (number(block.fields[name]) for name in ("abscissa start", "abscissa increment"))
    if start is None or not step:
        got = f"{block.fields['abscissa start']!r} and {block.fields['abscissa increment']!r}"
        raise FileError(path, "the start and the increment of the energies", got, place=place)
    energies: Floats = start + step * np.arange(len(block.values), dtype=np.float64)
    return energies


def _quantity(block: Block, column: int, duration: float, remarks: list[str]) -> tuple[str, Floats]:
    """Return the name in the layout of what one variable is, and its values."""
    label, given = block.variables[column]
    values, unit, text = block.values[:, column], given.casefold(), label.casefold()
    if unit == "c/s" or (unit == "d" and any(word in text for word in _RATES)):
        counts = counts_of(values, duration)
        if counts is None:
            return "rate", values
        remarks.append(f"rates in {duration:g} s are whole counts and are given as such")
        return "counts", counts
    if unit != "d" or block.fields["signal mode"].casefold().startswith("analog"):
        remarks.append(f"the intensity is {label!r} in {given!r}, {block.fields['signal mode']}")
        return "intensity", values
    if not all_whole(values):
        remarks.append(NOT_WHOLE)
    return "counts", values


def _compare_limits(block: Block, remarks: list[str]) -> None:
    """Say if values lie beyond the limits that the block states; CasaXPS states 0 to 1 for all."""
    for k, (label, _) in enumerate(block.variables):
        low, high = (number(text) for text in block.limits[2 * k : 2 * k + 2])
        found = block.values[:, k][np.isfinite(block.values[:, k])]
        if low is None or high is None or not low < high or (low, high) == (0.0, 1.0) or not found.size:
            continue
        margin = 1e-4 * max(abs(low), abs(high))
        if found.min() < low - margin or found.max() > high + margin:
            got = f"{found.min():g} to {found.max():g}"
            remarks.append(f"{label!r} is {got}, beyond the limits stated, {low:g} to {high:g}")


def regular_energies(energy: Floats) -> tuple[float, float] | None:
    """Return start and increment that give evenly spaced energies (eV) again to the last bit; None if none do."""
    if energy.size < 2:
        return None
    start = float(energy[0])
    step = float(rounded((energy[-1] - energy[0]) / (energy.size - 1)))
    again = rounded(start + step * np.arange(energy.size, dtype=np.float64))
    return (start, step) if step and np.array_equal(again, energy) else None
