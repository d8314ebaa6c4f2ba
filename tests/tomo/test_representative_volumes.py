import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal
from random_media import ball, lattice_balls
from scipy.stats import chi2

from operando.errors import OperandoError
from operando.tomo.representative_volumes import rev
from operando.tomo.variance_model import fit_variances

RADIUS, SHARE, EDGE, SIDE = 2, 0.012, 46, 302


@pytest.fixture(scope="module")
def whole():
    return lattice_balls(SIDE, RADIUS, SHARE, np.random.default_rng(40))


@pytest.fixture(scope="module")
def found(whole):
    """Return what cubes of one material tell, further apart than it is correlated, so that they are independent."""
    starts = range(1, SIDE - EDGE, EDGE + 4)
    cubes = [whole[z : z + EDGE, y : y + EDGE, x : x + EDGE] for z in starts for y in starts for x in starts]
    return xr.concat([rev(cube) for cube in cubes], "cube", combine_attrs="override")


def covariance():
    """Volume fraction of balls on a lattice, and their covariance at all distances up to 10 voxels along each axis."""
    number = int(ball(RADIUS).sum())
    spectrum = np.abs(np.fft.fftn(ball(RADIUS), [20] * 3, (0, 1, 2))) ** 2
    common = np.rint(np.fft.ifftn(spectrum).real)
    outside = (1 - SHARE) ** number
    return 1 - outside, (1 - SHARE) ** (2 * number - common) - outside**2


def exact():
    """Volume fraction and integral range of balls on a lattice: sums over the covariance."""
    fraction, found = covariance()
    return fraction, found.sum() / (fraction * (1 - fraction))


def variance(edge):
    """Variance of the mean of a cube of the material: its covariance over all pairs of voxels."""
    away = 1 - np.abs(np.fft.fftfreq(20, 1 / 20)) / edge
    return (covariance()[1] * away[:, None, None] * away[:, None] * away).sum() / edge**3


def test_the_predicted_error_is_the_scatter_of_many_volumes(found):
    fraction, integral_range = exact()
    assert_unit_normal(((found["value"] - fraction) / found["value_std"]).to_numpy())
    scatter = float(np.sqrt((found["value_std"] ** 2).mean()))
    assert scatter == pytest.approx(np.sqrt(fraction * (1 - fraction) * integral_range / EDGE**3), rel=0.06)
    assert float(found["integral_range"].mean()) == pytest.approx(integral_range, rel=0.1)


def test_the_variance_of_a_boolean_model_falls_as_one_over_the_volume(whole):
    """Var = D (1 - D) A3 / V beyond some integral ranges; limits are those of the variance of so many boxes."""
    assert variance(60) * 60**3 == pytest.approx(variance(30) * 30**3, rel=0.1)
    fraction, integral_range = exact()
    one = rev(whole, sizes=[20, 30, 46, 60])
    degrees = one["boxes"].to_numpy() - 1
    low, high = (chi2.ppf(tail, degrees) / degrees for tail in (5e-4, 1 - 5e-4))
    ratio = one["box_spread"].to_numpy() ** 2 / [variance(edge) for edge in one["size"].values]
    assert ((ratio > low) & (ratio < high)).all()
    assert float(one["integral_range"]) == pytest.approx(integral_range, rel=0.1)
    needed = integral_range * (1 - fraction) / fraction / 0.05**2
    assert float(one["representative_volume"]) == pytest.approx(needed, rel=0.1)


def test_the_stated_uncertainty_of_the_error_is_its_scatter(found):
    ratio = float(found["value_std"].std() / found["value_std_std"].mean())
    assert 0.7 < ratio < 1.6


def test_white_noise_varies_as_one_over_the_number_of_voxels():
    noise = xr.DataArray(np.random.default_rng(41).normal(3.0, 2.0, (64, 64, 64)), dims=("z", "y", "x"))
    found = rev(noise.assign_coords(voxel_size=0.5), relative_error=0.01)
    assert float(found["variance_volume"]) == pytest.approx(4.0 * 0.5**3, rel=0.1)
    assert float(found["value_std"]) == pytest.approx(2 / 64**1.5, rel=0.05)
    assert float(found["representative_volume"]) == pytest.approx(4.0 * 0.5**3 / (0.01 * 3) ** 2, rel=0.1)
    assert "integral_range" not in found


def test_boxes_are_those_of_the_volume():
    mask = np.random.default_rng(42).random((24, 26, 28)) < 0.4
    found = rev(mask, sizes=[4, 8, 12])
    assert found["boxes"].values.tolist() == [6 * 6 * 7, 27, 8]
    means = [mask[z : z + 12, y : y + 12, x : x + 12].mean() for z in (0, 12) for y in (0, 12) for x in (0, 12)]
    assert float(found["box_spread"][-1]) == pytest.approx(np.std(means, ddof=1), rel=1e-12)


def test_the_model_recovers_variances_that_follow_it():
    edge, boxes = np.array([8.0, 16.0, 32.0]), np.array([512, 64, 8])
    together = edge * boxes ** (1 / 3)
    variance = boxes / (boxes - 1) * ((50 - 200 / edge) / edge**3 - (50 - 200 / together) / together**3)
    model = fit_variances(edge, variance, boxes)
    assert (model.k, model.b) == pytest.approx((50, 200))
    assert model.std(64.0)[0] == pytest.approx(np.sqrt((50 - 200 / 64) / 64**3))


@pytest.mark.parametrize("chunks", [{"z": 11, "y": 30, "x": 17}, {"scan": 2, "z": 24, "y": 9}])
def test_chunks_do_not_change_a_representative_volume(chunks):
    masks = xr.DataArray(np.random.default_rng(3).random((2, 24, 30, 28)) < 0.6, dims=("scan", "z", "y", "x"))
    xr.testing.assert_allclose(rev(masks.chunk(chunks)), rev(masks), rtol=1e-12)


def test_any_quantity_of_boxes_will_do_and_those_without_are_left_out():
    mask = np.random.default_rng(6).random((24, 24, 24)) < 0.5
    mask[:12, :12, :12] = False

    def ratio(box):
        return float(box.mean()) if box.any() else np.inf

    found = rev(mask, ratio, sizes=[6, 8, 12])
    assert found["boxes"].values.tolist() == [56, 26, 7]
    assert found["boxes_left_out"].values.tolist() == [8, 1, 1]
    assert float(found["value"]) == pytest.approx(0.5, abs=0.02)
    assert '"quantity": "ratio"' in found.attrs["history"]


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(OperandoError, match="eight boxes, got 1"):
        rev(np.ones((12, 12, 12), bool))
    with pytest.raises(OperandoError, match="relative_error above 0, got 0"):
        rev(np.ones((32, 32, 32), bool), relative_error=0.0)


@pytest.mark.realdata
def test_a_part_of_a_measured_cathode_lies_within_its_predicted_error(realdata):
    import tifffile

    labels = tifffile.imread(realdata / "tomo" / "matbox_nmc-1-cal_generatedCBD_bridge.tif")
    pores = xr.DataArray(labels == labels.min(), dims=("z", "y", "x"))
    part = rev(pores[60:188, 80:208, 80:208])
    off = float(part["value"]) - float(pores.mean())
    assert abs(off) < 3.3 * float(part["value_std"])
