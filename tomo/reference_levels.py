"""Grey levels of reference phases in one volume, from a few slices, with what each group of slices says by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .noise_level import noise_level

Floats = NDArray[np.float64]

GROUPS = 16
"""Groups of slices along z whose disagreement gives the uncertainty."""
_SLICES = 4
"""Slices of a group that are looked at."""
_BINS = 4096
_ROUNDS = 200
_CLOSE = 1e-6


@dataclass(frozen=True)
class Sample:
    """Values of a few slices in each group, with the number of each slice."""

    slices: list[NDArray[np.intp]]
    values: list[NDArray[np.generic]]


def sampled(volume: xr.DataArray) -> Sample:
    """Return up to 4 evenly spaced slices of each of up to 16 groups along z of a volume (z, y, x)."""
    groups = [part for part in np.array_split(np.arange(volume.sizes["z"]), GROUPS) if part.size]
    chosen = [
        part[np.unique(np.linspace(0, part.size - 1, min(_SLICES, part.size)).round().astype(int))] for part in groups
    ]
    return Sample(chosen, [volume.isel(z=part).to_numpy() for part in chosen])


def left_out(sums: Floats) -> Floats:
    """Return the sum over all groups (first axis), then the sums without each group, along a new first axis."""
    whole = sums.sum(axis=0, keepdims=True)
    found: Floats = np.concatenate([whole, whole - sums])
    return found


def levels_of_masks(sample: Sample, labels: NDArray[np.integer], count: int) -> Floats:
    """Return the mean of the medians that phases 1 to ``count`` have in the groups, dims (1 + group, phase).

    The first row counts all groups, the others all but one.

    Raises
    ------
    OperandoError
        If a phase is seen in fewer than three groups.
    """
    weights, sums = np.zeros((len(sample.slices), count)), np.zeros((len(sample.slices), count))
    for row, (part, values) in enumerate(zip(sample.slices, sample.values, strict=True)):
        for phase in range(count):
            own = values[labels[part] == phase + 1]
            own = own[np.isfinite(own)]
            if own.size:
                weights[row, phase] = own.size
                sums[row, phase] = own.size * float(np.median(own))
    if ((weights > 0).sum(axis=0) < 3).any():
        raise OperandoError(
            "match_grey: expected each reference phase in at least 3 of 16 groups of slices along z, got fewer; "
            "give larger regions"
        )
    found: Floats = left_out(sums) / left_out(weights)
    return found


def levels_of_quantiles(sample: Sample, quantiles: Floats) -> Floats:
    """Return quantiles of the grey values, dims (1 + group, quantile)."""
    counts, edges = _histograms(sample)
    shares = np.cumsum(left_out(counts), axis=1)
    shares /= shares[:, -1:]
    found: Floats = np.array([np.interp(quantiles, np.r_[0, row], edges) for row in shares])
    return found


def levels_of_peaks(sample: Sample, volume: xr.DataArray, starts: Floats) -> Floats:
    """Return the grey values of the peaks next to those that start the search, dims (1 + group, peak).

    The nearest mode of the grey values smoothed by a Gaussian as wide as the noise (mean shift: D. Comaniciu, P. Meer,
    IEEE Trans. Pattern Anal. Mach. Intell. 24, 603 (2002), doi:10.1109/34.1000236).
    """
    counts, edges = _histograms(sample)
    middle = (edges[:-1] + edges[1:]) / 2
    width = max(float(noise_level(volume, "match_grey")), 2 * float(edges[1] - edges[0]))
    found = np.array([[_mode(row, middle, start, width) for start in starts] for row in left_out(counts)])
    if not np.isfinite(found).all():
        raise OperandoError("match_grey: expected peaks near the grey values of 'peaks', got none there")
    return found


def _mode(counts: Floats, grey: Floats, start: float, width: float) -> float:
    at = start
    for _ in range(_ROUNDS):
        weight = counts * np.exp(-(((grey - at) / width) ** 2) / 2)
        total = weight.sum()
        if total <= 0:
            return float("nan")
        moved = float((weight * grey).sum() / total)
        if abs(moved - at) < _CLOSE * width:
            return moved
        at = moved
    return at


def _histograms(sample: Sample) -> tuple[Floats, Floats]:
    """Return counts (group, bin) and the edges of the bins; the rarest 1e-5 at both ends go into the outer bins."""
    finite = [values[np.isfinite(values)].astype(np.float64) for values in sample.values]
    every = np.concatenate(finite)
    if every.size == 0 or np.ptp(every) == 0:
        raise OperandoError("match_grey: expected volumes whose grey values differ, got none")
    low, high = np.quantile(every, [1e-5, 1 - 1e-5])
    edges = np.linspace(low, high, _BINS + 1)
    counts = np.array([np.histogram(np.clip(values, low, high), edges)[0] for values in finite], dtype=np.float64)
    return counts, edges
