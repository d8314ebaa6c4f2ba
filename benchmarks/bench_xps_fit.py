"""200 S 2p spectra, three doublets over an active Shirley background, 12 free parameters, against lmfit.

The peers are the leanest lmfit there can be, one plain function without expressions, and what users write, one model a
line tied by expressions. All minimize the squares over counts from the same start; the peers are timed on some spectra.
"""

# ruff: noqa: E402 (threads are counted before numpy loads)
from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

from peak import Peak as Memory
from peak import median_time, one_thread, write_row

one_thread()
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import lmfit
import numpy as np
import xarray as xr
from sulfur_spectra import ENERGY, LINES, RATIO, SPLITTING, cumulative, curve, spectra

from operando import xps
from operando.xps import Background, Doublet, Free, Model

SPECTRA, LEAN, COMPOSITE = 200, 40, 6
STARTS, WIDTHS, AREAS = (161.6, 160.1, 163.2), (1.0, 1.0, 1.2), (7500.0, 1200.0, 1200.0)
TOLERANCE = 1e-6
NOTE = "machine shared" if "--shared" in sys.argv else "machine to itself"


def our_model() -> Model:
    places = [Free(at, at - 0.8, at + 0.8) for at in STARTS]
    widths = [Free(width, 0.4, 3.0) for width in WIDTHS]
    lines = [Doublet(n, at, w, SPLITTING, RATIO) for n, at, w in zip(LINES, places, widths, strict=True)]
    return Model(lines, Background(polynomial=0, height=Free(0.01, 0.0), constant=Free(300.0, 0.0)))


def lean_function(x, a1, c1, w1, a2, c2, w2, a3, c3, w3, mixing, height, constant):  # noqa: PLR0917 (lmfit reads names)
    return curve(x, (a1, a2, a3), (c1, c2, c3), (w1, w2, w3), mixing=mixing, height=height, constant=constant)


def lean() -> tuple[lmfit.Model, lmfit.Parameters]:
    model = lmfit.Model(lean_function)
    start = model.make_params(
        mixing={"value": 0.3, "min": 0, "max": 1},
        height={"value": 0.01, "min": 0},
        constant={"value": 300.0, "min": 0},
        **{f"a{k + 1}": {"value": AREAS[k], "min": 0} for k in range(3)},
        **{f"c{k + 1}": {"value": STARTS[k], "min": STARTS[k] - 0.8, "max": STARTS[k] + 0.8} for k in range(3)},
        **{f"w{k + 1}": {"value": WIDTHS[k], "min": 0.4, "max": 3.0} for k in range(3)},
    )
    return model, start


def step_function(x, area, position, half_width, mixing, height):  # noqa: PLR0917 (lmfit reads names)
    return height * area * cumulative(x, position, 2 * half_width, mixing)


def composite() -> tuple[lmfit.Model, lmfit.Parameters]:
    """Return six pseudo-Voigt lines, six steps under them and a constant, tied by expressions."""
    model = lmfit.models.ConstantModel()
    for name in (f"p{k}{half}_" for k in range(3) for half in "ab"):
        model += lmfit.models.PseudoVoigtModel(prefix=name) + lmfit.Model(step_function, prefix=f"step_{name}")
    start = model.make_params()
    start["c"].set(300.0, min=0)
    for k in range(3):
        first, second = f"p{k}a_", f"p{k}b_"
        start[f"{first}amplitude"].set(AREAS[k] / (1 + RATIO), min=0)
        start[f"{first}center"].set(STARTS[k], min=STARTS[k] - 0.8, max=STARTS[k] + 0.8)
        start[f"{first}sigma"].set(WIDTHS[k] / 2, min=0.2, max=1.5)
        start[f"{second}amplitude"].set(expr=f"{RATIO}*{first}amplitude")
        start[f"{second}center"].set(expr=f"{first}center+{SPLITTING}")
        start[f"{second}sigma"].set(expr=f"{first}sigma")
        for half in (first, second):
            ties = {"area": "amplitude", "position": "center", "half_width": "sigma", "mixing": "fraction"}
            for own, of_line in ties.items():
                start[f"step_{half}{own}"].set(expr=f"{half}{of_line}")
            if half != "p0a_":
                start[f"{half}fraction"].set(expr="p0a_fraction")
                start[f"step_{half}height"].set(expr="step_p0a_height")
    start["p0a_fraction"].set(0.3, min=0, max=1)
    start["step_p0a_height"].set(0.01, min=0)
    return model, start


def peer_fits(
    peer: tuple[lmfit.Model, lmfit.Parameters], rows: np.ndarray, *, warm: bool = False
) -> tuple[list, float]:
    """Return the peer's results and seconds a spectrum; warm starts from the result of the spectrum before."""
    model, start = peer
    results = []
    clock = time.perf_counter()
    for row in rows:
        results.append(model.fit(row, start, x=ENERGY, weights=1 / np.sqrt(np.maximum(row, 1)), scale_covar=False))
        start = results[-1].params if warm else start
    return results, (time.perf_counter() - clock) / len(rows)


def compared(ours: xr.Dataset, theirs: list) -> str:
    """Return how the answers agree; stop if ours are worse."""
    chi = (ours["reduced_chi_square"] * (ENERGY.size - 12)).to_numpy()
    peers = np.array([one.chisqr for one in theirs])
    if (chi > peers * (1 + TOLERANCE)).any():
        raise SystemExit(f"chi-square worse than lmfit's by up to {np.max(chi / peers - 1):.1e}")
    same = chi > peers * (1 - TOLERANCE)
    mine = np.stack([ours["area"], ours["position"], ours["fwhm"]], axis=2).reshape(len(theirs), -1)
    names = [f"{key}{k + 1}" for k in range(3) for key in "acw"]
    found = np.array([[one.params[name].value for name in names] for one in theirs])
    errors = np.array([[one.params[name].stderr or np.nan for name in names] for one in theirs])
    worst = float(np.nanmax((np.abs(mine - found) / errors)[same]))
    if worst > 5e-3:
        raise SystemExit(f"answers differ by up to {worst:.1e} standard errors")
    return f"chi-square lower in {int((~same).sum())}, equal in {int(same.sum())}: within {worst:.0e} std"


def main() -> None:
    series, model = spectra(SPECTRA, seed=7), our_model()
    cold = xps.fit(series, model, weights="data")
    before = cold.isel(scan=[0, *range(SPECTRA - 1)])
    with Memory() as memory:
        xps.fit(series, model, weights="data")
    part = slice(0, SPECTRA, SPECTRA // LEAN)
    results, lean_cold = peer_fits(lean(), series.to_numpy()[part])
    agreement = compared(cold.isel(scan=part), results)
    _, lean_warm = peer_fits(lean(), series.to_numpy()[:LEAN], warm=True)
    many, users = peer_fits(composite(), series.to_numpy()[:: SPECTRA // COMPOSITE][:COMPOSITE])
    lowest = cold["reduced_chi_square"].to_numpy()[:: SPECTRA // COMPOSITE][:COMPOSITE] * (ENERGY.size - 12)
    if (lowest > np.array([one.chisqr for one in many]) * (1 + TOLERANCE)).any():
        raise SystemExit("chi-square worse than that of the composite model")
    work = f"S 2p, {SPECTRA} x {ENERGY.size}, 12 free, active Shirley"
    ours = {
        "cold": median_time(lambda: xps.fit(series, model, weights="data"), 9) / SPECTRA,
        "warm": median_time(lambda: xps.fit(series, model, weights="data", start=before), 9) / SPECTRA,
        "Poisson likelihood, cold": median_time(lambda: xps.fit(series, model), 9) / SPECTRA,
    }
    peers = [
        ("cold", f"leanest lmfit function, squares, {LEAN} timed", lean_cold),
        ("warm", f"leanest lmfit function from the spectrum before, {LEAN} timed", lean_warm),
        ("Poisson likelihood, cold", f"leanest lmfit function, squares, {LEAN} timed", lean_cold),
        ("cold", f"composite of lmfit models tied by expressions, {COMPOSITE} timed", users),
    ]
    for kind, peer, seconds in peers:
        write_row(
            f"{work}, {kind}",
            peer,
            f"{seconds / ours[kind]:.0f}x",
            f"{ours[kind] * 1e3:.3f} ms a spectrum",
            f"{seconds * 1e3:.1f} ms a spectrum",
            f"{agreement}; {NOTE}",
            f"{memory.extra / 2**20:.0f} MiB",
            packages=("numpy", "numba", "xarray", "lmfit"),
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
