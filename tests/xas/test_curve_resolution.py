"""Pure spectra are recovered where the mixtures show them, and elsewhere the truth lies within the band."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import nnls
from scipy.special import expit
from scipy.stats import binom, chi2

from operando import xas
from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag
from operando.xas.curve_resolution_kernels import solve_rows, unimodal

ENERGY = np.arange(840.0, 890.0, 0.2)
LINES = ((853.5, 1.9, 0.7), (854.4, 1.2, 1.2), (855.8, 2.2, 0.9))


def substances(count: int = 3, shift: float = 0.0) -> np.ndarray:
    rows = [
        expit((ENERGY - edge - shift) / 0.4) + height * np.exp(-((ENERGY - edge - shift - 0.5) ** 2) / (2 * width**2))
        for edge, height, width in LINES
    ]
    return np.array(rows)[[0, 2] if count == 2 else [0, 1, 2]]


def spectra_of(shares, curves, noise: float = 0.0, seed: int = 31) -> xr.DataArray:
    mu = shares @ curves + noise * np.random.default_rng(seed).normal(size=(len(shares), curves.shape[1]))
    coords = {"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(len(mu), np.int32))}
    return xr.DataArray(mu, coords, ("scan", "energy"))


def dirichlet(count: int = 60, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([2, 2, 2], count)


def with_pure_scans(count: int = 60) -> np.ndarray:
    shares = dirichlet(count)
    shares[[5, 20, 40]] = np.eye(3)
    return shares


def charge(count: int = 80, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    x = np.linspace(low, high, count)
    return np.stack([1 - x, x], axis=1)


def test_a_mixture_with_pure_scans_is_recovered():
    shares = with_pure_scans()
    found = xas.mcr_als(spectra_of(shares, substances()), 3)
    np.testing.assert_allclose(found["fraction"], shares, atol=1e-6)
    np.testing.assert_allclose(found["spectrum"], substances(), atol=1e-6)
    assert float(found["lack_of_fit"]) < 1e-6
    assert int(found["converged"]) == 1
    assert found["fraction"].dims == ("scan", "component")
    assert found["spectrum"].attrs["units"] == "1"


@pytest.mark.parametrize("initial", ["energies", "efa"])
def test_selective_energies_and_scans_without_a_sum_give_the_solution_alone(initial):
    """Each line has energies, and each profile has scans, of its own: nothing can be turned."""
    lines = np.array(
        [np.exp(-(((ENERGY - center) / 3) ** 2)) * (abs(ENERGY - center) < 7) for center in (850, 859, 868)]
    )
    scan = np.arange(60)
    profiles = np.array([np.exp(-(((scan - at) / 10) ** 2)) * (abs(scan - at) < 17) for at in (15, 30, 45)]).T
    found = xas.mcr_als(spectra_of(profiles, lines), 3, initial=initial, sum_to_one=False)
    scale = np.sqrt((lines**2).mean(axis=1))
    np.testing.assert_allclose(found["spectrum"], lines / scale[:, None], atol=1e-6)
    np.testing.assert_allclose(found["fraction"], profiles * scale, atol=1e-6)
    np.testing.assert_allclose(found["fraction_upper"] - found["fraction_lower"], 0, atol=1e-5)


def assert_within_band(found, shares, curves, noise):
    """Judge by what noise of the residuals' size can reach: the shares' own errors and those of the spectra."""
    reach = 4.5 * float(found["fraction_std"].max()) if noise else 1e-6
    assert (found["fraction_lower"] - shares).max() < reach
    assert (shares - found["fraction_upper"]).max() < reach
    reach = 4.5 * noise * np.sqrt(np.linalg.inv(shares.T @ shares).max()) if noise else 1e-6
    assert (found["spectrum_lower"] - curves).max() < reach
    assert (curves - found["spectrum_upper"]).max() < reach


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize(("count", "pure"), [(2, True), (2, False), (3, False)])
def test_the_truth_lies_within_the_band_where_no_scan_is_pure(count, pure, noise):
    shares = charge(80, *((0.0, 1.0) if pure else (0.2, 0.8))) if count == 2 else 0.6 * dirichlet(80) + 0.4 / 3
    curves = substances(count)
    found = xas.mcr_als(spectra_of(shares, curves, noise), count)
    assert_within_band(found, shares, curves, noise)
    if not pure:
        assert np.abs(found["fraction"] - shares).max() > 0.1
        assert (found["fraction_upper"] - found["fraction_lower"]).max() > 0.1


def test_the_band_of_two_components_is_that_of_lawton_and_sylvestre():
    """All first and second spectra on the line through two that leave no spectrum and no share negative."""
    curves, shares = substances(2) + 0.05, charge(50, 0.3, 0.6)
    found = xas.mcr_als(spectra_of(shares, curves), 2)
    step = curves[1] - curves[0]
    low = -np.min(curves[0][step > 0] / step[step > 0])
    high = 1 + np.min(curves[1][step < 0] / -step[step < 0])
    x = shares[:, 1]
    np.testing.assert_allclose(found["fraction_upper"][:, 1], (x - low) / (0.6 - low), atol=1e-5)
    np.testing.assert_allclose(found["fraction_lower"][:, 1], (x - 0.3) / (high - 0.3), atol=1e-5)
    np.testing.assert_allclose(
        found["spectrum_upper"][0], np.maximum(curves[0] + 0.3 * step, curves[0] + low * step), atol=1e-5
    )


def test_the_band_of_three_components_holds_every_feasible_solution_tried():
    """Random turns that leave all positive: the contribution of each component stays within that of the ends."""
    curves, shares = substances() + 0.05, 0.6 * dirichlet(40) + 0.4 / 3
    found = xas.mcr_als(spectra_of(shares, curves), 3)
    mine, rng, tried = found["spectrum"].to_numpy(), np.random.default_rng(8), 0
    low, high = found["fraction_lower"].mean("scan"), found["fraction_upper"].mean("scan")
    for _ in range(3000):
        turn = np.eye(3) + rng.normal(0, 0.15, (3, 3))
        turn /= turn.sum(axis=1, keepdims=True)
        turned = found["fraction"].to_numpy() @ np.linalg.inv(turn)
        if turned.min() >= 0 and (turn @ mine).min() >= 0:
            tried += 1
            mean = turned.mean(axis=0)
            assert (mean > low - 1e-6).all()
            assert (mean < high + 1e-6).all()
    assert tried > 20


def test_noisy_shares_of_known_spectra_pull_as_a_unit_normal():
    """Conditional on the spectra: with them given and right, errors cover. One share each, for the three add up."""
    shares = dirichlet(400, seed=11)
    curves = xr.DataArray(substances(), {"reference": list("abc"), "energy": ENERGY}, ("reference", "energy"))
    found = xas.mcr_als(spectra_of(shares, substances(), 0.01, seed=12), 3, known=curves)
    inside = (found["fraction"] > 0).all("component").to_numpy()
    pulls = ((found["fraction"] - shares) / found["fraction_std"]).isel(component=1).to_numpy()[inside]
    n = pulls.size
    low, high = np.sqrt(chi2.ppf([5e-4, 1 - 5e-4], n) / n)
    assert n >= 200
    assert low < np.sqrt(np.mean(pulls**2)) < high
    assert abs(pulls.mean()) < 3.3 / np.sqrt(n)
    covered = int((abs(pulls) < 2).sum())
    assert binom.ppf(5e-4, n, 0.9545) <= covered <= binom.ppf(1 - 5e-4, n, 0.9545)


def test_shares_of_known_spectra_are_those_of_the_linear_combination():
    shares = dirichlet()
    spectra = spectra_of(shares, substances(), 0.02)
    curves = xr.DataArray(substances(), {"reference": list("abc"), "energy": ENERGY}, ("reference", "energy"))
    found, fitted = xas.mcr_als(spectra, 3, known=curves), xas.lcf(spectra, curves)
    np.testing.assert_allclose(found["fraction"], fitted["fraction"], atol=1e-9)
    np.testing.assert_allclose(found["fraction_std"], fitted["fraction_std"], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found["r_factor"], fitted["r_factor"], rtol=1e-9)
    assert found["component"].values.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found["spectrum_upper"], found["spectrum_lower"])


def test_one_known_spectrum_leaves_the_others_to_be_found():
    shares = with_pure_scans()
    curves = xr.DataArray(substances()[1:2], {"reference": ["middle"], "energy": ENERGY}, ("reference", "energy"))
    found = xas.mcr_als(spectra_of(shares, substances()), 3, known=curves)
    assert found["component"].values.tolist() == ["middle", "component 2", "component 3"]
    np.testing.assert_allclose(found["fraction"], shares[:, [1, 0, 2]], atol=1e-6)
    np.testing.assert_array_equal(found["spectrum"][0], substances()[1])


def test_solutions_row_by_row_are_those_of_nnls():
    rng = np.random.default_rng(6)
    curves, data = rng.uniform(size=(4, 30)), rng.normal(0.3, 1.0, (200, 30))
    found = np.empty((200, 4))
    solve_rows(data @ curves.T, curves @ curves.T, (0.0, np.nan), np.empty((0, 0)), found)
    np.testing.assert_allclose(found, [nnls(curves.T, row)[0] for row in data], atol=1e-9)
    # A sum is a further, heavily weighted equation.
    solve_rows(data @ curves.T, curves @ curves.T, (0.0, 1.0), np.empty((0, 0)), found)
    heavy = np.vstack([curves.T, np.full(4, 1e5)])
    np.testing.assert_allclose(found, [nnls(heavy, np.append(row, 1e5))[0] for row in data], atol=1e-5)


def test_the_nearest_unimodal_profile_is_found():
    rng = np.random.default_rng(9)
    for size in (1, 2, 7, 40):
        values = rng.normal(size=size)
        found = unimodal(values)
        top = int(found.argmax())
        assert (np.diff(found[: top + 1]) >= -1e-12).all()
        assert (np.diff(found[top:]) <= 1e-12).all()
        best = min(np.sum((values - _up_and_down(values, at)) ** 2) for at in range(size + 1))
        assert np.sum((values - found) ** 2) == pytest.approx(best, abs=1e-12)


def _up_and_down(values, top):
    from scipy.optimize import isotonic_regression

    parts = [isotonic_regression(values[:top]).x] if top else []
    parts += [isotonic_regression(values[top:], increasing=False).x] if top < values.size else []
    return np.concatenate(parts)


def test_an_intermediate_rises_and_falls_once_if_asked():
    x = np.linspace(0, 1, 60)
    middle = 0.8 * np.exp(-(((x - 0.5) / 0.2) ** 2))
    shares = np.stack([(1 - middle) * (1 - x), middle, (1 - middle) * x], axis=1)
    spectra = spectra_of(shares, substances(), 0.05)
    free = xas.mcr_als(spectra, 3, ambiguity=False)["fraction"]
    found = xas.mcr_als(spectra, 3, unimodal=["component 2"], ambiguity=False)
    profile = found["fraction"].sel(component="component 2").to_numpy()
    top = int(profile.argmax())
    assert (np.diff(profile[: top + 1]) >= -1e-9).all()
    assert (np.diff(profile[top:]) <= 1e-9).all()
    np.testing.assert_allclose(found["fraction"].sum("component"), 1.0)
    assert (np.diff(free.sel(component="component 2").to_numpy()[: top + 1]) < -1e-3).any()
    without = xas.mcr_als(spectra, 3, unimodal=True, sum_to_one=False, ambiguity=False)["fraction"].to_numpy()
    for profile in without.T:
        top = int(profile.argmax())
        assert (np.diff(profile[: top + 1]) >= -1e-9).all()
        assert (np.diff(profile[top:]) <= 1e-9).all()


def both_signals(noise: float = 0.0):
    """Return spectra of two yields: a surface richer in the third substance; their shares."""
    bulk = with_pure_scans()
    surface = 0.7 * bulk + 0.3 * np.eye(3)[2]
    both = xr.concat([spectra_of(surface, substances(), noise), spectra_of(bulk, substances(), noise, 32)], "signal")
    return surface, bulk, both.assign_coords(signal=["tey", "tfy"])


def test_two_yields_share_their_spectra_and_not_their_shares():
    surface, bulk, both = both_signals()
    found = xas.mcr_als(both, 3)
    np.testing.assert_allclose(found["fraction"].sel(signal="tey"), surface, atol=1e-6)
    np.testing.assert_allclose(found["fraction"].sel(signal="tfy"), bulk, atol=1e-6)
    assert found["spectrum"].dims == ("component", "energy")
    # The electron yield alone shows no pure first or second substance: the fluorescence yield does it for both.
    alone = xas.mcr_als(both.sel(signal="tey"), 3)
    assert np.abs(alone["fraction"] - surface).max() > 0.1


def test_two_signals_share_their_fractions_and_not_their_spectra():
    shares = with_pure_scans()
    two = [spectra_of(shares, substances()), spectra_of(shares, 1.2 * substances(shift=0.4) + 0.1)]
    both = xr.concat(two, "signal").assign_coords(signal=["Ni", "Co"])
    found = xas.mcr_als(both, 3, shared="fractions")
    assert found["fraction"].dims == ("scan", "component")
    np.testing.assert_allclose(found["fraction"], shares, atol=1e-6)
    np.testing.assert_allclose(found["spectrum"].sel(signal="Co"), 1.2 * substances(shift=0.4) + 0.1, atol=1e-6)


def test_chunks_and_the_order_of_dims_and_scans_change_nothing():
    both = both_signals(0.01)[2]
    whole = xas.mcr_als(both, 3)
    lazy = xas.mcr_als(both.chunk(scan=7, energy=50).transpose("energy", "scan", "signal"), 3)
    for name in whole.data_vars:
        np.testing.assert_allclose(lazy[name].transpose(*whole[name].dims), whole[name], rtol=1e-12, atol=1e-14)
    order = np.random.default_rng(1).permutation(60)
    moved = xas.mcr_als(both.isel(scan=order), 3)
    # Sums in another order: the iteration ends within what its tolerance leaves, 1e-9 of the squares.
    np.testing.assert_allclose(moved["fraction"], whole["fraction"].isel(scan=order), atol=1e-4)


def test_images_are_taken_apart_too():
    shares = with_pure_scans()
    image = spectra_of(shares, substances()).drop_vars("flag").to_numpy().reshape(6, 10, -1)
    found = xas.mcr_als(xr.DataArray(image, {"energy": ENERGY}, ("y", "x", "energy")).transpose("energy", "x", "y"), 3)
    assert found["fraction"].dims == ("x", "y", "component")
    np.testing.assert_allclose(found["fraction"].transpose("y", "x", ...).to_numpy().reshape(60, 3), shares, atol=1e-6)


def test_one_may_begin_with_spectra_or_shares_of_ones_own():
    shares = with_pure_scans()
    spectra = spectra_of(shares, substances())
    names = {"component": ["c", "b", "a"]}
    own = xr.DataArray(substances()[::-1], {**names, "energy": ENERGY}, ("component", "energy"))
    found = xas.mcr_als(spectra, initial=own)
    assert found["component"].values.tolist() == ["c", "b", "a"]
    np.testing.assert_allclose(found["fraction"], shares[:, ::-1], atol=1e-6)
    found = xas.mcr_als(spectra, initial=xr.DataArray(shares, dims=("scan", "component")))
    np.testing.assert_allclose(found["fraction"], shares, atol=1e-6)


def test_spectra_with_missing_energies_are_left_out_and_say_so():
    shares = with_pure_scans()
    spectra = spectra_of(shares, substances())
    spectra[7, 30] = np.nan
    found = xas.mcr_als(spectra, 3, residual=True)
    assert np.isnan(found["fraction"][7]).all()
    assert np.isnan(found["residual"][7]).all()
    np.testing.assert_allclose(found["fraction"].drop_isel(scan=7), np.delete(shares, 7, 0), atol=1e-6)
    assert (found["flag"].to_numpy() != 0).nonzero()[0].tolist() == [7]
    assert int(found["flag"][7]) & Flag.not_finite


def test_an_iteration_that_is_cut_short_says_so():
    found = xas.mcr_als(spectra_of(dirichlet(), substances(), 0.01), 3, max_iterations=2, ambiguity=False)
    assert int(found["converged"]) == 0
    assert (found["flag"].to_numpy() & Flag.not_converged).all()
    assert "fraction_lower" not in found


def test_input_is_left_as_it_was():
    spectra = spectra_of(with_pure_scans(), substances(), 0.01)
    before = spectra.copy(deep=True)
    xas.mcr_als(spectra, 3)
    xr.testing.assert_identical(spectra, before)


CURVES = xr.DataArray(substances(), {"energy": ENERGY}, ("reference", "energy"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "the number of components"),
        ({"components": 61}, "1 to 60 components"),
        ({"components": 2, "known": CURVES}, "3 to 60 components"),
        ({"components": 3, "initial": "pca"}, "spectra, energies, efa"),
        ({"components": 3, "shared": "both"}, "'spectra' or 'fractions'"),
        ({"components": 3, "unimodal": ["x"]}, "got 'x'"),
        ({"components": 3, "unimodal": "middle"}, "got 'middle'"),
        ({"components": 3, "known": CURVES.to_dataset(name="mu")}, "normalize them first"),
        ({"components": 3, "unimodal": True}, "leave at least one"),
        ({"components": 3, "nonnegative_spectra": False}, "ambiguity=False"),
        ({"components": 3, "known": CURVES[:, 20:]}, "at all energies"),
        ({"components": 3, "known": CURVES[0]}, "with the dims"),
        ({"initial": xr.DataArray(np.ones((5, 3)), dims=("scan", "component"))}, "shares with the dims"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(options, said):
    with pytest.raises(OperandoError, match=said):
        xas.mcr_als(spectra_of(dirichlet(), substances()), **options)


def test_a_single_component_is_the_mean_shape_and_cannot_be_turned():
    found = xas.mcr_als(spectra_of(np.ones((20, 1)), substances()[:1], 0.01), 1)
    np.testing.assert_allclose(found["fraction"], 1.0)
    np.testing.assert_allclose(found["spectrum_upper"], found["spectrum_lower"])


def test_efa_needs_one_series_along_scan():
    image = xr.DataArray(np.ones((3, 4, 250)), {"energy": ENERGY}, ("y", "x", "energy"))
    with pytest.raises(OperandoError, match="along 'scan'"):
        xas.mcr_als(image, 2, initial="efa")


GOLD = ("Au foil", "Au3 Cl aq", "Au sulphide")


@pytest.mark.realdata
@pytest.mark.parametrize("names", [GOLD, (*GOLD, "Au thiocyanide")])
def test_gold_in_cyanobacteria_lies_within_the_band_by_linear_combination_too(realdata, names):
    """The series explains itself better than the references do, by shares that both lie within the band."""
    project = xas.read(realdata / "xas" / "larch" / "cyanobacteria.prj")
    normalized = xas.normalize(project["mu"])["normalized"].sel(energy=slice(11900, 12000))
    labels = [source.rpartition("::")[2] for source in project["source"].values]
    scans, known = normalized[:8], normalized[[labels.index(name) for name in names]]
    references = xr.DataArray(
        known.to_numpy(), {"reference": list(names), "energy": known["energy"]}, ("reference", "energy")
    )
    with pytest.warns(IllConditionedWarning):
        fitted = xas.lcf(scans, references)
    found = xas.mcr_als(scans, initial=references.rename(reference="component"))
    assert int(found["converged"]) == 1
    assert found["component"].values.tolist() == list(names)
    for shares in (found["fraction"], fitted["fraction"].to_numpy()):
        assert (shares >= found["fraction_lower"] - 1e-9).all()
        assert (shares <= found["fraction_upper"] + 1e-9).all()
    assert float(found["r_factor"].sum()) < float(fitted["r_factor"].sum())
