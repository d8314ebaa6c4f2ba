import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from pulls import assert_unit_normal
from random_media import overlapping_spheres
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.flags import Flag
from operando.schema import problems
from operando.tomo import fractions, segment, threshold_multiotsu
from operando.tomo.layout import METRICS

NAMES = {0: "matrix", 1: "spheres"}


@pytest.fixture(scope="module")
def blurred():
    noise = np.random.default_rng(1)
    spheres = np.stack([overlapping_spheres(32, 4.0, 0.3, noise) for _ in range(2)])
    levels = np.stack([gaussian_filter(one.astype(float), 0.7) for one in spheres])
    grey = 9000 + 4000 * levels + noise.normal(0, 300, levels.shape)
    place = (np.arange(32) + 0.5) * 0.3
    return xr.DataArray(
        grey.astype(np.uint16),
        dims=("scan", "z", "y", "x"),
        coords=dict.fromkeys("zyx") | {name: (name, place, {"units": "um"}) for name in "zyx"},
    )


def test_errors_of_fractions_cover_the_fraction_of_the_material():
    """Overlapping spheres of two sizes and coverages, whose fraction is known: 1 - exp(-coverage)."""
    noise, pulls = np.random.default_rng(21), []
    for radius, coverage in ((2.5, 0.3), (3.5, 0.5)):
        media = np.stack([overlapping_spheres(40, radius, coverage, noise) for _ in range(110)])
        found = fractions(xr.DataArray(media, dims=("scan", "z", "y", "x")), names=NAMES).isel(phase=1)
        pulls.append((found["fraction"] - 1 + np.exp(-coverage)) / found["fraction_std"])
    assert_unit_normal(np.concatenate(pulls))


def test_errors_of_fractions_by_grey_level_cover_too():
    noise = np.random.default_rng(22)
    limits = xr.Dataset({"threshold": ("boundary", [0.5]), "grey_level": ("phase", [0.0, 1.0])})
    media = np.stack([overlapping_spheres(32, 2.0, 0.3, noise) for _ in range(210)])
    grey = media + noise.normal(0, 0.5, media.shape).astype(np.float32)
    found = fractions(xr.DataArray(grey, dims=("scan", "z", "y", "x")), limits, method="grey").isel(phase=1)
    assert_unit_normal(((found["fraction"] - 1 + np.exp(-0.3)) / found["fraction_std"]).to_numpy())


@pytest.mark.parametrize("method", ["threshold", "grey"])
def test_chunks_and_labels_change_nothing(blurred, method):
    limits = threshold_multiotsu(blurred, 2)
    whole = fractions(blurred, limits, method=method)
    chunked = fractions(blurred.chunk(scan=1, z=9, y=20, x=7), limits, method=method)
    xr.testing.assert_allclose(chunked, whole, rtol=1e-12)
    if method == "threshold":
        labels = fractions(segment(blurred, limits))
        xr.testing.assert_allclose(labels[["fraction", "fraction_std"]], whole[["fraction", "fraction_std"]])
        assert "fraction_systematic" not in labels


def test_volumes_count_voxels_and_every_number_has_a_unit(blurred):
    limits = threshold_multiotsu(blurred, 2)
    found = fractions(blurred, limits, ["matrix", "spheres"])
    voxels = (blurred > limits["threshold"].isel(boundary=0)).sum(["z", "y", "x"])
    assert_allclose(found["volume"].sel(phase="spheres"), voxels * 0.3**3)
    assert_allclose(found["fraction"].sum("phase"), 1)
    lacking = [text for text in problems(found, METRICS) if "required" not in text]
    assert lacking == []
    assert {name for name in found if name.endswith("_std")} == {"fraction_std", "volume_std"}


def test_the_systematic_is_what_moved_thresholds_change():
    levels = np.random.default_rng(3).uniform(0, 100, (16, 16, 16))
    limits = xr.Dataset({"threshold": ("boundary", [30.0, 60.0]), "grey_level": ("phase", [10.0, 50.0, 80.0])})
    found = fractions(levels, limits)
    first, second = ((abs(levels - at) <= reach).mean() / 2 for at, reach in ((30, 4.0), (60, 3.0)))
    assert_allclose(found["fraction_systematic"], [first, np.hypot(first, second), second])
    assert_allclose(found["fraction_uncertainty"], np.hypot(found["fraction_std"], found["fraction_systematic"]))


def test_grey_levels_keep_plates_thinner_than_a_voxel():
    """A plate of 0.4 voxels between pure planes: no voxel passes the threshold, the grey level keeps all of it."""
    share = np.zeros((24, 24, 24))
    share[8], share[9] = 0.3, 0.1
    grey = 1000 - 800 * gaussian_filter(share, 0.7)
    limits = xr.Dataset(
        {
            "threshold": ("boundary", [600.0]),
            "grey_level": ("phase", [200.0, 1000.0]),
            "grey_level_std": ("phase", [8.0, 8.0]),
        }
    )
    true = 0.4 / 24
    assert fractions(grey, limits)["fraction"][0] == 0
    found = fractions(grey, limits, method="grey")
    assert_allclose(found["fraction"], [true, 1 - true], rtol=1e-9)
    assert_allclose(found["fraction_systematic"], 0.01 * np.hypot(true, 1 - true))


def test_a_third_phase_does_not_pass_for_the_two_that_mix():
    noise = np.random.default_rng(4)
    bright, dark = (overlapping_spheres(64, 7.0, cover, noise) for cover in (0.3, 0.05))
    true = (dark & ~bright).mean()
    grey = gaussian_filter(np.where(bright, 5000.0, np.where(dark, 0.0, 1000.0)), 0.7)
    limits = xr.Dataset({"threshold": ("boundary", [500.0, 3000.0]), "grey_level": ("phase", [0.0, 1000.0, 5000.0])})
    found = fractions(grey, limits, method="grey", margin=3)
    assert abs(found["fraction"][0] - true) < 3 * found["fraction_std"][0]
    assert_allclose(found["fraction"][2], bright.mean(), atol=0.01)
    assert_allclose(found["fraction"].sum(), 1)


def test_what_does_not_count_is_in_no_fraction(blurred):
    flag = np.zeros((2, 32), dtype=np.int32)
    flag[0, 4] = int(Flag.saturated)
    spoilt = blurred.assign_coords(frame_flag=(("scan", "z"), flag)).copy()
    spoilt[0, 4] = 65535
    mask = np.ones((32, 32, 32), dtype=bool)
    mask[:, :8] = False
    found = fractions(spoilt, [11_000.0], mask=mask)
    assert_array_equal(found["voxels"], [31 * 24 * 32, 32 * 24 * 32])
    kept = blurred[0, np.arange(32) != 4, 8:]
    assert_allclose(found["fraction"][0, 1], (kept > 11_000).mean())


def test_wrong_labels_levels_and_names_are_refused(blurred):
    with pytest.raises(OperandoError, match="flag_values and flag_meanings, or names"):
        fractions(blurred)
    with pytest.raises(OperandoError, match="grey_level that ascends"):
        fractions(blurred, [11_000.0], method="grey")
    three = xr.Dataset({"threshold": ("boundary", [9e3, 1e4]), "grey_level": ("phase", [8e3, 9.5e3, 1.3e4])})
    with pytest.raises(OperandoError, match="farther from other phases"):
        fractions(blurred, three, method="grey", margin=30)
    with pytest.raises(OperandoError, match="leave out 'thresholds'"):
        fractions(blurred, [11_000.0], NAMES)
    with pytest.raises(OperandoError, match="every volume, got none"):
        fractions(blurred, [11_000.0], mask=np.zeros((32, 32, 32), dtype=bool))
