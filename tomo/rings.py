"""Rings around the axis of rotation taken out of reconstructed volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, attrs

from .layout import PLACES
from .results import described
from .ring_profiles import SECTORS, Floats, Singles, radii, ring_profile, rings_of, without_rings
from .voxels import as_volume

_SLICES = 8
_ROUNDS = 3
"""Times that a volume with rings is looked through: what surrounds a ring is seen better without it."""


def remove_rings(
    volume: xr.DataArray | NDArray[np.generic],
    *,
    center: tuple[float, float] | None = None,
    width: int = 5,
    slices: int = 1,
    threshold: float = 6.0,
) -> xr.DataArray:
    """Return a volume without rings around its axis of rotation.

    Nothing is changed but at the radii of rings: there the median along the circle of what stands out from both of its
    sides is taken off.

    Parameters
    ----------
    volume
        Dims (..., z, y, x), the axis of rotation along z, in memory or dask. Along other dims, such as ``scan``, the
        radii of rings are shared: what one scan shows clearly is looked for in all.
    center
        The axis (y, x), voxels counted from 0; by default the middle of the slices, where ``reconstruct`` puts it.
    width
        Full width of the widest ring, voxels. Rings next to the axis, within 2 voxels, stay.
    slices
        Neighboring slices over which a ring is taken to be the same: more find weaker ones, and ones among much
        structure.
    threshold
        Standard uncertainties by which a circle must depart. They count the noise along the circle and how much eight
        sectors disagree, so that structure of the sample is no ring. Chance alone exceeds 6 with a probability below
        6e-4 for a circle by the sectors (Student's t, 7 degrees of freedom), and 2e-9 by the noise.

    Returns
    -------
    xarray.DataArray
        float32, in the volume's unit. Coordinates: ``frame_flag`` (..., z) with ``ring_artifact`` where a ring was
        found, ``flag`` (scan) likewise, ``ring_significance`` (..., z), the departure of the clearest circle in
        standard uncertainties. The rings are found at once, slice by slice; a lazy volume is corrected when needed.

    Raises
    ------
    OperandoError
        If the center lies outside the slices, or they are too small for the width.

    Notes
    -----
    Only whole rings are taken for such; half a ring, as of a scan over 180 deg with a pixel that fails in between, is
    none. Rings that the sinograms still show are better removed there (``reconstruct(rings=...)``).

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> print(tomo.remove_rings(grey).shape)
    (16, 32, 32)
    """
    whole = as_volume(volume, "remove_rings")
    shape = (whole.sizes["y"], whole.sizes["x"])
    middle = ((shape[0] - 1) / 2, (shape[1] - 1) / 2) if center is None else (float(center[0]), float(center[1]))
    if slices < 1:
        raise OperandoError(f"remove_rings: expected slices from 1, got {slices}")
    if width < 1 or radii(shape, middle) < 2 * width:
        raise OperandoError(
            f"remove_rings: expected at least {2 * max(width, 1)} voxels between the center and the faces for rings "
            f"of {width} voxels, got the center {middle} in slices of {shape}"
        )
    array = _in_slices(whole)
    heights = np.zeros((*array.shape[:-2], radii(shape, middle)))
    for turn in range(_ROUNDS):
        profiles = _profiles(array, heights, middle, width)
        heights, significance = rings_of(
            profiles, width=width, slices=min(slices, whole.sizes["z"]), threshold=threshold, alone=turn == 0
        )
        if not heights.any():
            break
    corrected = _corrected(array, heights, middle)
    if whole.chunks is None:
        corrected = corrected.compute(scheduler="threads")
    found = _flagged(whole.copy(data=corrected).drop_attrs(), significance, threshold)
    return described(
        found,
        whole,
        name=str(whole.name or "grey"),
        units=str(whole.attrs.get("units", "")),
        long_name=str(whole.attrs.get("long_name", "grey value")),
        step="tomo.remove_rings",
        parameters={"center": middle, "width": width, "slices": slices, "threshold": threshold},
    )


def _in_slices(whole: xr.DataArray) -> Any:
    """Return the volume as a dask array of a few whole slices a chunk."""
    lead = dict.fromkeys(whole.dims[: -len(PLACES)], 1)
    return whole.chunk({**lead, "z": _SLICES, "y": -1, "x": -1}).data


def _profiles(array: Any, heights: Floats, center: tuple[float, float], width: int) -> Singles:
    """Return the profiles (..., z, 2 + SECTORS, radius) of slices that have rings of known heights (..., z, radius)."""
    import dask
    import dask.array as da

    outer = tuple(range(array.ndim - 2))
    y, x, radius, row = range(array.ndim - 2, array.ndim + 2)
    found = da.blockwise(  # type: ignore[no-untyped-call]
        _each_profile,
        (*outer, row, radius),
        array,
        (*outer, y, x),
        da.from_array(heights, chunks=(*array.chunks[:-2], -1), name=False),  # type: ignore[no-untyped-call]
        (*outer, radius),
        new_axes={row: 2 + SECTORS},
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * array.ndim, dtype=np.float32),
        center=center,
        width=width,
    )
    with dask.config.set(scheduler=dask.base.get_scheduler() or "threads"):  # type: ignore[no-untyped-call]
        values: Singles = found.compute()
    return values


def _each_profile(slices: NDArray[np.generic], heights: Floats, *, center: tuple[float, float], width: int) -> Singles:
    flat = slices.reshape(-1, *slices.shape[-2:])
    rows = heights.reshape(flat.shape[0], -1)
    found = np.stack([ring_profile(one, row, center, width) for one, row in zip(flat, rows, strict=True)])
    return found.reshape(*slices.shape[:-2], *found.shape[-2:])


def _corrected(array: Any, heights: Floats, center: tuple[float, float]) -> Any:
    import dask.array as da

    outer = tuple(range(array.ndim - 2))
    y, x, radius = range(array.ndim - 2, array.ndim + 1)
    return da.blockwise(  # type: ignore[no-untyped-call]
        _each_corrected,
        (*outer, y, x),
        array,
        (*outer, y, x),
        da.from_array(heights, chunks=(*array.chunks[:-2], -1), name=False),  # type: ignore[no-untyped-call]
        (*outer, radius),
        concatenate=True,
        dtype=np.float32,
        meta=np.empty((0,) * array.ndim, dtype=np.float32),
        center=center,
    )


def _each_corrected(
    slices: NDArray[np.generic], heights: Floats, *, center: tuple[float, float]
) -> NDArray[np.float32]:
    flat = slices.reshape(-1, *slices.shape[-2:])
    rows = heights.reshape(flat.shape[0], -1)
    return np.stack([without_rings(one, row, center) for one, row in zip(flat, rows, strict=True)]).reshape(
        slices.shape
    )


def _flagged(volume: xr.DataArray, significance: Floats, threshold: float) -> xr.DataArray:
    """Return the volume with flags and significance as coordinates."""
    dims = volume.dims[:-2]
    text = {"units": "1", "long_name": "departure of the clearest circle in standard uncertainties"}
    shown = xr.DataArray(significance > threshold, dims=dims)
    ring = int(Flag.ring_artifact)
    frame: Any = shown.astype("int32") * ring
    if "frame_flag" in volume.coords:
        frame = (volume["frame_flag"].astype("int32") | frame).transpose(*dims)
    volume = volume.assign_coords(ring_significance=(dims, significance, text), frame_flag=(dims, frame.data, attrs()))
    if "scan" in dims:
        other = [dim for dim in dims if dim != "scan"]
        scan = shown.any(other).astype("int32") * ring
        before = volume["flag"].variable.astype("int32") if "flag" in volume.coords else 0
        volume = volume.assign_coords(flag=("scan", np.asarray(before | scan.variable.data), attrs()))
    return volume
