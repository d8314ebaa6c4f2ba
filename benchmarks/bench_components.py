"""Principal components of 100 000 spectra from zarr against scikit-learn; curve resolution against pymcr."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import logging
import tempfile
import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
import xarray as xr

from operando import xas
from operando.xas.alternating_least_squares import Constraints, on_scale
from operando.xas.curve_resolution_start import purest_rows

SPECTRA, POINTS, CHUNK, COMPONENTS = 100_000, 500, 5000, 5
MIXTURES, ENERGIES = 1000, 250
TOLERANCE = 1e-9


def stack(folder: str) -> xr.DataArray:
    """Return spectra of five shapes with noise, in a zarr array."""
    import dask.array as da
    import zarr

    rng = np.random.default_rng(1)
    energy = np.linspace(8300.0, 8400.0, POINTS)
    shapes = np.exp(-(((energy - rng.uniform(8330, 8370, (COMPONENTS, 1))) / 8) ** 2))
    stored = zarr.create_array(f"{folder}/mu.zarr", shape=(SPECTRA, POINTS), chunks=(CHUNK, POINTS), dtype="f8")
    for start in range(0, SPECTRA, CHUNK):
        rows = rng.uniform(size=(CHUNK, COMPONENTS)) @ shapes + rng.normal(0, 0.01, (CHUNK, POINTS))
        stored[start : start + CHUNK] = rows
    coords = {"energy": ("energy", energy, {"units": "eV"})}
    return xr.DataArray(da.from_zarr(f"{folder}/mu.zarr"), coords, ("scan", "energy"))


def components_found() -> None:
    import dask
    from sklearn.decomposition import PCA

    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="synchronous"):
        mu = stack(folder)

        def ours() -> xr.Dataset:
            found = xas.pca(mu, components=COMPONENTS)
            return found.assign(largest=abs(found["score"]).max("scan")).drop_vars("score").compute()

        def theirs(solver: str) -> tuple[PCA, np.ndarray]:
            rows = mu.to_numpy()
            peer = PCA(COMPONENTS, svd_solver=solver)
            return peer, np.abs(peer.fit_transform(rows)).max(axis=0)

        with Peak() as our_peak:
            found = ours()
        fast = median_time(ours, 5)
        for solver in ("full", "covariance_eigh"):
            with Peak() as their_peak:
                peer, largest = theirs(solver)
            worst = max(
                float(np.abs(found["singular_value"] / peer.singular_values_ - 1).max()),
                float(np.abs(np.abs(found["components"]) - np.abs(peer.components_)).max()),
                float(np.abs(found["largest"] / largest - 1).max()),
            )
            if worst > TOLERANCE:
                raise SystemExit(f"answers differ by up to {worst:.1e}")
            slow = median_time(lambda solver=solver: theirs(solver), 3)
            write_row(
                f"{COMPONENTS} components and scores of {SPECTRA:,} x {POINTS} from zarr, centered",
                f"scikit-learn PCA, {solver}, in memory",
                f"{slow / fast:.1f}x",
                f"{fast:.2f} s",
                f"{slow:.2f} s",
                f"largest relative difference {worst:.0e}",
                f"{our_peak.extra / 2**20:.0f} MiB, peer's {their_peak.extra / 2**20:.0f} MiB",
                packages=("numpy", "dask", "zarr", "xarray", "scikit-learn"),
            )


def lines_and_profiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return energies, three lines with energies of their own, and profiles with scans of their own: one solution."""
    energy, scan = np.linspace(840.0, 880.0, ENERGIES), np.linspace(0.0, 1.0, MIXTURES)
    lines = [np.exp(-(((energy - at) / 4) ** 2)) * (abs(energy - at) < 9) for at in (853, 860, 867)]
    profiles = [np.exp(-(((scan - at) / 0.2) ** 2)) * (abs(scan - at) < 0.35) for at in (0.3, 0.5, 0.7)]
    return energy, np.array(lines), np.array(profiles).T


def curves_resolved() -> None:
    from pymcr.mcr import McrAR
    from pymcr.regressors import NNLS

    logging.getLogger("pymcr").handlers.clear()
    energy, lines, profiles = lines_and_profiles()
    data = profiles @ lines + np.random.default_rng(2).normal(0, 0.005, (MIXTURES, ENERGIES))
    mu = xr.DataArray(data, {"energy": ("energy", energy, {"units": "eV"})}, ("scan", "energy"))
    start = on_scale(np.maximum(purest_rows(data, 3, np.empty((0, ENERGIES))), 0.0), Constraints(sum_to_one=False))
    begin = xr.DataArray(start, {"energy": energy}, ("component", "energy"))

    def ours() -> xr.Dataset:
        return xas.mcr_als(mu, initial=begin, sum_to_one=False, ambiguity=False, tolerance=TOLERANCE)

    found = ours()
    squares = float(found["lack_of_fit"]) ** 2 * float((data**2).sum())

    def theirs() -> McrAR:
        change = TOLERANCE * squares / data.size
        peer = McrAR(c_regr=NNLS(), st_regr=NNLS(), max_iter=5000, tol_err_change=change, tol_increase=np.inf)
        peer.fit(data, ST=start)
        return peer

    with Peak() as peak:
        ours()
    peer = theirs()
    curves = on_scale(peer.ST_opt_, Constraints(sum_to_one=False))
    left = float(((data - peer.C_opt_ @ peer.ST_opt_) ** 2).sum())
    apart = float(np.abs(curves - found["spectrum"].to_numpy()).max() / np.abs(curves).max())
    if apart > 1e-3 or squares > left * (1 + 1e-6):
        raise SystemExit(f"answers differ: spectra by {apart:.1e}, squares left {squares:.8g} and {left:.8g}")
    fast, slow = median_time(ours, 9), median_time(theirs, 3)
    write_row(
        f"curve resolution of {MIXTURES} x {ENERGIES}, 3 components, not negative, with errors",
        "pymcr with NNLS, from the same start to the same change",
        f"{slow / fast:.0f}x",
        f"{fast * 1e3:.0f} ms, {int(found['iterations'])} iterations",
        f"{slow:.2f} s, {peer.n_iter} iterations",
        f"spectra within {apart:.0e}, squares left {squares / left - 1:+.0e} relative",
        f"{peak.extra / 2**20:.0f} MiB",
        packages=("numpy", "numba", "xarray", "pymcr"),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    components_found()
    curves_resolved()
