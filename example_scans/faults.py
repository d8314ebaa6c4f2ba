"""What goes wrong with a scan, one switch at a time, each with the flag that a good reader raises for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from operando.flags import Flag

from .cell import Floats
from .parameters import Faults

EXPECTED: dict[str, Flag] = {
    "i0_dropout": Flag.no_i0,
    "duplicate_energies": Flag.duplicate_energy,
    "descending_energies": Flag.unsorted_energy,
    "zero_tail": Flag.not_finite,
    "gain_x10": Flag(0),
    "top_up": Flag(0),
    "glitch": Flag(0),
    "truncated": Flag.truncated,
    "missing_frame": Flag.missing_frame,
    "surplus_frame": Flag.surplus_frame,
    "saturated_frame": Flag.saturated,
    "ring_artifact": Flag.ring_artifact,
}
"""Fault of a scan -> the flag it deserves: none for what cancels on normalization and for what no flag says."""

TOLERATED: dict[str, Flag] = {
    "i0_dropout": Flag.not_finite | Flag.beam_dump,
    "zero_tail": Flag.no_i0 | Flag.truncated,
    "truncated": Flag.not_finite,
    "missing_frame": Flag.not_finite | Flag.truncated,
}
"""Fault of a scan -> flags that a reader may raise for it as well, as true descriptions of the same thing."""

SATURATED = 65535
GAIN = 10.0
DROPOUT_AT, DROPOUT_POINTS = 870.0, 5
REPEATED_AT, REPEATED_POINTS = 859.0, 3
KEPT_SHARE, KEPT_OF_LINE = 0.66, 1 / 3
TOP_UP_AT, TOP_UP = 0.45, 1.12
GLITCH_AT, GLITCH_POINTS, GLITCH_DIPS = 863.0, 2, (0.55, 0.70, 0.50)


def of_scan(number: int, scans: int, faults: Faults) -> list[str]:
    """Return the names of the faults of scan ``number``, counted from 1."""
    listed = ("i0_dropout", "duplicate_energies", "descending_energies", "zero_tail", "top_up", "glitch")
    found = [name for name in listed if number in getattr(faults, name)]
    if faults.gain_from and number >= faults.gain_from:
        found.append("gain_x10")
    if faults.truncated_last and number == scans:
        found.append("truncated")
    return found


def of_stack(number: int, faults: Faults) -> dict[str, set[int]]:
    """Return the faults of an XPEEM stack, counted from 1, and the frames that they hit, counted from 0."""
    return _of_images(number, faults.xpeem_missing_frame, faults.xpeem_surplus_frame, faults.xpeem_saturated_frame)


def of_volume(number: int, faults: Faults) -> dict[str, set[int]]:
    """Return the faults of a tomographic volume, counted from 1, and the slices that they hit, counted from 0."""
    found = _of_images(number, faults.xtm_missing_slice, faults.xtm_surplus_slice, faults.xtm_saturated_slice)
    return found | ({"ring_artifact": set()} if number in faults.xtm_ring else {})


def _of_images(
    number: int,
    missing: tuple[tuple[int, int], ...],
    surplus: tuple[int, ...],
    saturated: tuple[tuple[int, int], ...],
) -> dict[str, set[int]]:
    hit = {
        "missing_frame": {image - 1 for scan, image in missing if scan == number},
        "saturated_frame": {image - 1 for scan, image in saturated if scan == number},
    }
    found = {name: images for name, images in hit.items() if images}
    return found | ({"surplus_frame": set()} if number in surplus else {})


def combined(found: Iterable[str], table: Mapping[str, Flag]) -> int:
    """Return the flags that ``table`` lists for the faults of a scan."""
    flag = Flag(0)
    for name in found:
        flag |= table.get(name, Flag(0))
    return int(flag)


def planned(energy: Floats, found: list[str]) -> Floats:
    """Return the energies in the order in which the faulty monochromator visits them."""
    if "duplicate_energies" in found:
        first = int(np.searchsorted(energy, REPEATED_AT))
        energy = np.repeat(
            energy, np.where(np.isin(np.arange(energy.size), range(first, first + REPEATED_POINTS)), 2, 1)
        )
    return energy[::-1] if "descending_energies" in found else energy


def beam(points: int, found: list[str]) -> Floats:
    """Return what a top-up of the ring makes of the beam, point by point."""
    before = np.arange(points) < (TOP_UP_AT * points if "top_up" in found else points)
    return np.where(before, 1.0, TOP_UP)


def spoiled(table: np.ndarray, found: list[str]) -> np.ndarray:
    """Return a scan as the faulty detectors give it, dims (point, column): energy, drain current, I0 and TFY."""
    table = table.copy()
    if "glitch" in found:
        first = int(np.argmin(np.abs(table[:, 0] - GLITCH_AT)))
        table[first : first + GLITCH_POINTS, 1:] *= GLITCH_DIPS
    if "gain_x10" in found:
        table[:, 1] *= GAIN
    if "i0_dropout" in found:
        first = int(np.argmin(np.abs(table[:, 0] - DROPOUT_AT)))
        table[first : first + DROPOUT_POINTS, 2] = 0.0
    if "zero_tail" in found:
        table = np.vstack([table, np.zeros(table.shape[1])])
    return table


def stopped(table: np.ndarray, found: list[str]) -> np.ndarray:
    """Return a scan's table, that of a truncated scan without its end."""
    return table[: int(KEPT_SHARE * len(table))] if "truncated" in found else table


def cut(lines: list[str], found: list[str]) -> str:
    """Return a scan's data lines as text, the last of a truncated file cut within a number."""
    if "truncated" not in found:
        return "\n".join([*lines, ""])
    kept = int(KEPT_SHARE * len(lines))
    return "\n".join([*lines[:kept], lines[kept][: int(KEPT_OF_LINE * len(lines[kept]))]])
