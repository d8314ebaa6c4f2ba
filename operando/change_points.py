"""When a quantity changes: the break of two straight lines, or the step between two levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from .clock import to_ns
from .errors import OperandoError
from .history import recorded
from .quantities import dim_of, name_of
from .serial_correlation import Draws, Memory
from .units import with_units

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Design = Callable[[float], Array]

_FEWEST, _ENDS = 10, 3
_MOST, _PLACES = 2000, 200
_SURE = 3.0
_MEANINGS = {
    "time_std": "standard uncertainty of the time of the change",
    "time_std_scatter": "part of the uncertainty: scatter, by blocks of neighbors drawn again",
    "time_std_fit": "part of the uncertainty: stated errors of the values",
    "time_std_sampling": "part of the uncertainty: interval of the values in which a step lies",
}


def change_point(
    one: xr.Dataset, *, shape: Literal["kink", "step"] = "kink", draws: int = 500, seed: int = 0
) -> xr.Dataset:
    """Return when a quantity changes its slope or its level.

    Parameters
    ----------
    one
        What :func:`operando.quantity` returned, cut to the time that holds one change.
    shape
        ``"kink"``: a + b t + c max(t - T, 0); ``"step"``: a level before T and another one after.
    draws, seed
        Number of draws of the residuals and where they begin.

    Returns
    -------
    Dataset
        ``time`` T (UTC), ``time_std`` (s) with its parts ``_scatter``, ``_fit`` and ``_sampling``, and ``change`` (of
        the value, or of its slope per s) with ``change_std`` by the scatter.

    Raises
    ------
    OperandoError
        If there are fewer than ten values, or the change is less than three of its standard uncertainties.

    Notes
    -----
    T has the least squares among 200 places, a kink's refined by a parabola; three values at least lie on either side.
    The scatter is that of T in series made of the lines and residuals drawn in blocks (of the length their serial
    correlation asks for, times what such blocks lose). A step lies anywhere between two values: their distance over
    sqrt(12), in a gap that of its ends.
    """
    dim, size = dim_of(one), one["value"].size
    one = one.isel({dim: slice(None, None, -(-size // _MOST))}) if size > _MOST else one
    origin = np.datetime64(one["time"].values[0], "ns")
    time = (one["time"].values - origin) / np.timedelta64(1, "s")
    value, std = one["value"].values, np.nan_to_num(one["value_std"].values)
    if value.size < _FEWEST:
        raise OperandoError(
            f"change_point: expected at least {_FEWEST} values of {name_of(one)}, got {value.size}; widen the window"
        )
    places = _places(time, shape)
    design = _kink(time) if shape == "kink" else _step(time)
    directions = _directions(design, places)
    best = float(_best(directions, places, value[:, None], shape)[0])
    basis = design(best)
    weights, *_ = np.linalg.lstsq(basis, value, rcond=None)
    residual = value - basis @ weights
    memory = Memory.of(residual, float((std**2).mean()))
    length = memory.block_length(residual.size)
    at = Draws(draws, seed).places(residual.size, length)
    factor = memory.lost_by_blocks(length) * np.sqrt(value.size / (value.size - basis.shape[1] - 1))
    change_std = _last_std(basis, residual) * np.sqrt(memory.whole)
    if not abs(weights[-1]) > _SURE * change_std:
        raise OperandoError(
            f"change_point: expected a {shape} in {name_of(one)} of at least {_SURE:g} standard uncertainties, got "
            f"{weights[-1]:.3g} +- {change_std:.3g}; choose a window that holds one change"
        )
    parts = {
        "scatter": factor * _redrawn(directions, places, (basis @ weights, residual), shape, at),
        "fit": _stated(time, best, weights, std) if shape == "kink" else 0.0,
        "sampling": _gap(time, best) / np.sqrt(12) if shape == "step" else 0.0,
    }
    total = float(np.hypot(max(parts["scatter"], parts["fit"]), parts["sampling"]))
    found = xr.Dataset({"time_std": total, **{f"time_std_{name}": part for name, part in parts.items()}})
    found = with_units(found, dict.fromkeys(_MEANINGS, "s"), _MEANINGS)
    unit = str(one["value"].attrs.get("units", "1"))
    unit = f"({unit})/s" if shape == "kink" else unit
    told = f"change of the {'slope' if shape == 'kink' else 'level'}"
    found["change"] = xr.Variable((), weights[-1], {"units": unit, "long_name": told})
    found["change_std"] = xr.Variable((), change_std, {"units": unit, "long_name": f"standard uncertainty: {told}"})
    when = origin + to_ns(np.array(best))
    found = found.assign_coords(time=((), when, {"long_name": "time of the change, UTC"}))
    return recorded(found, "change_point", {"shape": shape, "draws": draws, "seed": seed}, after=one)


def _kink(time: Array) -> Design:
    return lambda at: np.column_stack([np.ones_like(time), time, np.maximum(time - at, 0.0)])


def _step(time: Array) -> Design:
    return lambda at: np.column_stack([np.ones_like(time), (time > at).astype(float)])


def _places(time: Array, shape: str) -> Array:
    """Return the times at which a change is looked for."""
    inner = time[_ENDS - 1 : time.size - _ENDS + 1]
    if shape == "step":
        return (inner[1:] + inner[:-1]) / 2
    return np.linspace(inner[0], inner[-1], _PLACES)


def _directions(design: Design, places: Array) -> Array:
    """Return orthonormal columns of the design with the change at each place, dims (place, column, value)."""
    q, _ = np.linalg.qr(np.stack([design(float(at)) for at in places]))
    turned: Array = np.ascontiguousarray(q.transpose(0, 2, 1))
    return turned


def _best(directions: Array, places: Array, values: Array, shape: str) -> Array:
    """Return, for every column of values, the place of the least squares."""
    explained = (np.matmul(directions, values) ** 2).sum(axis=1)
    k = explained.argmax(axis=0)
    if shape == "step":
        found: Array = places[k]
        return found
    column, k = np.arange(k.size), np.clip(k, 1, places.size - 2)
    a, b, c = (explained[k + move, column] for move in (-1, 0, 1))
    bend = a - 2 * b + c
    moved = np.divide(0.5 * (a - c), bend, out=np.zeros_like(bend), where=bend < 0)
    refined: Array = places[k] + np.clip(moved, -1, 1) * (places[1] - places[0])
    return refined


def _redrawn(directions: Array, places: Array, series: tuple[Array, Array], shape: str, at: Places) -> float:
    """Return the spread of the place in series of lines with residuals drawn again, ``at`` (draw, value)."""
    line, residual = series
    drawn = line[:, None] + (residual - residual.mean())[at].T
    return float(_best(directions, places, drawn, shape).std(ddof=1))


def _last_std(basis: Array, residual: Array) -> float:
    """Return the standard uncertainty of the last weight by the scatter alone."""
    inverse = np.linalg.inv(basis.T @ basis)
    return float(np.sqrt(inverse[-1, -1] * (residual @ residual) / max(residual.size - basis.shape[1] - 1, 1)))


def _stated(time: Array, at: float, weights: Array, std: Array) -> float:
    """Return what the stated errors of the values do to the place of a kink."""
    design = np.column_stack([np.ones_like(time), time, np.maximum(time - at, 0.0), -weights[-1] * (time > at)])
    pull = np.linalg.pinv(design)[-1]
    return float(np.sqrt(((pull * std) ** 2).sum()))


def _gap(time: Array, at: float) -> float:
    k = int(np.clip(np.searchsorted(time, at), 1, time.size - 1))
    return float(time[k] - time[k - 1])
