"""How far volumes of voids of three voxels or more are from the truth, in their uncertainties: 3 x 204 composites."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import time
from itertools import count
from pathlib import Path

from peak import Peak as Memory
from peak import one_thread, write_row

one_thread()
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import numpy as np
from judged_voids import Judged, judged
from scipy import stats

COMPOSITES, VOXELS = 204, 48
FIRST_SEED = 10_000
RARE = 5e-4
CASES = (
    (True, False, "voxels of 0.2 to 0.4 um, levels given"),
    (False, False, "voxels of 0.2 to 0.4 um, levels found"),
    (True, True, "voxels of 0.5 to 0.8 um, levels given"),
)
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def drawn(*, levels: bool, coarse: bool) -> tuple[list[Judged], int]:
    """Return what was found in composites of one seed each, and how many seeds that took."""
    found: list[Judged] = []
    for seed in count(FIRST_SEED):
        one = judged(seed, VOXELS, levels=levels, coarse=coarse)
        found += [] if one is None else [one]
        if len(found) == COMPOSITES:
            return found, seed + 1 - FIRST_SEED
    raise AssertionError


def main() -> None:
    low, high = np.sqrt(stats.chi2.ppf([RARE, 1 - RARE], COMPOSITES - 1) / (COMPOSITES - 1))
    most = 3.3 / np.sqrt(COMPOSITES)
    for levels, coarse, told in CASES:
        clock = time.process_time()
        with Memory() as memory:
            found, seeds = drawn(levels=levels, coarse=coarse)
        pulls = np.array([one.pull for one in found])
        error = np.array([one.found / one.true - 1 for one in found])
        each = (time.process_time() - clock) / seeds
        mean, spread = pulls.mean(), pulls.std(ddof=1)
        within = np.mean(np.abs(pulls) < 2)
        ours = f"pulls {mean:+.2f} on average, spread {spread:.2f}, {within:.0%} within 2"
        ours += f"; bias {error.mean():+.2%}, spread {error.std():.2%}"
        note = f"limits {most:.2f}, {low:.2f} to {high:.2f}; {seeds} seeds, {each:.2f} s of a core each; {NOTE}"
        print(ours, note)
        # Levels that are found may be surer than they say they are.
        if abs(mean) > most or spread > high or (levels and spread < low) or abs(error.mean()) > 0.1:
            raise SystemExit(f"pulls of unit width expected, {told}: {ours}; {note}")
        work = f"voids and cracks of three voxels or more in {COMPOSITES} composites of {VOXELS}^3, {told}"
        packages = ("numpy", "numba", "scipy", "xarray")
        write_row(work, "-", "-", ours, "-", note, f"{memory.extra / 2**20:.0f} MiB", packages=packages)


if __name__ == "__main__":
    main()
