"""By how much time one quantity trails another: a result of the chemistry, never a way to set clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .change_points import Shape, change_point
from .errors import OperandoError
from .history import recorded
from .lag_curves import LagCurve, lag_curve, peak, redrawn
from .quantities import clock_sigma, dim_of, interval, name_of, seconds
from .serial_correlation import Draws, effective_number
from .units import with_units

Array = npt.NDArray[np.float64]

LONGEST = 180.0
"""Largest lag (min) looked for by default; a quarter of the common time if that is less."""

_MINUTE = 60.0
_FEWEST = 10
_MOST_PAIRS, _MOST_LAGS = 2000, 400
_STEPS = 5
_WIDE = 4.0
_LIMITS, _SIGMAS = (2.5, 97.5), 1.96
_MEANINGS = {
    "lag": "lag: how much later the trailing quantity shows it",
    "lag_std": "standard uncertainty of the lag",
    "lag_std_scatter": "part of the uncertainty: scatter, by blocks of neighbors drawn again",
    "lag_std_fit": "part of the uncertainty: stated errors of the quantities",
    "lag_std_sampling": "part of the uncertainty: interval of the samples between which is interpolated",
    "lag_std_clock": "part of the uncertainty: the clocks",
    "lag_lower": "lower limit of the lag, 95 %",
    "lag_upper": "upper limit of the lag, 95 %",
}
_NUMBERS = {
    "correlation": "correlation at the lag",
    "correlation_at_zero": "correlation of the same pairs without a lag",
    "n": "number of pairs",
    "n_effective": "number of independent pairs that tell as much",
    "block": "neighbors drawn together",
}


def lag(
    trailing: xr.Dataset,
    leading: xr.Dataset,
    *,
    method: Literal["correlation", "change_point"] = "correlation",
    search: tuple[float, float] | None = None,
    window: tuple[Any, Any] | None = None,
    shape: Shape = "kink",
    block: int | None = None,
    draws: int = 500,
    seed: int = 0,
) -> xr.Dataset:
    """Return by how much time one quantity trails another.

    Parameters
    ----------
    trailing, leading
        What :func:`operando.quantity` returned, such as the edge energy of scans and the charge of the cycler.
    method
        ``"correlation"``: the lag L at which trailing y and leading x agree best; ``"change_point"``: the time
        between one change of either, within ``window``.
    search
        Lags looked at (min): within three hours and a quarter of the common time by default. One that holds
        whole cycles finds the lag of another cycle.
    window
        Start and end (UTC) of what is looked at; all by default.
    shape
        What changes at a change point: the slope (``"kink"``; ``"ramp"`` where the quantity is constant before) or the
        value (``"step"``).
    block
        Neighbors that are drawn together; by default as many as the serial correlation of the residuals asks for.
    draws, seed
        Number of draws and where they begin.

    Returns
    -------
    Dataset
        ``lag`` (min; negative where "trailing" leads) and ``lag_std``, the root of the sum of the squares of
        ``lag_std_scatter`` (or ``lag_std_fit`` if that is more), ``lag_std_sampling`` and ``lag_std_clock``;
        ``lag_lower`` and ``lag_upper`` (95 %); ``n``. For ``"correlation"`` also ``correlation``,
        ``correlation_at_zero`` (NaN where too few pairs exist there), ``n_effective``, ``block`` and, over
        ``lag_tried``, the ``curve``; for ``"change_point"`` the coordinates ``trailing_change`` and
        ``leading_change``.

    Raises
    ------
    OperandoError
        If fewer than ten pairs exist, one of the quantities is constant, or no best lag lies within ``search``.

    Notes
    -----
    The quantity with fewer values gives the pairs. Each is compared with the mean of the other over the same interval,
    L earlier: y(t1, t2) with the mean of x from t1 - L to t2 - L, x being straight between its samples. A pair exists
    at L if x covers 90 % of that interval; gaps are never bridged and nothing is extrapolated. L is where the size
    of Pearson's r is largest. A first pass takes the pairs that exist at each lag; a second looks at four
    standard deviations on either side with the pairs that exist at all of them, so that r differs by the lag alone.
    Where x are scans, their stated noise is taken off the spread of x: interpolation would hide it between scans only.

    ``lag_std_scatter`` comes from pairs drawn again in blocks of a circle (Politis, White 2004,
    doi:10.1081/ETC-120028836), times what blocks of that length lose of a correlation that decays from neighbor to
    neighbor; it is no less than the scatter of the linear fit with errors whose residuals would correlate, on average,
    as those seen, since a fit to few pairs takes with it most of what lasts. That of a change is told by
    :func:`operando.change_point`. ``lag_std_fit`` is from the stated errors, those of scans independent, that of
    a log common to all its samples; ``lag_std_sampling`` is a third of what leaving out every second sample of x does,
    the error of straight lines going with the square of the interval; ``lag_std_clock`` is 0 on one clock.

    No clock is ever set by a lag: it is a result.

    Examples
    --------
    A wave and the same wave half an hour later:

    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> times = np.datetime64("2024-03-01T08:00", "ns") + np.arange(60) * np.timedelta64(10, "m")
    >>> def scans(values):
    ...     noise = np.random.default_rng(1).normal(0, 0.01, values.size)
    ...     variables = {
    ...         "edge_energy": ("scan", values + noise, {"units": "eV"}),
    ...         "edge_energy_std": ("scan", np.full(values.size, 0.01), {"units": "eV"}),
    ...     }
    ...     return xr.Dataset(variables, {"time": ("scan", times)})
    >>> at = np.arange(60) / 6
    >>> late = operando.quantity(scans(np.sin(at - 0.5)), "edge_energy")
    >>> early = operando.quantity(scans(np.sin(at)), "edge_energy")
    >>> found = operando.lag(late, early, draws=50)
    >>> print(round(float(found["lag"]), -1), found["lag"].attrs["units"])
    30.0 min

    How long the edge of an experiment trails the charge, in minutes::

        tree = operando.open("cell4.zarr")
        edge = operando.quantity(tree, "xas/Ni_K/edge_energy")
        charge = operando.quantity(tree, "echem/charge")
        found = operando.lag(edge, charge)
        print(float(found.lag), float(found.lag_std), int(found.n))
    """
    _judged(trailing, leading)
    y, x = (_within(one, window) for one in (trailing, leading))
    if method == "change_point":
        found = _by_change_points(y, x, shape)
    elif method == "correlation":
        found = _by_correlation(y, x, search, Draws(draws, seed, block))
    else:
        raise OperandoError(f"lag: expected the method 'correlation' or 'change_point', got {method!r}")
    found = with_units(found, dict.fromkeys(_MEANINGS, "min") | dict.fromkeys(_NUMBERS, "1"), _MEANINGS | _NUMBERS)
    about = {"trailing": name_of(trailing), "leading": name_of(leading), "method": method}
    asked = {**about, "search": search, "window": window and [str(end) for end in window], "shape": shape}
    return recorded(
        found.assign_attrs(about), "lag", {**asked, "block": block, "draws": draws, "seed": seed}, after=trailing
    )


def _judged(trailing: xr.Dataset, leading: xr.Dataset) -> None:
    for one in (trailing, leading):
        if not isinstance(one, xr.Dataset) or "value" not in one or "segment" not in one.coords:
            got = type(one).__name__ if not isinstance(one, xr.Dataset) else f"variables {', '.join(map(str, one))}"
            raise OperandoError(f"lag: expected what operando.quantity returns, got {got}; call it first")


def _within(one: xr.Dataset, window: tuple[Any, Any] | None) -> xr.Dataset:
    if window is not None:
        start, end = (np.datetime64(edge, "ns") for edge in window)
        inside = (one["time"].values >= start) & (one["time"].values <= end)
        one = one.isel({dim_of(one): np.flatnonzero(inside)})
    if one["value"].size < _FEWEST or float(np.ptp(one["value"].values)) == 0:
        raise OperandoError(
            f"lag: expected at least {_FEWEST} values that change, got {one['value'].size} of {name_of(one)}"
        )
    return one


@dataclass(frozen=True)
class _Comparison:
    """Which quantity gives the pairs and which is looked up earlier; ``sign`` -1 if that is the trailing one."""

    pairs: xr.Dataset
    record: xr.Dataset
    sign: float

    @classmethod
    def of(cls, trailing: xr.Dataset, leading: xr.Dataset) -> _Comparison:
        if interval(trailing) >= interval(leading):
            return cls(_thinned(trailing), leading, 1.0)
        return cls(_thinned(leading), trailing, -1.0)

    def curve(self, lags: Array, every: int = 1, shift: float = 0.0) -> LagCurve:
        """Return the curve; of every n-th sample of the record alone, or moved by ``shift`` of its stated errors."""
        record = self.record.isel({dim_of(self.record): slice(None, None, every)})
        if shift:
            record = record.assign(value=record["value"] + shift * record["value_std"].fillna(0.0))
        origin = np.datetime64(record["time"].values[0], "ns")
        value, std = self.pairs["value"].values, np.nan_to_num(self.pairs["value_std"].values)
        return lag_curve(seconds(self.pairs, origin), value, std, record, lags)

    def lags(self, search: tuple[float, float] | None) -> Array:
        """Return the lags (s) to try, on the side of the pairs."""
        low, high = (edge * _MINUTE for edge in (search or self._default()))
        low, high = (low, high) if self.sign > 0 else (-high, -low)
        if not low < high:
            raise OperandoError(f"lag: expected a search from a lower to a higher lag (min), got {search}")
        step = max(interval(self.pairs) / _STEPS, (high - low) / _MOST_LAGS)
        count = max(int(np.ceil((high - low) / step)), 8)
        return np.linspace(low, high, count + 1)

    def _default(self) -> tuple[float, float]:
        start, end = (
            edge(one["time"].values[at] for one in (self.pairs, self.record)) for edge, at in ((max, 0), (min, -1))
        )
        common = float((end - start) / np.timedelta64(1, "s")) / _MINUTE
        reach = min(LONGEST, common / 4)
        if not reach > 0:
            raise OperandoError("lag: expected two quantities with time in common, got none; check the clocks")
        return -reach, reach


def _by_correlation(y: xr.Dataset, x: xr.Dataset, search: tuple[float, float] | None, draws: Draws) -> xr.Dataset:
    both = _Comparison.of(y, x)
    tried = both.curve(both.lags(search))
    best, wide = _first_pass(tried, draws)
    step = tried.lags[1] - tried.lags[0]
    near = np.flatnonzero(np.abs(tried.lags - best) <= max(_WIDE * wide, (2 * tried.reach + 1) * step))
    part = slice(int(near[0]), int(near[-1]) + 1)
    pairs = _enough(tried.covered(part), best)
    curve = tried.over(pairs, part)
    r = curve.correlation()
    best = float(peak(curve, r)[0])
    lags, factor, size = redrawn(curve, best, draws)
    parts = {
        "scatter": float(lags.std(ddof=1)) * factor,
        "fit": _stated(both, curve, best),
        "sampling": _sampled(both, curve, pairs),
        "clock": clock_sigma(y, x),
    }
    low, high = (best + factor * float(np.percentile(lags, q) - np.median(lags)) for q in _LIMITS)
    ends = (low, high) if both.sign > 0 else (-high, -low)
    earlier, _, _ = curve.fit(best)
    more = {
        "correlation": float(np.interp(best, curve.lags, r[0])),
        "correlation_at_zero": _at_zero(both, pairs),
        "n": float(pairs.sum()),
        "n_effective": effective_number(earlier, curve.value),
        "block": float(size),
    }
    found = _result(both.sign * best, parts, ends, more)
    order = np.argsort(both.sign * tried.lags)
    around = {"units": "min", "long_name": "lag tried"}
    told = {"units": "1", "long_name": "correlation of the pairs that exist at each lag"}
    return found.assign(curve=("lag_tried", tried.correlation()[0][order], told)).assign_coords(
        lag_tried=("lag_tried", both.sign * tried.lags[order] / _MINUTE, around)
    )


def _first_pass(tried: LagCurve, draws: Draws) -> tuple[float, float]:
    """Return the best lag (s) by the pairs that exist at each lag, and about how sure it is."""
    count = tried.count()
    enough = count >= max(_FEWEST, 0.5 * count.max())
    if enough.sum() < 3:
        raise OperandoError(f"lag: expected at least {_FEWEST} pairs, got {int(count.max())}; check clocks and gaps")
    r = np.where(enough, tried.correlation()[0], 0.0)
    at = int(np.abs(r).argmax())
    inside = np.flatnonzero(enough)
    if at in (inside[0], inside[-1]):
        raise OperandoError(
            f"lag: expected a largest correlation within {tried.lags[inside[0]] / _MINUTE:.4g} to "
            f"{tried.lags[inside[-1]] / _MINUTE:.4g} min, got it at the end; widen search, or there is no lag to find"
        )
    best = float(peak(tried, r[None])[0])
    # A wavy curve may have its peak lags beside its largest value.
    at, m = int(np.abs(tried.lags - best).argmin()), tried.reach + 1
    known = _enough(tried.covered(slice(max(at - m, 0), at + m + 1)), best)
    near = tried.over(known, slice(int(inside[0]), int(inside[-1]) + 1))
    lags, factor, _ = redrawn(near, best, replace(draws, count=max(draws.count // 2, 50)))
    low, high = np.percentile(lags, [15.87, 84.13])
    return best, factor * float(high - low) / 2


def _enough(pairs: npt.NDArray[np.bool_], lag: float) -> npt.NDArray[np.bool_]:
    """Return which pairs exist around a lag (s), if they are enough to tell it."""
    if pairs.sum() < _FEWEST:
        raise OperandoError(f"lag: expected at least {_FEWEST} pairs around {lag / _MINUTE:.3g} min, got {pairs.sum()}")
    return pairs


def _stated(both: _Comparison, curve: LagCurve, best: float) -> float:
    """Return the standard uncertainty of the lag (s) by the stated errors of both quantities."""
    weight, _, slope = curve.leverage(best)
    k = int(np.clip(np.searchsorted(curve.lags, best), 0, curve.lags.size - 1))
    own = float(np.sqrt((weight**2 * (curve.std**2 + slope**2 * curve.noise[k])).sum()))
    if "scan" in both.record.dims or not np.isfinite(both.record["value_std"].values).any():
        return own
    pairs = both.curve(curve.lags, shift=1.0).covered()
    before, after = (
        float(peak(curve, both.curve(curve.lags, shift=s).over(pairs).correlation())[0]) for s in (0.0, 1.0)
    )
    return float(np.hypot(own, after - before))


def _sampled(both: _Comparison, curve: LagCurve, pairs: npt.NDArray[np.bool_]) -> float:
    """Return what straight lines between the record's samples may do to the lag (s)."""
    if both.record["value"].size < 2 * _FEWEST:
        return interval(both.record) / float(np.sqrt(12))
    halved = both.curve(curve.lags, every=2).over(pairs)
    known = halved.covered()
    if known.sum() < _FEWEST:
        return interval(both.record) / float(np.sqrt(12))
    whole = curve.over(known)
    moved = peak(curve, halved.over(known).correlation()) - peak(curve, whole.correlation())
    return abs(float(moved[0])) / 3


def _at_zero(both: _Comparison, pairs: npt.NDArray[np.bool_]) -> float:
    """Return the correlation of the same pairs without a lag, NaN where too few exist."""
    curve = both.curve(np.array([-1.0, 0.0, 1.0])).over(pairs)
    curve = curve.over(curve.covered())
    return float(curve.correlation()[0][1]) if curve.value.size >= _FEWEST else np.nan


def _by_change_points(y: xr.Dataset, x: xr.Dataset, shape: Shape) -> xr.Dataset:
    later, earlier = (change_point(one, shape=shape) for one in (y, x))
    best = float((later["time"].values - earlier["time"].values) / np.timedelta64(1, "s"))
    parts = {
        name: float(np.hypot(float(later[f"time_std_{name}"]), float(earlier[f"time_std_{name}"])))
        for name in ("scatter", "fit", "sampling")
    }
    parts["clock"] = clock_sigma(y, x)
    reach = _SIGMAS * parts["scatter"]
    found = _result(best, parts, (best - reach, best + reach), {"n": float(y["value"].size)})
    changes = {"trailing_change": later["time"].values, "leading_change": earlier["time"].values}
    return found.assign_coords({key: ((), at, {"long_name": "time of the change, UTC"}) for key, at in changes.items()})


def _result(best: float, parts: dict[str, float], ends: tuple[float, float], more: dict[str, float]) -> xr.Dataset:
    """Return the lag (s) with its errors, limits widened to hold all of them, in minutes."""
    total = float(np.sqrt(max(parts["scatter"], parts["fit"]) ** 2 + parts["sampling"] ** 2 + parts["clock"] ** 2))
    further = _SIGMAS**2 * (total**2 - parts["scatter"] ** 2)
    below, above = (float(np.sqrt((edge - best) ** 2 + further)) for edge in ends)
    times = {"lag": best, "lag_std": total, **{f"lag_std_{name}": value for name, value in parts.items()}}
    times |= {"lag_lower": best - below, "lag_upper": best + above}
    return xr.Dataset({**{key: value / _MINUTE for key, value in times.items()}, **more})


def _thinned(one: xr.Dataset) -> xr.Dataset:
    """Return at most 2000 values, evenly chosen."""
    size = one["value"].size
    return one.isel({dim_of(one): slice(None, None, -(-size // _MOST_PAIRS))}) if size > _MOST_PAIRS else one
