"""How often the errors of areas, positions and widths hold the truth at 20 counts of background, 2000 S 2p spectra."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import time
from pathlib import Path

from peak import Peak as Memory
from peak import one_thread, write_row

one_thread()
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import numpy as np
import xarray as xr
from few_counts import FEW, few_count_model, few_count_truth, inside_of_bounds
from sulfur_spectra import ENERGY, spectra

from operando import xps

COUNT, DRAWS = 2000, 300
KEYS = ("area", "position", "fwhm")
GOALS = ((0.66, 0.705), (0.945, 0.963))
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def held(ends: dict[str, tuple[xr.DataArray, xr.DataArray]]) -> tuple[float, float]:
    """Return how often the truth lies between the ends: of all, and of truths 3 sigma inside of their bounds."""
    known, inside = few_count_truth(COUNT), inside_of_bounds(COUNT)
    within = {key: (low <= known[key]) & (known[key] <= high) for key, (low, high) in ends.items()}
    rows = {key: one.transpose("scan", "peak").to_numpy() for key, one in within.items()}
    return (
        float(np.concatenate([rows[key].ravel() for key in KEYS]).mean()),
        float(np.concatenate([rows[key][inside[key]] for key in KEYS]).mean()),
    )


def main() -> None:
    counts, model = spectra(COUNT, seed=43, scale=FEW, constant=20.0), few_count_model()
    found = xps.fit(counts, model, curves=False)
    plain = [{k: (found[k] - z * found[f"{k}_std"], found[k] + z * found[f"{k}_std"]) for k in KEYS} for z in (1, 2)]
    with Memory() as memory:
        clock = time.perf_counter()
        profiles = []
        for z in (1, 2):
            limits = {key: xps.profile(counts, model, found, key, z=z) for key in KEYS}
            profiles.append({key: (one["lower"], one["upper"]) for key, one in limits.items()})
        of_profile = (time.perf_counter() - clock) / (2 * 9 * COUNT)
    clock = time.perf_counter()
    drawn = xps.bootstrap(counts, model, found, draws=DRAWS, seed=1)
    of_draws = (time.perf_counter() - clock) / COUNT
    percentiles = [
        {key: tuple(drawn[f"{key}_percentile"].isel(percentile=k) for k in ends) for key in KEYS}
        for ends in ((1, 3), (0, 4))
    ]
    work = f"S 2p at 20 counts, {COUNT} x {ENERGY.size}: share of areas, positions, widths held in 1 and 2 sigma"
    peers = f"covariance: {' and '.join(f'{100 * held(one)[0]:.1f} %' for one in plain)}"
    for name, ends, cost in (
        ("profile", profiles, f"{of_profile * 1e3:.1f} ms an interval"),
        ("percentiles of the bootstrap", percentiles, f"{of_draws * 1e3:.0f} ms a spectrum, {DRAWS} draws"),
    ):
        shares = [held(one) for one in ends]
        for share, (low, high) in zip(shares, GOALS, strict=True):
            if not low <= share[0] <= high:
                raise SystemExit(f"{name}: {share[0]:.3f} held, expected {low} to {high}")
        ours = " and ".join(f"{100 * share[0]:.1f} %" for share in shares)
        inside = " and ".join(f"{100 * share[1]:.1f} %" for share in shares)
        note = f"3 sigma inside of bounds: {inside}; {cost}; {NOTE}"
        packages = ("numpy", "numba", "xarray")
        write_row(f"{work}, {name}", "-", "-", ours, peers, note, f"{memory.extra / 2**20:.0f} MiB", packages=packages)


if __name__ == "__main__":
    main()
