import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from random_media import overlapping_spheres

from operando.errors import OperandoError
from operando.tomo.correlation_functions import two_point_correlation

EDGE, RADIUS, COVERAGE = 120, 6.0, 0.6


@pytest.fixture(scope="module")
def between_spheres():
    return ~overlapping_spheres(EDGE, RADIUS, COVERAGE, np.random.default_rng(30))


def exact(lag):
    """exp(-eta v2(r)/v1), v2 the volume of two spheres r apart."""
    apart = np.minimum(lag, 2 * RADIUS)
    return np.exp(-COVERAGE * (1 + 0.75 * apart / RADIUS - (apart / RADIUS) ** 3 / 16))


def test_pairs_between_overlapping_spheres_are_those_of_theory(between_spheres):
    found = two_point_correlation(between_spheres, 30.0)
    off = found["two_point_mean"] - exact(found["lag"])
    assert (np.abs(off) < 3.3 * found["two_point_mean_std"] + 1e-3).all()
    assert float(found["two_point_mean"][0]) == pytest.approx(between_spheres.mean(), rel=1e-12)
    fraction = float(found["fraction"])
    assert float(found["two_point_mean"][13:].mean()) == pytest.approx(fraction**2, rel=0.03)


def test_the_slope_at_no_distance_tells_the_surface(between_spheres):
    """s_v = 3 eta/R exp(-eta); steps of a voxel miss what is thinner."""
    found = two_point_correlation(between_spheres, 2.0)
    surface = 3 * COVERAGE / RADIUS * np.exp(-COVERAGE)
    off = float(found["surface_density"]) - surface
    assert abs(off) < 3.3 * float(found["surface_density_std"]) + 0.02 * surface


def test_all_directions_agree_with_the_axes_where_nothing_is_preferred(between_spheres):
    lines, every = (two_point_correlation(between_spheres, 20.0, method) for method in ("lines", "fft"))
    assert_array_equal(lines["two_point"], every["two_point"])
    off = (every["two_point_mean"] - lines["two_point_mean"])[4:]
    assert np.abs(off).max() < 3.3 * float(lines["two_point_mean_std"].mean())


def test_counts_are_those_of_all_pairs():
    mask = np.random.default_rng(4).random((7, 6, 5)) < 0.5
    found = two_point_correlation(mask, 2.0, "fft")
    assert_allclose(found["two_point"][0], [mask.mean(), (mask[1:] & mask[:-1]).mean(), (mask[2:] & mask[:-2]).mean()])
    places = np.argwhere(np.ones(mask.shape, bool))
    apart = np.rint(np.linalg.norm(places[:, None] - places, axis=2))
    both = mask.ravel()[:, None] & mask.ravel()
    assert_allclose(found["two_point_mean"], [both[apart == lag].mean() for lag in range(3)])


@pytest.mark.parametrize("chunks", [{"z": 11, "y": 30, "x": 17}, {"scan": 2, "z": 24, "y": 9}])
def test_chunks_do_not_change_a_correlation(chunks):
    masks = xr.DataArray(np.random.default_rng(3).random((2, 24, 30, 28)) < 0.6, dims=("scan", "z", "y", "x"))
    xr.testing.assert_allclose(two_point_correlation(masks.chunk(chunks)), two_point_correlation(masks), rtol=1e-12)


def test_results_have_units_and_a_history():
    mask = xr.DataArray(np.random.default_rng(3).random((9, 8, 7)) < 0.5, dims=("z", "y", "x"))
    found = two_point_correlation(mask.assign_coords(voxel_size=0.5), 1.5)
    assert found["lag"].values.tolist() == [0.0, 0.5, 1.0, 1.5]
    assert found["surface_density"].attrs["units"] == "1/um"
    assert all("long_name" in one.attrs and "units" in one.attrs for one in found.data_vars.values())
    assert "tomo.two_point_correlation" in found.attrs["history"]


def test_what_cannot_be_asked_is_refused():
    mask = np.ones((6, 6, 6), bool)
    with pytest.raises(OperandoError, match="max_lag from 1 to less than 6 px, got 6"):
        two_point_correlation(mask, 6.0)
    with pytest.raises(OperandoError, match="got a lazy mask; load it or use 'lines'"):
        two_point_correlation(xr.DataArray(mask, dims=("z", "y", "x")).chunk(3), method="fft")
