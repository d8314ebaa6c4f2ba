"""How far particles' change of volume is from the truth, in its uncertainties: simulated composites with gaps, 96^3."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import time
from itertools import count

from peak import Peak as Memory
from peak import one_thread, write_row

one_thread()

import dask
import numpy as np
import xarray as xr
from scipy import stats

from operando.example_scans import microstructure, parameters, tomography
from operando.tomo import volume_expansion

FIRST_SEED, VOXELS, LEAST = 30_000, 96, 204
STATES = ((0.0, 0.0), (0.4, 0.25), (0.8, 0.5), (0.1, 1.0))
"""Lithium lost, and charge passed, which opens gaps."""
RADIUS = 5.0
"""Voxels, of the smallest particle that is judged."""
RARE = 5e-4


def composite(seed: int) -> tuple[xr.DataArray, xr.DataArray, np.ndarray]:
    """Return volumes (scan, z, y, x), labels by the true shapes, and which particles are judged."""
    setup = parameters.load("small")
    law = setup.tomography
    size = law.voxel_size * law.voxels / VOXELS
    ring = law.ring.model_copy(update={"height": 0.0})
    law = law.model_copy(update={"voxels": VOXELS, "voxel_size": size, "ring": ring})
    setup = setup.model_copy(update={"tomography": law})
    fixed = microstructure.structure(law, seed)
    states = [microstructure.state(law, fixed, *one) for one in STATES]
    grey = [
        tomography.reconstructed(setup, number, microstructure.volume(law, fixed, one), seed)
        for number, one in enumerate(states, 1)
    ]
    place = (np.arange(VOXELS) + 0.5) * size
    labels = np.zeros((VOXELS,) * 3, np.int32)
    for number, (center, radius) in enumerate(zip(fixed.center, fixed.radius, strict=True), 1):
        z, y, x = np.ix_(*(place - at for at in center))
        labels[np.sqrt(z**2 + y**2 + x**2) < radius] = number
    radius = fixed.radius[:, np.newaxis]
    whole = ((fixed.center > radius) & (fixed.center < VOXELS * size - radius)).all(axis=1)
    coords = dict.fromkeys("zyx", place)
    volumes = xr.DataArray(np.array(grey), coords, ("scan", "z", "y", "x")).assign_coords(voxel_size=size)
    numbered = xr.DataArray(labels, coords, ("z", "y", "x")).assign_coords(voxel_size=size)
    return volumes, numbered, np.flatnonzero(whole & (fixed.radius > RADIUS * size)) + 1


def pulls_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return errors and uncertainties of the particles of a composite, all scans together."""
    volumes, labels, judged = composite(seed)
    with dask.config.set(num_workers=1):
        found = volume_expansion(volumes[0], volumes[1:], labels)
    which = np.isin(found["number"].to_numpy(), judged)
    change = parameters.load("small").tomography.volume_change
    true = np.array([change * lost for lost, _ in STATES[1:]])[:, np.newaxis]
    error = (found["expansion"].to_numpy() - true)[:, which].ravel()
    sigma = found["expansion_std"].to_numpy()[:, which].ravel()
    told = np.isfinite(error)
    return error[told], sigma[told]


def main() -> None:
    errors, sigmas, seeds = [np.empty(0)], [np.empty(0)], 0
    clock = time.process_time()
    with Memory() as memory:
        for seed in count(FIRST_SEED):
            error, sigma = pulls_of(seed)
            errors.append(error)
            sigmas.append(sigma)
            seeds += 1
            if sum(map(len, errors)) >= LEAST:
                break
    error = np.concatenate(errors)
    pull = error / np.concatenate(sigmas)
    n = pull.size
    low, high = np.sqrt(stats.chi2.ppf([RARE, 1 - RARE], n - 1) / (n - 1))
    rms = np.sqrt((error**2).mean())
    ours = f"pulls {pull.mean():+.2f} on average, spread {pull.std(ddof=1):.2f}; rms error {rms:.4f}"
    each = (time.process_time() - clock) / (seeds * (len(STATES) - 1))
    note = f"limits {3.3 / np.sqrt(n):.2f}, {low:.2f} to {high:.2f}; {seeds} seeds, {each:.1f} s of a core a volume"
    print(ours, note)
    work = f"change of volume of {n} particles that shrink by up to 4 %, gaps opening, in composites of {VOXELS}^3"
    packages = ("numpy", "numba", "scipy", "xarray")
    write_row(work, "-", "-", ours, "-", note, f"{memory.extra / 2**20:.0f} MiB", packages=packages)
    if abs(pull.mean()) > 3.3 / np.sqrt(n) or not low < pull.std(ddof=1) < high:
        raise SystemExit(f"pulls of unit width expected: {ours}; {note}")


if __name__ == "__main__":
    main()
