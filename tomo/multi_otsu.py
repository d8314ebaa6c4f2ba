"""Thresholds that split a histogram into classes which spread least (multi-Otsu)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded
from operando.kernels import compiled

from .counted_voxels import Array
from .histograms import as_histogram
from .phases import boundary_numbers, phase_numbers

STEP = "tomo.threshold_multiotsu"

Floats = NDArray[np.float64]


def threshold_multiotsu(source: xr.Dataset | xr.DataArray | Array, classes: int = 3) -> xr.Dataset:
    """Return the thresholds between classes of grey levels that leave the least spread within the classes.

    Parameters
    ----------
    source
        What :func:`histogram` returns, dims (..., level); or a volume, whose histogram of default bins is taken.
    classes
        How many.

    Returns
    -------
    xarray.Dataset
        ``threshold`` (..., boundary): the middle of the highest bin of the class below it, so that a voxel is above it
        where its level is greater; ``grey_level`` (..., phase): mean of the class; both in the unit of the levels.
        ``fraction`` (..., phase): share of the voxels counted; ``separability`` (...): share of the variance that lies
        between classes (1).

    Raises
    ------
    OperandoError
        If there are fewer levels than classes.

    Notes
    -----
    Sum_c (sum_c n g)^2 / sum_c n is made largest by dynamic programming over the last class but k; because the best end
    of a class never falls when its start rises, each step takes n log n sums. Among equally good thresholds the lowest.
    P.-S. Liao, T.-S. Chen, P.-C. Chung, J. Inf. Sci. Eng. 17, 713 (2001).

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> found = tomo.threshold_multiotsu(tomo.histogram(grey), classes=2)
    >>> print(bool(105 < float(found["threshold"][0]) < 195))
    True
    """
    if classes < 2:
        raise OperandoError(f"{STEP}: expected two classes or more, got {classes}")
    counted = as_histogram(source, STEP)
    counts = counted["counts"].transpose(..., "level")
    levels = counted["level"].to_numpy().astype(np.float64)
    leading = counts.dims[:-1]
    rows = counts.to_numpy().reshape(-1, levels.size)
    split = [classes_of(row, levels, classes, STEP) for row in rows]
    values = (np.reshape(part, (*counts.shape[:-1], *np.shape(part)[1:])) for part in zip(*split, strict=True))
    units = str(counted["level"].attrs.get("units", "1"))
    texts = {
        "threshold": ((*leading, "boundary"), units, "grey level above which the next phase begins"),
        "grey_level": ((*leading, "phase"), units, "mean grey level of the class"),
        "fraction": ((*leading, "phase"), "1", "share of the voxels in the class"),
        "separability": (leading, "1", "share of the variance between the classes"),
    }
    ds = xr.Dataset(
        {
            name: (dims, array, {"units": unit, "long_name": text})
            for (name, (dims, unit, text)), array in zip(texts.items(), values, strict=True)
        },
        coords={name: array for name, array in counts.coords.items() if "level" not in array.dims},
    ).assign_coords(phase=phase_numbers(classes), boundary=boundary_numbers(classes - 1))
    return recorded(ds, STEP, {"classes": classes, "bins": levels.size}, after=counted)


def classes_of(
    counts: NDArray[np.int64], levels: Floats, classes: int, step: str
) -> tuple[Floats, Floats, Floats, float]:
    """Return thresholds, means, shares and separability of one histogram.

    Raises
    ------
    OperandoError
        If there are fewer levels than classes.
    """
    held = np.flatnonzero(counts)
    if held.size < classes:
        raise OperandoError(f"{step}: expected {classes} grey levels or more, got {held.size}; ask for fewer classes")
    weight, place = counts[held].astype(np.float64), levels[held]
    middle = (weight * place).sum() / weight.sum()
    mass = np.concatenate([[0.0], np.cumsum(weight)])
    moment = np.concatenate([[0.0], np.cumsum(weight * (place - middle))])
    ends = _best_ends(mass, moment, classes)
    parts = [np.diff(sums[np.concatenate([[0], ends, [held.size]])]) for sums in (mass, moment)]
    between, total = (parts[1] ** 2 / parts[0]).sum(), (weight * (place - middle) ** 2).sum()
    return place[ends - 1], middle + parts[1] / parts[0], parts[0] / mass[-1], float(between / total)


@compiled
def _best_ends(mass: Floats, moment: Floats, classes: int) -> NDArray[np.int64]:
    """Return where each class but the last ends, from the sums of weight and weight times level below each bin."""
    number = mass.size - 1
    best = np.empty((classes, number + 1))
    end = np.zeros((classes, number + 1), dtype=np.int64)
    for start in range(number):
        best[0, start] = (moment[number] - moment[start]) ** 2 / (mass[number] - mass[start])
    for more in range(1, classes):
        _next_class(mass, moment, best, end, more)
    ends = np.empty(classes - 1, dtype=np.int64)
    place = 0
    for which in range(classes - 1):
        place = end[classes - 1 - which, place]
        ends[which] = place
    return ends


@compiled
def _next_class(mass: Floats, moment: Floats, best: Floats, end: NDArray[np.int64], more: int) -> None:
    """Find the best end of the class that starts at each bin, with ``more`` classes behind it, by halves."""
    most = mass.size - 1 - more
    waiting = np.empty((128, 4), dtype=np.int64)
    waiting[0] = (0, most - 1, 1, most)
    left = 1
    while left > 0:
        left -= 1
        first, last, low, high = waiting[left]
        if first > last:
            continue
        start = (first + last) // 2
        top, chosen = -np.inf, low
        for stop in range(max(low, start + 1), high + 1):
            gain = (moment[stop] - moment[start]) ** 2 / (mass[stop] - mass[start]) + best[more - 1, stop]
            if gain > top:
                top, chosen = gain, stop
        best[more, start], end[more, start] = top, chosen
        waiting[left] = (first, start - 1, low, chosen)
        waiting[left + 1] = (start + 1, last, chosen, high)
        left += 2
