"""Voxels of each phase in the parts of a volume, by labels or by thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .layout import PLACES
from .subvolumes import sums

MOVED = 0.1
"""How far a threshold is moved either way, in distances between the levels of the phases that it parts."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Counted:
    """What half subvolumes of one volume hold: voxels of each phase (z, y, x, phase), and of all that count (z, y, x).

    ``systematic`` (phase): what moved thresholds change; ``levels`` (phase): mean grey level; None where unknown.
    """

    phases: Floats
    voxels: Floats
    systematic: Floats | None = None
    levels: Floats | None = None


def of_labels(labels: xr.DataArray, mask: xr.DataArray | None, values: list[int], subvolumes: int) -> list[Counted]:
    """Return the voxels of each label, for each volume."""
    limits = np.unique(np.array([[value - 0.5, value + 0.5] for value in values]))
    rows = np.tile(limits, (_number(labels), 1))
    at = np.searchsorted(limits, values)
    counted = [part[..., at, 0] for part in sums(labels, mask, rows, subvolumes)]
    return [Counted(phases, phases.sum(axis=-1)) for phases in counted]


def of_levels(
    grey: xr.DataArray, mask: xr.DataArray | None, limits: Floats, levels: Floats | None, subvolumes: int
) -> list[Counted]:
    """Return the voxels between thresholds, for each volume, and what moved thresholds change.

    Parameters
    ----------
    limits
        Thresholds, one row a volume.
    levels
        Of the phases, one row a volume; None: the means between the thresholds, which take a pass of their own.
    """
    if levels is None:
        whole = [part.sum(axis=(0, 1, 2)) for part in sums(grey, mask, limits, subvolumes)]
        with np.errstate(invalid="ignore"):
            levels = np.array([part[:, 1] / part[:, 0] for part in whole])
    apart = np.diff(levels, axis=-1)
    step = np.where(apart > 0, MOVED * apart, 0.0)
    rows = np.sort(np.concatenate([limits - step, limits, limits + step], axis=-1), axis=-1)
    found = sums(grey, mask, rows, subvolumes)
    return [_phases(*each) for each in zip(found, rows, limits, step, levels, strict=True)]


def _phases(found: Floats, row: Floats, limits: Floats, step: Floats, levels: Floats) -> Counted:
    """Return the voxels of each phase from those below each of the limits that thresholds take when moved."""
    below = np.cumsum(found[..., 0], axis=-1)
    voxels = below[..., -1]
    low, at, high = (below[..., np.searchsorted(row, limits + sign * step)] for sign in (-1, 0, 1))
    phases = np.diff(at, axis=-1, prepend=0, append=voxels[..., np.newaxis])
    change = (high - low).sum(axis=(0, 1, 2)) / 2 / max(voxels.sum(), 1)
    systematic = np.sqrt(np.append(change, 0) ** 2 + np.insert(change, 0, 0) ** 2)
    return Counted(phases, voxels, systematic, levels)


def _number(grey: xr.DataArray) -> int:
    return int(np.prod(grey.shape[: grey.ndim - len(PLACES)], dtype=np.int64))
