"""Which scans in a row belong together because nothing changed between them. Plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NONE = -1
"""The number of the run of a scan that is in none."""


def steady_runs(states: Sequence[tuple[Floats, float]], least: int) -> Ints:
    """Return the number of the run of each scan, ``NONE`` outside.

    A run goes on while every state (values, tolerance) has stayed within its tolerance since the run's first scan and
    is known; it has ``least`` scans or more.
    """
    values = np.stack([state for state, _ in states])
    most = np.array([tolerance for _, tolerance in states])
    runs, number, first = np.full(values.shape[1], NONE), 0, 0
    while first < runs.size:
        last = _last_steady(values[:, first:], most)
        if last >= least:
            runs[first : first + last] = number
            number, first = number + 1, first + last
        else:
            first += 1
    return runs


def _last_steady(values: Floats, most: Floats) -> int:
    """Return for how many scans from the first on no state has moved by more than ``most``."""
    low, high = values[:, 0], values[:, 0]
    for count in range(values.shape[1]):
        low, high = np.minimum(low, values[:, count]), np.maximum(high, values[:, count])
        if not (high - low <= most).all():
            return count
    return int(values.shape[1])


def labelled_runs(labels: NDArray[Any], least: int) -> Ints:
    """Return the number of the run of each scan: those with the same label, in the order of their first scan."""
    runs, number = np.full(labels.size, NONE), 0
    known = ~np.asarray(pd.isnull(labels), dtype=np.bool_)
    for label in dict.fromkeys(labels[known].tolist()):
        inside = known & (labels == label)
        if inside.sum() >= least:
            runs[inside] = number
            number += 1
    return runs
