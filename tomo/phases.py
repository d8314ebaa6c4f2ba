"""Phases of a volume: thresholds between them, their names, and the label of each voxel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .counted_voxels import Array, as_mask, kept_slices
from .results import described
from .voxels import as_volume

STEP = "tomo.segment"

MOST = 255
"""Phases at most; a label is one byte."""

Thresholds = xr.Dataset | xr.DataArray | Sequence[float] | float


def segment(
    volume: xr.DataArray | Array,
    thresholds: Thresholds,
    names: Sequence[str] | None = None,
    *,
    mask: xr.DataArray | Array | None = None,
) -> xr.DataArray:
    """Return the phase of every voxel: 1 up to the first threshold, 2 above it, and so on.

    Parameters
    ----------
    volume
        Grey levels, dims (..., z, y, x); a lazy volume stays lazy.
    thresholds
        In the unit of the grey levels, ascending: numbers, an array with the dim ``boundary`` (and, where each volume
        has its own, those of the series), or a Dataset that holds such a ``threshold``.
    names
        Of the phases from the darkest on; ``phase_1``, ``phase_2`` ... by default.
    mask
        Voxels that count, truth values, dims (z, y, x) or those of the volume.

    Returns
    -------
    xarray.DataArray
        ``phase`` (..., z, y, x), uint8; 0 where nothing is known: outside the mask, in slices that are missing,
        saturated or surplus in the coordinate ``frame_flag``, and where the value is NaN. Names are in the attributes
        ``flag_values`` and ``flag_meanings``.

    Raises
    ------
    OperandoError
        If thresholds do not ascend, or names or mask do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> phases = tomo.segment(grey, [150.0], names=["pore", "solid"])
    >>> print(phases.dims, int(phases.min()), int(phases.max()))
    ('z', 'y', 'x') 1 2
    """
    grey = as_volume(volume, STEP)
    limits = as_thresholds(thresholds, STEP)
    cover = as_mask(mask, grey, STEP)
    called = phase_names(limits.sizes["boundary"] + 1, names, STEP)
    known = [kept_slices(grey)] if cover is None else [kept_slices(grey), cover]
    between = [limits.isel(boundary=number, drop=True) for number in range(limits.sizes["boundary"])]
    phase = xr.apply_ufunc(
        _phase,
        grey,
        *(array.reset_coords(drop=True) for array in (*between, *known)),
        kwargs={"boundaries": len(between)},
        dask="parallelized",
        output_dtypes=[np.uint8],
        join="exact",
    ).transpose(*grey.dims)
    attrs = {"flag_values": list(range(1, len(called) + 1)), "flag_meanings": " ".join(called)}
    parameters = {"threshold": limits.to_numpy(), "names": called, "mask": mask is not None}
    made = described(
        phase,
        grey,
        name="phase",
        units="1",
        long_name="phase of the voxel, 0 unknown",
        step=STEP,
        parameters=parameters,
    )
    return made.assign_attrs(attrs)


def as_thresholds(thresholds: Thresholds, step: str) -> xr.DataArray:
    """Return thresholds with the dim ``boundary`` last.

    Raises
    ------
    OperandoError
        If there are none, or they are not finite or do not ascend.
    """
    if isinstance(thresholds, xr.Dataset):
        if "threshold" not in thresholds:
            raise OperandoError(f"{step}: expected thresholds, got a Dataset of {sorted(map(str, thresholds))}")
        thresholds = thresholds["threshold"]
    if not isinstance(thresholds, xr.DataArray):
        thresholds = xr.DataArray(np.atleast_1d(np.asarray(thresholds, dtype=np.float64)), dims="boundary")
    if "boundary" not in thresholds.dims:
        raise OperandoError(f"{step}: expected thresholds with the dim 'boundary', got {thresholds.dims}")
    limits = thresholds.transpose(..., "boundary").astype(np.float64)
    values = limits.to_numpy()
    if not 1 <= values.shape[-1] < MOST or not np.isfinite(values).all() or (np.diff(values, axis=-1) <= 0).any():
        raise OperandoError(f"{step}: expected thresholds that are finite and ascend, got {values.tolist()}")
    return limits


def phase_names(count: int, names: Sequence[str] | None, step: str) -> list[str]:
    """Return a name for each phase, without blanks.

    Raises
    ------
    OperandoError
        If there are not as many names as phases, or two are the same.
    """
    called = [f"phase_{number}" for number in range(1, count + 1)] if names is None else [str(name) for name in names]
    if len(called) != count or len(set(called)) != count or any(not name or " " in name for name in called):
        raise OperandoError(f"{step}: expected {count} different names without blanks, got {called}")
    return called


def named_phases(labels: xr.DataArray) -> dict[int, str] | None:
    """Return ``{label: name}`` from the attributes ``flag_values`` and ``flag_meanings``; None where there are none."""
    if "flag_values" not in labels.attrs or "flag_meanings" not in labels.attrs:
        return None
    values = np.ravel(labels.attrs["flag_values"])
    return {int(value): name for value, name in zip(values, str(labels.attrs["flag_meanings"]).split(), strict=True)}


def phase_numbers(count: int) -> tuple[str, NDArray[np.object_], dict[str, str]]:
    """Return the coordinate of phases that have no names yet."""
    return "phase", np.array(phase_names(count, None, ""), dtype=object), {"long_name": "phase, from the darkest on"}


def boundary_numbers(count: int) -> tuple[str, NDArray[np.int64], dict[str, str]]:
    """Return the coordinate of boundaries between phases."""
    attrs = {"units": "1", "long_name": "number of the boundary between a phase and the next"}
    return "boundary", np.arange(1, count + 1), attrs


def _phase(grey: NDArray[Any], *others: NDArray[Any], boundaries: int) -> NDArray[np.uint8]:
    """Return labels from the grey levels, ``boundaries`` thresholds, and truth values of what is known."""
    phase = np.ones(grey.shape, dtype=np.uint8)
    for limit in others[:boundaries]:
        phase += grey > limit
    for known in others[boundaries:]:
        phase *= known
    if grey.dtype.kind == "f":
        phase[np.isnan(grey)] = 0
    return phase
