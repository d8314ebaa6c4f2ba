"""How thin a crack may be to be found, and how far its volume is biased: simulated plates, segmented as volumes are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .crack_levels import Levels
from .cracks import checked_search, found_cracks
from .image_quality import VOXEL_VARIANCE
from .layout import PLACES

APERTURES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
FACES = 8
"""Layers beside the outer faces that do not count: plates end there in their mirror images."""
STEP = "detection_limit"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plate:
    """A plate, or a disc, around the middle of a cube, lengths in voxels."""

    normal: Floats
    offset: float
    aperture: float
    radius: float | None

    def particle(self, edge: int, blur: float) -> Floats:
        """Return the blurred share that a particle fills whose flat face is one side of the plate."""
        from scipy.special import ndtr

        filled: Floats = ndtr((-self.aperture / 2 - self._along(edge)) / self._sigma(blur))
        return filled

    def _along(self, edge: int) -> Floats:
        along: Floats = sum(place * part for place, part in zip(_places(edge), self.normal, strict=True)) - self.offset
        return along

    def _sigma(self, blur: float) -> float:
        return math.hypot(blur, math.sqrt(VOXEL_VARIANCE))

    def share(self, edge: int, blur: float) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the blurred share of void of every voxel, and which voxels the plate reaches."""
        from scipy.special import ndtr

        sigma, along = self._sigma(blur), self._along(edge)
        half, reach = self.aperture / 2, 3 * sigma + 2
        share: Floats = ndtr((along + half) / sigma) - ndtr((along - half) / sigma)
        near: NDArray[np.bool_] = np.abs(along) <= half + reach
        if self.radius is not None:
            distance = np.sqrt(np.maximum(sum(place**2 for place in _places(edge)) - (along + self.offset) ** 2, 0))
            share, near = share * ndtr((self.radius - distance) / sigma), near & (distance <= self.radius + reach)
        return share, near


def _places(edge: int) -> tuple[Floats, ...]:
    return np.ix_(*[np.arange(edge) - (edge - 1) / 2] * 3)


def detection_limit(
    voxel_size: float = 1.0,
    *,
    blur: float,
    noise: float,
    contrast: float,
    noise_blur: float = 0.0,
    particle: float | None = None,
    apertures: Sequence[float] = APERTURES,
    radius: float | None = None,
    level: float = 0.5,
    repeats: int = 12,
    edge: int = 48,
    seed: int = 0,
    scales: Sequence[float] = (1.0, 2.0, 3.0),
    false_alarm: float = 1e-8,
    grow: float = 1e-3,
    widest: float = 8.0,
) -> xr.Dataset:
    """Return how much of cracks :func:`segment_cracks` finds, and how far their volume is biased, by their aperture.

    Parameters
    ----------
    voxel_size
        Edge of a voxel, um.
    blur, noise, noise_blur
        As :func:`segment_cracks` uses or finds them for the volume in question.
    contrast
        Grey value of the matrix less that of the void.
    particle
        Grey value of particles less that of the matrix: the cracks are gaps then between a flat particle and the
        matrix, such as lost contact. By default there are no particles.
    apertures
        Of the simulated cracks, voxels, rising.
    radius
        Of the cracks, voxels: discs of one aperture; plates larger than the cube by default.
    level
        Which share of a crack's volume is found at the detection limit.
    repeats
        Cracks of each aperture; their directions, places and noise differ.
    edge
        Of the simulated cubes, voxels.
    seed
        Decides all of it.
    scales, false_alarm, grow, widest
        As in :func:`segment_cracks`.

    Returns
    -------
    xarray.Dataset
        Over ``aperture`` (um), means of the cracks with their standard errors as ``_std``: ``found``, the share of the
        crack's volume in what is found (1 - ``found`` is missed); ``volume_bias``, the volume found over the true one,
        less 1; ``false_alarm``, the share of the volume away from the crack that is taken for void. And
        ``detection_limit`` (um) with its ``_std``: where ``found`` first crosses ``level``, NaN where it never does.

    Raises
    ------
    OperandoError
        If a number is out of range or the cube is too small for the crack.

    Notes
    -----
    The cracks lie in an even matrix with Gaussian noise; particles beside them, rings and other artifacts are not in
    the numbers. A repeat counts as no surer than half a crack in ``repeats``: to the squared standard error of
    ``found`` 1 / (2 ``repeats``) squared is added.
    """
    scales = checked_search(scales, widest, STEP)
    apertures = _checked(apertures, voxel_size, contrast, level, repeats, particle)
    if edge < 2 * (FACES + 8) + (0 if radius is None else 2 * radius - 16) or (radius is not None and not radius > 0):
        raise OperandoError(f"{STEP}: expected a cube that holds the crack and 8 voxels around it, got edge = {edge}")
    levels = Levels(contrast, 0.0, noise, blur, noise_blur).checked(STEP)
    settings = {"scales": scales, "false_alarm": false_alarm, "grow": grow, "widest": widest}
    rng = np.random.default_rng(seed)
    outcome = np.array(
        [
            [_outcome(rng, _plate(rng, aperture, radius), edge, levels, particle, settings) for _ in range(repeats)]
            for aperture in apertures
        ]
    )
    parameters = {
        **levels.numbers(),
        **settings,
        "voxel_size": voxel_size,
        "particle": particle,
        "radius": radius,
        "level": level,
        "repeats": repeats,
        "edge": edge,
        "seed": seed,
    }
    return recorded(_dataset(outcome, np.array(apertures), voxel_size, level), "tomo.detection_limit", parameters)


def _checked(  # noqa: PLR0917
    apertures: Sequence[float],
    voxel_size: float,
    contrast: float,
    level: float,
    repeats: int,
    particle: float | None,
) -> tuple[float, ...]:
    numbers = tuple(float(aperture) for aperture in apertures)
    if not numbers or not numbers[0] > 0 or not (np.diff(numbers) > 0).all():
        raise OperandoError(f"{STEP}: expected rising apertures above 0 voxels, got {list(numbers)}")
    if not (voxel_size > 0 and contrast > 0 and 0 < level < 1 and repeats >= 2):
        came = f"{voxel_size:g}, {contrast:g}, {level:g}, {repeats}"
        wanted = "voxel_size and contrast above 0, level between 0 and 1, 2 repeats or more"
        raise OperandoError(f"{STEP}: expected {wanted}, got {came}")
    if particle is not None and not particle > 0:
        raise OperandoError(f"{STEP}: expected a particle brighter than the matrix, above 0, got {particle:g}")
    return numbers


def _plate(rng: np.random.Generator, aperture: float, radius: float | None) -> Plate:
    direction = rng.normal(size=3)
    return Plate(direction / np.linalg.norm(direction), rng.uniform(-0.5, 0.5), aperture, radius)


def _outcome(  # noqa: PLR0917
    rng: np.random.Generator,
    plate: Plate,
    edge: int,
    levels: Levels,
    particle: float | None,
    settings: dict[str, Any],
) -> tuple[float, float, float]:
    """Return found share, bias and false alarms of one crack."""
    share, near = plate.share(edge, levels.blur)
    grey = levels.matrix - levels.contrast * share + levels.noise * _unit_noise(rng, edge, levels.noise_blur)
    if particle is not None:
        grey += particle * plate.particle(edge, levels.blur)
    volume = xr.DataArray(grey.astype(np.float32), dims=PLACES)
    found = found_cracks(volume, levels, **settings).to_numpy()
    inner = (slice(FACES, -FACES),) * 3
    share, near, found = share[inner], near[inner], found[inner]
    hit = found["share"] != 0
    away = int(np.count_nonzero(found["void"] & ~near)) / max(int(np.count_nonzero(~near)), 1)
    total = float(share.sum())
    return float(share[hit].sum()) / total, float(found["share"][near].sum()) / total - 1, away


def _unit_noise(rng: np.random.Generator, edge: int, blur: float) -> Floats:
    noise: Floats = rng.standard_normal((edge,) * 3)
    if blur > 0:
        from scipy import ndimage

        noise = ndimage.gaussian_filter(noise, blur, mode="wrap")
        noise /= noise.std()
    return noise


def _dataset(outcome: Floats, apertures: Floats, voxel_size: float, level: float) -> xr.Dataset:
    repeats = outcome.shape[1]
    mean, error = outcome.mean(axis=1), outcome.std(axis=1, ddof=1) / math.sqrt(repeats)
    error[:, 0] = np.hypot(error[:, 0], 1 / (2 * repeats))
    ds = xr.Dataset(
        coords={"aperture": ("aperture", apertures * voxel_size, {"units": "um", "long_name": "aperture of the crack"})}
    )
    names = {
        "found": "share of the crack's volume that is found",
        "volume_bias": "volume found over the true one, less 1",
        "false_alarm": "share of the volume away from the crack that is taken for void",
    }
    for column, (name, text) in enumerate(names.items()):
        ds[name] = ("aperture", mean[:, column], {"units": "1", "long_name": text})
        about = {"units": "1", "long_name": f"standard uncertainty: {text}"}
        ds[f"{name}_std"] = ("aperture", error[:, column], about)
    limit, limit_std = _crossing(apertures, mean[:, 0], error[:, 0], level)
    text = f"aperture at which {level:.0%} of a crack's volume are found"
    ds["detection_limit"] = ((), limit * voxel_size, {"units": "um", "long_name": text})
    about = {"units": "um", "long_name": "standard uncertainty of the detection limit"}
    ds["detection_limit_std"] = ((), limit_std * voxel_size, about)
    return ds


def _crossing(apertures: Floats, found: Floats, error: Floats, level: float) -> tuple[float, float]:
    """Return where the found share first crosses a level, on straight lines from (0, 0), and its error."""
    place, share = np.concatenate([[0.0], apertures]), np.concatenate([[0.0], found])
    sigma = np.concatenate([[0.0], error])
    above = np.flatnonzero(share >= level)
    if not above.size:
        return math.nan, math.nan
    after = int(above[0])
    slope = (share[after] - share[after - 1]) / (place[after] - place[after - 1])
    part = (level - share[after - 1]) / (share[after] - share[after - 1])
    spread = math.hypot((1 - part) * sigma[after - 1], part * sigma[after])
    return float(place[after - 1] + (level - share[after - 1]) / slope), float(spread / slope)
