"""Spectra of regions and clusters of pixels."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from image_stacks import as_images
from pulls import assert_unit_normal

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag
from operando.pipelines.steps import absorption
from operando.xas import xpeem


@pytest.fixture
def halves():
    """Return images of two kinds of pixels, left and right of column 20, with unit noise, and their spectra."""
    noise = np.random.default_rng(21)
    spectra = np.stack([np.linspace(10.0, 30.0, 12), np.linspace(25.0, 15.0, 12)])
    kind = (np.arange(40) >= 20).astype(int)
    frames = np.repeat(spectra[kind].T[:, None, :], 30, axis=1) + noise.standard_normal((12, 30, 40))
    return as_images(frames), kind, spectra


def test_means_pull_as_unit_normals_with_and_without_known_noise(halves):
    images, kind, truth = halves
    label = np.broadcast_to(kind + 1, (30, 40))
    known = xr.Dataset({"intensity": images, "intensity_std": xr.ones_like(images)})
    for given in (images, known):
        found = xpeem.spectra(given, label)
        pulls = ((found["mu"] - truth) / found["mu_std"]).values
        assert np.sqrt((pulls**2).mean()) == pytest.approx(1, abs=3.3 / np.sqrt(2 * pulls.size))
        assert found["pixels"].values.tolist() == [600, 600]
        assert found["mu"].dims == ("region", "energy")


def test_only_counting_is_noise_and_what_pixels_differ_by_widens_no_edge():
    energy = np.arange(845.0, 865.0, 0.25)
    step = 0.5 + np.arctan((energy - 853.1) / 0.6) / np.pi
    bright = np.random.default_rng(7).uniform(0.4, 1.6, (20, 20))
    counts = np.random.default_rng(8).poisson(bright * (200 + 400 * step)[:, None, None]).astype(float)
    images = as_images(counts).assign_coords(energy=("energy", energy, {"units": "eV"}))
    whole = np.ones((20, 20), int)
    scattered = xpeem.spectra(images, whole)
    counted = xpeem.spectra(xr.Dataset({"intensity": images, "intensity_std": np.sqrt(images)}), whole)
    assert xpeem.counting_noise(scattered) is None
    xr.testing.assert_identical(xpeem.counting_noise(counted), counted["mu_std"])
    ranges = {"e0": 853.0, "pre1": -8.0, "pre2": -3.0, "norm1": 5.0, "norm2": 11.0, "nnorm": 0}
    errors = []
    for spectra in (scattered, counted):
        series = spectra.assign(xas.normalize(spectra["mu"], **ranges)).expand_dims("scan")
        errors.append(absorption.edge_energy(series, series)["edge_energy_std"].item())
    assert float((scattered["mu_std"] / counted["mu_std"]).median()) > 5
    assert errors[0] == pytest.approx(errors[1], rel=0.4)


def test_edges_cover_with_the_noise_of_the_beam_and_differ_by_less_within_a_stack():
    """Two particles alike in 400 stacks, their counts about as noisy as I0."""
    rng, noise = np.random.default_rng(9), 0.02
    energy = np.r_[np.arange(845.0, 852.0), np.arange(852.0, 856.0, 0.5), np.arange(856.0, 864.0)]
    step = 0.5 + np.arctan((energy - 853.1) / 0.6) / np.pi
    true = xr.DataArray(200 + 400 * step, dims="energy", coords={"energy": ("energy", energy, {"units": "eV"})})
    i0 = 1 + noise * rng.standard_normal((400, energy.size))
    counts = rng.poisson(true.values[:, None, None], (400, energy.size, 4, 8))
    stacks = xr.Dataset(
        {"counts": (("scan", "energy", "y", "x"), counts, {"units": "counts"}), "i0": (("scan", "energy"), i0)},
        {"energy": true["energy"], "frame_flag": (("scan", "energy"), np.zeros(i0.shape, np.int32))},
    )
    images = xpeem.correct(stacks, gain=1.0, i0_noise=noise)
    halves = np.repeat([[1, 2]], 4, axis=0).repeat(4, axis=1)
    found = xpeem.spectra(images, halves).transpose("scan", "region", "energy")
    ranges = {"e0": 853.0, "pre1": -8.0, "pre2": -3.0, "norm1": 5.0, "norm2": 11.0, "nnorm": 0}
    fitted = xas.normalize(found["mu"], **ranges)
    counted, every = (xpeem.counting_noise(found, shared=shared) / fitted["edge_step"] for shared in (False, True))
    own, whole = (xas.edge_energy(fitted, noise=given) for given in (counted, every))
    series = found.assign(fitted)
    np.testing.assert_array_equal(absorption.edge_energy(series, series)["edge_energy_std"], whole["edge_energy_std"])
    apart = own["edge_energy"].diff("region").squeeze() / np.hypot(*own["edge_energy_std"].transpose("region", "scan"))
    edge = xas.edge_energy(xas.normalize(true, **ranges))["edge_energy"]
    away = ((whole["edge_energy"] - edge) / whole["edge_energy_std"]).isel(region=0)
    assert_unit_normal(apart.values)
    assert_unit_normal(away.values)
    assert float((whole["edge_energy_std"] / own["edge_energy_std"]).median()) > 1.5


def test_regions_may_be_numbers_masks_or_named_masks(halves):
    images, kind, _ = halves
    label = xr.DataArray(np.broadcast_to(kind * 7, (30, 40)), dims=("y", "x"))
    numbered = xpeem.spectra(images, label)
    assert numbered["region"].values.tolist() == [7]
    masks = xpeem.spectra(images, np.stack([label == 0, label == 7]))
    named = xpeem.spectra(images, {"left": (label == 0).T, "right": label == 7})
    assert named["region"].values.tolist() == ["left", "right"]
    np.testing.assert_array_equal(named["mu"], masks["mu"])
    np.testing.assert_array_equal(numbered["mu"][0], masks["mu"][1])


def test_a_pixel_that_leaves_the_frame_counts_nowhere(halves):
    images, kind, _ = halves
    images[3, :5] = np.nan
    found = xpeem.spectra(images, np.broadcast_to(kind + 1, (30, 40)))
    assert found["pixels"].values.tolist() == [500, 500]
    np.testing.assert_allclose(found["mu"][0], images[:, 5:, :20].mean(["y", "x"]), rtol=1e-6)


def test_a_lost_frame_is_nan_and_costs_no_pixels(halves):
    images, kind, _ = halves
    images[3] = np.nan
    images["frame_flag"][3] = int(Flag.missing_frame)
    found = xpeem.spectra(images, np.broadcast_to(kind + 1, (30, 40)))
    assert found["pixels"].values.tolist() == [600, 600]
    assert np.flatnonzero(np.isnan(found["mu"][0])).tolist() == [3]


def test_chunks_and_other_dims_change_no_spectrum(halves):
    images, kind, _ = halves
    label = np.broadcast_to(kind + 1, (30, 40))
    whole = xpeem.spectra(images, label)
    lazy = xpeem.spectra(images.chunk(energy=5, y=7, x=11), label)
    assert isinstance(lazy["mu"].data, da.Array)
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-12)
    series = xpeem.spectra(xr.concat([images, images], "scan"), label)
    np.testing.assert_array_equal(series["mu"].isel(scan=1), whole["mu"])


@pytest.mark.parametrize("regions", [np.ones((3, 3), int), {}, np.zeros((30, 40), int), np.zeros((30, 40))])
def test_regions_that_do_not_fit_are_refused(halves, regions):
    with pytest.raises(OperandoError, match="spectra: expected"):
        xpeem.spectra(halves[0], regions)


def test_clusters_are_the_kinds_of_pixels(halves):
    images, kind, truth = halves
    found = xpeem.clusters(images, 2)
    label = found["label"].values
    assert len(np.unique(label[:, kind == 0])) == len(np.unique(label[:, kind == 1])) == 1
    order = [label[0, 0] - 1, label[0, -1] - 1]
    np.testing.assert_allclose(found["spectrum"].values[order], truth, atol=4 / np.sqrt(600))
    assert found["pixels"].values.tolist() == [600, 600]


def test_clusters_do_not_depend_on_chunks(halves):
    images, _, _ = halves
    whole = xpeem.clusters(images, 4)
    lazy = xpeem.clusters(images.transpose("x", "energy", "y").chunk(energy=5, y=7, x=11), 4)
    np.testing.assert_array_equal(lazy["label"], whole["label"])
    xr.testing.assert_allclose(lazy.drop_vars("label"), whole.drop_vars("label"), rtol=1e-12)
    assert (np.diff(whole["pixels"]) <= 0).all()


def test_pixels_may_be_clustered_by_scores_of_their_own(halves):
    images, kind, _ = halves
    scores = xr.DataArray(np.broadcast_to(kind, (30, 40))[..., None] * 1.0, dims=("y", "x", "component"))
    label = xpeem.clusters(images, 2, scores=scores)["label"].values
    assert (label[:, kind == 0] != label[:, kind == 1]).all()


def test_unknown_pixels_and_lost_frames_belong_to_no_cluster(halves):
    images, _, _ = halves
    images[5, 0, 0], images[7] = np.nan, np.nan
    images["frame_flag"][7] = int(Flag.saturated)
    found = xpeem.clusters(images, 2)
    assert np.argwhere(found["label"].values == 0).tolist() == [[0, 0]]
    assert found.sizes["energy"] == 11


def test_more_clusters_than_different_pixels_are_refused():
    with pytest.raises(OperandoError, match="as many different pixels"):
        xpeem.clusters(as_images(np.ones((5, 8, 8))), 2)
