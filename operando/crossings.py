"""When a noisy, sampled quantity crosses a level: from arrays, without labels.

Two samples that stand on either side of the level by more than :data:`CLEAR` deviations of the noise bracket a
crossing. Where more samples lie within reach, :data:`LEAST_REACH` deviations or up to :data:`REACH` where they are few,
a line, a parabola or a cubic through them says when; where two samples alone bracket it, a monotone cubic does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CLEAR = 3.0
"""Deviations of the noise, at least, by which a sample must differ from the level to be on one side of it.

Of n samples the largest error is about sqrt(2 ln n) deviations, which counts where it is more.
"""
LEAST_REACH, REACH = 8.0, 20.0
"""Deviations of the noise within which samples tell when the level is crossed: as many as hold enough samples."""

_MAD = 1.4826
_FEW = 4
_BENT = 6
_TWICE_BENT = 16
_ENOUGH = 8
_UNIFORM = 1 / np.sqrt(12.0)
_RARE = 3.0
_OFTEN = 10
_SHRINK = 0.6
_WIDER = 1.35


@dataclass(frozen=True)
class Trace:
    """A quantity over time (s, ascending, finite), the noise of every sample, and where it is in one piece.

    ``piece`` counts up where nothing may be joined (gaps), ``part`` also where the curve may bend sharply.
    """

    time: Array
    value: Array
    noise: Array
    piece: Integers
    part: Integers


class Crossing(NamedTuple):
    """A crossing: samples ``before`` and ``after`` it, when (s) and how exactly, its slope, how long it lasts (s)."""

    before: int
    after: int
    time: float
    std: float
    slope: float
    held: float
    in_gap: bool


def white_noise(time: Array, value: Array, piece: Integers, *, rounded: bool = True) -> float:
    """Return the noise of a quantity from how far each sample lies off the cubic through its four neighbors.

    It is no less than the noise of rounding, where a ``rounded`` quantity shows that it is.
    """
    start = np.arange(max(time.size - 4, 0))
    off = _off_cubic(time, value, start[piece[start] == piece[start + 4]] if start.size else start)
    off = off[np.isfinite(off)]
    spread = float(_MAD * np.median(abs(off))) if off.size else 0.0
    return max(spread, _rounding(value)) if rounded else spread


def _rounding(value: Array) -> float:
    """Return the noise of rounding, step / sqrt(12), of a quantity that stands still often and moves often."""
    steps = abs(np.diff(value))
    moved = steps[steps > 0]
    if moved.size < _OFTEN or steps.size - moved.size < steps.size / _OFTEN:
        return 0.0
    return float(moved.min() / np.sqrt(12.0))


def _off_cubic(time: Array, value: Array, start: Integers) -> Array:
    """Return how far the third of each five samples lies off the cubic through the others, in its own deviations."""
    places = (0, 1, 3, 4)
    off, size = value[start + 2].copy(), np.ones(start.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        for one in places:
            weight = np.ones(start.size)
            for other in places:
                if other != one:
                    weight *= (time[start + 2] - time[start + other]) / (time[start + one] - time[start + other])
            off -= weight * value[start + one]
            size += weight**2
        scaled: Array = off / np.sqrt(size)
    return scaled


def crossings(trace: Trace, level: float, *, rising: bool, hold: float = 0.0) -> Iterator[Crossing]:
    """Yield each crossing of ``level`` after which the quantity stays beyond it for at least ``hold`` seconds.

    A return shorter than ``hold`` ends no stay, so that what comes after it is no further crossing.
    """
    margin = max(CLEAR, float(np.sqrt(2 * np.log(max(trace.value.size, 1))))) * trace.noise
    mark = np.where(trace.value > level + margin, 1, 0)
    mark = np.where(trace.value < level - margin, -1, mark)
    clear = np.flatnonzero(mark)
    if not clear.size:
        return
    first = clear[np.flatnonzero(np.r_[True, np.diff(mark[clear]) != 0])]
    end = np.r_[trace.time[first[1:]], trace.time[-1]]
    side = int(mark[first[0]])
    entered: tuple[int, int] | None = None
    for number, start in enumerate(first[1:], 1):
        if int(mark[start]) == side or end[number] - trace.time[start] < hold:
            continue
        if entered is not None:
            yield _crossing(trace, level, *entered, float(trace.time[start]))
        side, before = int(mark[start]), int(clear[np.searchsorted(clear, start) - 1])
        entered = (before, int(start)) if (side > 0) == rising else None
    if entered is not None:
        yield _crossing(trace, level, *entered, float(trace.time[-1]))


def _crossing(trace: Trace, level: float, before: int, after: int, until: float) -> Crossing:
    in_gap = bool(trace.piece[before] != trace.piece[after])
    width = float(trace.time[after] - trace.time[before])
    slope = float(trace.value[after] - trace.value[before]) / max(width, 1e-9)
    time, std = float(trace.time[before]) + 0.5 * width, width * _UNIFORM
    if trace.part[before] == trace.part[after] and width > 0:
        time, std, slope = _crossed(trace, level, before, after, slope)
    return Crossing(before, after, time, std, slope, until - time, in_gap)


def _crossed(trace: Trace, level: float, before: int, after: int, slope: float) -> tuple[float, float, float]:
    """Return when the level is crossed between two samples, with its error and slope.

    The samples around are fitted twice, the second time about the place that the first has found. Where a parabola
    does not fit them, fewer are taken.
    """
    place = float(trace.time[before]) + (level - float(trace.value[before])) / slope
    ends, reach = (before, after), LEAST_REACH
    while reach < REACH and _near(trace, ends, place, slope, reach).size < _ENOUGH:
        reach *= _WIDER
    near = _near(trace, ends, place, slope, reach)
    if near.size < _FEW:
        return _between(trace, level, _straddling(trace, level, before, after, place))
    first = _fitted(trace, level, near, place, slope)
    while not first[3] and near.size >= 2 * _BENT:
        reach *= _SHRINK
        fewer = _near(trace, ends, place, slope, reach)
        if fewer.size == near.size:
            break
        near, first = fewer, _fitted(trace, level, fewer, place, slope)
    place, _, slope, _ = first
    near = _near(trace, ends, place, slope, reach)
    if near.size < _FEW:
        return first[:3]
    return _fitted(trace, level, near, place, slope)[:3]


def _near(trace: Trace, ends: tuple[int, int], place: float, slope: float, reach: float) -> Integers:
    """Return the samples that tell when the level is crossed at ``place``: those within reach, in one part.

    They are chosen by their times and not by their values, whose noise would come in.
    """
    before, after = ends
    noise = float(np.sqrt(np.mean(trace.noise[[before, after]] ** 2)))
    span = max(0.5 * float(trace.time[after] - trace.time[before]), reach * noise / abs(slope))
    low, high = np.searchsorted(trace.time, [place - span, place + span])
    near = np.arange(min(low, before), max(high, after + 1))
    alike: Integers = near[trace.part[near] == trace.part[before]]
    return alike


def _straddling(trace: Trace, level: float, before: int, after: int, place: float) -> int:
    """Return the sample at which the level lies between it and the next, the one nearest to ``place``."""
    beyond = (trace.value[before : after + 1] - level) * (trace.value[after] - level) > 0
    turns = before + np.flatnonzero(beyond[1:] & ~beyond[:-1])
    middle = 0.5 * (trace.time[turns] + trace.time[turns + 1])
    return int(turns[np.argmin(abs(middle - place))])


def _fitted(trace: Trace, level: float, near: Integers, place: float, slope: float) -> tuple[float, float, float, bool]:
    """Return when the curve fitted to the samples ``near`` crosses, its error and slope, and whether it fits them."""
    x, weight = trace.time[near] - place, 1 / np.maximum(trace.noise[near], 1e-300)
    degree = 1 + (near.size >= _BENT) + (near.size >= _TWICE_BENT)
    scale = max(float(abs(x).max()), 1e-9)
    design = (x[:, None] / scale) ** np.arange(degree + 1)
    target = trace.value[near] - level
    cov = np.linalg.inv((design * weight[:, None] ** 2).T @ design)
    fit = cov @ ((design * weight[:, None] ** 2).T @ target)
    freedom = near.size - degree - 1
    misfit = float((((target - design @ fit) * weight) ** 2).sum()) / max(freedom, 1)
    fits = not freedom or misfit <= 1 + _RARE * np.sqrt(2 / freedom)
    cov = cov if fits else cov * misfit
    at = _root(fit)
    gradient = at ** np.arange(degree + 1) if np.isfinite(at) else np.zeros(degree + 1)
    steepness = float(np.arange(1, degree + 1) * at ** np.arange(degree) @ fit[1:]) / scale if np.isfinite(at) else 0.0
    if steepness * slope <= 0 or abs(at) > 1:
        at, gradient, steepness = 0.0, np.r_[1.0, np.zeros(degree)], slope
    std = float(np.sqrt(gradient @ cov @ gradient)) / abs(steepness)
    return place + at * scale, std, steepness, fits


def _root(fit: Array) -> float:
    """Return the zero of a polynomial that is nearest to 0; infinity if there is none."""
    roots = np.roots(fit[::-1])
    real = roots[np.isreal(roots)].real
    return float(real[np.argmin(abs(real))]) if real.size else np.inf


def _between(trace: Trace, level: float, before: int) -> tuple[float, float, float]:
    """Return when the monotone cubic between a sample and the next crosses, with its error and slope.

    An interval much steeper than those beside it hides a jump, which may be anywhere in it.
    """
    t, v = trace.time[before : before + 2], trace.value[before : before + 2]
    width, rise = float(t[1] - t[0]), float(v[1] - v[0])
    slope, noise = rise / width, float(np.sqrt(np.mean(trace.noise[before : before + 2] ** 2)))
    beside = [side for side in (_slope(trace, before - 1), _slope(trace, before + 1)) if side is not None]
    ends = [_limited(_slope(trace, before + step), slope) for step in (-1, 1)]
    straight = (level - float(v[0])) / rise
    u, steepness = _cubic(straight, float(v[0]) - level, rise, ends[0] * width, ends[1] * width)
    share = 1 - max(side / slope for side in beside) - _RARE * 2 * noise / abs(rise) if beside else 1.0
    jump = float(np.clip(share, 0, 1)) * width * _UNIFORM
    by_noise = noise * float(np.linalg.norm(_shares(u))) / max(abs(steepness / width), 0.5 * abs(slope))
    std = float(np.sqrt(by_noise**2 + jump**2 + (0.5 * (u - straight) * width) ** 2))
    return float(t[0]) + u * width, std, steepness / width


def _shares(u: float) -> Array:
    """Return how much four evenly spaced samples count in the cubic between the middle two."""
    return 0.5 * np.array([-u + 2 * u**2 - u**3, 2 - 5 * u**2 + 3 * u**3, u + 4 * u**2 - 3 * u**3, -(u**2) + u**3])


def _slope(trace: Trace, at: int) -> float | None:
    """Return the slope from a sample to the next, None where they are not in one part."""
    if at < 0 or at + 1 >= trace.time.size or trace.part[at] != trace.part[at + 1]:
        return None
    width = float(trace.time[at + 1] - trace.time[at])
    return float(trace.value[at + 1] - trace.value[at]) / width if width > 0 else None


def _limited(side: float | None, slope: float) -> float:
    """Return the slope of the cubic at a sample: the mean of those on both sides, kept monotone."""
    if side is None:
        return slope
    return 0.0 if side * slope <= 0 else float(np.sign(slope)) * min(abs(0.5 * (side + slope)), 3 * abs(slope))


def _cubic(start: float, value: float, rise: float, left: float, right: float) -> tuple[float, float]:
    """Return where in [0, 1] the cubic with these ends, rises and end slopes is zero, and its slope there."""
    a, b = left + right - 2 * rise, 3 * rise - 2 * left - right
    low, high, u = 0.0, 1.0, float(np.clip(start, 0, 1))
    for _ in range(60):
        off = value + u * (left + u * (b + u * a))
        low, high = (low, u) if off * rise > 0 else (u, high)
        steep = left + u * (2 * b + 3 * u * a)
        step = u - off / steep if steep * rise > 0 else np.inf
        u = step if low < step < high else 0.5 * (low + high)
    return u, left + u * (2 * b + 3 * u * a)
