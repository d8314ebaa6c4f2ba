"""Shares of references are found, with errors that cover, and they are those of larch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from peers import own_warnings_only
from scipy.optimize import lsq_linear, minimize
from scipy.special import expit
from scipy.stats import chi2

from operando import xas
from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag

ENERGY = np.arange(840.0, 890.0, 0.2)
NAMES = ["reduced", "lithiated", "delithiated"]
REAL = Path(__file__).parents[3] / "shared" / "data" / "xas" / "larch" / "cyanobacteria.prj"


def substance(energy, edge, height, width):
    return expit((energy - edge) / 0.4) + height * np.exp(-((energy - edge - 0.5) ** 2) / (2 * width**2))


def substances(energy=ENERGY, shift=0.0) -> xr.DataArray:
    lines = ((853.5, 1.9, 0.7), (854.4, 1.2, 1.2), (855.8, 2.2, 0.9))
    rows = [substance(energy - shift, *line) for line in lines]
    coords = {"reference": NAMES, "energy": ("energy", energy, {"units": "eV"})}
    return xr.DataArray(rows, dims=("reference", "energy"), coords=coords)


def mixtures(count=400, noise=0.01, seed=11) -> tuple[np.ndarray, xr.DataArray]:
    """Return shares and their spectra, noisier where they are higher."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([3, 3, 3], count)
    mu = shares @ substances().to_numpy()
    mu = mu + rng.normal(size=mu.shape) * noise * np.sqrt(np.abs(mu) + 0.1)
    coords = {"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(count, np.int32))}
    return shares, xr.DataArray(mu, dims=("scan", "energy"), coords=coords)


def assert_pulls(pulls):
    """Judge pooled pulls by limits that right error bars keep 99.9 % of the time."""
    n = pulls.size
    low, high = np.sqrt(chi2.ppf([0.0005, 0.9995], n) / n)
    assert low < np.sqrt(np.mean(pulls**2)) < high
    assert abs(pulls.mean()) < 3.3 / np.sqrt(n)


def test_shares_without_noise_are_exact():
    shares, spectra = mixtures(20, noise=0.0)
    found = xas.lcf(spectra, substances())
    np.testing.assert_allclose(found["fraction"], shares, atol=1e-9)
    np.testing.assert_allclose(found["residual"], 0, atol=1e-9)
    assert found["fraction"].dims == ("scan", "reference")
    assert found["fraction"].attrs["units"] == "1"


@pytest.mark.parametrize("options", [{}, {"scale": True}, {"shift": (-1.0, 1.0)}, {"background": "linear"}])
def test_errors_cover_where_noise_grows_with_the_signal(options):
    shares, spectra = mixtures()
    found = xas.lcf(spectra, substances(), **options)
    inside = (found["flag"] == 0).to_numpy()
    assert inside.mean() > 0.95
    # One share each: with the sum fixed the three are not independent.
    pulls = ((found["fraction"] - shares) / found["fraction_std"]).isel(reference=1).to_numpy()
    assert_pulls(pulls[inside])
    for name, truth in (("energy_shift", 0.0), ("scale", 1.0)):
        if name in found:
            assert_pulls(((found[name] - truth) / found[f"{name}_std"]).to_numpy()[inside])


def few(count, missed, seed=5) -> tuple[np.ndarray, xr.DataArray, xr.DataArray]:
    """Return shares, spectra of few points with a line that the references lack, and the noise of every point."""
    rng = np.random.default_rng(seed)
    energy = np.arange(848.0, 864.0, 0.8)
    shares = np.tile([0.2, 0.3, 0.5], (count, 1))
    mu = shares @ substances(energy).to_numpy() + missed * np.exp(-((energy - 858.0) ** 2))
    noise = np.broadcast_to(0.01 * np.sqrt(mu + 0.1), mu.shape)
    coords = {"energy": ("energy", energy, {"units": "eV"})}
    spectra = xr.DataArray(mu + rng.normal(size=mu.shape) * noise, dims=("scan", "energy"), coords=coords)
    return shares, spectra, spectra.copy(data=noise)


@pytest.mark.parametrize("options", [{}, {"scale": True}, {"shift": (-1.0, 1.0)}, {"background": "linear"}])
def test_errors_from_noise_that_is_known_cover_where_points_are_few(options):
    shares, spectra, noise = few(600, missed=0.0)
    found = xas.lcf(spectra, substances(np.arange(840.0, 890.0, 0.05)), noise=noise, **options)
    assert_pulls(((found["fraction"] - shares) / found["fraction_std"]).to_numpy()[:, 1])
    for name, truth in (("energy_shift", 0.0), ("scale", 1.0)):
        if name in found:
            assert_pulls(((found[name] - truth) / found[f"{name}_std"]).to_numpy())


def test_what_the_references_miss_is_noise_to_residuals_only():
    _, spectra, noise = few(600, missed=0.1)
    known = substances(np.arange(840.0, 890.0, 0.05))
    by_residuals, by_noise = xas.lcf(spectra, known), xas.lcf(spectra, known, noise=noise)
    np.testing.assert_array_equal(by_noise["fraction"], by_residuals["fraction"])
    spread = by_noise["fraction"].std("scan", ddof=1).to_numpy()
    np.testing.assert_allclose(by_noise["fraction_std"].mean("scan"), spread, rtol=3.3 / np.sqrt(2 * 599))
    assert (by_residuals["fraction_std"].mean("scan") > 1.5 * spread).all()


def test_noise_may_be_one_number_one_a_spectrum_or_unknown_for_some():
    _, spectra, noise = few(4, missed=0.1)
    known = substances(np.arange(840.0, 890.0, 0.05))
    every = xas.lcf(spectra, known, noise=xr.full_like(noise, 0.02))
    np.testing.assert_allclose(xas.lcf(spectra, known, noise=0.02)["fraction_std"], every["fraction_std"])
    some = xr.DataArray([0.02, 0.04, np.nan, 0.02], dims="scan")
    found = xas.lcf(spectra, known, noise=some)["fraction_std"]
    np.testing.assert_allclose(found[[0, 1, 3]], every["fraction_std"][[0, 1, 3]] * np.array([[1.0], [2.0], [1.0]]))
    np.testing.assert_array_equal(found[2], xas.lcf(spectra, known)["fraction_std"][2])
    lazy = xas.lcf(spectra.chunk(scan=1), known, noise=noise)
    xr.testing.assert_allclose(lazy.compute(), xas.lcf(spectra, known, noise=noise))
    with pytest.raises(OperandoError, match="lcf: expected noise at the energies of the spectra"):
        xas.lcf(spectra, known, noise=noise[:, 1:])
    with pytest.raises(OperandoError, match="expected noise with dims among"):
        xas.lcf(spectra, known, noise=xr.DataArray([0.1, 0.2], dims="repeat"))
    with pytest.raises(OperandoError, match="expected noise with the scan of the spectra, got another one"):
        xas.lcf(spectra.assign_coords(scan=range(4)), known, noise=some.assign_coords(scan=range(1, 5)))


def test_a_shift_of_the_references_is_found_and_costs_nothing():
    shares, spectra = mixtures(50, noise=0.002)
    found = xas.lcf(spectra, substances(shift=0.1), shift=(-0.5, 0.5))
    np.testing.assert_allclose(found["energy_shift"], -0.1, atol=0.005)
    np.testing.assert_allclose(found["fraction"], shares, atol=0.01)
    given = xas.lcf(spectra, substances(shift=0.1), shift=-0.1)
    np.testing.assert_allclose(given["fraction"], shares, atol=0.01)
    assert "energy_shift" not in given


def test_a_spectrum_of_another_height_is_taken_apart_alike():
    shares, spectra = mixtures(5, noise=0.0)
    found = xas.lcf(1.3 * spectra + 0.05, substances(), scale=True, background="constant")
    np.testing.assert_allclose(found["fraction"], shares, atol=1e-8)
    np.testing.assert_allclose(found["scale"], 1.3, atol=1e-8)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.1, 0.6), (-0.2, 1.0)])
@pytest.mark.parametrize("sum_to_one", [True, False])
def test_the_solution_within_bounds_is_that_of_a_general_minimizer(bounds, sum_to_one):
    rng = np.random.default_rng(3)
    shares = rng.dirichlet([0.3, 0.3, 0.3], 12)
    curves = substances().to_numpy()
    mu = shares @ curves + rng.normal(0, 0.05, (12, ENERGY.size))
    spectra = xr.DataArray(mu, dims=("scan", "energy"), coords={"energy": ENERGY})
    found = xas.lcf(spectra, substances(), bounds=bounds, sum_to_one=sum_to_one)["fraction"].to_numpy()
    for row, ours in zip(mu, found, strict=True):
        if sum_to_one:
            loss = lambda f, row=row: 0.5 * np.sum((row - f @ curves) ** 2)  # noqa: E731
            slope = lambda f, row=row: curves @ (f @ curves - row)  # noqa: E731
            total = [{"type": "eq", "fun": lambda f: f.sum() - 1, "jac": np.ones_like}]
            peer = minimize(loss, [1 / 3] * 3, jac=slope, bounds=[bounds] * 3, constraints=total, tol=1e-14)
        else:
            peer = lsq_linear(curves.T, row, bounds, method="bvls", tol=1e-14)
        np.testing.assert_allclose(ours, peer.x, atol=2e-6)


def test_a_pure_substance_lies_on_the_bound_and_says_so():
    spectra = xr.DataArray(
        substances().to_numpy()[1:2] + 0.01 * np.sin(ENERGY),
        dims=("scan", "energy"),
        coords={"energy": ENERGY, "flag": ("scan", np.zeros(1, np.int32))},
    )
    found = xas.lcf(spectra, substances())
    assert found["fraction"].sum() == pytest.approx(1)
    assert int(found["flag"][0]) & Flag.at_bound


def test_points_that_are_missing_are_left_out():
    shares, spectra = mixtures(6, noise=0.0)
    holed = spectra.where(
        (spectra["energy"] < 853) | (spectra["energy"] > 854) | (xr.DataArray(np.arange(6), dims="scan") > 2)
    )
    np.testing.assert_allclose(xas.lcf(holed, substances())["fraction"], shares, atol=1e-9)
    gone = spectra.where(xr.DataArray(np.arange(6), dims="scan") > 0)
    found = xas.lcf(gone, substances())
    assert np.isnan(found["fraction"][0]).all()
    assert int(found["flag"][0]) & Flag.not_converged


def test_chunks_and_the_order_of_dims_change_nothing():
    _, spectra = mixtures(12)
    whole = xas.lcf(spectra, substances(), shift=(-1, 1), scale=True)
    lazy = xas.lcf(spectra.chunk(scan=5).T, substances().T, shift=(-1, 1), scale=True)
    assert lazy["fraction"].chunks
    for name in whole.data_vars:
        np.testing.assert_allclose(lazy[name].compute().transpose(*whole[name].dims), whole[name], rtol=1e-12)


def test_references_of_their_own_grid_are_interpolated():
    shares, spectra = mixtures(5, noise=0.0)
    finer = substances(np.arange(838.0, 892.0, 0.05))
    np.testing.assert_allclose(xas.lcf(spectra, finer)["fraction"], shares, atol=1e-4)


def test_each_signal_has_references_of_its_own():
    shares, spectra = mixtures(5, noise=0.0)
    other = substances(shift=0.3)
    both = xr.concat([spectra, xr.DataArray(shares @ other.to_numpy(), spectra.coords, spectra.dims)], "signal")
    both = both.assign_coords(signal=["tey", "tfy"])
    references = xr.concat([substances(), other], "signal").assign_coords(signal=["tey", "tfy"])
    found = xas.lcf(both, references)
    np.testing.assert_allclose(found["fraction"].sel(signal="tfy"), shares, atol=1e-9)
    np.testing.assert_allclose(found["fraction"].sel(signal="tey"), shares, atol=1e-9)


def test_references_that_are_too_alike_warn():
    alike = xr.concat([substances()[:1], 1.0001 * substances()[:1] + 1e-4], "reference")
    _, spectra = mixtures(2)
    with pytest.warns(IllConditionedWarning, match="too alike"):
        found = xas.lcf(spectra, alike)
    assert found.attrs["condition_number"] > 30
    assert int(found["flag"][0]) & Flag.ill_conditioned


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bounds": (0.5, 1.0)}, "add up to one"),
        ({"window": (900.0, 950.0)}, "energies that spectra and references share"),
        ({"shift": (1.0, -1.0)}, "lowest, highest"),
        ({"background": "cubic"}, "'constant' or 'linear'"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(options, said):
    _, spectra = mixtures(2)
    with pytest.raises(OperandoError, match=said):
        xas.lcf(spectra, substances(), **options)


def test_each_spectrum_may_have_a_shift_that_is_known():
    shares, spectra = mixtures(6, noise=0.0)
    shifts = xr.DataArray([0.0, 0.3, 0.3, -0.2, 0.1, 0.0], dims="scan")
    moved = [substances(shift=float(one)).to_numpy() for one in shifts]
    rows = np.einsum("sr,sre->se", shares, np.array(moved))
    found = xas.lcf(xr.DataArray(rows, spectra.coords, spectra.dims), substances(), shift=shifts)
    np.testing.assert_allclose(found["fraction"], shares, atol=2e-3)
    assert "energy_shift" not in found


@pytest.mark.peer
@pytest.mark.realdata
def test_shares_of_gold_in_cyanobacteria_are_those_of_larch():
    if not REAL.exists():
        pytest.skip(f"needs the measured file {REAL.name}")
    with own_warnings_only():
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch import Group
        from larch.io import read_athena
        from larch.math import lincombo_fit
        from larch.xafs import pre_edge

        project = read_athena(str(REAL), do_preedge=False, do_bkg=False)
        known = [getattr(project, name) for name in ("Au_foil", "Au3_Cl_aq", "Au_sulphide")]
        unknown = [getattr(project, name) for name in ("d_0_12", "d_4_73", "d_20", "d_720")]
        for group in (*known, *unknown):
            pre_edge(group)
        energy = unknown[0].energy[(unknown[0].energy > 11880) & (unknown[0].energy < 12010)]
        on_grid = [
            Group(energy=energy, norm=np.interp(energy, one.energy, one.norm), label=str(k))
            for k, one in enumerate([*known, *unknown])
        ]
        theirs = [lincombo_fit(one, on_grid[:3], xmin=11900, xmax=12000, sum_to_one=True) for one in on_grid[3:]]
    curves = np.array([one.norm for one in on_grid])
    coords = {"energy": ("energy", energy, {"units": "eV"})}
    references = xr.DataArray(curves[:3], dims=("reference", "energy"), coords=coords)
    window = (float(theirs[0].xdata[0]), float(theirs[0].xdata[-1]))
    spectra = xr.DataArray(curves[3:], dims=("scan", "energy"), coords=coords)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IllConditionedWarning)
        found = xas.lcf(spectra, references, window=window, bounds=(-np.inf, np.inf))
    weights = np.array([list(one.weights.values()) for one in theirs])
    np.testing.assert_allclose(found["fraction"], weights, atol=1e-6)
    np.testing.assert_allclose(found["r_factor"], [one.rfactor for one in theirs], rtol=1e-6)
