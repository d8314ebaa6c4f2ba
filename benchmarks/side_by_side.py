"""The numbers of the page 'Coming from Athena ...': larch and ours on one spectrum."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import xarray as xr

from operando import xas

ENERGY = np.arange(8133.0, 8933.0, 0.5)
SHARES, STATES = (0.6, 0.4), ((8345.0, 0.5), (8346.5, 0.8))
E0, LCF_WINDOW = 8346.0, (-20.0, 60.0)


def absorption(e0: float, white_line: float) -> np.ndarray:
    """Return a K edge of nickel with a white line and oscillations on a falling background."""
    e = ENERGY - e0
    k = np.sqrt(np.clip(e, 0, None) * 0.2624682917)
    wiggle = 0.1 * np.sin(4 * k + 0.5) * np.exp(-0.01 * k**2) * (k > 1) / np.maximum(k, 1)
    edge = 1.2 * (0.5 + np.arctan(e / 1.5) / np.pi) * (1 - 2e-4 * e.clip(0))
    return 0.3 - 1e-4 * e + edge + white_line * np.exp(-(((e - 6) / 4) ** 2)) + wiggle


def mixture() -> np.ndarray:
    """Return the spectrum of both states."""
    return sum(share * absorption(*state) for share, state in zip(SHARES, STATES, strict=True))


def ours() -> dict[str, float]:
    """Return what operando finds."""

    def spectrum(mu: np.ndarray) -> xr.DataArray:
        return xr.DataArray(mu, dims="energy", coords={"energy": ("energy", ENERGY, {"units": "eV"})})

    found = xas.normalize(spectrum(mixture()))
    exafs = xas.autobk(spectrum(mixture()), rbkg=1.0)
    transform = xas.fourier(exafs["chi"], kmin=3, kmax=11, kweight=2, dk=1, window="hanning")
    bases = [xas.normalize(spectrum(absorption(*state)))["normalized"] for state in STATES]
    references = xr.concat(bases, "reference").assign_coords(reference=["first", "second"])
    shares = xas.lcf(found["normalized"], references, window=(E0 + LCF_WINDOW[0], E0 + LCF_WINDOW[1]))
    at = transform["chi_r_magnitude"].argmax("r")
    return _rows(
        found["e0"],
        found["edge_step"],
        found["normalized"].sel(energy=E0 + 50),
        found["flattened"].sel(energy=E0 + 50),
        exafs["chi"].interp(k=6.0),
        transform["r"][at],
        transform["chi_r_magnitude"][at],
        shares["fraction"][0],
    )


def larchs() -> dict[str, float]:
    """Return what larch finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from larch import Group
        from larch.math import lincombo_fit
        from larch.xafs import autobk, pre_edge, xftf

        def normalized(mu: np.ndarray) -> SimpleNamespace:
            group = Group(energy=ENERGY, mu=mu)
            pre_edge(ENERGY, mu, group=group)
            return group

        group = normalized(mixture())
        autobk(ENERGY, group.mu, group=group, rbkg=1.0)
        xftf(group.k, group.chi, group=group, kmin=3, kmax=11, kweight=2, dk=1, window="hanning")
        window = {"xmin": E0 + LCF_WINDOW[0], "xmax": E0 + LCF_WINDOW[1]}
        fit = lincombo_fit(group, [normalized(absorption(*state)) for state in STATES], sum_to_one=True, **window)
    row, at = int(np.argmin(abs(ENERGY - E0 - 50))), int(group.chir_mag.argmax())
    return _rows(
        group.e0,
        group.edge_step,
        group.norm[row],
        group.flat[row],
        np.interp(6.0, group.k, group.chi),
        group.r[at],
        group.chir_mag[at],
        next(iter(fit.weights.values())),
    )


def _rows(*values: float) -> dict[str, float]:
    names = (
        "E0 (eV)",
        "edge step",
        "normalized, E0 + 50 eV",
        "flattened, E0 + 50 eV",
        "chi at k = 6 1/angstrom",
        "strongest shell, R (angstrom)",
        "its height, k^2 weighted",
        "share of the first of two standards",
    )
    return dict(zip(names, map(float, values), strict=True))


def table() -> list[str]:
    """Return the rows of the page's table."""
    left, right = larchs(), ours()
    return [f"| {name} | {left[name]:.7g} | {right[name]:.7g} |" for name in left]


if __name__ == "__main__":
    print(*table(), sep="\n")
