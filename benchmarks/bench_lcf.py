"""Shares of three and four references in 1000 spectra, between bounds and adding up to one, against larch's loop."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
import xarray as xr

from operando import xas

SPECTRA, POINTS = 1000, 250
TOLERANCE = 1e-6
LINES = ((853.5, 1.9, 0.7), (854.4, 1.2, 1.2), (855.8, 2.2, 0.9), (857.5, 1.6, 0.8))


def substances(energy: np.ndarray, count: int) -> np.ndarray:
    rows = [
        1 / (1 + np.exp(-(energy - edge) / 0.4)) + height * np.exp(-(((energy - edge - 0.5) / width) ** 2) / 2)
        for edge, height, width in LINES[:count]
    ]
    return np.array(rows)


def larch_loop(energy: np.ndarray, spectra: np.ndarray, references: np.ndarray) -> np.ndarray:
    from larch import Group
    from larch.math import lincombo_fit

    known = [Group(energy=energy, norm=row, label=str(k)) for k, row in enumerate(references)]
    limits = {"minvals": [0.0] * len(known), "maxvals": [1.0] * len(known)}
    fits = [lincombo_fit(Group(energy=energy, norm=row, label="x"), known, **limits) for row in spectra]
    return np.array([list(fit.weights.values()) for fit in fits])


def against_larch(count: int) -> None:
    energy = np.linspace(845.0, 870.0, POINTS)
    references = substances(energy, count)
    rng = np.random.default_rng(5)
    spectra = rng.dirichlet([4.0] * count, SPECTRA) @ references + rng.normal(0, 0.01, (SPECTRA, POINTS))
    coords = {"energy": ("energy", energy, {"units": "eV"})}
    known = xr.DataArray(references, dims=("reference", "energy"), coords=coords)
    mu = xr.DataArray(spectra, dims=("scan", "energy"), coords=coords)
    xas.lcf(mu[:5], known)
    with Peak() as peak:
        ours = xas.lcf(mu, known)
    part = slice(0, SPECTRA // 5)
    theirs = larch_loop(energy, spectra[part], references)
    # On a bound larch stops a little short of it, and its last share, an expression, may leave the bounds.
    inside = (theirs > 0.02).all(axis=1)
    worst = float(np.abs(ours["fraction"].to_numpy()[part] - theirs)[inside].max())
    if worst > TOLERANCE:
        raise SystemExit(f"answers differ by up to {worst:.1e}")
    slow = 5 * median_time(lambda: larch_loop(energy, spectra[part], references), 3)
    fast = median_time(lambda: xas.lcf(mu, known, residual=False), 15)
    write_row(
        f"shares of {count} references, {SPECTRA} x {POINTS}, bounds, sum 1, with errors",
        "larch loop of lincombo_fit",
        f"{slow / fast:.0f}x",
        f"{fast * 1e3:.1f} ms",
        f"{slow:.2f} s",
        f"largest difference {worst:.0e} in {inside.sum()} spectra",
        f"{peak.extra / 2**20:.0f} MiB",
        packages=("numpy", "numba", "xarray", "xraylarch"),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for references in (3, 4):
        against_larch(references)
