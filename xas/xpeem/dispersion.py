"""Photon energies that differ from place to place on the detector."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .frames import ALONG, PLANE, images_of


def correct_dispersion(
    images: xr.DataArray, per_pixel: float, *, along: str = "y", drift: xr.Dataset | None = None
) -> xr.DataArray:
    """Return images whose pixels all have the photon energies of the middle of the detector.

    A pixel at p px from the middle was lit at E + ``per_pixel`` p when the middle was lit at E; its values are
    interpolated linearly from its own energies to E, NaN outside them.

    Parameters
    ----------
    images
        Dims ``energy`` (eV, ascending), ``y``, ``x`` and others, in memory or dask, aligned or not.
    per_pixel
        Change of the photon energy from one pixel to the next, eV.
    along
        The direction in which it changes, ``"y"`` or ``"x"``.
    drift
        The drift by which the images have been aligned: a place of the sample has wandered over the detector.

    Returns
    -------
    xarray.DataArray
        The images at the same energies, dims as given. Frames that are NaN stay NaN and are not used for others.

    Raises
    ------
    OperandoError
        If the direction is unknown, or the energies do not ascend.
    """
    stack = images_of(images, "correct_dispersion")
    if along not in PLANE:
        raise OperandoError(f"correct_dispersion: expected the direction 'y' or 'x', got {along!r}")
    energy = stack[ALONG].to_numpy()
    if not (np.diff(energy) > 0).all():
        raise OperandoError("correct_dispersion: expected ascending energies; average repeated ones first")
    place = xr.DataArray(np.arange(stack.sizes[along]) - (stack.sizes[along] - 1) / 2, dims=along)
    wandered = (
        drift[f"drift_{along}"].fillna(0.0).reset_coords(drop=True).drop_vars(ALONG) if drift is not None else 0.0
    )
    own = xr.DataArray(energy, dims=ALONG) + per_pixel * (place + wandered)
    lazy = stack.chunk({ALONG: -1}) if stack.chunks else stack
    moved: xr.DataArray = xr.apply_ufunc(
        _interpolated,
        lazy,
        own,
        kwargs={"energy": energy},
        input_core_dims=[[ALONG], [ALONG]],
        output_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.result_type(stack.dtype, np.float32)],
        keep_attrs=True,
    )
    return moved.transpose(*stack.dims)


def _interpolated(values: np.ndarray, own: np.ndarray, *, energy: np.ndarray) -> np.ndarray:
    """Return values along the last axis at ``energy``; each row of them has energies of its own."""
    out = np.full(values.shape, np.nan, dtype=np.result_type(values.dtype, np.float32))
    places = np.broadcast_to(own, values.shape)
    for index in np.ndindex(values.shape[:-1]):
        known = np.isfinite(values[index])
        if known.sum() > 1:
            row = np.interp(energy, places[index][known], values[index][known], left=np.nan, right=np.nan)
            out[index] = np.where(known, row, np.nan)
    return out
