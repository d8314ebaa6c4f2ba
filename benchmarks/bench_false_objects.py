"""How many objects are found where there is no void: composites without and with ring artifacts and lost slices."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from peak import Peak as Memory
from peak import one_thread, write_row

one_thread()

import numpy as np
import xarray as xr
from scipy import ndimage

from operando import tomo
from operando.example_scans import microstructure, tomography
from operando.example_scans.microstructure import Volume
from operando.example_scans.parameters import Parameters, load

COMPOSITES, VOXELS, VOXEL_SIZE = 20, 64, 0.65
FIRST_SEED = 20_000
NEAR, LARGE = 2, 30
"""Voxels around a void that belong to it, and from which number of voxels an object is reported by default."""
MOST = 1
"""Large objects without a void among all composites of a case."""
DIMS = ("z", "y", "x")
RING = 4
"""Step of the simulated series that has a ring artifact."""
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def plain(parameters: Parameters, filled: Volume, seed: int) -> np.ndarray:
    """Return grey values without a fault."""
    return tomography.reconstructed(parameters, 1, filled, seed).astype(np.float32)


def lost(parameters: Parameters, filled: Volume, seed: int) -> np.ndarray:
    """Return grey values of which one slice is lost."""
    grey = plain(parameters, filled, seed)
    grey[np.random.default_rng(seed).integers(5, VOXELS - 5)] = np.nan
    return grey


def bright_ring(parameters: Parameters, filled: Volume, seed: int) -> np.ndarray:
    """Return grey values with a bright ring."""
    return tomography.reconstructed(parameters, RING, filled, seed).astype(np.float32)


def ring_removed(parameters: Parameters, filled: Volume, seed: int) -> np.ndarray:
    """Return grey values whose bright ring was taken off as well as it goes."""
    grey: np.ndarray = tomo.remove_rings(volume_of(bright_ring(parameters, filled, seed))).to_numpy()
    return grey


CASES: dict[str, Callable[[Parameters, Volume, int], np.ndarray]] = {
    "no fault": plain,
    "a lost slice": lost,
    "a bright ring": bright_ring,
    "a bright ring, removed": ring_removed,
}


def volume_of(grey: np.ndarray) -> xr.DataArray:
    place = (np.arange(VOXELS) + 0.5) * VOXEL_SIZE
    return xr.DataArray(grey, dims=DIMS, coords=dict.fromkeys(DIMS, place))


def law_of(rng: np.random.Generator) -> dict[str, Any]:
    """Return a scan: noise of 0.09 to 0.37 of the contrast, particles 2.4 to 12 times farther from the matrix."""
    return {
        "voxels": VOXELS,
        "voxel_size": VOXEL_SIZE,
        "noise": float(rng.choice([1e-4, 2.5e-4, 4e-4])),
        "blur": float(rng.choice([0.5, 0.7, 0.9])),
        "attenuation_lengths": {"ncm": float(np.exp(rng.uniform(np.log(80), np.log(300)))), "electrolyte": 934.0},
    }


def sizes(seed: int, scanned: Callable[[Parameters, Volume, int], np.ndarray]) -> tuple[np.ndarray, int]:
    """Return the voxels of each object without a void, and how many objects there are."""
    rng = np.random.default_rng(seed)
    parameters = load("full", {"tomography": law_of(rng)})
    known = parameters.tomography
    fixed = microstructure.structure(known, seed)
    state = microstructure.state(known, fixed, rng.uniform(0, 1), rng.uniform(0.3, 1))
    filled = microstructure.volume(known, fixed, state)
    levels = {
        "matrix": known.grey_zero + known.grey_per_attenuation / known.attenuation_lengths["electrolyte"],
        "void": known.grey_zero,
        "noise": known.noise * known.grey_per_attenuation,
        "noise_blur": 0.0,
        "blur": known.blur,
    }
    found = tomo.segment_cracks(volume_of(scanned(parameters, filled, seed)), **levels)
    label, _ = ndimage.label(found["void"].to_numpy(), np.ones((3, 3, 3)))
    near = ndimage.binary_dilation(filled.void > 0.02, iterations=NEAR)
    voxels = np.bincount(label.ravel())[1:]
    false = np.setdiff1d(np.arange(1, voxels.size + 1), label[near])
    return voxels[false - 1], voxels.size


def main() -> None:
    for told, scanned in CASES.items():
        clock = time.process_time()
        with Memory() as memory:
            found = [sizes(FIRST_SEED + number, scanned) for number in range(COMPOSITES)]
        voxels, objects = np.concatenate([one for one, _ in found]), sum(count for _, count in found)
        large = int((voxels >= LARGE).sum())
        ours = f"{voxels.size} of {objects} objects, {large} of them of {LARGE} voxels or more; {voxels.sum()} voxels"
        note = f"{(time.process_time() - clock) / COMPOSITES:.2f} s of a core each; {NOTE}"
        print(told, ours, note)
        if large > MOST:
            raise SystemExit(f"at most {MOST} large object without a void expected, {told}: {ours}")
        work = f"objects found where there is no void, {COMPOSITES} composites of {VOXELS}^3, {told}"
        packages = ("numpy", "numba", "scipy", "xarray")
        write_row(work, "-", "-", ours, "-", note, f"{memory.extra / 2**20:.0f} MiB", packages=packages)


if __name__ == "__main__":
    main()
