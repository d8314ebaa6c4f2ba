"""Maps: every pixel is treated as the spectrum it is."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from image_stacks import as_images
from scipy import stats

from operando import history, xas
from operando.errors import OperandoError
from operando.flags import Flag
from operando.xas import xpeem

ENERGY = np.r_[np.arange(840.0, 850.0, 1.0), np.arange(850.0, 858.0, 0.5), np.arange(858.0, 872.0, 1.0)]
RANGES = {"pre1": -13.0, "pre2": -5.0, "norm1": 8.0, "norm2": 17.0, "nnorm": 0}
E0 = 854.0


def edge(shift) -> np.ndarray:
    """Return an edge at 854 eV that is moved by so much, dims (..., energy)."""
    return 0.5 + np.arctan((ENERGY - E0 - np.asarray(shift)[..., None]) / 0.4) / np.pi


@pytest.fixture
def pixels():
    """Return images whose edges move from left to right and rise from top to bottom, counted electrons, their noise."""
    noise = np.random.default_rng(17)
    shift, step = np.meshgrid(np.linspace(-0.4, 0.4, 40), np.linspace(2000.0, 4000.0, 30))
    true = 1000.0 + step[..., None] * edge(shift)
    counts = np.moveaxis(noise.poisson(true), -1, 0)
    ds = xr.Dataset({"intensity": as_images(counts, ENERGY), "intensity_std": as_images(np.sqrt(counts), ENERGY)})
    return ds, as_images(np.moveaxis(true, -1, 0), ENERGY)


@pytest.fixture
def references():
    axis = ("energy", ENERGY, {"units": "eV"})
    return xr.DataArray(
        edge(np.array([-0.6, 0.6])), dims=("reference", "energy"), coords={"reference": ["low", "high"], "energy": axis}
    )


def test_maps_are_what_the_functions_for_spectra_return(pixels, references):
    images, _ = pixels
    found = xpeem.maps(images["intensity"], e0=E0, normalization=RANGES, references=references)
    fitted = xas.normalize(images["intensity"].drop_vars("frame_flag"), E0, **RANGES)
    edges, shares = xas.edge_energy(fitted), xas.lcf(fitted, references)
    np.testing.assert_array_equal(found["edge_step"], fitted["edge_step"])
    for name in ("edge_energy", "edge_energy_std"):
        np.testing.assert_array_equal(found[name], edges[name])
    for name in ("fraction", "fraction_std"):
        np.testing.assert_array_equal(found[name], shares[name])


def test_edge_steps_and_energies_pull_as_unit_normals_where_the_noise_is_known(pixels):
    images, exact = pixels
    found = xpeem.maps(images, e0=E0, normalization=RANGES)
    true = xpeem.maps(exact, e0=E0, normalization=RANGES)
    for name in ("edge_step", "edge_energy"):
        pulls = ((found[name] - true[name]) / found[f"{name}_std"]).values.ravel()
        low, high = np.sqrt(stats.chi2.ppf([5e-4, 1 - 5e-4], pulls.size - 1) / (pulls.size - 1))
        assert low < pulls.std(ddof=1) < high
        assert abs(pulls.mean()) < 3.3 / np.sqrt(pulls.size)


def test_a_region_is_evaluated_as_a_pixel_is(pixels):
    images, exact = pixels
    rows = np.repeat(np.arange(1, 31), 40).reshape(30, 40)
    found, true = (xpeem.maps(xpeem.spectra(given, rows), e0=E0, normalization=RANGES) for given in (images, exact))
    pulls = ((found["edge_energy"] - true["edge_energy"]) / found["edge_energy_std"]).values
    assert found["edge_energy"].dims == ("region",)
    assert np.sqrt((pulls**2).mean()) == pytest.approx(1, abs=3.3 / np.sqrt(2 * pulls.size))


@pytest.mark.parametrize("options", [{}, {"scale": True, "background": "linear"}])
def test_shares_cover_whether_or_not_the_fit_undoes_the_normalization(pixels, references, options):
    """Against those of the exact images. Where it does not, residuals are the measure, and hold what is missed too."""
    images, exact = pixels
    given = {"e0": E0, "normalization": RANGES, "references": references, "combination": {**options, "bounds": (-9, 9)}}
    found, true = (xpeem.maps(one, **given)["fraction"].isel(reference=0) for one in (images, exact))
    std = xpeem.maps(images, **given)["fraction_std"].isel(reference=0)
    pulls = ((found - true) / std).values.ravel()
    assert abs(pulls.mean()) < 3.3 / np.sqrt(pulls.size)
    assert pulls.std() < 1 + 3.3 / np.sqrt(2 * pulls.size)
    if options:
        assert pulls.std() > 1 - 3.3 / np.sqrt(2 * pulls.size)


def test_the_edge_of_the_mean_spectrum_is_taken_where_none_is_given(pixels):
    images, _ = pixels
    found = xpeem.maps(images, normalization=RANGES)
    mean = xas.find_e0(images["intensity"].mean(["y", "x"]).drop_vars("frame_flag"))
    assert history.entries(found)[-1]["parameters"]["e0"] == float(mean)


def test_lost_frames_are_left_out(pixels):
    images, _ = pixels
    spoilt = images.copy(deep=True)
    spoilt["intensity"][20] = 65535.0
    spoilt["frame_flag"][20] = int(Flag.saturated)
    kept = images.isel(energy=np.delete(np.arange(ENERGY.size), 20))
    found, expected = (xpeem.maps(given, e0=E0, normalization=RANGES) for given in (spoilt, kept))
    for name in found.data_vars:
        np.testing.assert_array_equal(found[name], expected[name])


def test_falling_energies_give_the_same(pixels):
    images, _ = pixels
    turned = xpeem.maps(images.isel(energy=slice(None, None, -1)), e0=E0, normalization=RANGES)
    xr.testing.assert_allclose(turned, xpeem.maps(images, e0=E0, normalization=RANGES), rtol=1e-9)


@pytest.mark.parametrize("chunks", [{"energy": 1}, {"energy": 9, "y": 7, "x": 13}])
def test_chunks_change_nothing_and_lazy_stays_lazy(pixels, references, chunks):
    images, _ = pixels
    whole = xpeem.maps(images, e0=E0, normalization=RANGES, references=references)
    lazy = xpeem.maps(images.chunk(chunks), e0=E0, normalization=RANGES, references=references)
    assert all(isinstance(values.data, da.Array) for values in lazy.data_vars.values())
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-12, atol=0)


def test_order_of_dims_and_other_dims_change_nothing(pixels):
    images, _ = pixels
    whole = xpeem.maps(images, e0=E0, normalization=RANGES)
    turned = xpeem.maps(images.transpose("x", "y", "energy"), e0=E0, normalization=RANGES)
    series = xpeem.maps(xr.concat([images, images], "scan"), e0=E0, normalization=RANGES)
    for name in whole.data_vars:
        np.testing.assert_allclose(turned[name].transpose("y", "x"), whole[name], rtol=1e-12)
        np.testing.assert_allclose(series[name].isel(scan=1), whole[name], rtol=1e-12)


def test_maps_have_units_and_meanings(pixels, references):
    found = xpeem.maps(pixels[0], e0=E0, normalization=RANGES, references=references)
    units = {str(name): values.attrs["units"] for name, values in found.data_vars.items()}
    assert {units[name] for name in ("edge_energy", "edge_energy_std")} == {"eV"}
    assert {units[name] for name in ("fraction", "fraction_std", "edge_step", "edge_step_std")} == {"1"}
    assert all(values.attrs["long_name"] for values in found.data_vars.values())
    assert history.entries(found)[-1]["step"] == "xas.xpeem.maps"


def test_an_edge_outside_the_scan_is_refused(pixels):
    with pytest.raises(OperandoError, match="energies around the edge energy 700 eV"):
        xpeem.maps(pixels[0], e0=700.0)
