"""Recipe step from phases to the area over which two of them touch."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.tomo.layout import PROCESSED

from .apparent_films import film_between, without_film
from .moved_thresholds import Numbers, Phases, phases_of_each, systematic
from .volume_costs import affordable

_STEP = "contact"
_NUMBERS = ("contact_area", "surface_area", "contact_share")
_HALF_A_VOXEL = 0.5
Floats = NDArray[np.float64]


def contact(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    a: str,
    b: str,
    blur: float = 0.0,
    smallest: int = 8,
) -> xr.Dataset:
    """Find the area over which the phases ``a`` and ``b`` touch, and which share of the surface of ``a`` it is.

    Where the phase beyond ``b`` in grey lies at ``a``, the ``blur`` (standard deviation, voxels) passes through the
    levels of ``b``: a film of it that is not there, as wide as thresholds and levels say, is taken off, to half a voxel
    either way; 0 leaves it on. Objects of that phase of fewer than ``smallest`` voxels are taken for noise then.
    ``_std`` is that of the area of the labels; ``_systematic`` half of what a threshold changes, moved from 10 % below
    to 10 % above in contrasts, and half a voxel of film, one at a time, in quadrature; ``_uncertainty`` both.
    """
    if blur < 0 or smallest < 1:
        raise OperandoError(f"{_STEP}: expected a blur from 0 and a smallest object from 1, got {blur} and {smallest}")
    if "phase_label" in processed:
        affordable(processed["phase_label"], "contact_area", "label")
    rows, history = [], processed.attrs[HISTORY]
    for phases in phases_of_each(_STEP, raw, processed):
        row, history = _of_one(phases, (a, b), blur, smallest)
        rows.append(row)
    about = {one.name: one for one in PROCESSED.variables}
    endings = {"": "", "_std": "; standard uncertainty", "_systematic": "; change with thresholds and film"}
    endings["_uncertainty"] = "; both uncertainties in quadrature"
    made = {
        f"{name}{ending}": (
            "scan",
            np.array([float(row[f"{name}{ending}"]) for row in rows]),
            {"units": about[name].units, "long_name": about[name].meaning + said},
        )
        for name in _NUMBERS
        for ending, said in endings.items()
    }
    out = processed.assign(made).assign_attrs({HISTORY: history})
    out["contact_share"].attrs |= {"body": a, "toward": b, "blur": blur}
    return out


def _of_one(phases: Phases, pair: tuple[str, str], blur: float, smallest: int) -> tuple[dict[str, Floats], str]:
    """Return the numbers of one volume with their uncertainties, and its history."""
    numbers = phases.number(_STEP, pair[0]), phases.number(_STEP, pair[1])

    def measured(labels: xr.DataArray) -> xr.Dataset:
        from operando import tomo

        return tomo.contact_area(labels, *pair)

    def found(one: Phases, more: float = 0.0) -> xr.Dataset:
        film = film_between(one, *numbers, blur)
        return measured(one.labels if film is None else without_film(one.labels, film, more, smallest))

    def columns(ds: xr.Dataset) -> Numbers:
        return {name: ds[name].to_numpy() for name in _NUMBERS}

    whole = found(phases)
    known = [at for at in range(len(phases.limits)) if {at + 1, at + 2} & set(numbers)]
    changed = systematic(phases, known, lambda moved: columns(found(moved)))
    row: dict[str, Floats] = {}
    thin, thick = (columns(found(phases, more)) for more in (-_HALF_A_VOXEL, _HALF_A_VOXEL)) if blur else ({}, {})
    for name, value in columns(whole).items():
        film = (thick[name] - thin[name]) / 2 if blur else np.zeros(())
        row |= {name: value, f"{name}_std": whole[f"{name}_std"].to_numpy()}
        row[f"{name}_systematic"] = np.hypot(changed[name], film)
        row[f"{name}_uncertainty"] = np.hypot(row[f"{name}_std"], row[f"{name}_systematic"])
    return row, str(whole.attrs[HISTORY])
