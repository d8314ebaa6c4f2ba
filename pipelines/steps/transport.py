"""Recipe step from phases to how much they hinder transport: tortuosity factor and effective diffusivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import HISTORY
from operando.tomo.layout import PLACES, PROCESSED

from .filled_slices import filled
from .moved_thresholds import Numbers, Phases, phases_of_each, systematic
from .volume_costs import affordable

_STEP = "tortuosity"
_ROUGHLY = 1e-3
"""Tolerance of solutions that only tell how far numbers change."""
_LEAST_EDGE = 8
"""Voxels along an edge of a subvolume below which it tells nothing."""
_OF_AXES = ("tortuosity_factor", "tau_lower", "effective_diffusivity", "percolating")
_NOT_ASKED = "not asked for"
Axis = Literal["z", "y", "x"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Transport:
    """Which phases conduct how well, and along which axes."""

    conducting: Mapping[str, float]
    axes: tuple[str, ...]
    tol: float

    def solved(self, phases: Phases, volume: xr.DataArray, tol: float | None = None) -> xr.Dataset:
        """Return what flows through labels, dims (..., z, y, x); the last dim of what it holds is ``axis``."""
        from operando import tomo

        numbers: dict[int | str, float] = {phases.number(_STEP, name): value for name, value in self.conducting.items()}
        accuracy = self.tol if tol is None else tol
        if len(set(numbers.values())) > 1:
            return tomo.tortuosity(volume, self.axes, conductivities=numbers, tol=accuracy)
        mask = volume.copy(deep=False, data=np.isin(volume.data, list(numbers)))
        found = tomo.tortuosity(mask, self.axes, tol=accuracy)
        scale = next(iter(numbers.values()))
        return found.assign(effective_diffusivity=found["effective_diffusivity"] * scale)

    def mean(self, phases: Phases, volume: xr.DataArray) -> Floats:
        """Return the mean conductivity of labels, dims (..., z, y, x)."""
        table = np.zeros(len(phases.names) + 1)
        for name, value in self.conducting.items():
            table[phases.number(_STEP, name)] = value
        found: Floats = table[volume.data].mean(axis=(-3, -2, -1))
        return found

    def boundaries(self, phases: Phases) -> list[int]:
        """Return the thresholds, from 0, that part phases which do not conduct alike."""
        values = [self.conducting.get(name, 0.0) for name in phases.names]
        return [at for at in range(len(values) - 1) if values[at] != values[at + 1]]


def tortuosity(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    of: str | list[str] = "electrolyte",
    conductivities: dict[str, float] | None = None,
    dims: tuple[Axis, ...] = ("z", "y", "x"),
    tol: float = 1e-4,
    subvolumes: int = 2,
    most_lost: int = 3,
) -> xr.Dataset:
    """Find tortuosity factor and effective diffusivity of the phases ``of`` along axes, with their uncertainties.

    ``conductivities`` of phases by name stand in for ``of``. Lost slices, up to ``most_lost`` in a row, are taken to be
    like the nearest one; planes at the sides most of which no scan shows are left out. ``_systematic`` is half of what
    a factor changes when a threshold moves from 10 % below to 10 % above, in contrasts, one at a time, in quadrature;
    ``_std`` by how far the factor may lie from the material's, from ``subvolumes`` along each dim (0 leaves it out);
    ``_uncertainty`` both. An inf is an inf: ``tortuosity_reason`` says why.
    """
    wanted = dict.fromkeys([of] if isinstance(of, str) else of, 1.0) if conductivities is None else conductivities
    if not wanted or not dims or len(set(dims)) < len(dims) or not all(value > 0 for value in wanted.values()):
        raise OperandoError(f"{_STEP}: expected phases that conduct and different dims, got {wanted} along {dims}")
    if subvolumes < 0 or subvolumes == 1 or most_lost < 0:
        raise OperandoError(f"{_STEP}: expected 2 subvolumes or more, or 0, got {subvolumes}, and most_lost from 0")
    several = len(set(wanted.values())) > 1
    if "phase_label" in processed:
        affordable(processed["phase_label"], "tortuosity_in_phases" if several else "tortuosity")
    asked = _Transport(wanted, tuple(name for name in PLACES if name in dims), tol)
    rows, history = [], processed.attrs[HISTORY]
    for phases in phases_of_each(_STEP, raw, processed):
        row, history = _of_one(phases, asked, subvolumes, most_lost)
        rows.append(row)
    texts = PROCESSED.long_names()
    made = {
        name: (
            ("scan", "axis")[: np.ndim(rows[0][name]) + 1],
            np.array([row[name] for row in rows]),
            {"long_name": texts[name]} if name == "tortuosity_reason" else {"units": "1", "long_name": texts[name]},
        )
        for name in rows[0]
        if name != "converged"
    }
    made["tortuosity_factor"][2]["conducting"] = ", ".join(wanted)
    out = processed.assign(made).assign_attrs({HISTORY: history})
    out = out.assign_coords(axis=("axis", np.array(PLACES, dtype=object), {"long_name": "axis"}))
    lost = xr.DataArray([not row["converged"].all() for row in rows], dims="scan")
    return out.assign_coords(flag=raised(out["flag"], Flag.not_converged, lost)) if "flag" in out.coords else out


def _of_one(
    phases: Phases, asked: _Transport, subvolumes: int, most_lost: int
) -> tuple[dict[str, NDArray[np.generic]], str]:
    """Return the numbers of one volume along z, y, x, and its history."""
    volume, lost = filled(phases.labels)
    found = asked.solved(phases, volume)
    reason = np.array([str(one) for one in found["reason"].values], dtype=object)
    row: dict[str, NDArray[np.generic]] = {name: found[name].to_numpy() for name in _OF_AXES}
    changed = systematic(phases, asked.boundaries(phases), lambda moved: _factor(moved, asked))
    factor = found["tortuosity_factor"].to_numpy()
    known = np.isfinite(factor)
    row["tortuosity_factor_systematic"] = np.where(known, changed.get("tortuosity_factor", 0.0), np.nan)
    row["tortuosity_factor_std"] = factor * _spread(phases, volume, asked, subvolumes)
    row["tortuosity_factor_uncertainty"] = np.hypot(
        row["tortuosity_factor_systematic"], np.nan_to_num(row["tortuosity_factor_std"])
    )
    if lost > most_lost:
        reason[:] = f"{lost} slices in a row are lost"
        row |= {name: np.full(len(reason), np.nan) for name, one in row.items() if one.dtype.kind == "f"}
    at = [PLACES.index(name) for name in asked.axes]
    whole = {name: _placed(values, at, np.nan if values.dtype.kind == "f" else 0) for name, values in row.items()}
    whole["tortuosity_reason"] = _placed(reason, at, _NOT_ASKED)
    whole["volume_fraction"] = found["volume_fraction"].to_numpy()
    return {**whole, "converged": found["converged"].to_numpy()}, str(found.attrs[HISTORY])


def _factor(phases: Phases, asked: _Transport) -> Numbers:
    found = asked.solved(phases, filled(phases.labels)[0], max(asked.tol, _ROUGHLY))
    return {"tortuosity_factor": found["tortuosity_factor"].to_numpy()}


def _placed(values: NDArray[np.generic], at: list[int], missing: object) -> NDArray[np.generic]:
    whole = np.full(len(PLACES), missing, dtype=values.dtype)
    whole[at] = values
    return whole


def _spread(phases: Phases, volume: xr.DataArray, asked: _Transport, subvolumes: int) -> Floats:
    """Return the relative standard deviation of the tortuosity factor over volumes of the material.

    tau = sum c/sum D over n subvolumes of mean conductivity c and effective one D, with the variance of a ratio of
    sums: n/(n - 1) sum (c - tau D)^2/(sum c)^2. Parts through which nothing leads have a D of 0.
    """
    edges = [volume.sizes[name] // max(subvolumes, 1) for name in PLACES]
    if not subvolumes or min(edges) < _LEAST_EDGE:
        return np.full(len(asked.axes), np.nan)
    corners = np.ndindex((subvolumes,) * len(PLACES))
    cuts = [
        tuple(slice(at * edge, (at + 1) * edge) for at, edge in zip(corner, edges, strict=True)) for corner in corners
    ]
    first = volume[cuts[0]]
    parts = xr.DataArray(
        np.stack([volume.data[cut] for cut in cuts]), first.coords, ("part", *PLACES), attrs=first.attrs
    )
    flow = asked.solved(phases, parts, max(asked.tol, _ROUGHLY))["effective_diffusivity"].to_numpy()
    mean = asked.mean(phases, parts)[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = mean - mean.sum() / flow.sum(axis=0) * flow
        spread: Floats = np.sqrt(len(cuts) / (len(cuts) - 1) * (rest**2).sum(axis=0)) / mean.sum()
    return spread
