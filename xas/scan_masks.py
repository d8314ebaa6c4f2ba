"""Where along scans there is what reason for doubt: one mask a reason, lazily, from all detectors of a scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import and_, or_
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.flags import Flag

from .detector_faults import OFF_DECADE, clipped, constant, decade_steps, largest_step, level_changes, median_where
from .layout import ALONG

Detectors = Mapping[str, xr.DataArray]
"""The readings of each detector along ``energy``, by name, without coordinates but the energies."""

_LEAST_MISSING = 0.01
_PRE_EDGE, _FEWEST = 0.1, 3
_NEED_I0 = ("tey", "tfy", "pfy", "pey", "fluorescence", "transmission")


def over_points(detectors: Detectors, full_scale: Mapping[str, float], least_beam: float) -> dict[Flag, xr.DataArray]:
    """Return the reasons that lie at single points."""
    finite = [_all_channels(_finite(values)) for values in detectors.values()]
    dark = [_all_channels(values == 0) for values in detectors.values()]
    measured = any_of(finite)
    outside = _outside(measured)
    gaps = ~all_of(finite) & ~outside
    found = {
        Flag.not_finite: gaps | all_of(dark) if len(dark) > 1 else gaps,
        Flag.truncated: outside & (outside.mean(ALONG) > _LEAST_MISSING),
        Flag.saturated: any_of(
            _some_channel(_along(clipped, values, full_scale.get(name, np.inf))) for name, values in detectors.items()
        ),
    }
    if "i0" in detectors:
        i0 = detectors["i0"]
        usual = _per_scan(median_where, i0, np.ones(i0.sizes[ALONG], np.bool_))
        found[Flag.no_i0] = (i0 <= 0) | (i0.isnull() & measured)
        found[Flag.beam_dump] = i0 < least_beam * usual
    steps = [_some_channel(_along(decade_steps, values)) for values in _intensities(detectors).values()]
    if steps:
        found[Flag.gain_change] = any_of(steps) & ~all_of(steps) if len(steps) > 1 else steps[0]
    return found


def over_scans(detectors: Detectors, levels: Mapping[str, float] | None) -> dict[Flag, xr.DataArray]:
    """Return the reasons that hold for scans as a whole."""
    steps = np.diff(next(iter(detectors.values()))[ALONG].to_numpy())
    found = {
        Flag.dead_detector: any_of(_some_channel(_per_scan(constant, values)) for values in detectors.values()),
        Flag.duplicate_energy: xr.DataArray(bool((steps == 0).any())),
        Flag.unsorted_energy: xr.DataArray(bool((steps < 0).any())),
    }
    if "i0" not in detectors and any(name in detectors for name in _NEED_I0):
        found[Flag.no_i0] = xr.DataArray(True)
    changed = list(_changed_levels(detectors, levels))
    if changed:
        found[Flag.gain_change] = any_of(changed)
    return found


def not_around(detectors: Detectors, e0: float) -> xr.DataArray:
    """Return which scans have no point measured on one of the sides of an energy."""
    measured = any_of(_all_channels(_finite(values)) for values in detectors.values())
    return ~((measured & (measured[ALONG] < e0)).any(ALONG) & (measured & (measured[ALONG] > e0)).any(ALONG))


def beam_steps(i0: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the largest lasting step of I0, relative to the reading before it, and the first energy behind it."""
    steps, places = xr.apply_ufunc(
        _by_rows,
        i0,
        kwargs={"kernel": largest_step},
        input_core_dims=[[ALONG]],
        output_core_dims=[[], []],
        dask="parallelized",
        output_dtypes=[np.float64, np.int64],
    )
    energies = xr.apply_ufunc(
        i0[ALONG].to_numpy().__getitem__, places.clip(0), dask="parallelized", output_dtypes=[float]
    )
    return steps, energies.where(places >= 0)


def any_of(masks: Iterable[xr.DataArray]) -> xr.DataArray:
    """Return where one mask or more is true."""
    return reduce(or_, masks)


def all_of(masks: Iterable[xr.DataArray]) -> xr.DataArray:
    """Return where all masks are true."""
    return reduce(and_, masks)


def _finite(values: xr.DataArray) -> xr.DataArray:
    finite: xr.DataArray = xr.apply_ufunc(np.isfinite, values, dask="allowed")
    return finite


def _all_channels(mask: xr.DataArray) -> xr.DataArray:
    return mask.all("detector") if "detector" in mask.dims else mask


def _some_channel(mask: xr.DataArray) -> xr.DataArray:
    return mask.any("detector") if "detector" in mask.dims else mask


def _outside(measured: xr.DataArray) -> xr.DataArray:
    """Return which points lie before the first or behind the last one measured."""
    return _along(_before_and_behind, measured)


def _before_and_behind(measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    started = np.logical_or.accumulate(measured, axis=1)
    goes_on = np.logical_or.accumulate(measured[:, ::-1], axis=1)[:, ::-1]
    return ~(started & goes_on)


def _intensities(detectors: Detectors) -> dict[str, xr.DataArray]:
    """Return what counts quanta; a reference without the intensity before it is absorption as in the file."""
    absorption = {"mu"} if "transmission" in detectors else {"mu", "reference"}
    return {name: values for name, values in detectors.items() if name not in absorption}


def _changed_levels(detectors: Detectors, given: Mapping[str, float] | None) -> Iterable[xr.DataArray]:
    """Yield which scans' pre-edge levels differ by decades from the level given, or from that of the scan before."""
    for name, values in _intensities(detectors).items():
        level = _level(values if name == "i0" or "i0" not in detectors else values / _positive(detectors["i0"]))
        if given is None and "scan" in level.dims and (name != "i0" or len(detectors) == 1):
            level = level.chunk(scan=-1) if level.chunks else level
            yield _some_channel(_along(level_changes, level, dim="scan"))
        elif given is not None and name in given:
            decades = xr.apply_ufunc(np.log10, _positive(level) / given[name], dask="allowed")
            yield _some_channel((decades.round() != 0) & (abs(decades - decades.round()) <= OFF_DECADE))


def _positive(intensity: xr.DataArray) -> xr.DataArray:
    return intensity.where(intensity > 0)


def _level(values: xr.DataArray) -> xr.DataArray:
    """Return the median of the first tenth of a scan."""
    size = values.sizes[ALONG]
    return _per_scan(median_where, values, np.arange(size) < max(_FEWEST, _PRE_EDGE * size))


def _along(kernel: Callable[..., Any], array: xr.DataArray, *settings: Any, dim: str = ALONG) -> xr.DataArray:
    """Return a mask point by point."""
    mask: xr.DataArray = xr.apply_ufunc(
        _by_rows,
        array,
        kwargs={"kernel": kernel, "settings": settings},
        input_core_dims=[[dim]],
        output_core_dims=[[dim]],
        dask="parallelized",
        output_dtypes=[np.bool_],
    )
    return mask


def _per_scan(kernel: Callable[..., Any], array: xr.DataArray, *settings: Any) -> xr.DataArray:
    """Return a value scan by scan."""
    values: xr.DataArray = xr.apply_ufunc(
        _by_rows,
        array,
        kwargs={"kernel": kernel, "settings": settings},
        input_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.bool_ if kernel is constant else np.float64],
    )
    return values


def _by_rows(values: NDArray[Any], *, kernel: Callable[..., Any], settings: tuple[Any, ...] = ()) -> Any:
    """Return what a kernel makes of the rows of an array, in the array's own shape."""
    kind = np.bool_ if values.dtype == np.bool_ else np.float64
    found = kernel(np.ascontiguousarray(values, dtype=kind).reshape(-1, values.shape[-1]), *settings)
    if isinstance(found, tuple):
        return tuple(each.reshape(values.shape[:-1]) for each in found)
    return found.reshape((*values.shape[:-1], *found.shape[1:]))
