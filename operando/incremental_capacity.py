"""dQ/dV: how much charge passes per volt, by bins of potential that lose none of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from .crossings import white_noise
from .errors import OperandoError
from .history import recorded
from .units import factor, with_units

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WIDTH = 0.01
"""Default width of the bins (V)."""
_MOST = 20_000
_NOTHING = 1e-12


def incremental_capacity(
    source: xr.DataTree | xr.Dataset,
    *,
    width: float = WIDTH,
    half_cycle: int | Sequence[int] | None = None,
    noise: float | None = None,
) -> xr.Dataset:
    """Return dQ/dV of every half-cycle.

    Parameters
    ----------
    source
        An experiment with ``/echem``, or a log over ``time``.
    width
        Width of the bins (V). Peaks narrower than it are flattened.
    half_cycle
        One or several; all but the rest before the first current by default.
    noise
        Standard deviation of the noise of the voltage (V); by default how far samples lie off the cubic through their
        neighbors.

    Returns
    -------
    Dataset
        Over ``half_cycle`` and ``potential`` (the bins' middles, V; the voltage as measured where no potential is
        stated): ``charge`` (mAh, without sign, that passes while the potential is in the bin), ``dq_dv`` (mAh/V) and
        ``dq_dv_std``; ``whole`` where the half-cycle goes through the whole of the bin. NaN where it does not come.

    Raises
    ------
    OperandoError
        If the width is not positive or hardly above the noise, or there is no such half-cycle.

    Notes
    -----
    Between two samples charge passes evenly in potential: an interval gives each bin the part of its charge that its
    span of potential has in it, so that the charges of the bins add up to that of the half-cycle whatever the noise,
    and noise that steps back and forth averages out instead of dividing by nothing. ``dq_dv = charge / width`` is the
    mean over the bin; a peak is smeared over ``width`` and the noise, not shifted. The edge of a bin is uncertain by
    ``s^2 = (2/3) noise^2 tanh(0.75 step / noise)``, ``step`` being the potential between samples, so that
    ``dq_dv_std = dq_dv sqrt(s_low^2 + s_high^2) / width``. At a constant potential all charge falls into one bin.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import echem
    >>> log = xr.Dataset(
    ...     {
    ...         "voltage": ("time", [3.0, 3.1, 3.2]),
    ...         "charge": ("time", [0.0, 3.6, 10.8]),
    ...         "half_cycle": ("time", [1, 1, 1]),
    ...     },
    ...     coords={"time": np.array(["2024-03-01T00", "2024-03-01T01", "2024-03-01T03"], "M8[ns]")},
    ... )
    >>> print(echem.incremental_capacity(log, width=0.1, noise=0.0)["dq_dv"].values.round(6))
    [[10. 20.]]
    """
    log = source["echem"].to_dataset() if isinstance(source, xr.DataTree) else source
    name = "potential" if "potential" in log else "voltage"
    potential, charge = log[name].values.astype("f8"), log["charge"].values.astype("f8")
    half = log["half_cycle"].values.astype(np.int64)
    chosen = _chosen(half, half_cycle)
    segment = log["segment"].values if "segment" in log else np.zeros(half.size, int)
    spread = white_noise(_seconds(log), potential, segment) if noise is None else noise
    if not width > 3 * spread:
        raise OperandoError(
            f"incremental_capacity: expected bins above 3 times the noise ({spread:.2g} V), got {width:g} V; widen them"
        )
    parts = [_intervals(potential, charge, half, segment, number) for number in chosen]
    low = min(float(part[0].min()) for part in parts)
    high = max(float(part[1].max()) for part in parts)
    first, last = int(np.floor(low / width + 1e-9)), int(np.ceil(high / width - 1e-9))
    edges: Array = np.arange(first, max(last, first + 1) + 1, dtype=float) * width
    if edges.size > _MOST:
        raise OperandoError(f"incremental_capacity: expected at most {_MOST} bins, got {edges.size}; widen them")
    rows = [_binned(*part, edges, spread) for part in parts]
    table = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    ds = xr.Dataset(
        {key: (("half_cycle", "potential"), values) for key, values in table.items()},
        coords={"half_cycle": chosen, "potential": edges[:-1] + 0.5 * width},
        attrs={"bin_width": width},
    )
    units = {"charge": "mAh", "dq_dv": "mAh/V", "dq_dv_std": "mAh/V", "whole": "1", "potential": "V", "half_cycle": "1"}
    names = {
        "charge": "charge passed in the bin, without sign",
        "dq_dv": "incremental capacity, mean over the bin",
        "dq_dv_std": "standard uncertainty of the incremental capacity",
        "whole": "whether the half-cycle goes through the whole bin",
        "potential": str(log[name].attrs.get("long_name", name)),
        "half_cycle": "half-cycle",
    }
    parameters = {"width": width, "half_cycle": chosen, "noise": spread, "of": name}
    return recorded(with_units(ds, units, names), "echem.incremental_capacity", parameters, after=log)


def _chosen(half: Integers, wanted: int | Sequence[int] | None) -> Integers:
    known = np.unique(half)
    numbers = known[known > 0] if wanted is None else np.atleast_1d(np.asarray(wanted, np.int64))
    missing = np.setdiff1d(numbers, known)
    if missing.size or not numbers.size:
        got = f"half-cycle {missing[0]}" if missing.size else "none with a current"
        raise OperandoError(f"incremental_capacity: expected half-cycles from {known[0]} to {known[-1]}, got {got}")
    return numbers


def _seconds(log: xr.Dataset) -> Array:
    time = log["time"].values.astype("M8[ns]")
    seconds: Array = (time - time[0]) / np.timedelta64(1, "s")
    return seconds


def _intervals(
    potential: Array, charge: Array, half: Integers, segment: Integers, number: int
) -> tuple[Array, Array, Array]:
    """Return lowest and highest potential (V) and charge (mAh, without sign) of a half-cycle's intervals.

    In the interval in which the current turns, and across gaps, the charge passes at the potential afterwards.
    """
    end = np.flatnonzero(half == number)
    end = end[np.isfinite(potential[end])]
    start = np.maximum(end - 1, 0)
    jump = (half[start] != number) | (segment[start] != segment[end]) | ~np.isfinite(potential[start])
    before = np.where(jump, potential[end], potential[start])
    passed = (charge[end] - charge[start]) * factor("C", "mA*h")
    sign = 1.0 if passed.sum() >= 0 else -1.0
    return np.minimum(before, potential[end]), np.maximum(before, potential[end]), sign * passed


def _binned(low: Array, high: Array, passed: Array, edges: Array, noise: float) -> dict[str, npt.NDArray[np.generic]]:
    """Return the charge in every bin, dQ/dV, its error, and which bins are passed through wholly."""
    width = float(edges[1] - edges[0])
    span = high - low
    flat = span <= 0
    below = np.empty(edges.size)
    for k, edge in enumerate(edges):
        part = np.clip(np.divide(edge - low, span, out=np.zeros(span.size), where=~flat), 0, 1)
        below[k] = passed @ np.where(flat, low < edge, part)
    below[0], below[-1] = 0.0, passed.sum()
    charge = np.diff(below)
    count, _ = np.histogram(0.5 * (low + high), edges)
    reached = (edges[1:] > low.min()) & (edges[:-1] < high.max()) | (charge != 0)
    step = width / np.maximum(count, 1)
    variance = 2 / 3 * noise**2 * np.tanh(0.75 * step / max(noise, _NOTHING))
    variance = np.where(count > 0, variance, 2 / 3 * noise**2)
    at_edge = np.r_[variance[0], 0.5 * (variance[1:] + variance[:-1]), variance[-1]]
    rate = charge / width
    std = abs(rate) * np.sqrt(at_edge[1:] + at_edge[:-1]) / width
    return {
        "charge": np.where(reached, charge, np.nan),
        "dq_dv": np.where(reached, rate, np.nan),
        "dq_dv_std": np.where(reached, std, np.nan),
        "whole": (edges[:-1] >= low.min() - 1e-12) & (edges[1:] <= high.max() + 1e-12),
    }
