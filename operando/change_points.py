"""When a quantity changes: where it starts to rise or fall, where its slope breaks, or where its level steps.

Every time is tried. What the rest of the model then leaves as chi-square weighs it, in units of the noise that
neighbors share. Mean, standard deviation and the middle 95 % of these weights are the change, its error and its
interval. Onsets of a quantity and lags between changes of two are found by this one search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import to_ns
from .errors import OperandoError
from .history import recorded
from .quantities import dim_of, name_of
from .serial_correlation import Memory
from .units import with_units

Array = npt.NDArray[np.float64]
Shape = Literal["ramp", "kink", "step"]
SHAPES: tuple[Shape, ...] = ("ramp", "kink", "step")

FINE = 24
"""Times tried between two samples."""
_LINEAR = {"ramp": 1, "kink": 2, "step": 1}
"""How many numbers describe the quantity before it changes: a constant, or a line."""
_FEWEST, _MOST = 10, 2000
_ONE_IN_A_THOUSAND = 10.8
_TINY = float(np.finfo(float).tiny)
_MEANINGS = {
    "time_std": "standard uncertainty of the time of the change",
    "time_std_scatter": "part of the uncertainty: scatter, with what neighbors share of it",
    "time_std_fit": "part of the scatter: stated errors of the values",
    "time_std_sampling": "part of the uncertainty: interval of the values in which a step lies",
}


class Change(NamedTuple):
    """A change: when (s), its error, its interval, the value there, the change of level or slope (1/s), its error.

    ``gain`` is what the change takes off chi-square. ``std`` is the root of the squares of ``scatter`` and of
    ``sampling``, the interval between two samples in which a step lies; ``stated`` is the scatter by the noise given.
    """

    time: float
    std: float
    low: float
    high: float
    level: float
    change: float
    change_std: float
    gain: float
    scatter: float
    sampling: float
    stated: float


def find_change(time: Array, value: Array, noise: Array, shape: Shape, *, known: bool = True) -> Change | None:
    """Return the one change of a quantity over ascending ``time``; None if it may be noise.

    Parameters
    ----------
    time
        When each value was taken (s), ascending.
    value, noise
        The values and the standard deviation of the noise of each.
    shape
        ``"ramp"``: constant until T, then a straight line; ``"kink"``: a straight line until T, then another that goes
        on from it; ``"step"``: constant until T, then another constant.
    known
        Whether the size of the noise is known, and not only how it compares from value to value.

    Notes
    -----
    A change counts when it takes more than ``10.8 + 2 ln n`` off chi-square: one in a thousand, and as many places to
    find it as values. Where the model leaves more than the noise allows, the noise is taken to be that much larger;
    what neighboring residuals share makes its square larger by the variance of a mean of such errors in that of
    independent ones.
    """
    if time.size < _LINEAR[shape] + 5:
        return None
    search = _Search.over(time, value, noise, shape)
    level, change, residual, design = search.fit(float(search.tried[search.gain.argmax()]))
    variance, memory = Memory.behind(residual, design, 1.0 if known else 0.0)
    scale = max(variance, 1.0 if known else 0.0) * memory.whole
    gain = float(search.gain.max()) / max(scale, _TINY)
    if not gain > _ONE_IN_A_THOUSAND + 2 * np.log(time.size):
        return None
    mean, scatter, sampling, share = search.spread(scale)
    low, high = np.interp([0.025, 0.975], np.cumsum(share) - 0.5 * share, search.tried)
    change_std = abs(change) / np.sqrt(gain)
    stated = search.spread(1.0)[1] if known else 0.0
    std = float(np.hypot(scatter, sampling))
    return Change(mean, std, float(low), float(high), level, change, change_std, gain, scatter, sampling, stated)


@dataclass(frozen=True)
class _Search:
    """What a change at each of many times takes off chi-square (``gain``), and the ``width`` that each stands for."""

    data: tuple[Array, Array, Array]
    shape: Shape
    tried: Array
    width: Array
    gain: Array

    @classmethod
    def over(cls, time: Array, value: Array, noise: Array, shape: Shape) -> _Search:
        """Try several times between all samples but those at the ends, which would fix nothing."""
        ends = _LINEAR[shape]
        inner = time[ends:-ends]
        part = (np.arange(FINE) + 0.5) / FINE
        tried = (inner[:-1, None] + np.diff(inner)[:, None] * part).ravel()
        width = np.repeat(np.diff(inner) / FINE, FINE)
        weight = 1 / noise**2
        t, at = time - time.mean(), tried - time.mean()
        base = _orthonormal(t, weight, _LINEAR[shape])
        rest = value - base.T @ (base @ (weight * value))
        product, size = _after(t, at, weight, shape)
        size = size - sum(product(one) ** 2 for one in base)
        toward = product(rest)
        gain = np.divide(toward**2, size, out=np.zeros_like(size), where=size > 0)
        return cls((time, value, noise), shape, tried, width, gain)

    def spread(self, scale: float) -> tuple[float, float, float, Array]:
        """Return mean, scatter and sampling of the time, and the weight of each time tried, for ``scale`` of noise."""
        with np.errstate(over="ignore"):
            share = np.exp(0.5 * (self.gain - self.gain.max()) / max(scale, _TINY)) * self.width
        share /= share.sum()
        mean = float(share @ self.tried)
        whole = float(share @ ((self.tried - mean) ** 2 + self.width**2 / 12))
        within = float(share @ (FINE * self.width) ** 2 / 12) if self.shape == "step" else 0.0
        return mean, float(np.sqrt(max(whole - within, 0.0))), float(np.sqrt(within)), share

    def fit(self, at: float) -> tuple[float, float, Array, Array]:
        """Return the value at a change, the change of level or slope, what they leave, and the columns of the fit.

        The latter two are in units of the noise; the columns hold that along which a ramp or kink moves.
        """
        time, value, noise = self.data
        later = np.maximum(time - at, 0.0) if self.shape != "step" else (time > at).astype(float)
        before = [time - at] if self.shape == "kink" else []
        design = np.column_stack([np.ones_like(time), *before, later]) / noise[:, None]
        weights, *_ = np.linalg.lstsq(design, value / noise, rcond=None)
        moved = [(time > at) / noise] if self.shape != "step" else []
        columns = np.column_stack([design, *moved])
        return float(weights[0]), float(weights[-1]), value / noise - design @ weights, columns


def _orthonormal(t: Array, weight: Array, count: int) -> Array:
    """Return a constant, and a line if ``count`` is 2, of unit size and at right angles under the weights."""
    constant = np.full_like(t, 1 / np.sqrt(weight.sum()))
    line = t - (weight @ t) / weight.sum()
    return np.stack([constant, line / np.sqrt(weight @ line**2)][:count])


def _after(t: Array, at: Array, weight: Array, shape: Shape) -> tuple[Callable[[Array], Array], Array]:
    """Return the product of any values with what a change adds after each time tried, and the square of that itself.

    From sums over the samples after it: a step adds 1 to each of them, else the change adds ``t - at``.
    """
    after = np.searchsorted(t, at, side="right")

    def later(values: Array) -> Array:
        sums: Array = np.r_[np.cumsum((weight * values)[::-1])[::-1], 0.0][after]
        return sums

    one = np.ones_like(t)
    if shape == "step":
        return later, later(one)
    return (lambda values: later(values * t) - at * later(values)), later(t * t) - 2 * at * later(t) + at**2 * later(
        one
    )


def change_point(one: xr.Dataset, *, shape: Shape = "kink") -> xr.Dataset:
    """Return when a quantity starts to change, changes its slope, or changes its level.

    Parameters
    ----------
    one
        What :func:`operando.quantity` returned (dim ``scan`` or ``time``), cut to the time that holds one change.
    shape
        ``"kink"``: a + b t + c max(t - T, 0); ``"ramp"``: the same with b = 0; ``"step"``: a level before T and
        another one after.

    Returns
    -------
    Dataset
        ``time`` T (UTC), ``time_std`` (s) with its parts ``_scatter``, ``_fit`` (contained in the scatter) and
        ``_sampling``, and ``change`` (of the value, or of its slope per s) with ``change_std``.

    Raises
    ------
    OperandoError
        If there are fewer than ten values, or the change may be noise.

    Notes
    -----
    Every time is tried, 24 between any two values (of more than 2000 values as many, evenly chosen), weighed by what
    the rest of the model leaves as chi-square. The stated errors of scans are their noise, of which there may be more;
    those of a log are common to its samples, and its noise is what the model leaves. What neighboring residuals share
    counts as noise too. A change counts when it takes more than 10.8 + 2 ln n off chi-square. A step lies anywhere
    between two values: their distance over sqrt(12), in a gap that of its ends.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> minutes = 10.0 * np.arange(40)
    >>> start = np.datetime64("2024-03-01T08:00", "ns")
    >>> times = start + (minutes * 60e9).astype("m8[ns]")
    >>> scans = xr.Dataset(
    ...     {"edge_energy": ("scan", 8343 + 0.01 * np.maximum(minutes - 200, 0), {"units": "eV"})},
    ...     coords={"time": ("scan", times)},
    ... ).assign(edge_energy_std=("scan", np.full(40, 0.01)))
    >>> found = operando.change_point(operando.quantity(scans, "edge_energy"), shape="ramp")
    >>> print(f"{(found.time.values - start) / np.timedelta64(1, 'm'):.0f} min +- {float(found.time_std) / 60:.1f} min")
    200 min +- 3.4 min
    """
    dim, size = dim_of(one), one["value"].size
    one = one.isel({dim: slice(None, None, -(-size // _MOST))}) if size > _MOST else one
    if shape not in SHAPES:
        raise OperandoError(f"change_point: expected a shape among {', '.join(SHAPES)}, got {shape!r}")
    if one["value"].size < _FEWEST:
        raise OperandoError(
            f"change_point: expected at least {_FEWEST} values of {name_of(one)}, got {one['value'].size}; "
            "widen the window"
        )
    origin = np.datetime64(one["time"].values[0], "ns")
    time = (one["time"].values - origin) / np.timedelta64(1, "s")
    noise, known = _noise(one)
    found = find_change(time, one["value"].values.astype("f8"), noise, shape, known=known)
    if found is None:
        raise OperandoError(
            f"change_point: expected a {shape} in {name_of(one)} that stands out of the noise, got none; choose a "
            "window that holds one change"
        )
    return recorded(_labelled(found, origin, one, shape), "change_point", {"shape": shape}, after=one)


def _noise(one: xr.Dataset) -> tuple[Array, bool]:
    """Return the noise of every value and whether it is known: that of scans, if all of them state it."""
    std: Array = one["value_std"].values.astype("f8")
    known = "scan" in one.dims and bool((np.isfinite(std) & (std > 0)).all())
    return (std if known else np.ones_like(std)), known


def _labelled(found: Change, origin: np.datetime64, one: xr.Dataset, shape: Shape) -> xr.Dataset:
    parts = {"": found.std, "_scatter": found.scatter, "_fit": found.stated, "_sampling": found.sampling}
    ds = xr.Dataset({f"time_std{name}": part for name, part in parts.items()})
    ds = with_units(ds, dict.fromkeys(_MEANINGS, "s"), _MEANINGS)
    unit = str(one["value"].attrs.get("units", "1"))
    unit = unit if shape == "step" else f"({unit})/s"
    told = f"change of the {'level' if shape == 'step' else 'slope'}"
    ds["change"] = xr.Variable((), found.change, {"units": unit, "long_name": told})
    ds["change_std"] = xr.Variable((), found.change_std, {"units": unit, "long_name": f"standard uncertainty: {told}"})
    when = origin + to_ns(np.array(found.time))
    return ds.assign_coords(time=((), when, {"long_name": "time of the change, UTC"}))
