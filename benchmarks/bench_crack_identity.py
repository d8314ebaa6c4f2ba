"""How many cracks of simulated series keep their identity through growth and a merge: 12 seeds at 64^3 and at 96^3."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import time
from itertools import pairwise

from peak import Peak as Memory
from peak import one_thread, write_row

one_thread()

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando import tomo
from operando.example_scans import cell, microstructure, scans, tomography
from operando.example_scans.parameters import Parameters, load
from operando.example_scans.tomography_truth import truth
from operando.example_scans.volume_score import RADIUS, due_to_be_seen, is_same_crack, objects_of_cracks
from operando.tomo.object_selection import remove_small

SIZES = {64: 0.65, 96: 0.43}
"""Voxels along each edge, and their size, um: the volume stays the same."""
SEEDS, STEPS, SMALLEST = range(4001, 4013), 8, 30
UNHARMED = {name: [] for name in ("xtm_missing_slice", "xtm_surplus_slice", "xtm_saturated_slice", "xtm_ring")}
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def series(parameters: Parameters, run: cell.Run, seed: int) -> tuple[xr.Dataset, xr.DataArray]:
    """Return the truth of a series, and its grey values, dims scan, z, y, x."""
    law = parameters.tomography
    plans = [tomography.plan(parameters, number) for number in range(1, law.steps + 1)]
    known, passed = scans.states(parameters, run, plans), scans.passed(run, np.mean(plans, axis=1))
    fixed = microstructure.structure(law, seed)
    states = [microstructure.state(law, fixed, *now) for now in zip(known["z"].values, passed, strict=True)]
    volumes = [microstructure.volume(law, fixed, now) for now in states]
    labels = np.array([volume.label for volume in volumes])
    grey = [tomography.reconstructed(parameters, number, one, seed) for number, one in enumerate(volumes, 1)]
    place = (np.arange(law.voxels) + 0.5) * law.voxel_size
    dims = ("scan", "z", "y", "x")
    return (
        truth(parameters, known, fixed, states, plans=plans, labels=labels),
        xr.DataArray(np.array(grey), dims=dims, coords=dict.fromkeys("zyx", place)),
    )


def levels(parameters: Parameters) -> dict[str, float]:
    """Return what the recipe of the simulated beamtime tells of grey values, noise and blur."""
    law = parameters.tomography
    matrix = law.grey_zero + law.grey_per_attenuation / law.attenuation_lengths["electrolyte"]
    noise = law.noise * law.grey_per_attenuation
    return {"matrix": matrix, "void": law.grey_zero, "noise": noise, "noise_blur": 0.0, "blur": law.blur}


def followed(known: xr.Dataset, grey: xr.DataArray, told: dict[str, float], limit: float) -> NDArray[np.int64]:
    """Return kept and all pairs of scans that see a crack: above the detection limit, then below it, then whole lives.

    A life is whole if all pairs of a crack are kept, and all objects it was while alone are on one track.
    """
    found = tomo.segment_cracks(grey, **told)
    label = remove_small(*tomo.label(found["crack"], 26), SMALLEST)[0]
    tracks = tomo.track(label)
    bodies = known["crack_body"].to_numpy()
    seen = np.array([objects_of_cracks(known.isel(scan=k), label.isel(scan=k).values) for k in range(STEPS)])
    due = due_to_be_seen(known, np.full(STEPS, limit))
    counts = np.zeros((3, 2), np.int64)
    for crack in range(seen.shape[1]):
        rows = []
        for k, after in pairwise(range(STEPS)):
            if seen[k, crack] and seen[after, crack]:
                kept = is_same_crack(bodies[k : after + 1], tracks, seen[k : after + 1], k, crack)
                rows.append(kept)
                counts[int(not (due[k, crack] and due[after, crack]))] += kept, 1
        if rows:
            counts[2] += all(rows) and len(alone(tracks, bodies, seen, crack)) <= 1, 1
    return counts


def alone(tracks: xr.Dataset, bodies: NDArray[np.int64], seen: NDArray[np.int64], crack: int) -> set[int]:
    """Return the tracks that a crack was on in the scans in which it touched no other."""
    number = tracks["object"].to_numpy()
    return {
        int(np.flatnonzero(number[k] == seen[k, crack])[0])
        for k in range(STEPS)
        if seen[k, crack] and (bodies[k] == bodies[k, crack]).sum() == 1
    }


def main() -> None:
    run = cell.run(load("small"))
    for voxels, size in SIZES.items():
        law = {"voxels": voxels, "voxel_size": size, "steps": STEPS, "period": 205_000.0 / STEPS, "tortuosity": False}
        parameters = load("small", {"tomography": law, "faults": UNHARMED})
        told = levels(parameters)
        numbers = {"blur": told["blur"], "noise": told["noise"], "contrast": told["matrix"] - told["void"]}
        limit = float(tomo.detection_limit(size, **numbers, radius=RADIUS, repeats=3)["detection_limit"])
        clock = time.process_time()
        with Memory() as memory:
            counts = sum(followed(*series(parameters, run, seed), told, limit) for seed in SEEDS)
        each = (time.process_time() - clock) / len(SEEDS)
        (above, of_above), (below, of_below), (whole, cracks) = counts
        ours = f"{whole} of {cracks} cracks keep their identity; scan to scan {above} of {of_above}"
        ours += f" above the detection limit of {limit:.2f} um, {below} of {of_below} below"
        work = f"cracks that grow and merge in {len(SEEDS)} series of {STEPS} x {voxels}^3"
        note = f"{each:.0f} s of a core a series, simulated; {NOTE}"
        packages = ("numpy", "numba", "xarray")
        write_row(work, "-", "-", ours, "-", note, f"{memory.extra / 2**20:.0f} MiB", packages=packages)
        if above < 0.98 * of_above:
            raise SystemExit(f"cracks above the detection limit lose their identity: {ours}")


if __name__ == "__main__":
    main()
