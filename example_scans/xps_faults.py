"""What goes wrong with a core level's spectrum, and the flag that a good reader raises for it."""

from __future__ import annotations

import numpy as np

from operando.flags import Flag

from .cell import Floats
from .parameters import Faults

EXPECTED: dict[str, Flag] = {
    "spike": Flag(0),
    "dead_detector": Flag.dead_detector,
    "wrong_hour": Flag(0),
    "truncated": Flag.truncated,
}
"""Fault of a spectrum -> the flag it deserves; a wild point and a wrong time zone cannot be told by reading alone."""

TOLERATED: dict[str, Flag] = {"truncated": Flag.not_finite}

SPIKED, DEAD = "S_2p", "P_2p"
SPIKE_AT, SPIKE = 0.3, 9.0
WRONG_HOURS = -1
LOST_SHARE = 0.4


def of_spectrum(number: int, node: str, scans: int, faults: Faults, *, last: bool) -> list[str]:
    """Return the names of the faults of a level at time point ``number``, counted from 1."""
    found = []
    if number in faults.xps_spike and node == SPIKED:
        found.append("spike")
    if number in faults.xps_dead_detector and node == DEAD:
        found.append("dead_detector")
    if number in faults.xps_wrong_hour:
        found.append("wrong_hour")
    if faults.xps_truncated_last and number == scans and last:
        found.append("truncated")
    return found


def spoiled(counts: np.ndarray, found: list[str]) -> np.ndarray:
    """Return the counts of a spectrum as the faulty detector gives them."""
    if "dead_detector" in found:
        return np.zeros_like(counts)
    if "spike" in found:
        wild = np.arange(counts.size) == int(SPIKE_AT * counts.size)
        return np.where(wild, (SPIKE * counts).astype(counts.dtype), counts)
    return counts


def cut(text: str, energies: Floats, columns: int, newline: str) -> str:
    """Return a file that ends early: without the end of its last block, the last line cut within a number."""
    lines = text.split(newline)
    lost = columns * round(LOST_SHARE * energies.size) + 2
    last = lines[-lost - 1]
    return newline.join([*lines[: -lost - 1], last[: len(last) // 2]])
