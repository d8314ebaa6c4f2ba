"""Beam damage: whether a number changes with dose while nothing else does."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded
from operando.units import with_units

from .dose_fits import LEAST, DoseFit, dose_fit
from .labels import flagged
from .layout import ALONG, BEAM_DAMAGE
from .steady_runs import NONE, labelled_runs, steady_runs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SCAN, RUN = "scan", "run"
_HOUR = np.timedelta64(1, "h")


def beam_damage(
    series: xr.Dataset,
    variable: str = "edge_energy",
    *,
    dose: str | ArrayLike = "scan",
    by: str | ArrayLike | None = None,
    tolerance: float = 0.005,
    soc_tolerance: float = 0.01,
    least: int = LEAST,
    threshold: float = 3.0,
    model: Literal["auto", "linear"] = "auto",
) -> xr.Dataset:
    """Return how a number changes with dose within each run of scans, and whether that is more than noise.

    y = y0 + r D by least squares, weighted by 1/``<variable>_std``^2; where the data demand it beyond ``threshold``,
    y = y0 + A (1 - exp(-D/Dc)), whose rate at the start is r = A/Dc.

    Parameters
    ----------
    series
        Scans with the dim ``scan``, worked up; numbers may have further dims (``signal``).
    variable
        The number judged, such as ``edge_energy``, ``white_line_height`` or ``branching_ratio``.
    dose
        ``"scan"``: how many scans of the run came before the middle of this one; ``"time"``: hours since the run
        began, for a beam that never leaves the spot; or a coordinate, a variable, or one number a scan, in a unit of
        its own, at the middle of each scan and counted from wherever its zero is.
    by
        A coordinate (``half_cycle``), or one label a scan, that parts the scans into runs; ``"all"`` makes one of all.
        By default runs are where the ``potential`` (else the ``voltage``) stays the same, see below.
    tolerance, soc_tolerance
        By how much potential (V) and state of charge (1), where it is known, may differ within a run.
    least
        Scans that a run has at least, 4 or more.
    threshold
        Significance, in standard deviations of a normal distribution, from which a change counts as beam damage.
    model
        ``"auto"``, or ``"linear"`` to never bend the line.

    Returns
    -------
    xarray.Dataset
        Along ``run``: ``rate`` at the start and ``rate_std`` (unit of the variable per unit of dose), ``initial`` and
        ``initial_std`` (the number at no dose), ``dose_constant`` and its ``_std`` (Dc; NaN of a line),
        ``reduced_chi_square``, ``p_value`` (of a change this large by noise alone), ``significance`` (standard
        deviations of that probability), ``scans`` (how many count), ``first_scan`` and ``last_scan`` (1), and the mean
        ``run_potential`` (V). Along ``scan``: ``run_of_scan`` (-1 in none) and the coordinate ``flag`` with
        ``Flag.beam_damage`` raised in the scans of the runs that change.

    Raises
    ------
    OperandoError
        If there is no dim ``scan``, the variable, the dose or the labels are missing, or the scans are not linked to a
        potential and ``by`` is not given.

    Notes
    -----
    Uncertainties are scaled by the square root of the reduced chi-square where it exceeds one, and the probability is
    then that of Student's distribution; where no ``_std`` is known all are equal and the scatter alone tells. Of runs
    without damage at most 0.27 % are flagged at a threshold of 3 if the stated uncertainties hold; if they are too
    small, up to three times as many of runs of 6 scans, fewer of longer ones. What relaxes by itself at constant
    potential looks the same as damage: a spot that saw no beam tells the two apart. The numbers are computed.

    P. R. Bevington, D. K. Robinson, Data Reduction and Error Analysis for the Physical Sciences, McGraw-Hill (2003).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> dose = np.arange(8.0)
    >>> energy = ("scan", 853.0 - 0.1 * dose, {"units": "eV"})
    >>> std = ("scan", np.full(8, 0.02), {"units": "eV"})
    >>> coords = {"dose": ("scan", dose, {"units": "1"})}
    >>> series = xr.Dataset({"edge_energy": energy, "edge_energy_std": std}, coords)
    >>> found = xas.beam_damage(series, dose="dose", by="all")
    >>> print(found["rate"].values.round(2).tolist())
    [-0.1]
    """
    values, std = _judged(series, variable)
    runs = _runs(series, by, tolerance=tolerance, soc_tolerance=soc_tolerance, least=max(least, LEAST))
    count = int(runs.max(initial=NONE)) + 1
    doses, unit = _doses(series, dose, runs)
    if model not in ("auto", "linear"):
        raise OperandoError(f"beam_damage: expected the model 'auto' or 'linear', got {model!r}")
    others = [dim for dim in values.dims if dim != SCAN]
    stacked, errors = (_rows(array, others) for array in (values, std))
    fits = [
        dose_fit(doses[runs == run], row[runs == run], error[runs == run], threshold=threshold, model=model)
        for row, error in zip(stacked, errors, strict=True)
        for run in range(count)
    ]
    shape, names = (*(values.sizes[dim] for dim in others), count), list(vars(DoseFit()))
    columns = {name: np.array([getattr(fit, name) for fit in fits], dtype=np.float64) for name in names}
    found = xr.Dataset(
        {name: ((*others, RUN), column.reshape(shape)) for name, column in columns.items()},
        coords={dim: values[dim] for dim in others if dim in values.coords},
    ).rename(constant="dose_constant", constant_std="dose_constant_std", count="scans")
    found["significance"] = (found["p_value"].dims, stats.norm.isf(found["p_value"] / 2))
    found = found.merge(_places(series, runs, count))
    ds = _on_scans(found, series, runs, threshold)
    ds = _with_names(ds, str(values.attrs.get("units", "1")), unit, str(values.attrs.get("long_name", variable)))
    parameters: dict[str, Any] = {"variable": variable, "dose": _said(dose), "by": _said(by), "model": model}
    parameters |= {"tolerance": tolerance, "soc_tolerance": soc_tolerance, "least": least, "threshold": threshold}
    return recorded(ds.assign_attrs(variable=variable), "xas.beam_damage", parameters, after=series)


def _judged(series: xr.Dataset, variable: str) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the number of every scan and its uncertainty, NaN where none is stated."""
    if SCAN not in series.dims:
        raise OperandoError(f"beam_damage: expected a series with the dim 'scan', got {tuple(series.dims)}")
    fit = [name for name in series.data_vars if SCAN in series[name].dims and ALONG not in series[name].dims]
    if variable not in fit:
        known = ", ".join(str(name) for name in fit if not str(name).endswith("_std")) or "nothing"
        raise OperandoError(f"beam_damage: expected a number of every scan among {known}, got {variable!r}")
    values = series[variable].astype(np.float64)
    std = series[f"{variable}_std"] if f"{variable}_std" in series else xr.full_like(values, np.nan)
    return values, std.broadcast_like(values)


def _rows(array: xr.DataArray, others: list[Any]) -> Floats:
    return np.asarray(array.transpose(*others, SCAN).to_numpy(), dtype=np.float64).reshape(-1, array.sizes[SCAN])


def _runs(
    series: xr.Dataset, by: str | ArrayLike | None, *, tolerance: float, soc_tolerance: float, least: int
) -> Ints:
    """Return the number of the run that each scan is in."""
    if by is None:
        return steady_runs(_states(series, tolerance, soc_tolerance), least)
    count, labels = series.sizes[SCAN], np.asarray(by)
    if isinstance(by, str):
        if by != "all" and by not in series.variables:
            raise OperandoError(f"beam_damage: expected a coordinate of the scans or 'all', got {by!r}")
        labels = np.zeros(count) if by == "all" else series[by].to_numpy()
    if labels.shape != (count,):
        raise OperandoError(f"beam_damage: expected one label for each of {count} scans, got shape {labels.shape}")
    return labelled_runs(labels, least)


def _states(series: xr.Dataset, tolerance: float, soc_tolerance: float) -> list[tuple[Floats, float]]:
    """Return what must stay the same within a run, and by how much it may differ."""
    name = next((name for name in ("potential", "voltage") if name in series.variables), None)
    if name is None:
        said = "beam_damage: expected scans linked to the electrochemistry, got no potential"
        raise OperandoError(f"{said}; give by = 'all' for scans of one state, or a coordinate that tells runs apart")
    states = [(_column(series, name), tolerance)]
    if "soc" in series.variables and np.isfinite(_column(series, "soc")).any():
        states.append((_column(series, "soc"), soc_tolerance))
    return states


def _doses(series: xr.Dataset, dose: str | ArrayLike, runs: Ints) -> tuple[Floats, str]:
    """Return the dose at the middle of each scan and its unit."""
    if not isinstance(dose, str):
        values = np.asarray(dose, dtype=np.float64)
        if values.shape != runs.shape:
            raise OperandoError(f"beam_damage: expected one dose for each of {runs.size} scans, got {values.shape}")
        return values, str(getattr(dose, "attrs", {}).get("units", "1"))
    out = np.full(runs.size, np.nan)
    if dose == SCAN:
        for run in range(int(runs.max(initial=NONE)) + 1):
            out[runs == run] = np.arange(np.count_nonzero(runs == run)) + 0.5
        return out, "1"
    if dose not in series.variables or series[dose].dims != (SCAN,):
        raise OperandoError(f"beam_damage: expected a dose of every scan, 'scan' or 'time', got {dose!r}")
    if dose != "time":
        return _column(series, dose), str(series[dose].attrs.get("units", "1"))
    time = series["time"].to_numpy()
    start = series["time_start"].to_numpy() if "time_start" in series.variables else time
    for run in range(int(runs.max(initial=NONE)) + 1):
        inside = np.flatnonzero(runs == run)
        first = start[inside][~np.isnat(start[inside])]
        if first.size:
            out[inside] = np.where(np.isnat(time[inside]), np.nan, (time[inside] - first.min()) / _HOUR)
    return out, "h"


def _column(series: xr.Dataset, name: str) -> Floats:
    return np.asarray(series[name].to_numpy(), dtype=np.float64)


def _places(series: xr.Dataset, runs: Ints, count: int) -> xr.Dataset:
    """Return where each run begins and ends, and at which potential."""
    inside = [np.flatnonzero(runs == run) for run in range(count)]
    numbers = _column(series, SCAN) if SCAN in series.coords else np.arange(runs.size, dtype=np.float64)
    places: dict[str, Any] = {
        "first_scan": (RUN, np.array([numbers[one[0]] for one in inside], dtype=np.float64)),
        "last_scan": (RUN, np.array([numbers[one[-1]] for one in inside], dtype=np.float64)),
    }
    if "potential" in series.variables:
        potential = _column(series, "potential")
        places["run_potential"] = (RUN, np.array([potential[one].mean() for one in inside], dtype=np.float64))
    return xr.Dataset(places)


def _on_scans(found: xr.Dataset, series: xr.Dataset, runs: Ints, threshold: float) -> xr.Dataset:
    """Return the runs beside the scans they are made of, which are flagged where a run changes."""
    kept = {name: array for name, array in series.coords.items() if array.dims == (SCAN,)}
    ds = found.assign_coords(kept).assign(run_of_scan=(SCAN, runs.astype(np.float64)))
    changed = (found["significance"] >= threshold).any([dim for dim in found["significance"].dims if dim != RUN])
    damaged = np.append(changed.to_numpy(), False)[runs]
    return flagged(ds, Flag.beam_damage, xr.DataArray(damaged, dims=SCAN))


def _with_names(ds: xr.Dataset, unit: str, per: str, meaning: str) -> xr.Dataset:
    """Return the results with their units and meanings."""
    rate = unit if per == "1" else f"{unit}/({per})" if set(per) & set("/* ") else f"{unit}/{per}"
    mine = dict.fromkeys(("initial", "initial_std"), unit) | dict.fromkeys(("rate", "rate_std"), rate)
    mine |= dict.fromkeys(("dose_constant", "dose_constant_std"), per)
    names = BEAM_DAMAGE.long_names()
    names |= {"rate": f"change of the {meaning} with dose", "initial": f"{meaning} at no dose"}
    own = {str(name) for name in ds.data_vars}
    units = {name: value for name, value in {**BEAM_DAMAGE.units(), **mine}.items() if name in own}
    return with_units(ds, units, {name: text for name, text in names.items() if name in own})


def _said(given: Any) -> str | None:
    return given if isinstance(given, str) or given is None else "one a scan"
