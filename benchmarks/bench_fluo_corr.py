"""Self-absorption of 1000 spectra undone as larch does it, against larch's loop; and exactly, which larch does not."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
from bench_normalize import cycled

from operando import xas

SPECTRA, PART = 1000, 200
TOLERANCE = 1e-9
SAMPLE = ("Ni0.2Si0.8O2", "Ni")
LARCH = {"convention": "larch", "nnorm": 1, "pre2": -30.0, "norm1": 100.0}


def larch_loop(energy: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    from larch import Group
    from larch.xafs import fluo_corr

    corrected = []
    for mu in spectra:
        group = Group(energy=energy, mu=mu)
        fluo_corr(energy, mu, *SAMPLE, group=group, line="Ka1")
        corrected.append(group.norm_corr)
    return np.array(corrected)


def against_larch() -> None:
    mu = cycled(SPECTRA)
    energy, spectra = mu["energy"].to_numpy(), mu.to_numpy()[:PART]
    normalized = xas.normalize(mu)["normalized"]
    xas.correct_self_absorption(mu[:5], *SAMPLE, "K", line="Ka1", **LARCH)
    with Peak() as peak:
        ours = xas.correct_self_absorption(mu, *SAMPLE, "K", line="Ka1", **LARCH)
    worst = float(np.abs(ours.to_numpy()[:PART] - larch_loop(energy, spectra)).max())
    if worst > TOLERANCE:
        raise SystemExit(f"answers differ by up to {worst:.1e}")
    again = xas.correct_self_absorption(xas.self_absorption(normalized, *SAMPLE, "K"), *SAMPLE, "K")
    back = float(np.abs(again - normalized).max())
    slow = SPECTRA / PART * median_time(lambda: larch_loop(energy, spectra), 3)
    runs = (
        ("as larch", lambda: xas.correct_self_absorption(mu, *SAMPLE, "K", line="Ka1", **LARCH), worst),
        ("exactly", lambda: xas.correct_self_absorption(xas.normalize(mu)["normalized"], *SAMPLE, "K"), back),
    )
    for kind, work, difference in runs:
        fast = median_time(work, 15)
        write_row(
            f"normalize and undo self-absorption {kind}, {SPECTRA} x {energy.size}",
            "larch loop of fluo_corr",
            f"{slow / fast:.0f}x",
            f"{fast * 1e3:.1f} ms",
            f"{slow:.2f} s",
            f"largest difference {difference:.0e} {'from larch' if kind == 'as larch' else 'there and back'}",
            f"{peak.extra / 2**20:.0f} MiB",
            packages=("numpy", "numba", "xarray", "xraylarch"),
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    against_larch()
