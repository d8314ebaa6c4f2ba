"""What the segmentation of cracks goes by: grey values of matrix and void, noise and blur, found where not given."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .image_quality import VOXEL_VARIANCE, cubes, estimate_blur, looked_at, noise_of, phase_levels

PARTICLE = 4.0
"""How many standard deviations of the noise a particle exceeds the matrix by, at least."""
LEVEL = 1.5
"""How far from its level a voxel of a phase may lie, standard deviations of the noise."""


@dataclass(frozen=True)
class Levels:
    """Grey values of matrix and void, the noise in them, and the blurs of volume and noise, voxels."""

    matrix: float
    void: float
    noise: float
    blur: float
    noise_blur: float = 0.0

    @property
    def contrast(self) -> float:
        """How much darker the void is than the matrix."""
        return self.matrix - self.void

    @property
    def reach(self) -> float:
        """How far a sharp edge's blur is felt, voxels."""
        return 3.3 * math.sqrt(self.blur**2 + VOXEL_VARIANCE)

    @property
    def grown(self) -> int:
        """How far beyond half its depth a crack still has a share of voxels."""
        return math.ceil(2.3 * math.sqrt(self.blur**2 + VOXEL_VARIANCE))

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
            "void_level": (self.void, units, "grey value of the void"),
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
    if matrix is None or void is None or noise is None:
        values = looked_at(grey)
        found = cubes(values, "segment_cracks")
        measured, measured_blur = noise_of(found)
        noise = measured if noise is None else noise
        noise_blur = measured_blur if noise_blur is None else noise_blur
        phases = [level for level, _ in phase_levels(found, measured)]
        matrix = _matrix(values, phases, measured) if matrix is None else matrix
        void = _void(phases, matrix, measured) if void is None else void
    if blur is None:
        blur = float(estimate_blur(grey)["blur"])
    return Levels(float(matrix), float(void), float(noise), float(blur), float(noise_blur or 0)).checked(
        "segment_cracks"
    )


def _matrix(values: NDArray[np.float32], phases: list[float], noise: float) -> float:
    """Return the level of the phase that fills most voxels."""
    if not phases:
        raise OperandoError("segment_cracks: expected phases larger than the blur, got none; state 'matrix' and 'void'")
    return max(phases, key=lambda level: int(np.count_nonzero(np.abs(values - level) < LEVEL * noise)))


def _void(phases: list[float], matrix: float, noise: float) -> float:
    """Return the darkest level, if it is apart from the matrix."""
    if not phases or phases[0] > matrix - noise:
        raise OperandoError(
            "segment_cracks: expected a void that fills cubes of 6 voxels and is darker than the matrix "
            f"({matrix:.4g}), got none; state 'void', such as the grey value of air outside of the sample"
        )
    return phases[0]
