"""e0 and normalization of 1000 spectra of 500 points against larch's loop; a million spectra in bounded memory."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import tempfile
import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
import xarray as xr

from operando import xas
from operando.xas import edge_finding

SPECTRA, POINTS = 1000, 500
STREAMED, CHUNK = 1_000_000, 2000
TOLERANCE = 1e-9


def energies(edge: float = 8333.0) -> np.ndarray:
    """Return 500 energies: 5 eV steps, 0.35 eV at the edge, even in k behind it."""
    pre, near = np.arange(-150.0, -20.0, 5.0), np.arange(-20.0, 45.0, 0.35)
    k = np.linspace(np.sqrt(45 / 3.81), np.sqrt(750 / 3.81), POINTS - pre.size - near.size)
    return edge + np.concatenate([pre, near, 3.81 * k**2])


def state(energy: np.ndarray, shift: float, white_line: float, edge: float = 8333.0) -> np.ndarray:
    """Return the absorption of one state of charge, edge step 1."""
    e = energy - edge - shift
    k = np.sqrt(np.clip(e, 0, None) / 3.81)
    mu = 0.5 + np.arctan(e / 1.2) / np.pi + white_line * np.exp(-0.5 * ((e - 5) / 2.5) ** 2)
    mu += 0.15 * np.exp(-0.5 * ((e - 22) / 9) ** 2)
    wave = 0.6 * np.exp(-0.012 * k**2) * np.sin(2 * (1.95 - 0.02 * shift) * k + 0.5) / np.clip(k, 1, None) ** 1.5
    return mu + np.where(e > 15, wave, 0)


def cycled(count: int, seed: int = 0) -> xr.DataArray:
    """Return a Ni-K-like series over two cycles on a sloping background with noise."""
    energy = energies()
    part = 0.5 - 0.5 * np.cos(4 * np.pi * np.linspace(0, 1, count))[:, None]
    mu = (1 - part) * state(energy, 0.0, 0.55) + part * state(energy, 1.8, 0.45)
    mu = 0.9 * mu + 0.4 - 1.5e-4 * (energy - 8333) + 2e-8 * (energy - 8333) ** 2
    mu += np.random.default_rng(seed).normal(0, 5e-4, mu.shape)
    return xr.DataArray(mu, dims=("scan", "energy"), coords={"energy": ("energy", energy, {"units": "eV"})})


def larch_loop(energy: np.ndarray, spectra: np.ndarray) -> list:
    from larch import Group
    from larch.xafs import pre_edge

    groups = []
    for mu in spectra:
        group = Group()
        pre_edge(energy, mu, group=group)
        groups.append(group)
    return groups


def against_larch() -> None:
    mu = cycled(SPECTRA)
    energy, spectra = mu["energy"].to_numpy(), mu.to_numpy()
    larch_loop(energy, spectra[:5])
    theirs = larch_loop(energy, spectra)
    with Peak() as peak:
        ours = xas.normalize(mu)
    same = int(sum(group.e0 == e0 for group, e0 in zip(theirs, ours["e0"].to_numpy(), strict=True)))
    worst = max(
        float(np.abs(np.array([getattr(group, name) for group in theirs]) - ours[variable]).max())
        for name, variable in (("norm", "normalized"), ("flat", "flattened"), ("post_edge", "post_edge"))
    )
    if same != SPECTRA or worst > TOLERANCE:
        raise SystemExit(f"answers differ: e0 equal {same} of {SPECTRA}, largest difference {worst:.1e}")
    slow = median_time(lambda: larch_loop(energy, spectra), 3)
    warm = median_time(lambda: xas.normalize(mu), 15)
    cold = median_time(lambda: xas.normalize(mu), 15, before=edge_finding._cached_operator.cache_clear)
    agreement = f"e0 {same}/{SPECTRA}, largest difference {worst:.0e}"
    for kind, seconds in (("smoothing operators kept", warm), ("smoothing operators rebuilt", cold)):
        write_row(
            f"e0 + normalize, {SPECTRA} x {POINTS}, {kind}",
            "larch loop of pre_edge",
            f"{slow / seconds:.0f}x",
            f"{seconds * 1e3:.1f} ms",
            f"{slow:.2f} s",
            agreement,
            f"{peak.extra / 2**20:.0f} MiB",
            packages=("numpy", "numba", "xarray", "xraylarch"),
        )


def streamed() -> None:
    """Normalize a million spectra that lie in a zarr array, chunk by chunk."""
    import dask
    import dask.array as da
    import zarr

    batch = cycled(CHUNK)
    with tempfile.TemporaryDirectory() as folder:
        shape, chunks = (STREAMED, POINTS), (CHUNK, POINTS)
        stored = zarr.create_array(f"{folder}/mu.zarr", shape=shape, chunks=chunks, dtype="f4")
        for start in range(0, STREAMED, CHUNK):
            stored[start : start + CHUNK] = batch.to_numpy()
        lazy = da.from_zarr(f"{folder}/mu.zarr")
        mu = xr.DataArray(lazy, dims=batch.dims, coords={"energy": batch["energy"]})
        with Peak() as peak, dask.config.set(scheduler="threads", num_workers=2):
            edge = xas.edge_energy(xas.normalize(mu)).compute()
    if not np.isfinite(edge["edge_energy"]).all():
        raise SystemExit("some edge energies are missing")
    write_row(
        f"e0, normalize, edge energy of {STREAMED:,} x {POINTS} from zarr, 2 threads",
        "-",
        "-",
        f"{peak.seconds:.0f} s",
        "-",
        "-",
        f"{peak.extra / 2**20:.0f} MiB",
        packages=("numpy", "numba", "xarray", "dask", "zarr"),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--stream" in sys.argv:
        streamed()
    else:
        against_larch()
