"""Spectra of regions of aligned images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import with_units

from .frames import ALONG, I0_NOISE, PLANE, images_of, usable, whole_frames

REGION, COUNTING = "region", "counting"
Masks = NDArray[np.bool_]
_NAMES = {
    "mu": "mean electron yield of a region",
    "mu_std": "standard uncertainty of the mean yield",
    "mu_common_std": "standard uncertainty that the regions of a frame share",
    "pixels": "pixels that are known in all frames",
}


def spectra(
    images: xr.DataArray | xr.Dataset, regions: xr.DataArray | ArrayLike | Mapping[str, ArrayLike]
) -> xr.Dataset:
    """Return the mean spectrum of the pixels of each region.

    Parameters
    ----------
    images
        Aligned images, dims ``energy``, ``y``, ``x`` and others, in memory or dask; or a Dataset with them as
        ``intensity`` and, if known, the counting noise of every pixel as ``intensity_std``.
    regions
        An image of whole numbers (0 belongs to none), one mask (y x) or several with the dim ``region`` first, or
        masks by name; masks may overlap.

    Returns
    -------
    xarray.Dataset
        ``mu``, ``mu_std`` (dims ``region`` ``energy`` in the place of energy y x) and ``pixels`` (region);
        ``attrs["taken_from"]`` of ``mu_std`` is ``"counting"`` or ``"scatter"``. If the images have the coordinate
        ``i0_noise``, ``mu_common_std`` is what that makes of ``mu``, the same part of all regions of a frame. Where
        normalized regions are compared it cancels, as far as their backgrounds are as many of their edge steps; hence
        it is not in ``mu_std``. Only pixels that are finite in every frame that
        counts are used, so that all energies mean the same place. NaN in frames that do not count.

    Raises
    ------
    OperandoError
        If the regions do not fit the images, or there are none.

    Notes
    -----
    The uncertainty is that of counting, sqrt(sum std^2)/n, if the images come with ``intensity_std``. Else it is the
    scatter of the region's pixels over sqrt(n): it then holds what differs between the pixels in truth, and is too
    small by what neighboring pixels share after :func:`~operando.xas.xpeem.align`.
    """
    stack = whole_frames(images_of(images, "spectra"))
    masks = _masks(regions, (stack.sizes["y"], stack.sizes["x"]))
    sound = usable(stack)
    finite = stack.notnull().reset_coords(drop=True)
    known = (finite | ~sound).all(ALONG)
    noise = images["intensity_std"] if isinstance(images, xr.Dataset) and "intensity_std" in images else None
    inputs = [stack, known] if noise is None else [stack, known, whole_frames(noise).reset_coords(drop=True)]
    mean, std = xr.apply_ufunc(
        _means,
        *inputs,
        kwargs={"masks": masks.to_numpy()},
        input_core_dims=[list(PLANE)] * len(inputs),
        output_core_dims=[[REGION]] * 2,
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": {REGION: masks.sizes[REGION]}},
        output_dtypes=[np.float64] * 2,
        keep_attrs=False,
    )
    pixels = (known & masks).sum(PLANE)
    ds = xr.Dataset({"mu": mean.where(sound), "mu_std": std.where(sound), "pixels": pixels})
    if I0_NOISE in stack.coords:
        ds["mu_common_std"] = abs(ds["mu"]) * stack[I0_NOISE].reset_coords(drop=True)
    ds = ds.assign_coords({REGION: masks[REGION].variable}).transpose(..., REGION, ALONG)
    for name in ds.coords:
        if name in stack.coords:
            ds[name].attrs = dict(stack[name].attrs)
    units = str(stack.attrs.get("units", "1"))
    ds = with_units(ds, {**dict.fromkeys(_NAMES, units), "pixels": "1"}, _NAMES)
    ds["mu_std"].attrs["taken_from"] = "scatter" if noise is None else COUNTING
    return recorded(ds, "xas.xpeem.spectra", {"regions": masks[REGION].values}, after=xr.Dataset(attrs=stack.attrs))


def counting_noise(spectra: xr.Dataset, *, shared: bool = False) -> xr.DataArray | None:
    """Return the uncertainty of spectra of regions if it is that of counting; scatter holds what pixels differ by.

    Parameters
    ----------
    spectra
        What :func:`spectra` returns, dims ``region``, ``energy`` (eV) and others.
    shared
        Whether what the regions of a frame share, the noise of I0, is part of it if it is known, as it must be where
        stacks are compared, or a stack with a reference.

    Returns
    -------
    xarray.DataArray or None
        ``mu_std``, dims and unit as those of ``mu``, with ``mu_common_std`` as the root of the sum of their squares if
        that is asked for; None where it comes from scatter or is not there.
    """
    known = spectra.get("mu_std")
    if known is None or known.attrs.get("taken_from") != COUNTING:
        return None
    if shared and "mu_common_std" in spectra:
        return ((known**2 + spectra["mu_common_std"] ** 2) ** 0.5).assign_attrs(known.attrs)
    return known


def _masks(regions: xr.DataArray | ArrayLike | Mapping[str, ArrayLike], shape: tuple[int, int]) -> xr.DataArray:
    """Return one mask a region, dims region y x, with names or numbers as coordinate."""
    if isinstance(regions, Mapping):
        names: list[str] | NDArray[np.int64] = list(regions)
        given = [_plain(mask) for mask in regions.values()]
        if any(mask.shape != shape for mask in given) or not given:
            raise OperandoError(f"spectra: expected masks of {shape} px by name, got {[mask.shape for mask in given]}")
        masks = np.stack(given).astype(bool)
    else:
        array = _plain(regions)
        if array.shape[-2:] != shape or array.ndim not in (2, 3) or array.dtype.kind not in "biu":
            got = f"{array.dtype} of {array.shape}"
            raise OperandoError(f"spectra: expected whole numbers or masks of {shape} px, got {got}")
        if array.dtype.kind == "b":
            masks = array.reshape(-1, *shape)
            names = np.arange(1, len(masks) + 1)
            if isinstance(regions, xr.DataArray) and REGION in regions.coords:
                names = regions[REGION].to_numpy().reshape(-1)
        else:
            names = np.unique(array[array > 0])
            masks = array == names[:, None, None]
    if not len(masks):
        raise OperandoError("spectra: expected one or more regions, got none")
    coordinate = (REGION, np.array(names, dtype=object) if isinstance(names, list) else names)
    return xr.DataArray(masks, dims=(REGION, *PLANE), coords={REGION: coordinate})


def _plain(region: xr.DataArray | ArrayLike) -> np.ndarray:
    return region.transpose(..., *PLANE).to_numpy() if isinstance(region, xr.DataArray) else np.asarray(region)


def _means(
    images: np.ndarray, known: np.ndarray, noise: np.ndarray | None = None, *, masks: Masks
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and uncertainty of each region, dims as the images' without y and x, then region."""
    lead = images.shape[:-2]
    mean, std = np.full((2, *lead, len(masks)), np.nan)
    inside = np.broadcast_to(known, images.shape)
    for index in np.ndindex(lead):
        for at, mask in enumerate(masks):
            chosen = mask & inside[index]
            values = images[index][chosen].astype(np.float64)
            if values.size:
                mean[(*index, at)] = values.mean()
                spread = values.std(ddof=1) ** 2 if values.size > 1 else np.nan
                if noise is not None:
                    spread = float((noise[index][chosen].astype(np.float64) ** 2).mean())
                std[(*index, at)] = np.sqrt(spread / values.size)
    return mean, std
