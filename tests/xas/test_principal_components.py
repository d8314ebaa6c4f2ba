"""Components are those of the matrix, their number is what was put in, and larch and measured series agree."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import entries
from operando.xas.component_blocks import Blocks

ENERGY = np.arange(840.0, 890.0, 0.2)


def substances() -> np.ndarray:
    lines = ((853.5, 1.9, 0.7), (854.4, 1.2, 1.2), (855.8, 2.2, 0.9))
    rows = [
        expit((ENERGY - edge) / 0.4) + height * np.exp(-((ENERGY - edge - 0.5) ** 2) / (2 * width**2))
        for edge, height, width in lines
    ]
    return np.array(rows)


def mixtures(count: int = 60, noise: float = 0.005, seed: int = 21) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    mu = rng.dirichlet([3, 3, 3], count) @ substances() + noise * rng.normal(size=(count, ENERGY.size))
    coords = {"energy": ("energy", ENERGY, {"units": "eV"}), "flag": ("scan", np.zeros(count, np.int32))}
    return xr.DataArray(mu, coords, ("scan", "energy"))


@pytest.mark.parametrize("centered", [True, False])
def test_components_are_the_singular_vectors_and_give_the_spectra_back(centered):
    spectra = mixtures(8)
    found = xas.pca(spectra, centered=centered, components=8)
    mean = spectra.mean("scan") if centered else 0.0
    values = np.linalg.svd((spectra - mean).to_numpy(), compute_uv=False)
    count = 8 - centered
    np.testing.assert_allclose(found["singular_value"], values[:count], rtol=1e-12)
    np.testing.assert_allclose(
        found["components"] @ found["components"].rename(component="c"), np.eye(count), atol=1e-12
    )
    back = found["score"] @ found["components"] + (found["mean"] if centered else 0.0)
    np.testing.assert_allclose(back, spectra, atol=1e-12)
    assert found["explained_variance"].sum() == pytest.approx(1.0)


def test_three_substances_are_two_centered_components_and_three_others():
    spectra = mixtures()
    for rule in ("f_test", "ind"):
        assert int(xas.pca(spectra, rule=rule)["significant"]) == 2
        assert int(xas.pca(spectra, rule=rule, centered=False)["significant"]) == 3


@pytest.mark.parametrize("scans", [20, 229, 1000])
def test_correlated_noise_of_as_many_spectra_as_energies_deceives_the_indicator_and_not_the_f_test(scans):
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(scans, ENERGY.size))
    noise = (noise + np.roll(noise, 1, 1) + np.roll(noise, 2, 1)) / np.sqrt(3)
    spectra = mixtures(scans, noise=0.0) + 0.005 * noise
    assert int(xas.pca(spectra, centered=False)["significant"]) == 3


def test_noise_of_known_size_reaches_no_higher_than_its_largest_singular_value():
    spectra = mixtures(noise=0.005)
    weights = xr.DataArray(np.full(ENERGY.size, 1 / 0.005), {"energy": ENERGY}, ("energy",))
    found = xas.pca(spectra, weights=weights, rule="noise", centered=False)
    assert int(found["significant"]) == 3
    assert float(found["noise_singular_value"]) == pytest.approx(np.sqrt(60) + np.sqrt(250))
    np.testing.assert_allclose(found["real_error"][2], 1.0, atol=0.05)


def test_the_real_error_is_the_noise_that_was_put_in():
    # Of 60 x 250 values with 3 components (60 - 3) (250 - 3) are free: their standard deviation is known to 0.6 %.
    found = xas.pca(mixtures(noise=0.005), centered=False)
    freedom = np.sqrt((60 - 3) * (250 - 3) / (250 * (60 - 3)))
    assert float(found["real_error"][2]) == pytest.approx(0.005 * freedom, rel=3.3 * 0.006)


@pytest.mark.parametrize("dim", ["energy", "scan"])
def test_weights_leave_the_model_in_the_units_of_the_spectra(dim):
    spectra = mixtures(noise=0.0)
    rng = np.random.default_rng(2)
    weights = xr.DataArray(rng.uniform(0.5, 2.0, spectra.sizes[dim]), dims=dim)
    found = xas.pca(spectra, weights=weights, components=2)
    np.testing.assert_allclose(found["score"] @ found["components"] + found["mean"], spectra, atol=1e-10)


def test_more_noise_weighs_less():
    noisy, quiet = mixtures(noise=0.0), ENERGY < 870
    std = xr.DataArray(np.where(quiet, 0.002, 0.3), {"energy": ENERGY}, ("energy",))
    noisy = noisy + std * xr.DataArray(np.random.default_rng(4).normal(size=noisy.shape), dims=noisy.dims)
    assert int(xas.pca(noisy, weights=1 / std, rule="noise", centered=False)["significant"]) == 3
    axes = np.linalg.svd(substances() - substances().mean(0))[2][:2, quiet].T

    def missed(**options):
        curves = xas.pca(noisy, **options)["components"][:2, quiet].T.to_numpy()
        return np.linalg.norm(axes - curves @ np.linalg.lstsq(curves, axes)[0])

    assert missed(weights=1 / std) < 0.5 * missed()


def tall(scans: int = 20_000, points: int = 60) -> xr.DataArray:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(scans, 3)) * [9, 4, 2] @ rng.normal(size=(3, points)) + rng.normal(size=(scans, points))
    return xr.DataArray(rows, {"energy": np.arange(float(points))}, ("scan", "energy"))


@pytest.mark.parametrize("spectra", [mixtures(), tall()], ids=["singular values", "products of energies"])
def test_chunks_and_the_order_of_dims_change_nothing(spectra):
    whole = xas.pca(spectra)
    lazy = xas.pca(spectra.chunk(scan=777, energy=13).T)
    assert lazy["score"].chunks
    for name in whole.data_vars:
        here, there = whole[name], lazy[name].compute().transpose(*whole[name].dims)
        np.testing.assert_allclose(there, here, rtol=1e-12, atol=1e-12 * float(abs(here).max()))


def test_a_tall_stack_has_the_singular_values_of_its_matrix():
    spectra = tall()
    found = xas.pca(spectra, centered=False)
    np.testing.assert_allclose(
        found["singular_value"], np.linalg.svd(spectra.to_numpy(), compute_uv=False)[:20], rtol=1e-10
    )
    assert int(found["significant"]) == 3
    lazy = xas.pca(spectra.chunk(scan=3000), centered=False, components=3, method="randomized")
    np.testing.assert_allclose(lazy["singular_value"], found["singular_value"][:3], rtol=1e-6)
    np.testing.assert_allclose(
        abs(lazy["components"] @ found["components"][:3].rename(component="c")), np.eye(3), atol=1e-3
    )


def test_the_order_of_spectra_changes_only_the_order_of_scores():
    spectra = mixtures()
    order = np.random.default_rng(1).permutation(60)
    here, there = xas.pca(spectra, components=2), xas.pca(spectra[order], components=2)
    np.testing.assert_allclose(there["score"], here["score"][order], atol=1e-11)
    np.testing.assert_allclose(there["components"], here["components"], atol=1e-11)


def test_images_and_signals_are_spectra_too():
    image = xr.DataArray(mixtures().to_numpy().reshape(2, 5, 6, -1), dims=("signal", "y", "x", "energy"))
    image = image.assign_coords(energy=ENERGY).transpose("energy", "y", "signal", "x")
    found = xas.pca(image)
    assert set(found["score"].dims) == {"signal", "y", "x", "component"}
    np.testing.assert_allclose(found["singular_value"], xas.pca(mixtures())["singular_value"], rtol=1e-10)


def test_spectra_with_missing_energies_are_left_out_and_say_so():
    spectra = mixtures().copy()
    spectra[7, 30] = np.nan
    for given in (spectra, spectra.chunk(scan=11)):
        found = xas.pca(given, components=3)
        assert np.isnan(found["score"][7]).all()
        assert (found["flag"].to_numpy() != 0).nonzero()[0].tolist() == [7]
        assert int(found["flag"][7].compute()) & Flag.not_finite
        others = xas.pca(spectra.drop_isel(scan=7), components=3)
        np.testing.assert_allclose(found["components"], others["components"], atol=1e-11)
    assert np.isfinite(xas.pca(spectra, window=(847.0, 890.0))["score"]).all()


def test_the_largest_value_of_a_component_is_positive():
    found = xas.pca(mixtures())["components"].to_numpy()
    assert (found[np.arange(len(found)), abs(found).argmax(axis=1)] > 0).all()


def test_history_says_how_many_by_which_rule():
    found = xas.pca(mixtures().assign_attrs(history='[{"step": "xas.normalize", "parameters": {}, "version": "1"}]'))
    first, last = entries(found)
    assert first["step"] == "xas.normalize"
    assert last["step"] == "xas.pca"
    assert last["parameters"]["significant"] == 2
    assert last["parameters"]["rule"] == "f_test"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": (900.0, 950.0)}, "at least 2 energies within the window"),
        ({"components": 0}, "one component at least"),
        ({"rule": "elbow"}, "f_test, ind, noise, larch"),
        ({"rule": "noise"}, "weights = 1/std"),
        ({"method": "fast"}, "'exact' or 'randomized'"),
        ({"weights": xr.DataArray(np.ones((60, 250)), dims=("scan", "energy"))}, "not both"),
        ({"weights": xr.DataArray(np.zeros(250), dims="energy")}, "above zero"),
        ({"weights": xr.DataArray(np.ones(249), dims="energy")}, "a weight for each"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(options, said):
    with pytest.raises(OperandoError, match=said):
        xas.pca(mixtures(), **options)


def test_too_few_spectra_are_refused():
    with pytest.raises(OperandoError, match="got one"):
        xas.pca(mixtures()[0])
    with pytest.raises(OperandoError, match="at least 2 spectra without missing"):
        xas.pca(mixtures(3).where(xr.DataArray([True, False, False], dims="scan")))


def test_sums_do_not_depend_on_chunks_within_a_block():
    rows = Blocks.of(tall().chunk(scan=100), np.ones(20_000)).rows
    assert rows.chunks[0][0] == 4096


@pytest.mark.peer
@pytest.mark.realdata
def test_gold_in_cyanobacteria_has_the_components_that_larch_finds(realdata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("larch", reason="xraylarch is not installed (extra 'larch')")
        from larch.io import read_athena
        from larch.math import pca_train
        from larch.xafs import pre_edge

        project = read_athena(str(realdata / "xas" / "larch" / "cyanobacteria.prj"), do_preedge=False, do_bkg=False)
        groups = [getattr(project, name) for name in list(project.groups)[:8]]
        for group in groups:
            pre_edge(group)
        theirs = pca_train(groups, arrayname="norm", xmin=11900, xmax=12000)
    coords = {"energy": ("energy", theirs.x, {"units": "eV"})}
    spectra = xr.DataArray(theirs.ydat, coords, ("scan", "energy"))
    found = xas.pca(spectra, scaled=True, rule="larch")
    assert int(found["significant"]) == theirs.nsig == 4
    np.testing.assert_allclose(found["singular_value"] ** 2 / 8, theirs.eigenvalues[:7], rtol=1e-9)
    np.testing.assert_allclose(found["indicator"], theirs.ind[1:], rtol=1e-9)
    cosine = np.einsum("ij,ij->i", found["components"][:4], theirs.components[:4])
    np.testing.assert_allclose(abs(cosine) / np.linalg.norm(theirs.components[:4], axis=1), 1.0, rtol=1e-9)
    # larch counts the last component among what is left and makes every spectrum as high as the others: one more than
    # Malinowski's own indicator and F test, which find three beside the mean.
    assert int(xas.pca(spectra, rule="ind")["significant"]) == 3
    assert int(xas.pca(spectra, rule="f_test")["significant"]) == 3


@pytest.mark.realdata
def test_a_nickel_series_has_the_singular_values_of_two_substances_and_a_little_more(nickel_series):
    found = xas.pca(nickel_series["mu"], window=(8320.0, 8420.0), centered=False, components=3)
    for value, known, digit in zip(found["singular_value"], (262.2, 9.22, 1.379), (0.1, 0.01, 0.001), strict=True):
        assert abs(float(value) - known) < digit
