"""Put one series' quantities on the scans of another: by time, or for different cells by state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import seconds_since, to_ns
from .errors import OperandoError
from .history import recorded
from .linking import CLOCK, Log, intervals
from .onset_times import clock_sigma
from .state_values import SCAN, TOLERANCE, around, in_order, numbers_along

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STATES = ("soc", "potential")
GAP = 3.0
"""Median intervals between scans beyond which nothing is interpolated between two of them."""

_NOTHING = 1e-12
_LABELS = ("half_cycle", "cycle")


@dataclass(frozen=True)
class Shares:
    """How much each scan of the other series counts in each scan: a sparse matrix by rows, columns and shares."""

    row: Integers
    column: Integers
    share: Array
    rows: int

    def sums(self, values: Array, power: int = 1) -> Array:
        """Return the sums of ``share ** power * values`` over each row; NaN for rows without any share."""
        total = np.full(self.rows, 0.0)
        np.add.at(total, self.row, self.share**power * values[self.column])
        return np.where(self.counts() > 0, total, np.nan)

    def counts(self) -> Integers:
        """Return how many scans count in each row."""
        return np.bincount(self.row, minlength=self.rows)


def join(
    left: xr.Dataset,
    right: xr.Dataset,
    names: str | Sequence[str] | None = None,
    *,
    by: Literal["time", "soc", "potential"] = "time",
    tolerance: float | None = None,
    gap: float | None = None,
) -> xr.Dataset:
    """Return the quantities of ``right`` on the scans of ``left``.

    Parameters
    ----------
    left, right
        Two series over ``scan`` with their times on one clock (:func:`operando.link`), or linked with ``half_cycle``
        and the state. For ``by="time"``, ``right`` may be a log over ``time``.
    names
        Quantities of ``right``; by default all numbers that have no dim but ``scan`` and are no coordinates.
    by
        ``"time"`` for the same cell. ``"soc"`` or ``"potential"`` for different cells: scans of the same cycle and
        half-cycle at the same state belong together.
    tolerance
        For a time: longest part (s) of a scan that ``right`` may miss, by default 2 of its typical intervals and at
        least 3 sigma of the clocks. For a state: farthest distance, by default 0.02 (1 or V).
    gap
        Longest time (s) between two scans of ``right`` that is interpolated across; by default 3 median intervals, and
        any within a segment of a log.

    Returns
    -------
    Dataset
        Over the scans of ``left``, with its other coordinates: for every quantity the mean ``<name>``, its standard
        uncertainty ``<name>_std``, the spread of the scans that count, ``<name>_spread``, and their number,
        ``<name>_n``; NaN and 0 where none do. ``attrs["link"]`` is ``"time"`` or ``"state"``.

    Raises
    ------
    OperandoError
        If a quantity, a time or a state is missing, or a quantity has further dims.

    Notes
    -----
    By time: ``right`` is a line through the middles of its scans, held from the first middle back to the start of the
    first scan and from the last to its end; the mean over the interval of a scan is ``sum_k w_k v_k`` with
    ``sum_k w_k = 1``, its error ``std^2 = sum_k w_k^2 std_k^2 + (|v(end) - v(start)| / length * sigma)^2``, ``sigma``
    that of the two clocks. Nothing is extrapolated, and nothing interpolated across a gap.
    By state: the line between the two scans of ``right`` around the state; where only one side lies within the
    tolerance, that scan, with the slope of its half-cycle times the distance as a further error.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> import operando
    >>> def series(minutes, **data):
    ...     start = np.datetime64("2024-03-01T08:00", "ns") + np.array(minutes) * np.timedelta64(1, "m")
    ...     length = np.timedelta64(4, "m")
    ...     times = {"time_start": start, "time": start + length // 2, "time_end": start + length}
    ...     return xr.Dataset(
    ...         {name: ("scan", values) for name, values in data.items()},
    ...         coords={name: ("scan", values) for name, values in times.items()},
    ...     )
    >>> spectra = series([0, 5, 10], edge_energy=[8344.0, 8345.0, 8346.0], edge_energy_std=[0.1, 0.1, 0.1])
    >>> volume = series([5], crack_volume=[12.0])
    >>> print(operando.join(volume, spectra)["edge_energy"].values)
    [8345.]
    """
    if by not in ("time", *STATES):
        raise OperandoError(f"join: expected by = 'time', 'soc' or 'potential', got {by!r}")
    wanted = _wanted(right, names)
    if by == "time":
        columns, parameters = _by_time(left, right, wanted, tolerance, gap)
    else:
        columns, parameters = _by_state(left, right, wanted, by, TOLERANCE if tolerance is None else tolerance)
    coords = {name: data for name, data in left.coords.items() if data.dims in ((), (SCAN,)) and name not in columns}
    ds = xr.Dataset(columns, coords=coords, attrs=left.attrs).assign_attrs(link="time" if by == "time" else "state")
    return recorded(ds, "join", {"names": wanted, "by": by, **parameters})


def _wanted(right: xr.Dataset, names: str | Sequence[str] | None) -> list[str]:
    dim = _dim(right)
    known = [name for name in numbers_along(right, dim) if right[name].dims == (dim,)]
    if names is None:
        return [name for name in known if name not in right.coords]
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in known:
            raise OperandoError(
                f"join: expected quantities along {dim} alone, got {name!r}; there are {', '.join(known) or 'none'}; "
                "choose from further dims by .sel"
            )
    return wanted


def _dim(data: xr.Dataset) -> str:
    for dim in (SCAN, "time"):
        if dim in data.dims:
            return dim
    raise OperandoError(f"join: expected a series over scan, got dims {', '.join(map(str, data.dims)) or 'none'}")


def _columns(shares: Shares, values: Array, std: Array, further: Array, right: xr.DataArray) -> dict[str, xr.Variable]:
    """Return mean, error, spread and number for one quantity; ``further`` is a variance to be added."""
    mean, square = shares.sums(values), shares.sums(values**2)
    error = np.sqrt(shares.sums(std**2, power=2) + further)
    spread = np.sqrt(np.clip(square - mean**2, 0, None))
    name, units = str(right.name), str(right.attrs.get("units", "1"))
    title = str(right.attrs.get("long_name", name))
    told = {
        "": (mean, units, f"{title}, mean over the scan"),
        "_std": (error, units, f"standard uncertainty of {title}"),
        "_spread": (spread, units, f"spread of {title} within the scan"),
        "_n": (shares.counts(), "1", f"scans that count in {title}"),
    }
    return {
        f"{name}{ending}": xr.Variable(SCAN, column, {"units": unit, "long_name": words})
        for ending, (column, unit, words) in told.items()
    }


def _std(right: xr.Dataset, name: str, kept: Integers) -> Array:
    if f"{name}_std" not in right.variables:
        return np.zeros(kept.size)
    std: Array = np.nan_to_num(right[f"{name}_std"].values[kept].astype("f8"))
    return std


def _by_time(
    left: xr.Dataset, right: xr.Dataset, wanted: list[str], tolerance: float | None, gap: float | None
) -> tuple[dict[str, xr.Variable], dict[str, Any]]:
    for side, data in (("left", left), ("right", right)):
        if "time" not in data.variables:
            raise OperandoError(f"join: expected times on both sides, got none on the {side}")
    sigma = _sigma(left, right)
    columns: dict[str, xr.Variable] = {}
    for name in wanted:
        values = right[name].values.astype("f8")
        kept = np.flatnonzero(np.isfinite(values) & ~np.isnat(right["time"].values))
        if not kept.size:
            raise OperandoError(f"join: expected values of {name!r} with a time, got none")
        log, scan = _line(right, kept, gap)
        start, end = intervals(left, log.origin)
        allowed = np.maximum(2 * log.typical_in(start, end), 3 * sigma) if tolerance is None else tolerance
        missing = end - start - (log.covered(end) - log.covered(start))
        good = np.isfinite(start) & log.holds(start, end) & ~(missing > allowed)
        shares = _shares(log, scan, start, end, good)
        edges = [_shares(log, scan, edge, edge, good).sums(values) for edge in (start, end)]
        slope = (edges[1] - edges[0]) / np.where(end > start, end - start, np.inf)
        std = np.zeros(values.size)
        std[kept] = _std(right, name, kept)
        columns |= _columns(shares, values, std, (slope * sigma) ** 2, right[name])
    return columns, {"sigma": sigma, "tolerance": tolerance, "gap": gap}


def _sigma(left: xr.Dataset, right: xr.Dataset) -> float:
    """Return how well the two series' times agree (s): exactly if one clock wrote both."""
    same = CLOCK in left.attrs and left.attrs.get(CLOCK) == right.attrs.get(CLOCK)
    return 0.0 if same else float(np.hypot(clock_sigma(left), clock_sigma(right)))


def _line(right: xr.Dataset, kept: Integers, gap: float | None) -> tuple[Log, Integers]:
    """Return the scans as a log through their middles and out to the ends, and the scan of each of its samples."""
    origin = right["time"].values.astype("M8[ns]")[kept].min()
    middle = seconds_since(right["time"].values[kept], origin)
    kept = kept[np.argsort(middle, kind="stable")]
    middle = np.sort(middle)
    start, end = intervals(right.isel({_dim(right): kept}), origin)
    if gap is None and "segment" in right.variables:
        apart = np.diff(right["segment"].values[kept]) != 0
    else:
        longest = GAP * float(np.median(np.diff(middle))) if gap is None and middle.size > 1 else gap or 0.0
        apart = start[1:] - end[:-1] > longest
    piece = np.cumsum(np.r_[0, apart.astype(int)])
    first = np.r_[True, np.diff(piece) > 0] & (start < middle)
    last = np.r_[np.diff(piece) > 0, True] & (end > middle)
    time = np.concatenate([start[first], middle, end[last]])
    scan = np.concatenate([kept[first], kept, kept[last]])
    labels = np.concatenate([piece[first], piece, piece[last]])
    order = np.lexsort((time, labels))
    samples = xr.Dataset(
        {"flag": ("time", np.zeros(time.size, "i4")), "segment": ("time", labels[order])},
        coords={"time": origin + to_ns(time[order])},
    )
    return Log.of(samples), scan[order]


def _shares(log: Log, scan: Integers, start: Array, end: Array, good: npt.NDArray[np.bool_]) -> Shares:
    """Return how much each scan counts in the mean of a log's line over each interval.

    Between two samples the line's share of the second is ``(v^2 - u^2)/2`` of the width, from ``u`` to ``v``.
    """
    rows = np.flatnonzero(good)
    width = log.width if log.width.size else np.zeros(1)
    (first, low), (last, high) = log.part(start[rows]), log.part(end[rows])
    instant = log.covered(end[rows]) <= log.covered(start[rows])
    last, high = np.where(instant, first, last), np.where(instant, low, high)
    many = last - first + 1
    row = np.repeat(np.arange(rows.size), many)
    k = np.arange(row.size) - np.repeat(np.cumsum(many) - many, many) + first[row]
    begin, stop = np.where(k == first[row], low[row], 0.0), np.where(k == last[row], high[row], 1.0)
    second = np.where(instant[row], begin, 0.5 * (stop**2 - begin**2) * width[k])
    share = np.concatenate([np.where(instant[row], 1.0, (stop - begin) * width[k]) - second, second])
    sample = np.minimum(np.concatenate([k, k + 1]), scan.size - 1)
    pairs, place = np.unique(np.stack([np.tile(row, 2), scan[sample]]), axis=1, return_inverse=True)
    total = np.bincount(place.ravel(), share, minlength=pairs.shape[1])
    whole = np.bincount(pairs[0], total, minlength=rows.size)
    counts = total > _NOTHING * whole[pairs[0]]
    return Shares(rows[pairs[0]][counts], pairs[1][counts], (total / whole[pairs[0]])[counts], start.size)


def _by_state(
    left: xr.Dataset, right: xr.Dataset, wanted: list[str], by: str, tolerance: float
) -> tuple[dict[str, xr.Variable], dict[str, Any]]:
    for side, data in (("left", left), ("right", right)):
        if SCAN not in data.dims or by not in data.variables or "half_cycle" not in data.variables:
            raise OperandoError(
                f"join: expected a linked series with {by!r} and half_cycle on the {side}; link it first"
            )
    columns: dict[str, xr.Variable] = {}
    for name in wanted:
        sound = right.isel({SCAN: np.flatnonzero(np.isfinite(right[name].values.astype("f8")))})
        values = sound[name].values.astype("f8")
        found = list(_pairs(left, sound, values, by, tolerance))
        row, column = (np.array([one[k] for one in found], np.int64) for k in (0, 1))
        shares = Shares(row, column, np.array([one[2] for one in found], np.float64), left.sizes[SCAN])
        further = np.zeros(left.sizes[SCAN])
        np.maximum.at(further, row, np.array([one[3] for one in found]) ** 2)
        columns |= _columns(shares, values, _std(sound, name, np.arange(values.size)), further, right[name])
    return columns, {"tolerance": tolerance}


def _pairs(
    left: xr.Dataset, right: xr.Dataset, values: Array, by: str, tolerance: float
) -> Iterator[tuple[int, int, float, float]]:
    """Yield scan, scan of the other series, its share, and the error of a state that lies on one side."""
    labels = [name for name in _LABELS if name in left.variables and name in right.variables]
    order, x = in_order(right, by)
    for row in range(left.sizes[SCAN]):
        state = float(left[by].values[row])
        alike = np.ones(order.size, bool)
        for name in labels:
            alike &= right[name].values[order] == left[name].values[row]
        scans, places = order[alike], x[alike]
        if not np.isfinite(state) or not scans.size:
            continue
        pair = around(places, state, tolerance)
        if pair is not None:
            first, second, share = pair
            yield from (
                (row, int(scans[k]), part, 0.0) for k, part in ((first, 1 - share), (second, share)) if part > 0
            )
            continue
        nearest = int(np.argmin(abs(places - state)))
        if abs(places[nearest] - state) <= tolerance:
            slope = _slope_at(places, values[scans], nearest)
            yield row, int(scans[nearest]), 1.0, abs(slope * (places[nearest] - state))


def _slope_at(x: Array, y: Array, at: int) -> float:
    """Return the slope between a scan and its neighbor of another state; 0 if there is none."""
    for other in (at + 1, at - 1):
        if 0 <= other < x.size and x[other] != x[at]:
            return float((y[other] - y[at]) / (x[other] - x[at]))
    return 0.0
