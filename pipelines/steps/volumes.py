"""Recipe steps that prepare volumes, bring them into one place and one grey scale, and tell their phases apart."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.pipelines.scratch import kept

from .step import with_result
from .volume_costs import affordable

_SCALE = ("gain", "gain_std", "offset", "offset_std")
_LEVELS = ("threshold", "grey_level")
_FLAGS = ("frame_flag", "flag")
GREY = "grey"
"""The volumes as later steps see them; they are not stored unless the recipe says so."""


def denoise(
    raw: xr.Dataset,
    *,
    method: Literal["median", "bilateral", "nlm"] = "median",
    size: int = 3,
    noise: float | None = None,
    strength: float | None = None,
    sigma: float = 1.5,
    patch: int = 1,
    search: int = 3,
) -> xr.Dataset:
    """Take noise out of the volumes, edges left."""
    from operando import tomo

    settings: dict[str, Any] = {
        "size": size,
        "noise": noise,
        "strength": strength,
        "sigma": sigma,
        "patch": patch,
        "search": search,
    }
    return _prepared(raw, tomo.denoise(affordable(_measured("denoise", raw), "denoise"), method, **settings))


def remove_rings(
    raw: xr.Dataset,
    *,
    center: tuple[float, float] | None = None,
    width: int = 5,
    slices: int = 1,
    threshold: float = 6.0,
) -> xr.Dataset:
    """Take rings around the axis of rotation out of the volumes; those that had any are flagged."""
    from operando import tomo

    grey = _measured("remove_rings", raw)
    found = tomo.remove_rings(grey, center=center, width=width, slices=slices, threshold=threshold)
    return _prepared(raw, found)


def match_grey(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first_raw: xr.Dataset,
    *,
    peaks: list[float] | None = None,
    quantiles: list[float] | None = None,
) -> xr.Dataset:
    """Bring the grey scale of every volume to that of the first: by peaks of the histogram, or quantiles."""
    from operando import tomo

    grey = grey_of("match_grey", raw, processed)
    series = grey if not first_raw else xr.concat([_of(first_raw), grey.reset_coords(drop=True)], "scan", join="exact")
    found = tomo.match_grey(series.assign_attrs(grey.attrs), peaks=peaks, quantiles=quantiles)
    found = found.isel(scan=slice(-grey.sizes["scan"], None))
    scales = {f"grey_{name}": found[name].variable for name in _SCALE}
    volumes = kept(xr.Dataset({GREY: found.variable}))
    return processed.assign({**scales, **volumes.data_vars}).assign_attrs(history=found.attrs["history"])


def register(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first_raw: xr.Dataset,
    *,
    kind: Literal["translation", "rigid", "affine"] = "rigid",
    most_voxels: float = 2e7,
) -> xr.Dataset:
    """Find how the sample lies in every volume, compared with the first one."""
    from operando import tomo

    grey = affordable(grey_of("register", raw, processed), "register")
    reference = (_of(first_raw) if first_raw else grey).isel(scan=0).reset_coords(drop=True)
    found = tomo.register(grey, reference, kind=kind, most_voxels=most_voxels)
    lost = (found["flag"] & int(Flag.not_converged)).astype(bool).reset_coords(drop=True)
    found = found.drop_vars([name for name in (*grey.coords, "flag") if name in found.variables])
    out = with_result(processed, found.rename(quality="register_quality", overlap="register_overlap"))
    return out.assign_coords(flag=raised(out["flag"], Flag.not_converged, lost))


def align(raw: xr.Dataset, processed: xr.Dataset, *, order: Literal[0, 1, 2, 3] = 3) -> xr.Dataset:
    """Move every volume back to where the first shows the sample; NaN where it shows nothing of the place."""
    from operando import tomo
    from operando.tomo.counted_voxels import LEFT_OUT, kept_slices

    if "translation" not in processed:
        raise OperandoError("align: expected how the sample lies, got none; put the step 'register' before it")
    grey = grey_of("align", raw, processed)
    # Slices that were lost are NaN where they have been moved to, and no longer flagged at their old places.
    sound = kept_slices(grey)
    whole = grey if bool(sound.all()) else grey.where(sound)
    moved = tomo.align(whole.assign_attrs(grey.attrs), processed, order=order)
    volumes = kept(xr.Dataset({GREY: moved.variable}))
    kinds = (processed["frame_flag"] & ~int(LEFT_OUT)).astype(np.int32).assign_attrs(processed["frame_flag"].attrs)
    out = processed.assign(volumes.data_vars).assign_attrs(history=moved.attrs["history"])
    return out.assign_coords(frame_flag=kinds)


def segment(
    raw: xr.Dataset,
    processed: xr.Dataset,
    first: xr.Dataset,
    *,
    thresholds: list[float] | None = None,
    levels: list[float] | None = None,
    names: list[str] | None = None,
    classes: int = 3,
    method: Literal["multiotsu", "mixture"] = "multiotsu",
    each: bool = False,
) -> xr.Dataset:
    """Tell phases apart by thresholds: given, or from the first volume, so that all share them unless told else.

    ``levels`` are known grey levels of the phases, from the darkest on; thresholds lie halfway unless given. ``each``
    looks for thresholds in every volume by itself, where grey scales differ.
    """
    from operando import tomo

    grey = affordable(grey_of("segment", raw, processed), "histogram")
    limits = _thresholds(grey, first, {"threshold": thresholds, "grey_level": levels}, classes, method, each=each)
    label = tomo.segment(grey, limits["threshold"], names)
    called = np.array(label.attrs["flag_meanings"].split(), dtype=object)
    found = limits.drop_vars([name for name in limits.coords if name in processed.coords], errors="ignore")
    found = found.assign_coords(phase=("phase", called, {"long_name": "phase, from the darkest on"}))
    made = kept(xr.Dataset({"phase_label": label.variable}))
    made["phase_label"].attrs.pop("history", None)
    return processed.assign(found.variables).assign(made.data_vars).assign_attrs(history=label.attrs["history"])


def fractions(
    raw: xr.Dataset,
    processed: xr.Dataset,
    *,
    method: Literal["threshold", "grey"] = "threshold",
    boundary: int = 1,
    margin: int = 2,
    subvolumes: int = 4,
) -> xr.Dataset:
    """Find the volume fraction of every phase, with what it owes to chance and to the thresholds."""
    from operando import tomo

    if "phase_label" not in processed:
        raise OperandoError("fractions: expected phases, got none; put the step 'segment' before it")
    known = processed[[name for name in ("threshold", "grey_level") if name in processed]].reset_coords(drop=True)
    found = tomo.fractions(
        grey_of("fractions", raw, processed),
        known,
        list(map(str, processed["phase"].values)),
        method=method,
        boundary=boundary,
        margin=margin,
        subvolumes=subvolumes,
    )
    return with_result(processed, found.drop_vars([name for name in found.coords if name in processed.coords]))


def grey_of(step: str, raw: xr.Dataset, processed: xr.Dataset) -> xr.DataArray:
    """Return the volumes as the steps before have left them, with the flags of their slices and the history so far."""
    grey = _measured(step, raw)
    if GREY in processed:
        coords = {name: processed[name].variable for name in grey.coords if name in processed.coords}
        grey = grey.copy(data=processed[GREY].data).assign_coords(coords)
    return grey.assign_attrs(history=processed.attrs["history"])


def _measured(step: str, raw: xr.Dataset) -> xr.DataArray:
    if GREY not in raw:
        raise OperandoError(f"{step}: expected volumes, got projections; reconstruct them first")
    return raw[GREY].assign_attrs(history=raw.attrs["history"])


def _of(scans: xr.Dataset) -> xr.DataArray:
    return scans[GREY].reset_coords(drop=True)


def _prepared(raw: xr.Dataset, volumes: xr.DataArray) -> xr.Dataset:
    """Return scans with other volumes, and what preparing them has told of each."""
    new = [name for name in volumes.coords if name in _FLAGS or name not in raw.coords]
    told = {str(name): volumes[name].variable for name in new if name in volumes.coords}
    made = kept(xr.Dataset({GREY: volumes.variable})).data_vars
    history = volumes.attrs["history"]
    for array in made.values():
        array.attrs.pop("history", None)
    return raw.assign(made).assign_coords(told).assign_attrs(history=history)


def _thresholds(
    grey: xr.DataArray,
    first: xr.Dataset,
    given: dict[str, list[float] | None],
    classes: int,
    method: str,
    *,
    each: bool,
) -> xr.Dataset:
    """Return ``threshold`` (scan, boundary) and, where it is known, ``grey_level`` (scan, phase)."""
    from operando import tomo

    scans = grey.sizes["scan"]
    if any(values is not None for values in given.values()):
        return _given(given, scans, str(grey.attrs.get("units", "1")))
    if first and not each:
        shared = first[[name for name in _LEVELS if name in first]].reset_coords(drop=True).compute()
        return shared.isel(scan=np.zeros(scans, int))
    seen = grey if each else grey.isel(scan=slice(0, 1))
    find = tomo.threshold_multiotsu if method == "multiotsu" else tomo.threshold_mixture
    found = find(tomo.histogram(seen), classes)[[*_LEVELS]].reset_coords(drop=True)
    if method == "multiotsu":
        # Its own is the highest level below a gap, and serves this volume as well as any in the gap; halfway between
        # the phases it serves the other volumes too.
        found["threshold"] = found["threshold"].copy(data=_halfway(found["grey_level"].to_numpy()))
    return found if each else found.isel(scan=np.zeros(scans, int))


def _halfway(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    return (levels[..., 1:] + levels[..., :-1]) / 2


def _given(given: dict[str, list[float] | None], scans: int, units: str) -> xr.Dataset:
    """Return thresholds and levels as a recipe states them, thresholds halfway between levels if it states none.

    Raises
    ------
    OperandoError
        If there is not one level more than thresholds.
    """
    levels = given["grey_level"]
    limits = given["threshold"]
    if limits is None and levels is not None:
        limits = _halfway(np.asarray(levels, np.float64)).tolist()
    if not limits or (levels is not None and len(levels) != len(limits) + 1):
        raise OperandoError(f"segment: expected one level more than thresholds, got {levels} and {limits}")
    known = {"threshold": ("boundary", limits, "grey level above which the next phase begins")}
    if levels is not None:
        known["grey_level"] = ("phase", levels, "grey level of the phase")
    return xr.Dataset(
        {
            name: (
                ("scan", dim),
                np.tile(np.asarray(values, np.float64), (scans, 1)),
                {"units": units, "long_name": text},
            )
            for name, (dim, values, text) in known.items()
        }
    )
