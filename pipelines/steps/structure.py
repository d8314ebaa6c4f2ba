"""Recipe step from phases to what they are like: surface, chords, ways, bottlenecks, lines where three phases meet."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.tomo.layout import PLACES, PROCESSED

from .bare_phases import bare
from .filled_slices import filled
from .moved_thresholds import Numbers, Phases, phases_of_each, systematic
from .phase_structure import MEASURES, Asked, Found, Volume
from .volume_costs import affordable

_STEP = "structure"
_OF_PAIRS = ("two_point", "representative_size", "integral_range")
"""What is left as it is when thresholds move."""
_MOST_LAGS = 32
_HALF_A_VOXEL = 0.5
_TRIPLE = ("triple_phase_length", "triple_phase_density")
_DIMS = {
    "specific_surface_area": ("scan", "phase"),
    "chord_length_mean": ("scan", "axis", "phase"),
    "tau_geodesic": ("scan", "axis", "phase"),
    "constrictivity": ("scan", "axis", "phase"),
    "bottleneck_radius": ("scan", "axis", "phase"),
    "opening_radius": ("scan", "phase"),
    "two_point": ("scan", "axis", "lag", "phase"),
    "representative_size": ("scan", "phase"),
    "integral_range": ("scan", "phase"),
    **dict.fromkeys(_TRIPLE, ("scan",)),
}
Axis = Literal["z", "y", "x"]
Quantity = Literal["surface", "chords", "geodesic", "constrictivity", "correlation", "representative"]
Floats = NDArray[np.float64]


def structure(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    quantities: tuple[Quantity, ...] = ("surface", "chords"),
    of: str | list[str] | None = None,
    triple: tuple[str, str, str] | None = None,
    dims: tuple[Axis, ...] = ("z", "y", "x"),
    blur: float = 0.0,
    smallest: int = 8,
    max_lag: float | None = None,
    relative_error: float = 0.05,
    most_lost: int = 3,
) -> xr.Dataset:
    """Find what the phases ``of`` (all) are like, along ``dims``, and how long the lines are where three of them meet.

    ``quantities``: ``surface`` per volume, in which ``blur`` (standard deviation, voxels) fills grooves; mean
    ``chords``; ``geodesic`` tortuosity; ``constrictivity``; two-point ``correlation`` up to ``max_lag`` (um, half of
    the shortest side at most); the edge of a ``representative`` volume, whose fraction of the phase has the
    ``relative_error``. Objects of fewer than ``smallest`` voxels are taken for noise, and films of a phase that the
    ``blur`` makes between the next brighter and the next darker one are taken off, to half a voxel either way. Lost
    slices, up to ``most_lost`` in a row, are taken to be like the nearest one. ``_std`` is by how far a number may lie
    from that of the material (not known of lines where phases meet); ``_systematic`` half of what it changes when a
    threshold moves from 10 % below to 10 % above, in contrasts, one at a time, half a voxel of film, and what voxels
    are off, in quadrature; ``_uncertainty`` both.
    """
    if not (quantities or triple) or not dims or len(set(dims)) < len(dims) or min(blur, most_lost, smallest - 1) < 0:
        came = f"{quantities} along {dims}, a blur of {blur:g}, objects from {smallest}, {most_lost} slices"
        raise OperandoError(f"{_STEP}: expected quantities, different dims, and no number below 0, got {came}")
    if "phase_label" in processed:
        affordable(processed["phase_label"], "surface_area", "label")
    rows, history = [], processed.attrs[HISTORY]
    wanted: list[str] = [of] if isinstance(of, str) else of or []
    for phases in phases_of_each(_STEP, raw, processed):
        numbers = {name: phases.number(_STEP, name) for name in wanted or phases.names}
        axes = tuple(name for name in PLACES if name in dims)
        asked = Asked(numbers, axes, blur, smallest, _lags(phases.labels, max_lag), relative_error)
        row, history = _of_one(phases, asked, [str(one) for one in quantities], triple, most_lost)
        rows.append({name: _placed(name, values, asked, phases.names) for name, values in row.items()})
    out = processed.assign(_variables(rows)).assign_attrs({HISTORY: history})
    if triple is not None:
        out["triple_phase_length"].attrs["phases"] = ", ".join(triple)
    if "two_point" in out:
        out = out.assign_coords(lag=("lag", asked.lags, {"units": "um", "long_name": "distance of two points"}))
    return out.assign_coords(axis=("axis", np.array(PLACES, dtype=object), {"long_name": "axis"}))


def _of_one(
    phases: Phases, asked: Asked, quantities: list[str], triple: tuple[str, str, str] | None, most_lost: int
) -> tuple[Found, str]:
    """Return the numbers of one volume with their uncertainties, and its history."""
    found, history, lost = _measured(phases, asked, quantities, triple)
    names = [name for name in found if name in _DIMS]
    of_labels = [name for name in quantities if name not in ("correlation", "representative")]

    def numbers(one: Phases, more: float = 0.0) -> Numbers:
        return {
            name: values for name, values in _measured(one, asked, of_labels, triple, more)[0].items() if name in names
        }

    changed: dict[str, Floats] = {}
    if of_labels or triple:
        changed |= systematic(phases, list(range(len(phases.limits))), numbers)
        if asked.blur and len(phases.names) > 2:
            thin, thick = (numbers(phases, more) for more in (-_HALF_A_VOXEL, _HALF_A_VOXEL))
            with np.errstate(invalid="ignore"):
                changed = {name: np.hypot(one, (thick[name] - thin[name]) / 2) for name, one in changed.items()}
    row: Found = {}
    for name in names:
        row |= _with_errors(name, found, changed)
    if lost > most_lost:
        row = {name: np.full(values.shape, np.nan) for name, values in row.items()}
    return row, history


def _with_errors(name: str, found: Found, changed: Found) -> Found:
    """Return a number and what is known of its uncertainty."""
    spread = found.get(f"{name}_std")
    row = {name: found[name]} | ({} if spread is None else {f"{name}_std": spread})
    if name not in _OF_PAIRS:
        off = np.hypot(changed.get(name, 0.0), found.get(f"{name}_voxels", 0.0))
        row[f"{name}_systematic"] = np.where(np.isfinite(found[name]), off, np.nan)
        row[f"{name}_uncertainty"] = np.hypot(
            row[f"{name}_systematic"], np.nan_to_num(0.0 if spread is None else spread)
        )
    return row


def _measured(
    phases: Phases, asked: Asked, quantities: list[str], triple: tuple[str, str, str] | None, more: float = 0.0
) -> tuple[Found, str, int]:
    """Return the numbers of one volume, its history, and how many slices are lost in a row, at most."""
    from operando import tomo

    labels = bare(phases, asked.blur, asked.smallest, more)
    whole, lost = filled(labels)
    found: Found = {}
    for name in quantities:
        part, history = MEASURES[name](Volume(labels, whole), asked)
        labels, whole = (one.assign_attrs({HISTORY: history}) for one in (labels, whole))
        found |= part
    if triple is not None:
        lines = tomo.triple_phase_length(whole, *triple)
        found |= {one: lines[one].to_numpy() for one in _TRIPLE}
        found |= {f"{one}_voxels": lines[f"{one}_std"].to_numpy() for one in _TRIPLE}
        whole = whole.assign_attrs({HISTORY: lines.attrs[HISTORY]})
    return found, str(whole.attrs[HISTORY]), lost


def _lags(labels: xr.DataArray, max_lag: float | None) -> Floats:
    """Return the distances of points, um: those of whole voxels."""
    edge = float(labels["voxel_size"])
    most = _MOST_LAGS if max_lag is None else int(max_lag / edge + 1e-9)
    shortest = min(labels.sizes[name] for name in PLACES)
    lags: Floats = edge * np.arange(min(most, shortest // 2) + 1, dtype=np.float64)
    return lags


def _placed(name: str, values: Floats, asked: Asked, phases: tuple[str, ...]) -> Floats:
    """Return numbers of one volume with a place for every axis and phase; NaN where none was asked for."""
    base = next(one for one in (name, *(name.removesuffix(end) for end in _ENDINGS)) if one in _DIMS)
    dims = _DIMS[base][1:]
    for dim, every, known in (("axis", PLACES, asked.axes), ("phase", phases, tuple(asked.phases))):
        if dim in dims:
            at = dims.index(dim)
            shape = [*values.shape]
            shape[at] = len(every)
            whole = np.full(shape, np.nan)
            np.moveaxis(whole, at, 0)[[every.index(one) for one in known]] = np.moveaxis(values, at, 0)
            values = whole
    return values


_ENDINGS = {
    "_std": "; its standard deviation over volumes of the material",
    "_systematic": "; change with thresholds and voxels",
    "_uncertainty": "; both uncertainties in quadrature",
}


def _variables(rows: list[Found]) -> dict[str, tuple[tuple[str, ...], Floats, dict[str, str]]]:
    about = {one.name: one for one in PROCESSED.variables}
    made = {}
    for name in rows[0]:
        ending = next((one for one in _ENDINGS if name.endswith(one)), "")
        base = about[name.removesuffix(ending)]
        attrs = {"units": base.units, "long_name": base.meaning + _ENDINGS.get(ending, "")}
        made[name] = (_DIMS[base.name], np.array([row[name] for row in rows]), attrs)
    return made
