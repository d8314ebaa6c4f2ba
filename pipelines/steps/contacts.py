"""Recipe step from phases to the area over which two of them touch."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.tomo.layout import PROCESSED

from .apparent_films import film_between, without_film
from .contact_limits import WIDTHS, simulated_gaps
from .moved_thresholds import Numbers, Phases, phases_of_each, systematic
from .volume_costs import affordable

_STEP = "contact"
_NUMBERS = ("contact_area", "surface_area", "contact_share")
_HALF_A_VOXEL = 0.5
_LEAST_RADIUS = 3.0
_GAPS = ("contact_loss_found", "contact_loss_found_std", "contact_gap_limit", "contact_gap_limit_std")
Floats = NDArray[np.float64]


def contact(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first: xr.Dataset,
    *,
    a: str,
    b: str,
    blur: float = 0.0,
    smallest: int = 8,
    noise: float | None = None,
    radius: float = 8.0,
    repeats: int = 4,
) -> xr.Dataset:
    """Find the area over which the phases ``a`` and ``b`` touch, and which share of the surface of ``a`` it is.

    Where the phase beyond ``b`` in grey lies at ``a``, the ``blur`` (standard deviation, voxels) passes through the
    levels of ``b``: a film of it that is not there, as wide as thresholds and levels say, is taken off, to half a voxel
    either way; 0 leaves it on. Objects of that phase of fewer than ``smallest`` voxels are taken for noise then.
    ``_std`` is that of the area of the labels; ``_systematic`` half of what a threshold changes, moved from 10 % below
    to 10 % above in contrasts, and half a voxel of film, one at a time, in quadrature; ``_uncertainty`` both.

    Gaps thinner than an edge is wide count as contact: to first order in its width a gap does what a smaller particle
    would. With ``noise`` (of a voxel, grey levels) ``contact_loss_found`` (scan, gap) tells which share of the contact
    that gaps of each width take away is found, by ``repeats`` simulated particles of a ``radius`` (voxels) a width, and
    ``contact_gap_limit`` at which width half of it is; from the first volume, for all.
    """
    if blur < 0 or smallest < 1:
        raise OperandoError(f"{_STEP}: expected a blur from 0 and a smallest object from 1, got {blur} and {smallest}")
    if (noise is not None and not noise >= 0) or not radius > _LEAST_RADIUS or repeats < 2:
        came = f"{noise}, {radius:g} and {repeats}"
        raise OperandoError(f"{_STEP}: expected a noise from 0, a radius above 3 voxels and 2 repeats, got {came}")
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
    if noise is None:
        return out
    if _GAPS[0] in first:
        found = {name: first[name][0].to_numpy() for name in _GAPS}
    else:
        known = next(phases_of_each(_STEP, raw, processed))
        found = _gaps(known, (a, b), blur, smallest, (noise, radius, repeats))
    edge = float(raw["voxel_size"].values[0])
    gap = ("gap", edge * np.array(WIDTHS), {"units": "um", "long_name": "width of the simulated gap"})
    for name, values in found.items():
        dims = ("scan", "gap") if values.ndim else ("scan",)
        about_it = about[name.removesuffix("_std")]
        ending = endings["_std"] if name.endswith("_std") else ""
        attrs = {"units": about_it.units, "long_name": about_it.meaning + ending}
        out[name] = (dims, np.repeat(values[np.newaxis], len(rows), axis=0), attrs)
    return out.assign_coords(gap=gap)


def _gaps(
    phases: Phases, pair: tuple[str, str], blur: float, smallest: int, simulated: tuple[float, float, int]
) -> dict[str, Floats]:
    """Return what is found of lost contact by the width of the gap; ``simulated`` are noise, radius and repeats."""
    numbers = phases.number(_STEP, pair[0]), phases.number(_STEP, pair[1])
    beyond = 2 * numbers[1] - numbers[0]
    if abs(numbers[1] - numbers[0]) != 1 or not 1 <= beyond <= len(phases.names):
        raise OperandoError(f"{_STEP}: expected a phase beyond {pair[1]!r} that fills gaps, got none; leave out noise")
    noise, radius, repeats = simulated

    def share(one: Phases) -> float:
        return float(_measured(one, pair, blur, smallest, 0.0)["contact_share"])

    gaps = simulated_gaps(phases, (*numbers, beyond), share, blur=blur, noise=noise, radius=radius, repeats=repeats)
    edge = float(phases.grey["voxel_size"])
    values = gaps.found, gaps.found_std, np.array(edge * gaps.limit), np.array(edge * gaps.limit_std)
    return dict(zip(_GAPS, values, strict=True))


def _measured(phases: Phases, pair: tuple[str, str], blur: float, smallest: int, more: float) -> xr.Dataset:
    """Return the contact of one volume, its film, ``more`` voxels wide, taken off."""
    from operando import tomo

    film = film_between(phases, phases.number(_STEP, pair[0]), phases.number(_STEP, pair[1]), blur)
    labels = phases.labels if film is None else without_film(phases.labels, film, more, smallest)
    return tomo.contact_area(labels, *pair)


def _of_one(phases: Phases, pair: tuple[str, str], blur: float, smallest: int) -> tuple[dict[str, Floats], str]:
    """Return the numbers of one volume with their uncertainties, and its history."""
    numbers = phases.number(_STEP, pair[0]), phases.number(_STEP, pair[1])

    def found(one: Phases, more: float = 0.0) -> xr.Dataset:
        return _measured(one, pair, blur, smallest, more)

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
