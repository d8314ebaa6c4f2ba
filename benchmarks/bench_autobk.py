"""Background, chi(k) and chi(R) of 1000 spectra against a loop of larch and against rexafs, on the same input."""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import warnings

from peak import Peak, median_time, one_thread, write_row

one_thread()

import numpy as np
import xarray as xr
from bench_normalize import cycled

from operando import xas

SPECTRA = 1000
TOLERANCE = 1e-6
FOURIER = {"kmin": 3.0, "kmax": 12.0, "kweight": 2, "dk": 1.0, "window": "kaiser"}


def ours(mu: xr.DataArray, e0: xr.DataArray | None = None) -> tuple[xr.Dataset, xr.Dataset]:
    background = xas.autobk(mu, e0)
    return background, xas.fourier(background["chi"], **FOURIER)


def larch_loop(energy: np.ndarray, spectra: np.ndarray) -> list:
    from larch import Group
    from larch.xafs import autobk, pre_edge, xftf

    groups = []
    for mu in spectra:
        group = Group(energy=energy, mu=mu)
        pre_edge(group)
        autobk(group)
        xftf(group, **FOURIER)
        groups.append(group)
    return groups


def rexafs_loop(energy: np.ndarray, spectra: np.ndarray, e0: np.ndarray | None = None) -> list:
    """Process spectra with rexafs's defaults; it finds another e0 in noise than larch, unless one is given."""
    import rexafs

    transform = rexafs.XrayFFTF(kmin=3.0, kmax=12.0, kweight=2, dk=1.0, window="KaiserBessel", grid="Larch")
    found = []
    for i, mu in enumerate(spectra):
        spectrum = rexafs.Spectrum(energy, mu)
        if e0 is not None:
            spectrum.set_e0(e0[i])
        spectrum.set_fft(transform)
        found.append(spectrum.fft())
    return found


def difference(chi: np.ndarray, other: np.ndarray, k: np.ndarray) -> float:
    """Return the root mean square of the difference of k^2 chi over that of the other's k^2 chi."""
    return float(np.linalg.norm((chi[: k.size] - other) * k**2) / np.linalg.norm(other * k**2))


def row(peer: str, package: str, seconds: tuple[float, float], agreement: str, extra: int) -> None:
    fast, slow = seconds
    write_row(
        f"e0, normalize, autobk, Fourier transform, {SPECTRA} x 500",
        peer,
        f"{slow / fast:.0f}x",
        f"{fast * 1e3:.0f} ms",
        f"{slow:.2f} s",
        agreement,
        f"{extra / 2**20:.0f} MiB",
        packages=("numpy", "scipy", "xarray", package),
    )


def main() -> None:
    mu = cycled(SPECTRA)
    energy, spectra = mu["energy"].to_numpy(), mu.to_numpy()
    with Peak() as peak:
        background, transform = ours(mu)
    chi, magnitude, e0 = (
        array.to_numpy() for array in (background["chi"], transform["chi_r_magnitude"], background["e0"])
    )
    theirs = larch_loop(energy, spectra)
    worst = max(difference(mine, g.chi, g.k) for mine, g in zip(chi, theirs, strict=True))
    highest = max(
        float(np.abs(mine - g.chir_mag).max() / g.chir_mag.max()) for mine, g in zip(magnitude, theirs, strict=True)
    )
    if worst > TOLERANCE or highest > TOLERANCE:
        raise SystemExit(f"answers differ: k^2 chi by {worst:.1e}, chi(R) by {highest:.1e}")
    others = rexafs_loop(energy, spectra, e0)
    apart = [difference(mine, other.chi(), other.k()) for mine, other in zip(chi, others, strict=True)]
    fast = median_time(lambda: ours(mu), 11)
    slow = median_time(lambda: larch_loop(energy, spectra), 3)
    agreement = f"k^2 chi {worst:.0e} relative, chi(R) {highest:.0e} of its peak"
    row("larch loop of pre_edge, autobk, xftf", "xraylarch", (fast, slow), agreement, peak.extra)
    agreement = f"another objective: k^2 chi apart by {np.median(apart):.0e} relative, at most {max(apart):.0e}"
    known = median_time(lambda: ours(mu, background["e0"]), 11)
    slow = median_time(lambda: rexafs_loop(energy, spectra, e0), 5)
    row("rexafs loop, its defaults, e0 given to both", "rexafs", (known, slow), agreement, peak.extra)
    same = sum(other.e0() == mine for other, mine in zip(rexafs_loop(energy, spectra), e0, strict=True))
    slow = median_time(lambda: rexafs_loop(energy, spectra), 5)
    row("rexafs loop, its defaults", "rexafs", (fast, slow), f"its e0 equal {same}/{SPECTRA}", peak.extra)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
