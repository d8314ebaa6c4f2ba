import crack_volumes as cv
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.stats import chi

from operando import tomo
from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import entries
from operando.tomo import crack_blocks, windows
from operando.tomo.crack_levels import Levels

KNOWN = {"matrix": cv.MATRIX, "void": cv.VOID, "noise": cv.NOISE, "blur": cv.BLUR}
INNER = (slice(8, -8),) * 3


@pytest.fixture(scope="module")
def composite():
    """Gaps 3.4 voxels wide, a crack 9 voxels wide, pores, particles; seed chosen before looking."""
    return cv.composite(96, 21, delithiated=0.3, passed=1.0)


@pytest.fixture(scope="module")
def segmented(composite):
    return tomo.segment_cracks(composite[1])


@pytest.mark.parametrize("degrees", [0, 30, 45, 60])
@pytest.mark.parametrize("width", [3, 5])
def test_plates_keep_volume_normal_and_aperture_at_any_inclination(width, degrees):
    normal = cv.direction(degrees)
    share = cv.crack_share(normal, width, offset=0.23)
    grey = cv.scanned(share, np.random.default_rng(100 * width + degrees))
    ds = tomo.segment_cracks(grey, **KNOWN)
    crack = ds["crack"].values[INNER]
    assert ds["share"].values[INNER].sum() == pytest.approx(share[INNER].sum(), rel=0.05)
    aperture = ds["aperture"].values[INNER][crack]
    assert aperture.mean() == pytest.approx(width, abs=0.15)
    assert np.quantile(np.abs(aperture - width), 0.99) < 0.5
    assert aperture.std() < 0.2
    facing = tomo.plate_filter(grey, details=True)["normal"].values[INNER][crack]
    mean = np.linalg.eigh(facing.T @ facing)[1][:, -1]
    assert np.rad2deg(np.arccos(min(1.0, abs(mean @ normal)))) < 1


@pytest.mark.parametrize("aperture", [0.5, 1.0])
def test_cracks_thinner_than_the_blur_keep_their_volume(aperture):
    share = cv.crack_share(cv.direction(20), aperture)
    ds = tomo.segment_cracks(cv.scanned(share, np.random.default_rng(7)), **KNOWN)
    assert ds["share"].values[INNER].sum() == pytest.approx(share[INNER].sum(), rel=0.08)


def test_a_disc_ends_where_it_ends():
    share = cv.crack_share(cv.direction(35), 2.0, radius=14.0)
    ds = tomo.segment_cracks(cv.scanned(share, np.random.default_rng(8)), **KNOWN)
    assert float(ds["share"].sum()) == pytest.approx(share.sum(), rel=0.05)
    assert not ds["void"].values[ndimage.distance_transform_edt(share == 0) > 3].any()


def test_pure_noise_holds_hardly_a_crack():
    grey = cv.scanned(np.zeros((80, 80, 80)), np.random.default_rng(9))
    ds = tomo.segment_cracks(grey, **KNOWN, false_alarm=1e-6)
    started = ndimage.label(ds["crack"].values, np.ones((3, 3, 3)))[1]
    assert started <= 6
    assert float(ds["void"].mean()) < 1e-3


def test_blurred_noise_raises_the_threshold():
    noise = ndimage.gaussian_filter(np.random.default_rng(10).normal(size=(72, 72, 72)), 0.8)
    grey = (100 + 10 * noise / noise.std()).astype(np.float32)
    known = tomo.segment_cracks(grey, **KNOWN, noise_blur=0.8)
    taken_as_white = tomo.segment_cracks(grey, **KNOWN, noise_blur=0.0)
    assert float(known["crack"].mean()) < 1e-3 < float(taken_as_white["crack"].mean())


def test_void_and_crack_fractions_of_a_composite_are_right_for_features_of_three_voxels(composite, segmented):
    """From three voxels on, 3.9 widths of an edge at this blur, the middle of a feature is as dark as void to 5 %."""
    _, _, filled = composite
    share = segmented["share"].values
    assert share.sum() == pytest.approx(filled.void.sum(), rel=0.05)
    empty = np.isin(filled.label, (3, 4, 5))
    distance, nearest = ndimage.distance_transform_edt(~empty, return_indices=True)
    kind = np.where(distance < 5, filled.label[tuple(nearest)], 0)
    for phase in (3, 4, 5):
        assert share[kind == phase].sum() == pytest.approx(filled.void[kind == phase].sum(), rel=0.1)
    assert share[kind == 0].sum() < 0.01 * filled.void.sum()


def least_ball(blur):
    """Return the diameter, px, of a ball whose middle is dark by a quarter once voxel and Gaussians blurred it."""
    return 2 * chi(3).ppf(0.25) * np.sqrt(blur**2 + 1 / 12 + 1)


@pytest.mark.parametrize("blur", [0.5, 1.1])
@pytest.mark.parametrize(("times", "found"), [(0.85, False), (1.15, True)])
def test_the_least_ball_that_is_found_is_dark_by_a_quarter_in_its_middle(blur, times, found):
    place = np.moveaxis(np.indices((80,) * 3), 0, -1) / 2 + 0.25 - 20
    ball = (place**2).sum(axis=-1) < (times * least_ball(blur) / 2) ** 2
    share = ball.reshape(40, 2, 40, 2, 40, 2).mean(axis=(1, 3, 5))
    scan = {"matrix": 31000.0, "void": 22000.0, "noise": 900.0, "blur": blur}
    grey = cv.scanned(share, np.random.default_rng(13), **scan)
    assert bool(tomo.segment_cracks(grey, **scan)["void"].any()) == found


@pytest.mark.parametrize("blur", [0.5, 1.1])
@pytest.mark.parametrize("degrees", [15, 50])
def test_ovals_and_balls_of_another_scan_keep_their_volume_from_that_thickness_on(blur, degrees):
    """Contrast 6 times the noise, grey values of another scale.

    The oval is 3.9 widths of an edge, sqrt(blur^2 + 1/12), thick; the ball 1.4 times as wide as the least one found.
    """
    thick, edge = 2 * 1.96 * np.hypot(blur, 1 / np.sqrt(12)), 56
    radius = 1.4 * least_ball(blur) / 2
    normal = cv.direction(degrees)
    place = np.moveaxis(np.indices((2 * edge,) * 3), 0, -1) / 2 + 0.25 - edge / 2
    along = place @ normal
    across = (place**2).sum(axis=-1) - along**2
    oval = (2 * along / thick) ** 2 + across / 15**2 < 1
    ball = ((place - [18, -18, 18]) ** 2).sum(axis=-1) < radius**2
    share = (oval | ball).reshape(edge, 2, edge, 2, edge, 2).mean(axis=(1, 3, 5))
    scan = {"matrix": 31000.0, "void": 22000.0, "noise": 1500.0, "blur": blur}
    grey = cv.scanned(share, np.random.default_rng(round(100 * blur) + degrees), **scan)
    found = tomo.segment_cracks(grey, **scan)["share"].values
    middles = np.moveaxis(np.indices(share.shape), 0, -1) - (edge - 1) / 2
    near = np.linalg.norm(middles - [18, -18, 18], axis=-1) < radius + 4
    for part in (near, ~near):
        counted = np.count_nonzero(found[part])
        chance = 3.3 * scan["noise"] / (scan["matrix"] - scan["void"]) * np.sqrt(counted)
        assert found[part].sum() == pytest.approx(share[part].sum(), abs=0.05 * share[part].sum() + chance)


def test_grey_values_noise_and_blur_of_a_composite_are_found(composite, segmented):
    law = composite[0].tomography
    grey = {name: law.grey_zero + law.grey_per_attenuation / value for name, value in law.attenuation_lengths.items()}
    contrast = grey["electrolyte"] - law.grey_zero
    assert float(segmented["matrix_level"]) == pytest.approx(grey["electrolyte"], abs=0.03 * contrast)
    assert float(segmented["void_level"]) == pytest.approx(law.grey_zero, abs=0.05 * contrast)
    assert float(segmented["noise"]) == pytest.approx(law.noise * law.grey_per_attenuation, rel=0.03)
    assert float(segmented["blur"]) == pytest.approx(law.blur, abs=0.05)


def test_the_level_of_void_is_within_its_uncertainty(composite, segmented):
    law = composite[0].tomography
    assert 0 < float(segmented["void_level_std"]) < 0.02 * law.grey_zero
    assert abs(float(segmented["void_level"]) - law.grey_zero) < 3.3 * float(segmented["void_level_std"])
    assert 0 < float(segmented["matrix_level_std"]) < float(segmented["void_level_std"])


def test_a_crack_wider_than_the_blur_tells_the_level_of_void_where_no_cube_of_voxels_fits():
    share = cv.crack_share(cv.direction(40), 9.0, radius=16.0)
    ds = tomo.segment_cracks(cv.scanned(share, np.random.default_rng(20)), blur=cv.BLUR)
    assert abs(float(ds["void_level"]) - cv.VOID) < 3.3 * float(ds["void_level_std"]) < 0.1 * cv.VOID


def test_what_lies_outside_of_the_field_of_view_is_no_void():
    share = cv.crack_share(cv.direction(40), 9.0, radius=16.0)
    grey = cv.scanned(share, np.random.default_rng(20))
    grey[:, :, :12] = 0.0
    with pytest.raises(OperandoError, match="state 'void'"):
        tomo.segment_cracks(grey, blur=cv.BLUR)


def test_skins_of_particles_hold_no_void():
    place = np.arange(48) - 23.5
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(place, place, place, indexing="ij")))
    particle = ndimage.gaussian_filter(np.clip(14 - radius + 0.5, 0, 1), cv.BLUR)
    grey = 100 + 300 * particle + 10 * np.random.default_rng(12).standard_normal(radius.shape)
    ds = tomo.segment_cracks(grey, **KNOWN)
    assert not ds["void"].any()


def test_what_lies_beside_a_bright_ring_is_no_crack_and_the_crack_within_it_is_found():
    """A ring bends the grey values beside it as a crack does, but is brighter than the matrix, not darker."""
    share = cv.crack_share(np.array([0.0, 0.0, 1.0]), 3.0, radius=9.0)
    y, x = np.meshgrid(np.arange(48) - 23.5, np.arange(48) - 23.5, indexing="ij")
    ring = 4 * cv.NOISE * np.exp(-0.5 * (np.hypot(y, x) - 18) ** 2)
    ds = tomo.segment_cracks(cv.scanned(share, np.random.default_rng(31)) + ring, **KNOWN)
    near = ndimage.distance_transform_edt(share == 0) <= 6
    assert ds["void"].values[~near].mean() < 1e-3
    assert ds["crack"].values[share > 0.5].mean() > 0.9


def test_wide_voids_are_void_but_no_crack():
    share = cv.crack_share(cv.direction(15), 20.0)
    ds = tomo.segment_cracks(cv.scanned(share, np.random.default_rng(13)), **KNOWN, widest=6.0)
    middle = share[INNER] == 1
    assert ds["void"].values[INNER][middle].mean() > 0.999
    assert ds["crack"].values[INNER][middle].mean() < 0.01


@pytest.mark.parametrize("chunks", [{"z": 22, "y": 64, "x": 64}, {"z": 64, "y": 31, "x": 40}])
def test_chunks_never_change_a_voxel(composite, chunks, tmp_path):
    part = composite[1][:64, 16:80, 16:80]
    levels = {"matrix": 13283.0, "void": 9000.0, "noise": 1000.0, "blur": 0.7}
    whole, lazy = (
        tomo.segment_cracks(part, **levels),
        tomo.segment_cracks(part.chunk(chunks), **levels, store=tmp_path / "pieces"),
    )
    assert lazy["share"].chunks is not None
    known = lazy.compute()
    assert known["crack"].any()
    for name in ("crack", "void", "share", "aperture"):
        assert_array_equal(known[name].values, whole[name].values)


class File:
    """An array that stands for one in a file."""

    def __init__(self, values):
        self.values, self.shape, self.ndim, self.dtype = values, values.shape, values.ndim, values.dtype

    def __getitem__(self, part):
        return self.values[part].copy()


def test_blocks_that_read_all_margins_themselves_change_no_voxel_also_beside_lost_slices(composite, monkeypatch):
    """Inner blocks as well: 34 voxels are as thick as the margins of all filters together."""
    part = composite[1][:36, :36].values
    scans = np.stack([np.concatenate([part, part[..., ::-1]], axis=2)[..., :110], np.tile(part, (1, 1, 2))[..., 5:115]])
    lost = np.zeros((2, 36), int)
    lost[1, 7] = int(Flag.missing_frame)
    levels = {"matrix": 13283.0, "void": 9000.0, "noise": 1000.0, "blur": 0.7}
    flagged = {"frame_flag": (("scan", "z"), lost)}
    whole = tomo.segment_cracks(xr.DataArray(scans, dims=("scan", "z", "y", "x"), coords=flagged), **levels)
    monkeypatch.setattr(windows, "WAITING", 0)
    read = xr.DataArray(da.from_array(File(scans), chunks=(1, 36, 36, 37)), dims=whole["share"].dims, coords=flagged)
    lazy = tomo.segment_cracks(read, **levels)
    known = lazy.compute()
    assert len(dict(lazy["share"].data.dask)) <= 2 * 2 * 3 + 2
    assert known["crack"][1].any()
    for name in ("crack", "void", "share", "aperture"):
        assert_array_equal(known[name].values, whole[name].values)


def test_parts_of_a_block_get_the_share_and_the_plates_of_the_whole(composite):
    levels = Levels(13283.0, 9000.0, 1000.0, 0.7)
    grey, box = composite[1].values[:56, :32, :30], (slice(5, 50), slice(3, 27), slice(0, 25))
    share = crack_blocks.void_share(grey, levels=levels)
    assert_array_equal(crack_blocks.share_within(grey, box, levels), share[box])
    plates = {"scales": (1.0, 2.0), "factors": (-1.0, -1.5)}
    assert_array_equal(crack_blocks.plates_seen(share, box, **plates), crack_blocks.plates_seen(share, **plates)[box])


def test_pores_are_void_but_no_crack_and_the_crack_is_one(composite, segmented):
    label = composite[2].label
    pore, crack = segmented["crack"].values[label == 3].mean(), segmented["crack"].values[label == 5].mean()
    assert pore < 0.15
    assert crack > 0.7
    place = np.arange(40) - 19.5
    distance = np.sqrt(sum(axis**2 for axis in np.meshgrid(place, place, place, indexing="ij")))
    ball = cv.scanned(np.clip(6 - distance + 0.5, 0, 1), np.random.default_rng(18))
    ds = tomo.segment_cracks(ball, **KNOWN)
    assert ds["void"].values[distance < 5].all()
    assert ds["crack"].values[distance < 5].mean() < 0.15


def test_a_series_is_segmented_scan_by_scan():
    shares = [cv.crack_share(cv.direction(30), width, edge=40) for width in (2.0, 4.0)]
    scans = xr.concat([cv.scanned(share, np.random.default_rng(14)) for share in shares], "scan")
    ds = tomo.segment_cracks(scans, **KNOWN)
    alone = tomo.segment_cracks(scans[1], **KNOWN)
    assert_array_equal(ds["share"].values[1], alone["share"].values)
    assert ds["crack"].dims == ("scan", "z", "y", "x")


def test_the_result_is_in_units_of_the_voxels_and_tells_its_numbers():
    share = cv.crack_share(cv.direction(0), 3.0, edge=40, offset=0.4)
    grey = cv.scanned(share, np.random.default_rng(15))
    placed = grey.assign_coords({axis: (np.arange(40) + 0.5) * 0.65 for axis in "zyx"})
    ds = tomo.segment_cracks(placed, **KNOWN)
    plain = tomo.segment_cracks(grey, **KNOWN)
    assert ds["aperture"].attrs["units"] == "um"
    assert plain["aperture"].attrs["units"] == "px"
    assert_allclose(ds["aperture"], 0.65 * plain["aperture"].values, rtol=1e-6)
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in ds.data_vars.values())
    assert entries(ds)[-1]["parameters"]["matrix"] == cv.MATRIX


def test_missing_voxels_hold_no_void():
    share = cv.crack_share(cv.direction(30), 3.0, edge=40)
    grey = cv.scanned(share, np.random.default_rng(16))
    grey[:, :10] = np.nan
    ds = tomo.segment_cracks(grey, **KNOWN)
    assert np.isfinite(ds["share"].values).all()
    assert not ds["crack"].values[:, :8].any()


def test_lost_slices_hold_no_void():
    grey = cv.scanned(cv.crack_share(cv.direction(80), 3.0, edge=40), np.random.default_rng(19))
    lost = np.arange(40) == 20
    grey[20] = 0.0
    flagged = grey.assign_coords(frame_flag=("z", np.where(lost, int(Flag.missing_frame), 0)))
    ds = tomo.segment_cracks(flagged, **KNOWN)
    assert ds["void"].values[20].mean() < 0.2
    assert not ds["share"].values[20].max() > 0
    assert tomo.segment_cracks(grey, **KNOWN)["void"].values[20].all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"void": 120.0}, "void darker than the matrix"),
        ({"noise": 0.0}, "noise above 0"),
        ({"blur": -1.0}, "blur and noise_blur from 0 to 5"),
        ({"widest": 0.0}, "widest from 1 to 64"),
        ({"false_alarm": 0.5}, "false alarms from 1e-15 to 0.01"),
        ({"scales": ()}, "scales of 0.8 voxels or more"),
        ({"void": None}, "state 'void'"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_in_one_line(change, words):
    grey = cv.scanned(np.zeros((40, 40, 40)), np.random.default_rng(17))
    with pytest.raises(OperandoError, match=words) as caught:
        tomo.segment_cracks(grey, **{**KNOWN, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.realdata
def test_all_that_darkens_cement_paste_is_void_and_hardly_any_of_it_cracks(realdata):
    """Its pores are balls; a voxel is as dark as its share of void makes it, so the mean tells the total."""
    import tifffile

    grey = tifffile.imread(realdata / "tomo" / "cement_128x128x128.tif")
    ds = tomo.segment_cracks(grey)
    matrix, void = float(ds["matrix_level"]), float(ds["void_level"])
    assert 20 < void < 35
    assert 95 < matrix < 110
    assert float(ds["share"].mean()) == pytest.approx((matrix - grey.mean()) / (matrix - void), rel=0.05)
    assert float(ds["crack"].mean()) < 0.2 * float(ds["void"].mean())
