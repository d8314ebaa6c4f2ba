"""Simulated composites whose voids of three voxels or more are judged: what was found, how sure it is, what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy import ndimage

from operando import tomo
from operando.errors import OperandoError
from operando.example_scans import microstructure, tomography
from operando.example_scans.parameters import load
from operando.tomo.filled_volumes import nearest_labels

THICK, THIN = 1, 2
GROWN = 2
"""Voxels around a void to which its blurred share reaches."""
LEAST = 100.0
"""Voxels of void that are worth a judgment."""
DIMS = ("z", "y", "x")


@dataclass(frozen=True)
class Judged:
    """Volume found of voids of three voxels or more, its standard uncertainty, and the true volume, voxels."""

    found: float
    std: float
    true: float

    @property
    def pull(self) -> float:
        """Error over its standard uncertainty."""
        return (self.found - self.true) / self.std


def judged(seed: int, voxels: int = 48, *, levels: bool = True, coarse: bool = False) -> Judged | None:
    """Return how a composite of a seed is judged, None where it has too little of such voids or tells no levels.

    ``levels`` says whether grey values, noise and blur are given; coarse voxels show no void beyond the reach of its
    blur, which would tell its level.
    """
    rng = np.random.default_rng(seed)
    law = {"voxels": voxels, **(_coarse(rng) if coarse else _fine(rng))}
    grey, filled = _scanned(law, seed, delithiated=rng.uniform(0, 1), passed=rng.uniform(0.3, 1))
    void = np.isin(filled.label, (microstructure.PORE, microstructure.GAP, microstructure.CRACK))
    thick = ndimage.binary_opening(void, ndimage.generate_binary_structure(3, 2))
    try:
        found = tomo.segment_cracks(grey, **(_levels(law) if levels else {}))
    except OperandoError:
        return None
    nearest = ndimage.distance_transform_edt(~void, return_distances=False, return_indices=True)
    everywhere = np.where(thick[tuple(nearest)], THICK, THIN)
    labels = grey.copy(data=np.where(void | found["void"].to_numpy(), everywhere, 0).astype(np.int32))
    region = nearest_labels(labels, GROWN).to_numpy() == THICK
    true = float(ndimage.gaussian_filter(filled.void, law["blur"], mode="nearest")[region].sum())
    if true < LEAST:
        return None
    table = tomo.void_volumes(found, labels, volume=grey).isel(object=0)
    cube = law["voxel_size"] ** 3
    return Judged(float(table["void_volume"]) / cube, float(table["void_volume_uncertainty"]) / cube, true)


def _fine(rng: np.random.Generator) -> dict[str, Any]:
    """Return voxels in which pores have radii of 3 to 13: noise of 0.14 to 0.37 of the contrast, blur of 0.5 or 0.7."""
    return {
        "noise": float(rng.choice([1.5e-4, 2.5e-4, 4e-4])),
        "voxel_size": float(rng.choice([0.2, 0.3, 0.4])),
        "blur": float(rng.choice([0.5, 0.7])),
    }


def _coarse(rng: np.random.Generator) -> dict[str, Any]:
    """Return voxels in which pores have radii of 1.5 to 5, noise of 0.09 to 0.37, particles of other shares and levels.

    Particles are 2.4 to 12 times farther from the matrix than void is.
    """
    return {
        "noise": float(np.exp(rng.uniform(np.log(1e-4), np.log(4e-4)))),
        "voxel_size": float(rng.uniform(0.5, 0.8)),
        "blur": float(rng.uniform(0.5, 0.9)),
        "ncm_fraction": float(rng.uniform(0.2, 0.45)),
        "attenuation_lengths": {"ncm": float(np.exp(rng.uniform(np.log(80), np.log(300)))), "electrolyte": 934.0},
    }


def _scanned(
    law: dict[str, Any], seed: int, *, delithiated: float, passed: float
) -> tuple[xr.DataArray, microstructure.Volume]:
    parameters = load("full", {"tomography": law})
    known = parameters.tomography
    fixed = microstructure.structure(known, seed)
    filled = microstructure.volume(known, fixed, microstructure.state(known, fixed, delithiated, passed))
    place = (np.arange(known.voxels) + 0.5) * known.voxel_size
    grey = tomography.reconstructed(parameters, 1, filled, seed)
    return xr.DataArray(grey, dims=DIMS, coords=dict.fromkeys(DIMS, place)), filled


def _levels(law: dict[str, Any]) -> dict[str, float]:
    known = load("full", {"tomography": law}).tomography
    matrix = known.grey_zero + known.grey_per_attenuation / known.attenuation_lengths["electrolyte"]
    noise = known.noise * known.grey_per_attenuation
    return {"matrix": matrix, "void": known.grey_zero, "noise": noise, "noise_blur": 0.0, "blur": known.blur}
