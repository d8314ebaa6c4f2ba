"""Noise, grey values of the phases and blur of a volume, from the volume itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY, recorded

from .layout import PLACES
from .plates import half_gauss
from .void_kernels import value_at
from .voxels import as_volume

Floats = NDArray[np.float64]
VOXEL_VARIANCE = 1 / 12
"""Variance that the voxel itself adds to the blur, voxels^2."""
LOOKED_AT = 256
"""Edge of the middle part that the estimates look at, voxels."""
CUBE = 6
RAREST, LOWEST = 0.01, 0.89
"""A share of the cubes that surely lie within one phase, and the standard deviation that it exceeds, of the noise."""
PURE = 1.5
"""How much more than the calmest cubes those may spread among which the mode is looked for."""
CALM = 1.1
"""How much more than noise a cube within one phase may spread."""
FEWEST = 20
UNCORRELATED = 0.03
"""Correlation of neighbors below which noise counts as white."""
FLATTEST = 1e-9
"""Least squared slope of an edge."""
APART = 2.0
"""How far the grey values of two phases are apart at least, standard deviations of the noise."""


@dataclass(frozen=True)
class Cubes:
    """Mean, standard deviation and correlation of neighbors of small cubes of a volume."""

    mean: Floats
    std: Floats
    neighbors: Floats

    def calm(self, noise: float) -> NDArray[np.bool_]:
        """Return which cubes spread no more than noise does."""
        return self.std < CALM * noise


def estimate_noise(volume: xr.DataArray | NDArray[np.generic]) -> xr.Dataset:
    """Return the noise of a volume, from within its phases, and how far neighboring voxels share it.

    Parameters
    ----------
    volume
        Grey values, dims (..., z, y, x); of a series the first volume, of a large one its middle 256 voxels along
        every axis are looked at.

    Returns
    -------
    xarray.Dataset
        ``noise``, standard deviation of the noise of a voxel, in the unit of the grey values, and ``noise_blur`` (px):
        the standard deviation of the Gaussian that makes white noise as correlated as this.

    Raises
    ------
    OperandoError
        If the volume is too small, or holds no noise.

    Notes
    -----
    The standard deviations of cubes of 6 x 6 x 6 voxels, up to 1.5 times those of the calmest, have their mode where
    cubes lie within one phase, however many edges there are elsewhere; at least 1 % of the cubes must. Cubes of one
    value throughout, such as those outside of the field of view, do not count. Texture finer than 6 voxels is noise
    here. Mode: half-sample mode, D. R. Bickel, R. Fruehwirth, Comput. Stat. Data Anal. 50, 3500 (2006),
    doi:10.1016/j.csda.2005.07.011.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> grey = np.random.default_rng(1).normal(100, 5, (16, 32, 32)).round().astype("u2")
    >>> grey[:, :, 16:] += 100
    >>> print(round(float(tomo.estimate_noise(grey)["noise"])))
    5
    """
    grey = as_volume(volume, "estimate_noise")
    noise, blur = noise_of(cubes(looked_at(grey), "estimate_noise"))
    units = str(grey.attrs.get("units", "1"))
    ds = xr.Dataset(
        {
            "noise": ((), noise, {"units": units, "long_name": "standard deviation of the noise of a voxel"}),
            "noise_blur": ((), blur, {"units": "px", "long_name": "standard deviation of the blur of the noise"}),
        }
    )
    return recorded(ds, "tomo.estimate_noise", {}, after=_source(grey))


def estimate_blur(
    volume: xr.DataArray | NDArray[np.generic], *, dark: float | None = None, light: float | None = None
) -> xr.Dataset:
    """Return the blur of a volume, from the edges between two of its phases.

    Parameters
    ----------
    volume
        Grey values, dims (..., z, y, x); of a series the first volume, of a large one its middle 256 voxels along
        every axis are looked at.
    dark, light
        Grey values of the phases on both sides of the edges; found where not given: the two neighbors among the
        phases' levels that differ most.

    Returns
    -------
    xarray.Dataset
        ``blur`` (px), standard deviation of the Gaussian point spread function beside that of the voxel itself,
        and ``blur_std``, from the spread of the edges.

    Raises
    ------
    OperandoError
        If hardly any edge leads from one phase's level to the other's.

    Notes
    -----
    Where the volume, smoothed by s = 1 voxel, is at the share f between both levels, an edge of height H has the slope
    H phi(Phi^-1(f)) / S with S^2 = blur^2 + 1/12 + s^2. Only edges count whose both sides reach their levels within 4
    voxels. Blurs below 0.4 voxels come out too small: an edge is then the voxel's own.

    The slope is that of an edge blurred by a Gaussian, by definition; the method is operando's own.
    """
    grey = as_volume(volume, "estimate_blur")
    values = looked_at(grey)
    found = cubes(values, "estimate_blur")
    noise, noise_blur = noise_of(found)
    if dark is None or light is None:
        levels = [level for level, _ in phase_levels(found, noise)]
        at = int(np.argmax(np.diff(levels))) if len(levels) > 1 else 0
        if len(levels) < 2:
            raise OperandoError("estimate_blur: expected at least two phases with edges, got one; state 'blur' by hand")
        dark, light = levels[at], levels[at + 1]
    variances = edge_variances(values, dark, light, 0.0 if noise_blur else noise)
    if variances.size < FEWEST:
        wanted = f"{FEWEST} clean edges between the grey values {dark:.4g} and {light:.4g}"
        raise OperandoError(f"estimate_blur: expected {wanted}, got {variances.size}; state the blur by hand")
    blur = math.sqrt(max(float(np.median(variances)), 0.0))
    spread = 1.4826 * float(np.median(np.abs(variances - np.median(variances))))
    std = 1.25 * spread / math.sqrt(variances.size) / (2 * max(blur, 0.1))
    ds = xr.Dataset(
        {
            "blur": ((), blur, {"units": "px", "long_name": "standard deviation of the point spread function"}),
            "blur_std": ((), std, {"units": "px", "long_name": "standard uncertainty of the blur"}),
        }
    )
    return recorded(ds, "tomo.estimate_blur", {"dark": dark, "light": light}, after=_source(grey))


def looked_at(grey: xr.DataArray) -> NDArray[np.float32]:
    """Return the middle part of the first volume."""
    first = grey.isel(dict.fromkeys(grey.dims[: grey.ndim - len(PLACES)], 0))
    part: dict[Any, slice] = {}
    for name in PLACES:
        begin = max(0, (first.sizes[name] - LOOKED_AT) // 2)
        part[name] = slice(begin, begin + LOOKED_AT)
    return np.ascontiguousarray(first.isel(part).to_numpy(), np.float32)


def cubes(values: NDArray[np.float32], step: str) -> Cubes:
    """Return what the cubes of a volume are like; only finite ones that are not constant.

    Raises
    ------
    OperandoError
        If there are fewer than 20.
    """
    counts = [size // CUBE for size in values.shape]
    mean, std, neighbors = [], [], []
    for layer in range(counts[0]):
        slab = values[layer * CUBE : (layer + 1) * CUBE, : counts[1] * CUBE, : counts[2] * CUBE].astype(np.float64)
        each = slab.reshape(CUBE, counts[1], CUBE, counts[2], CUBE).transpose(1, 3, 0, 2, 4).reshape(-1, *(CUBE,) * 3)
        average = each.mean(axis=(1, 2, 3))
        rest = each - average[:, None, None, None]
        mean.append(average)
        std.append(np.sqrt((rest**2).sum(axis=(1, 2, 3)) / (CUBE**3 - 1)))
        pairs = [rest[:, 1:] - rest[:, :-1], rest[:, :, 1:] - rest[:, :, :-1], rest[..., 1:] - rest[..., :-1]]
        neighbors.append(np.mean([(pair**2).mean(axis=(1, 2, 3)) for pair in pairs], axis=0))
    found = [np.concatenate(part) if part else np.empty(0) for part in (mean, std, neighbors)]
    usable = np.isfinite(found[1]) & (found[1] > 0)
    if usable.sum() < FEWEST:
        got = f"got {int(usable.sum())}; state noise and blur"
        raise OperandoError(f"{step}: expected {FEWEST} cubes of {CUBE} voxels with noise, {got}")
    average, deviation, difference = (part[usable] for part in found)
    return Cubes(average, deviation, 1 - difference / (2 * deviation**2))


def noise_of(found: Cubes) -> tuple[float, float]:
    """Return the standard deviation of the noise and that of its blur, voxels."""
    low = float(np.quantile(found.std, RAREST)) / LOWEST
    center = math.exp(_mode(np.log(found.std[found.std < PURE * low])))
    near = np.abs(found.std / center - 1) < 0.1
    noise = float(np.sqrt(np.mean(found.std[near] ** 2)))
    return noise, _blur_of(float(np.median(found.neighbors[near])))


def phase_levels(found: Cubes, noise: float) -> list[tuple[float, int]]:
    """Return grey value and number of cubes of every phase that fills cubes, the darkest first."""
    means = np.sort(found.mean[found.calm(noise)])
    groups = np.split(means, np.flatnonzero(np.diff(means) > APART * noise / 4) + 1)
    least = max(5, round(1e-4 * means.size))
    return [(float(np.median(group)), group.size) for group in groups if group.size >= least]


def edge_variances(values: NDArray[np.float32], dark: float, light: float, noise: float) -> Floats:
    """Return blur^2 of every clean edge voxel between two levels, voxels^2."""
    from scipy.special import ndtri
    from scipy.stats import norm

    from .plate_kernels import smooth

    even = smooth((values - np.float32(dark)) / np.float32(light - dark), half_gauss(1.0))
    places = np.argwhere(np.abs(even[4:-4, 4:-4, 4:-4] - 0.5) < 0.2) + 4
    if places.shape[0] > 40_000:
        places = places[:: places.shape[0] // 20_000]
    z, y, x = places.T
    slope = 0.5 * np.stack(
        [
            even[z + 1, y, x] - even[z - 1, y, x],
            even[z, y + 1, x] - even[z, y - 1, x],
            even[z, y, x + 1] - even[z, y, x - 1],
        ],
        axis=-1,
    ).astype(np.float64)
    square = np.maximum((slope**2).sum(axis=-1), FLATTEST)
    ahead = 4 * slope / np.sqrt(square)[:, None]
    ends = [np.array([value_at(even, *place) for place in places + sign * ahead]) for sign in (-1, 1)]
    clean = (np.abs(ends[0]) < 0.15) & (np.abs(ends[1] - 1) < 0.15)
    noise_square = 3 * (noise / (light - dark)) ** 2 / (16 * math.pi**1.5)
    height = norm.pdf(ndtri(even[z, y, x][clean].astype(np.float64)))
    found: Floats = height**2 / np.maximum(square[clean] - noise_square, FLATTEST)
    stencil = (slope[clean] ** 4).sum(axis=-1) / square[clean] ** 2 / 3
    found -= 1.0 + VOXEL_VARIANCE + stencil
    return found


def _blur_of(neighbors: float) -> float:
    """Return the Gaussian blur of white noise whose neighboring voxels have a correlation."""
    if neighbors < UNCORRELATED:
        return 0.0
    low, high = 0.2, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _correlation(middle) < neighbors else (low, middle)
    return (low + high) / 2


def _correlation(sigma: float) -> float:
    half = half_gauss(sigma).astype(np.float64)
    bell = np.concatenate([half[:0:-1], half])
    return float((bell[1:] * bell[:-1]).sum() / (bell**2).sum())


def _mode(values: Floats) -> float:
    """Return the half-sample mode."""
    ordered = np.sort(values)
    while ordered.size > 3:
        half = (ordered.size + 1) // 2
        start = int(np.argmin(ordered[half - 1 :] - ordered[: ordered.size - half + 1]))
        ordered = ordered[start : start + half]
    return float(ordered.mean())


def _source(grey: xr.DataArray) -> xr.Dataset:
    return xr.Dataset(attrs={HISTORY: grey.attrs[HISTORY]} if HISTORY in grey.attrs else {})
