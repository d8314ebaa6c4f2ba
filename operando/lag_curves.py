"""How well one quantity agrees with another some time before: the correlation against the lag."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from .linking import Log
from .serial_correlation import Draws, Memory, neighbor_correlation

Array = npt.NDArray[np.float64]

COVERED = 0.9
"""Part of a value's interval, moved by the lag, that the other quantity must cover: its gaps are not bridged."""
_ROUNDS, _SMOOTH = 3, 1.5
LEAST_SPREAD = 0.1
"""Part of the spread of a noisy quantity that is left at least when its noise is taken off."""


@dataclass(frozen=True)
class LagCurve:
    """Values and, for every lag tried, what the other quantity was that much earlier.

    ``lags`` (s); ``value`` (pair) and ``std``; ``earlier`` (lag, pair), NaN where it is not covered; ``noise`` (lag,
    pair), the variance of ``earlier`` by errors that neighbors do not share. The curve is smooth over ``reach`` lags.
    """

    lags: Array
    value: Array
    std: Array
    earlier: Array
    noise: Array
    reach: int

    def over(self, pairs: npt.NDArray[np.bool_], lags: slice = slice(None)) -> LagCurve:
        """Return the curve of some of the pairs and lags."""
        return replace(
            self,
            lags=self.lags[lags],
            value=self.value[pairs],
            std=self.std[pairs],
            earlier=self.earlier[lags][:, pairs],
            noise=self.noise[lags][:, pairs],
        )

    def covered(self, lags: slice = slice(None)) -> npt.NDArray[np.bool_]:
        """Return which pairs exist at all of some lags."""
        return np.array(np.isfinite(self.earlier[lags]).all(axis=0), np.bool_)

    def correlation(self, counts: Array | None = None) -> Array:
        """Return Pearson's r for each draw of pairs and lag, the noise of ``earlier`` taken off its spread.

        ``counts`` (draw, pair) says how often each pair is drawn; once each by default.
        """
        drawn = np.ones((1, self.value.size)) if counts is None else counts
        known = np.isfinite(self.earlier)
        x = np.where(known, self.earlier - np.nanmean(self.earlier), 0.0)
        y = self.value - self.value.mean()
        weight = drawn @ known.T
        n = np.where(weight > 0, weight, np.nan)
        mean_x, mean_y = drawn @ x.T / n, (drawn * y) @ known.T / n
        product = (drawn * y) @ x.T / n - mean_x * mean_y
        spread_x = drawn @ (x * x).T / n - mean_x**2
        spread_y = (drawn * y * y) @ known.T / n - mean_y**2
        noise = drawn @ np.where(known, self.noise, 0.0).T / n
        true_x = np.maximum(spread_x - noise, LEAST_SPREAD * spread_x)
        size = np.sqrt(np.clip(true_x * spread_y, 0.0, None))
        found: Array = np.divide(product, size, out=np.zeros_like(size), where=size > 0)
        return found

    def count(self) -> Array:
        """Return the number of pairs at each lag."""
        return np.array(np.isfinite(self.earlier).sum(axis=1), float)

    def fit(self, lag: float) -> tuple[Array, Array, Array]:
        """Return ``earlier`` at a lag, its slope with the lag (1/s) and the residuals of the value's straight line."""
        k = int(np.clip(np.searchsorted(self.lags, lag), 1, self.lags.size - 1))
        part = (lag - self.lags[k - 1]) / (self.lags[k] - self.lags[k - 1])
        x = self.earlier[k - 1] * (1 - part) + self.earlier[k] * part
        low, high = max(k - 1 - self.reach, 0), min(k + self.reach, self.lags.size - 1)
        slope = (self.earlier[high] - self.earlier[low]) / (self.lags[high] - self.lags[low])
        return x, slope, self.value - np.polyval(np.polyfit(x, self.value, 1), x)

    def leverage(self, lag: float) -> tuple[Array, Array, float]:
        """Return how much an error of every value moves the lag (s), the residuals, and the slope of the line.

        With y = a + b x(t - lag), errors e move it by -sum g e / sum g^2, g being b dx/dlag cleared of 1 and x.
        """
        x, slope, residual = self.fit(lag)
        b = float(np.polyfit(x, self.value, 1)[0])
        design = np.column_stack([np.ones_like(x), x])
        g = b * slope
        g = g - design @ np.linalg.lstsq(design, g, rcond=None)[0]
        whole = float(g @ g)
        return (g / whole if whole > 0 else np.full_like(g, np.inf)), residual, b

    def memory(self, lag: float) -> Memory:
        """Return how far errors that move the lag reach: by their own correlation, or by that of both factors."""
        weight, residual, slope = self.leverage(lag)
        if not np.isfinite(weight).all():
            return Memory(0.0, 0.0)
        noise = self.std**2 + slope**2 * self.noise[int(np.abs(self.lags - lag).argmin())]
        own = Memory.of(weight * residual, float((weight**2 * noise).mean()))
        lasting = Memory.of(residual, float(noise.mean()))
        turn = max(neighbor_correlation(weight), 0.0)
        return own.longer(Memory(lasting.neighbor * turn, lasting.decay * turn))

    def linear_std(self, lag: float) -> float:
        """Return the standard deviation of the lag (s) by errors with the variance and memory of those behind the fit.

        Of few pairs that share much, blocks see too little: the fit itself takes most of what lasts.
        """
        weight, residual, slope = self.leverage(lag)
        if not np.isfinite(weight).all():
            return 0.0
        x, _, _ = self.fit(lag)
        noise = self.std**2 + slope**2 * self.noise[int(np.abs(self.lags - lag).argmin())]
        design = np.column_stack([np.ones_like(x), x, weight])
        variance, memory = Memory.behind(residual, design, float(noise.mean()))
        return float(np.sqrt(max(variance * (weight @ memory.times(weight[:, None]))[0], 0.0)))


def lag_curve(pairs: tuple[Array, Array], value: Array, std: Array, record: xr.Dataset, lags: Array) -> LagCurve:
    """Return the values beside what ``record`` was ``lags`` (s) before, over intervals of the same length.

    Parameters
    ----------
    pairs
        Start and end (s after the first sample of ``record``) of every value.
    value, std
        The values and their standard uncertainties.
    record
        What :func:`operando.quantity` returned; straight lines join its samples within a segment, none across a gap.
    lags
        Ascending (s).
    """
    log = Log.of(record.assign_coords(flag=(record["value"].dims, np.zeros(record["value"].size, "i4"))))
    values = log.values(record["value"])
    center = float(values.mean())
    start, end = (edge - lags[:, None] for edge in pairs)
    length = end - start
    covered = log.covered(end) - log.covered(start)
    instant = length <= 0
    whole = log.integral(values - center, end, 1, held=False) - log.integral(values - center, start, 1, held=False)
    mean = np.where(instant, log.at(values, start, held=False), center + whole / np.where(covered > 0, covered, 1.0))
    good = log.holds(start, end) & (instant | (covered >= COVERED * length))
    middle = (start + end) / 2
    step, apart = (float(np.median(np.diff(times))) for times in (lags, log.time))
    reach = int(np.clip(np.ceil(_SMOOTH * apart / step), 1, max(lags.size // 4, 1)))
    return LagCurve(lags, value, std, np.where(good, mean, np.nan), _noise(log, record, middle), reach)


def _noise(log: Log, record: xr.Dataset, middle: Array) -> Array:
    """Return the variance of the record between its samples, as for instants; 0 for a log, whose errors are shared."""
    if "scan" not in record.dims:
        return np.zeros(middle.shape)
    variance = np.nan_to_num(log.values(record["value_std"]) ** 2)
    k, part = log.part(middle)
    following = np.minimum(k + 1, variance.size - 1)
    found: Array = variance[k] * (1 - part) ** 2 + variance[following] * part**2
    return found


def peak(curve: LagCurve, correlation: Array) -> Array:
    """Return the lag (s) of the largest size of each row of correlations, between the lags tried.

    By a parabola through the ``reach`` lags on either side: noise of scans makes the curve wavy from one to the next.
    """
    size, last = np.abs(correlation), curve.lags.size - 1
    m = min(curve.reach, last // 2)
    offset = np.arange(-m, m + 1)
    row = np.arange(size.shape[0])[:, None]
    square = float((offset**2).sum())
    bent = offset**2 - (offset**2).mean()
    center = size.argmax(axis=1)
    moved = np.zeros(size.shape[0])
    for _ in range(_ROUNDS):
        center = np.clip(center + np.rint(moved).astype(int), m, last - m)
        near = size[row, center[:, None] + offset]
        slope, bend = near @ offset / square, near @ bent / float((bent**2).sum())
        moved = np.divide(-slope, 2 * bend, out=np.sign(slope) * m, where=bend < 0)
        moved = np.clip(moved, -m, m)
    found: Array = np.interp(center + moved, np.arange(last + 1), curve.lags)
    return found


def redrawn(curve: LagCurve, lag: float, draws: Draws) -> tuple[Array, float, int]:
    """Return lags (s) of block-wise redrawn pairs, the factor by which their scatter is too small, and block length."""
    n, memory = curve.value.size, curve.memory(lag)
    length = draws.length(n, memory)
    lags = peak(curve, curve.correlation(draws.counts(n, length)))
    scatter = float(lags.std(ddof=1))
    factor = max(memory.lost_by_blocks(length), curve.linear_std(lag) / scatter if scatter > 0 else 1.0)
    return lags, factor, length
