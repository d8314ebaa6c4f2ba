"""Noise taken out of volumes, edges left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .blocks import over_blocks
from .layout import PLACES
from .noise_level import noise_level
from .results import described
from .voxels import as_volume

_METHODS = ("median", "bilateral", "nlm")
_REACH = 2.5
"""Standard deviations to which a bilateral filter looks."""


def denoise(
    volume: xr.DataArray | NDArray[np.generic],
    method: str = "median",
    *,
    size: int = 3,
    noise: float | None = None,
    strength: float | None = None,
    sigma: float = 1.5,
    patch: int = 1,
    search: int = 3,
) -> xr.DataArray:
    """Return a volume with less noise.

    Parameters
    ----------
    volume
        Dims (..., z, y, x), in memory or dask.
    method
        ``median``: of a cube; keeps the type, removes single wild voxels, rounds corners and thin cracks off.
        ``bilateral``: means over near voxels of like grey. ``nlm``, non-local means: means over voxels with like
        surroundings; keeps most, takes longest.
    size
        ``median``: edge of the cube, odd, voxels.
    noise
        ``bilateral``, ``nlm``: standard deviation of the noise, in the unit of the volume; found from the finest
        differences of each volume if not given, which underestimates noise that neighbors share.
    strength
        Grey values count as alike within this many ``noise``; by default 2.5 (``bilateral``) or 0.8 (``nlm``).
    sigma
        ``bilateral``: standard deviation of the neighborhood, voxels; it reaches to 2.5 times as far.
    patch, search
        ``nlm``: surroundings are cubes of 2 ``patch`` + 1 voxels, compared within ``search`` voxels along each axis.

    Returns
    -------
    xarray.DataArray
        As given, float32 (``median``: the type of the volume). A lazy volume is filtered block by block when needed;
        results do not depend on chunks. Faces are mirrored. NaN spreads to voxels that look at it.

    Raises
    ------
    OperandoError
        If the method is unknown, settings are out of range, or no noise can be found.

    Notes
    -----
    C. Tomasi, R. Manduchi, ICCV 839 (1998), doi:10.1109/ICCV.1998.710815; A. Buades, B. Coll, J.-M. Morel, Multiscale
    Model. Simul. 4, 490 (2005), doi:10.1137/040616024, whose weights are corrected for the noise in the distances.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> print(bool(tomo.denoise(grey)[:, :, :8].std() < 0.5 * grey[:, :, :8].std()))
    True
    """
    whole = as_volume(volume, "denoise")
    _check(method, size, min(patch, search), {"noise": noise, "strength": strength, "sigma": sigma})
    settings: dict[str, Any] = {"size": size}
    if method == "median":
        found = over_blocks(_median, whole, margin=size // 2, dtype=whole.dtype, size=size)
    else:
        settings = {"sigma": sigma} if method == "bilateral" else {"patch": patch, "search": search}
        settings["strength"] = strength or (2.5 if method == "bilateral" else 0.8)
        levels = noise_level(whole, "denoise") if noise is None else xr.full_like(_places(whole), noise)
        settings["noise"] = levels.to_numpy()
        found = _each_volume(whole, levels, method, settings)
    return described(
        found,
        whole,
        name=str(whole.name or "grey"),
        units=str(whole.attrs.get("units", "")),
        long_name=str(whole.attrs.get("long_name", "grey value")),
        step="tomo.denoise",
        parameters={"method": method, **settings},
    )


def _places(whole: xr.DataArray) -> xr.DataArray:
    """Return zeros (...) for each volume."""
    lead = whole.dims[: -len(PLACES)]
    return xr.DataArray(np.zeros([whole.sizes[dim] for dim in lead]), dims=lead)


def _check(method: str, size: int, shortest: int, positive: Mapping[str, float | None]) -> None:
    if method not in _METHODS:
        raise OperandoError(f"denoise: expected method to be one of {', '.join(_METHODS)}, got {method!r}")
    if size < 1 or size % 2 == 0:
        raise OperandoError(f"denoise: expected an odd size, got {size}")
    if shortest < 1:
        raise OperandoError(f"denoise: expected patch and search from 1, got {shortest}")
    for name, value in positive.items():
        if value is not None and not value > 0:
            raise OperandoError(f"denoise: expected {name} above 0, got {value}")


def _median(block: NDArray[np.generic], *, size: int) -> NDArray[np.generic]:
    from scipy import ndimage

    found: NDArray[np.generic] = ndimage.median_filter(block, size=size, mode="reflect")
    return found


def _each_volume(whole: xr.DataArray, levels: xr.DataArray, method: str, settings: dict[str, Any]) -> xr.DataArray:
    """Filter each volume by its own noise; one without any noise stays as it is."""
    if not levels.ndim:
        return _filtered(whole, float(levels), method, settings)
    dim = levels.dims[0]
    parts = [_each_volume(whole[{dim: at}], levels[at], method, settings) for at in range(levels.sizes[dim])]
    joined = xr.concat(parts, dim=dim, coords="different", compat="equals", join="override")
    return whole.copy(data=joined.transpose(*whole.dims).data).drop_attrs()


def _filtered(one: xr.DataArray, noise: float, method: str, settings: dict[str, Any]) -> xr.DataArray:
    from .edge_preserving import bilateral, non_local_means

    if noise == 0:
        return one.astype(np.float32)
    if method == "bilateral":
        sigma = settings["sigma"]
        radius = int(np.ceil(_REACH * sigma))
        grey = settings["strength"] * noise
        return over_blocks(
            bilateral, one, margin=radius, dtype=np.float32, radius=radius, sigma_place=sigma, sigma_grey=grey
        )
    shape = {name: settings[name] for name in ("patch", "search", "strength")}
    margin = settings["patch"] + settings["search"]
    return over_blocks(non_local_means, one, margin=margin, dtype=np.float32, noise=noise, **shape)
