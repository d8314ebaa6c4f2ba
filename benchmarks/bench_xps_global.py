"""A global fit of 200 S 2p spectra: 7 shared parameters and 5 of each scan, 1007 in all."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
from pathlib import Path

from peak import Peak as Memory
from peak import median_time, one_thread, write_row

one_thread()
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import numpy as np
from sulfur_spectra import ENERGY, HEIGHT, MIXING, RATIO, SPLITTING, spectra

from operando import xps
from operando.xps import Background, Doublet, Free, Link, Model

SPECTRA = 200
SHARED = ["PS4.fwhm", "PS4.splitting", "Li2S.position", "Li2S.fwhm", "bridge.fwhm", "background.height", "PS4.mixing"]
TRUE = np.array([1.1, SPLITTING, 160.1, 1.1, 1.3, HEIGHT, MIXING])
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def our_model() -> Model:
    lines = [
        Doublet("PS4", 161.6, 1.0, Free(1.2, 0.8, 1.6), RATIO, phase="sulfide"),
        Doublet("Li2S", 160.1, 1.0, Link("PS4.splitting"), RATIO),
        Doublet("bridge", 163.2, 1.2, Link("PS4.splitting"), RATIO, phase="sulfide"),
    ]
    return Model(lines, Background(polynomial=0), shifts={"sulfide": 0.0})


def main() -> None:
    series, model = spectra(SPECTRA, seed=7), our_model()
    xps.fit_global(series, model)
    with Memory() as memory:
        found = xps.fit_global(series, model)
    alone = xps.fit(series, model)
    gains = (alone["area_std"] / found["area_std"]).median("scan").to_numpy()
    one = found.isel(scan=0).sel(parameter=SHARED)
    pulls = ((one["value"] - TRUE) / one["value_std"]).to_numpy()
    if not found.attrs["shared"] or (np.abs(pulls) > 4).any():
        raise SystemExit(f"shared parameters are off by {pulls} standard errors")
    seconds = median_time(lambda: xps.fit_global(series, model), 9)
    agreement = (
        f"shared within {np.abs(pulls).max():.1f} std of the truth, areas {gains.min():.1f}-{gains.max():.1f} times"
    )
    write_row(
        f"global fit of S 2p, {SPECTRA} x {ENERGY.size}, {5 * SPECTRA + 7} free, Poisson likelihood",
        "-",
        "-",
        f"{seconds:.2f} s",
        "-",
        f"{agreement} as certain as alone; {NOTE}",
        f"{memory.extra / 2**20:.0f} MiB",
        packages=("numpy", "numba", "xarray"),
    )


if __name__ == "__main__":
    main()
