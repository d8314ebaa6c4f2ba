"""How two quantities go together: a slope with errors in both, ranks, and what is left once time is taken off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy import optimize, stats

from .errors import OperandoError
from .history import recorded
from .lag_curves import lag_curve
from .linking import Log
from .quantities import dim_of, interval, name_of, seconds
from .serial_correlation import Memory, effective_number
from .units import with_units

Array = npt.NDArray[np.float64]

_FEWEST = 5
_ROUNDS, _SAME, _TINY = 50, 1e-9, 1e-9
_CONFIDENCE = 1.959964
_MEANINGS = {
    "slope": "slope of {y} against {x}, errors in both",
    "slope_std": "standard uncertainty of the slope",
    "intercept": "{y} on the line where {x} is 0",
    "intercept_std": "standard uncertainty of the intercept",
    "scatter": "scatter of {y} about the line that the stated errors do not explain",
    "n": "number of pairs",
    "n_effective": "number of independent pairs that tell as much",
}
_COEFFICIENTS = {
    "pearson": "Pearson's correlation",
    "spearman": "Spearman's correlation of ranks",
    "partial": "Pearson's correlation at equal time: linear trends taken off",
}
_ENDS = {"": "", "_lower": "lower limit, 95 %: ", "_upper": "upper limit, 95 %: "}


def correlate(y: xr.Dataset, x: xr.Dataset) -> xr.Dataset:
    """Return how two quantities go together, with the number of pairs and how many of them are independent.

    Parameters
    ----------
    y, x
        What :func:`operando.quantity` returned: of the same scans, or on times of their own.

    Returns
    -------
    Dataset
        ``slope`` and ``intercept`` of y = a + b x, with ``_std``; ``scatter``; ``pearson``, ``spearman`` and
        ``partial`` (given time), with ``_lower`` and ``_upper`` (95 %); ``n`` and ``n_effective``. Over ``pair``: the
        pairs ``y`` and ``x`` with ``_std``.

    Raises
    ------
    OperandoError
        If there are fewer than five pairs, or one of the quantities is constant.

    Notes
    -----
    Quantities on times of their own are paired as by :func:`operando.lag` at no lag: the one with fewer values with the
    mean of the other over the same interval, no gap bridged. The line has the least chi^2 with the stated errors of
    both axes (D. York et al., Am. J. Phys. 72, 367 (2004), doi:10.1119/1.1632486), 0 where none is stated, and with a
    ``scatter`` of y, the same for all, that brings chi^2 down to the number of pairs less 2, as in S. Tremaine et al.,
    Astrophys. J. 574, 740 (2002), doi:10.1086/341002: errors far below the scatter shall not weigh pairs. Errors of
    the line grow by what neighbors in time share of the residuals.

    Limits are those of Fisher's z with ``n_effective`` pairs (C. S. Bretherton et al., J. Climate 12, 1990 (1999),
    doi:10.1175/1520-0442(1999)012<1990:TENOSD>2.0.CO;2), for ranks wider by the root of 1 + r^2/2 (D. G. Bonett,
    T. A. Wright, Psychometrika 65, 23 (2000), doi:10.1007/BF02294183).

    Examples
    --------
    Two numbers that rise together:

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
    >>> wave = np.sin(np.arange(60) / 5)
    >>> one = operando.quantity(scans(wave), "edge_energy")
    >>> other = operando.quantity(scans(wave**3), "edge_energy")
    >>> found = operando.correlate(one, other)
    >>> print(round(float(found["spearman"]), 2), int(found["n"]))
    1.0 60
    """
    pairs = _pairs(y, x)
    time, first, second = pairs["seconds"].values, pairs["y"].values, pairs["x"].values
    if first.size < _FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        raise OperandoError(
            f"correlate: expected at least {_FEWEST} pairs of values that change, got {first.size} of {name_of(y)} and "
            f"{name_of(x)}; check gaps and flags"
        )
    n_effective = effective_number(first, second)
    line = _line(second, first, pairs["x_std"].values, pairs["y_std"].values)
    left, right = (values - np.polyval(np.polyfit(time, values, 1), time) for values in (first, second))
    ranks = float(stats.spearmanr(first, second).statistic)
    found = xr.Dataset({**line, "n": float(first.size), "n_effective": n_effective})
    for name, r, n, wider in (
        ("pearson", _pearson(first, second), n_effective, 1.0),
        ("spearman", ranks, n_effective, np.sqrt(1 + ranks**2 / 2)),
        ("partial", _pearson(left, right), effective_number(left, right) - 1, 1.0),
    ):
        low, high = _limits(r, n, float(wider))
        found = found.assign({name: r, f"{name}_lower": low, f"{name}_upper": high})
    units = {name: str(one["value"].attrs.get("units", "1")) for name, one in (("y", y), ("x", x))}
    words = {name: str(one["value"].attrs.get("long_name", name)) for name, one in (("y", y), ("x", x))}
    meanings = {key: text.format(**words) for key, text in _MEANINGS.items()}
    meanings |= {f"{key}{end}": start + text for key, text in _COEFFICIENTS.items() for end, start in _ENDS.items()}
    per = units["y"] if units["x"] == "1" else f"({units['y']})/({units['x']})"
    found = with_units(found, dict.fromkeys(meanings, "1"), meanings)
    found = with_units(found, dict.fromkeys(("slope", "slope_std"), per))
    found = with_units(found, dict.fromkeys(("intercept", "intercept_std", "scatter"), units["y"]))
    for name in ("y", "x"):
        for end, start in (("", ""), ("_std", "standard uncertainty: ")):
            text = {"units": units[name], "long_name": start + words[name]}
            found[f"{name}{end}"] = ("pair", pairs[f"{name}{end}"].values, text)
    found = found.assign_coords(time=("pair", pairs["time"].values, {"long_name": "time of the pair, UTC"}))
    about = {"y": name_of(y), "x": name_of(x)}
    return recorded(found, "correlate", about, after=y)


def _pairs(y: xr.Dataset, x: xr.Dataset) -> xr.Dataset:
    """Return the pairs of two quantities with their stated errors, NaN where none is stated."""
    if dim_of(y) == dim_of(x):
        _, i, j = np.intersect1d(y["time"].values, x["time"].values, return_indices=True)
        if i.size >= max(_FEWEST, min(y["value"].size, x["value"].size) // 2):
            return _table(y.isel({dim_of(y): i}), x.isel({dim_of(x): j}))
    swapped = interval(y) < interval(x)
    own, record = (x, y) if swapped else (y, x)
    origin = np.datetime64(record["time"].values[0], "ns")
    start, end = seconds(own, origin)
    curve = lag_curve((start, end), own["value"].values, own["value_std"].values, record, np.array([-1.0, 0.0, 1.0]))
    known = np.isfinite(curve.earlier[1])
    flat = record.assign_coords(flag=(record["value"].dims, np.zeros(record["value"].size, "i4")))
    log = Log.of(flat)
    std = log.at(log.values(record["value_std"]), (start + end)[known] / 2, held=False)
    own = own.isel({dim_of(own): np.flatnonzero(known)})
    other = own.assign(value=(own["value"].dims, curve.earlier[1][known]), value_std=(own["value"].dims, std))
    return _table(other, own) if swapped else _table(own, other)


def _table(y: xr.Dataset, x: xr.Dataset) -> xr.Dataset:
    time = y["time"].values
    columns = {f"{name}{end}": one[f"value{end}"].values for name, one in (("y", y), ("x", x)) for end in ("", "_std")}
    columns |= {"time": time, "seconds": (time - time[:1]) / np.timedelta64(1, "s")}
    return xr.Dataset({key: ("pair", values) for key, values in columns.items()})


def _pearson(first: Array, second: Array) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def _limits(r: float, n: float, wider: float) -> tuple[float, float]:
    """Return limits of a correlation, 95 %; -1 and 1 where too few pairs are independent."""
    if n <= 3:
        return -1.0, 1.0
    half = _CONFIDENCE * wider / np.sqrt(n - 3)
    z = np.arctanh(np.clip(r, -1 + _TINY, 1 - _TINY))
    return float(np.tanh(z - half)), float(np.tanh(z + half))


def _line(x: Array, y: Array, x_std: Array, y_std: Array) -> dict[str, float]:
    """Return the line with errors in both axes and the scatter that these do not explain."""
    sx, sy = (np.nan_to_num(std) for std in (x_std, y_std))
    whole = float(np.ptp(y))
    scatter = _scatter(x, y, sx, sy)
    sy = np.hypot(sy, max(scatter, _TINY * whole))
    b, best, _ = _york(x, y, sx, sy)
    weight = 1 / (sy**2 + b**2 * sx**2)
    center = float(weight @ best / weight.sum())
    mean_x, mean_y = float(weight @ x / weight.sum()), float(weight @ y / weight.sum())
    a = mean_y - b * mean_x
    variance = 1 / float(weight @ (best - center) ** 2)
    grown = Memory.of((y - a - b * x) * np.sqrt(weight)).whole
    return {
        "slope": b,
        "slope_std": float(np.sqrt(variance * grown)),
        "intercept": a,
        "intercept_std": float(np.sqrt((1 / float(weight.sum()) + center**2 * variance) * grown)),
        "scatter": scatter,
    }


def _scatter(x: Array, y: Array, sx: Array, sy: Array) -> float:
    """Return the scatter of y that brings the reduced chi^2 down to 1; 0 where it is no more."""

    def beyond(more: float) -> float:
        return _york(x, y, sx, np.hypot(sy, more))[2] - 1

    least, most = _TINY * float(np.ptp(y)), float(np.ptp(y))
    if not beyond(least) > 0:
        return 0.0
    return float(optimize.brentq(beyond, least, most, rtol=1e-6)) if beyond(most) < 0 else most


def _york(x: Array, y: Array, sx: Array, sy: Array) -> tuple[float, Array, float]:
    """Return the slope of the least chi^2, the places on the line, and the reduced chi^2."""
    b = float(np.polyfit(x, y, 1)[0])
    for _ in range(_ROUNDS):
        weight = 1 / (sy**2 + b**2 * sx**2)
        mean_x, mean_y = float(weight @ x / weight.sum()), float(weight @ y / weight.sum())
        u, v = x - mean_x, y - mean_y
        beta = weight * (u * sy**2 + b * v * sx**2)
        before, b = b, float((weight * beta) @ v / ((weight * beta) @ u))
        if abs(b - before) <= _SAME * abs(b):
            break
    return b, mean_x + beta, float(weight @ (v - b * u) ** 2) / (x.size - 2)
