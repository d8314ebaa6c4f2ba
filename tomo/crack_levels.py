"""What the segmentation of cracks goes by: grey values of matrix and void, noise and blur, found where not given."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from . import plate_kernels
from .image_quality import CUBE, VOXEL_VARIANCE, cubes, estimate_blur, looked_at, noise_of, phase_levels
from .plate_noise import white
from .plates import half_gauss

Phase = tuple[float, int]
"""Grey value and number of cubes."""

PARTICLE = 4.0
"""How many standard deviations of the noise a particle exceeds the matrix by, at least."""
LEVEL = 1.5
"""How far from its level a voxel of a phase may lie, standard deviations of the noise."""
EDGES = 0.15
"""How far edges of voids that touch calm cubes shift the mean of those, standard deviations of the noise."""
UNSEEN = 0.005
"""How far voids too thin to be seen shift the level of the matrix, standard deviations of the noise."""
MEDIAN = 1.2533
"""Standard error of a median over that of a mean."""
INNER = 100
"""Voxels beyond the reach of the matrix that are enough to tell the level of the void by."""
EVEN = (0.5, 1.5)
"""How much those may spread, standard deviations of the noise: less is no measured value, more is no single phase."""


@dataclass(frozen=True)
class Levels:
    """Grey values of matrix and void, the noise in them, and the blurs of volume and noise, voxels.

    ``matrix_std`` and ``void_std`` are the standard uncertainties of the grey values, 0 where they are known.
    """

    matrix: float
    void: float
    noise: float
    blur: float
    noise_blur: float = 0.0
    matrix_std: float = 0.0
    void_std: float = 0.0

    @property
    def contrast(self) -> float:
        """How much darker the void is than the matrix."""
        return self.matrix - self.void

    @property
    def sigma(self) -> float:
        """Standard deviation of what blurs a sharp edge: point spread function and voxel, voxels."""
        return math.sqrt(self.blur**2 + VOXEL_VARIANCE)

    @property
    def reach(self) -> float:
        """How far a sharp edge's blur is felt, voxels."""
        return 3.3 * self.sigma

    @property
    def grown(self) -> int:
        """How far beyond half its depth a crack still has a share of voxels."""
        return math.ceil(2.3 * self.sigma)

    @property
    def bright(self) -> float:
        """What only particles exceed."""
        return self.matrix + max(PARTICLE * self.noise, self.contrast)

    def checked(self, step: str) -> Levels:
        """Return the levels if they make sense.

        Raises
        ------
        OperandoError
            If the void is not darker than the matrix, the noise not above 0, or a blur not from 0 to 5 voxels.
        """
        if not self.contrast > 0:
            raise OperandoError(f"{step}: expected void darker than the matrix, got {self.void:g} and {self.matrix:g}")
        if not self.noise > 0:
            raise OperandoError(f"{step}: expected noise above 0, got {self.noise:g}")
        if not (0 <= self.blur <= 5 and 0 <= self.noise_blur <= 5):
            wanted = "blur and noise_blur from 0 to 5 voxels"
            raise OperandoError(f"{step}: expected {wanted}, got {self.blur:g} and {self.noise_blur:g}")
        return self

    def numbers(self) -> dict[str, float]:
        """Return the numbers as parameters of a step."""
        return asdict(self)

    def dataset(self, units: str) -> xr.Dataset:
        """Return the numbers with their units and meaning."""
        told = {
            "matrix_level": (self.matrix, units, "grey value of the matrix"),
            "matrix_level_std": (self.matrix_std, units, "standard uncertainty: grey value of the matrix, 0: given"),
            "void_level": (self.void, units, "grey value of the void"),
            "void_level_std": (self.void_std, units, "standard uncertainty: grey value of the void, 0: given"),
            "noise": (self.noise, units, "standard deviation of the noise of a voxel"),
            "noise_blur": (self.noise_blur, "px", "standard deviation of the blur of the noise"),
            "blur": (self.blur, "px", "standard deviation of the point spread function"),
        }
        return xr.Dataset(
            {name: ((), value, {"units": unit, "long_name": text}) for name, (value, unit, text) in told.items()}
        )


def completed(
    grey: xr.DataArray,
    *,
    matrix: float | None,
    void: float | None,
    noise: float | None,
    blur: float | None,
    noise_blur: float | None,
) -> Levels:
    """Return the levels given, and for those not given what the volume tells.

    Raises
    ------
    OperandoError
        If a level cannot be found, the void is not darker than the matrix, or noise or blur are negative.
    """
    told, matrix_std, void_std = void is not None, 0.0, 0.0
    values: NDArray[np.float32] | None = None
    if matrix is None or void is None or noise is None:
        values = looked_at(grey)
        found = cubes(values, "segment_cracks")
        measured, measured_blur = noise_of(found)
        noise = measured if noise is None else noise
        noise_blur = measured_blur if noise_blur is None else noise_blur
        phases = phase_levels(found, measured)
        if matrix is None:
            matrix, matrix_std = _matrix(values, phases, measured)
        if void is None:
            void, void_std = _void(phases, matrix, measured)
    if blur is None:
        blur = float(estimate_blur(grey)["blur"])
    numbers = map(float, (matrix, matrix if void is None else void, noise, blur, noise_blur or 0, matrix_std, void_std))
    levels = Levels(*numbers)
    return (levels if told or values is None else _refined(levels, values)).checked("segment_cracks")


def _refined(levels: Levels, values: NDArray[np.float32]) -> Levels:
    """Return levels whose void is the mean of the voxels that no blur of the matrix reaches, where there are enough.

    Cubes of 6 voxels that an edge of a void touches may still be calm, and are too bright.

    Raises
    ------
    OperandoError
        If there are not enough, and no cubes told a level.
    """
    from scipy import ndimage
    from skimage.morphology import ball

    smooth = plate_kernels.smooth(np.ascontiguousarray(values, np.float32), half_gauss(1.0))
    unseen = levels.void_std == 0
    void = float(smooth[np.isfinite(smooth)].min(initial=np.inf)) if unseen else levels.void
    dark = smooth < np.float32((levels.matrix + void) / 2)
    away = ndimage.binary_erosion(dark, ball(math.ceil(levels.reach)), border_value=1)  # type: ignore[no-untyped-call]
    inner = values[away].astype(np.float64)
    if inner.size >= INNER and EVEN[0] < inner.std() / levels.noise < EVEN[1]:
        error = white(levels.noise, levels.noise_blur) / math.sqrt(inner.size)
        return replace(levels, void=float(inner.mean()), void_std=error)
    if unseen:
        raise OperandoError(
            "segment_cracks: expected a void that is wider than the blur and darker than the matrix "
            f"({levels.matrix:.4g}), got none; state 'void', such as the grey value of air outside of the sample"
        )
    return levels


def _matrix(values: NDArray[np.float32], phases: list[Phase], noise: float) -> tuple[float, float]:
    """Return the level of the phase that fills most voxels, and its standard error."""
    if not phases:
        raise OperandoError("segment_cracks: expected phases larger than the blur, got none; state 'matrix' and 'void'")
    level, count = max(phases, key=lambda phase: int(np.count_nonzero(np.abs(values - phase[0]) < LEVEL * noise)))
    return level, math.hypot(_error(count, noise), UNSEEN * noise)


def _void(phases: list[Phase], matrix: float, noise: float) -> tuple[float | None, float]:
    """Return the darkest level that is apart from the matrix, None if there is none, and how sure it is."""
    if not phases or phases[0][0] > matrix - noise:
        return None, 0.0
    level, count = phases[0]
    return level, math.hypot(_error(count, noise), EDGES * noise)


def _error(cubes_of_phase: int, noise: float) -> float:
    """Return the standard error of the median of the means of cubes."""
    return MEDIAN * noise / math.sqrt(cubes_of_phase * CUBE**3)
