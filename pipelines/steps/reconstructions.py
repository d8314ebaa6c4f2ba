"""Recipe step that makes volumes of projections, each kept in a store of its own that the experiment's refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import HISTORY, entries
from operando.pipelines.derived_volumes import Place
from operando.pipelines.scratch import IN_MEMORY

from .volume_costs import affordable_slices

if TYPE_CHECKING:
    from operando.tomo.phase_retrieval import Paganin

_PHASE = ("delta_beta", "energy", "distance")


def reconstruct(
    scan: xr.Dataset,
    place: Place | None,
    *,
    method: Literal["fbp", "dfi", "sirt"] = "fbp",
    center: float | None = None,
    window: Literal["ramp", "shepp-logan", "cosine", "hann"] = "ramp",
    rings: Literal["sorting", "filtering", "fitting", "large", "dead", "all"] | None = None,
    ring_settings: dict[str, Any] | None = None,
    delta_beta: float | None = None,
    energy: float | None = None,
    distance: float | None = None,
    size: int | None = None,
    iterations: int = 100,
) -> xr.Dataset:
    """Make the volume of a scan of projections: flat and dark, rings, axis of rotation; phase on request.

    ``delta_beta``, ``energy`` (keV) and ``distance`` (mm) together ask for phase retrieval. Without a ``place`` nothing
    is computed, but all that can be refused is.
    """
    from operando import tomo

    if "projections" not in scan:
        raise OperandoError(f"expected projections, got {', '.join(map(str, scan.data_vars))}; leave this step out")
    settings: dict[str, Any] = {
        "method": method,
        "center": center,
        "window": window,
        "rings": rings,
        "ring_settings": ring_settings,
        "phase": _phase(delta_beta, energy, distance),
        "size": size,
        "iterations": iterations,
    }
    affordable_slices(scan["projections"], size)
    if place is None:
        return _tried(scan, settings)
    large = scan["projections"].size * np.dtype(np.float32).itemsize > IN_MEMORY
    place.keep(lambda folder: tomo.reconstruct(scan, **settings, outside=np.nan, store=folder if large else None))
    return _as_scan(scan, place)


def _phase(delta_beta: float | None, energy: float | None, distance: float | None) -> Paganin | None:
    from operando.tomo.phase_retrieval import Paganin

    given = dict(zip(_PHASE, (delta_beta, energy, distance), strict=True))
    lacking = [name for name, value in given.items() if value is None]
    if len(lacking) == len(_PHASE):
        return None
    if delta_beta is None or energy is None or distance is None:
        raise OperandoError(f"expected delta_beta, energy (keV) and distance (mm) together, got no {lacking[0]}")
    return Paganin(delta_beta=delta_beta, energy=energy, distance=distance)


def _tried(scan: xr.Dataset, settings: dict[str, Any]) -> xr.Dataset:
    """Return the volume lazily, without a look for the axis, if all is there that finding it would take."""
    from operando import tomo
    from operando.tomo.rotation_center import require_findable
    from operando.tomo.slice_methods import require_packages

    lazy = tomo.reconstruct(scan.chunk(), **settings | {"center": settings["center"] or 0.0})
    if settings["center"] is None:
        require_findable(scan["angle"].to_numpy().astype(np.float64))
    require_packages(settings["method"], settings["rings"])
    return lazy.to_dataset()


def _as_scan(scan: xr.Dataset, place: Place) -> xr.Dataset:
    """Return the volume that is kept with what is known of the scan."""
    kept = place.read()
    told = {name: one.variable for name, one in scan.coords.items() if not one.dims and name != "pixel_size"}
    about = {"long_name": "store of the reconstructed volume, seen from the folder of the recipe"}
    axis = {"units": "px", "long_name": "pixel onto which the axis of rotation falls"}
    coords: dict[Any, Any] = {
        **{name: kept[name].variable for name in ("z", "y", "x", "voxel_size", "frame_flag")},
        **told,
        "reconstructed": ((), np.array(place.name, dtype=object), about),
        "rotation_center": ((), float(np.ravel(entries(kept)[-1]["parameters"]["center"])[0]), axis),
    }
    return xr.Dataset({"grey": kept["grey"].variable}, coords, scan.attrs | {HISTORY: kept.attrs[HISTORY]})
