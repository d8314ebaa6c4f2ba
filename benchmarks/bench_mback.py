"""Match 1000 spectra of 500 points to tabulated f'' against larch's loops of mback_norm and mback."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
from bench_normalize import POINTS, SPECTRA, cycled

from operando import xas

LOOPED = 50
TOLERANCE = 1e-6


def larch_loop(function: str, energy: np.ndarray, spectra: np.ndarray) -> list:
    import larch.xafs
    from larch import Group

    groups = []
    for mu in spectra:
        group = Group(energy=energy.copy(), mu=mu.copy())
        if function == "mback":
            larch.xafs.mback(group.energy, group.mu, group=group, z=28)
        else:
            larch.xafs.mback_norm(group, z=28)
        groups.append(group)
    return groups


def against_larch(function: str) -> None:
    mu = cycled(SPECTRA)
    energy, some = mu["energy"].to_numpy(), mu.to_numpy()[:: SPECTRA // LOOPED]
    larch_loop(function, energy, some[:2])
    xas.mback(mu[:2], "Ni", method=function)
    with Peak() as peak:
        ours = xas.mback(mu, "Ni", method=function)
    theirs = np.array([group.norm for group in larch_loop(function, energy, some)])
    worst = float(np.abs(theirs - ours["normalized"][:: SPECTRA // LOOPED]).max())
    if not worst < TOLERANCE:
        raise SystemExit(f"answers differ by up to {worst:.1e}")
    slow = median_time(lambda: larch_loop(function, energy, some), 3) * SPECTRA / LOOPED
    fast = median_time(lambda: xas.mback(mu, "Ni", method=function), 15)
    write_row(
        f"{function}, {SPECTRA} x {POINTS}",
        f"larch loop of {function}, timed on {LOOPED}",
        f"{slow / fast:.0f}x",
        f"{fast * 1e3:.1f} ms",
        f"{slow:.2f} s",
        f"normalized within {worst:.0e}",
        f"{peak.extra / 2**20:.0f} MiB",
        packages=("numpy", "xarray", "xraylarch", "xraydb"),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for function in ("mback_norm", "mback"):
        against_larch(function)
