"""Drift against patterns whose displacement is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from image_stacks import as_images, displaced, opened, pattern, walk

from operando import example_scans, history
from operando.errors import OperandoError
from operando.flags import Flag
from operando.xas import xpeem


def places(found: xr.Dataset) -> np.ndarray:
    """Return the drift, dims (..., energy, y x)."""
    return np.stack([found["drift_y"], found["drift_x"]], axis=-1)


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_drift_is_found_to_a_fiftieth_of_a_pixel(patterned):
    images, known = patterned(np.full(16, 0.15))
    assert rms(places(xpeem.drift(images)) - known) < 0.02


@pytest.mark.parametrize("sign", [1, -1])
def test_an_image_that_lies_further_down_and_left_has_positive_y_and_negative_x(patterned, sign):
    images, _ = patterned(np.full(4, 0.15), step=0.0)
    moved = images.copy(data=np.stack([np.roll(image, (3 * sign, -2 * sign), (0, 1)) for image in images.values]))
    moved[0] = images[0]
    found = xpeem.drift(moved)
    np.testing.assert_allclose(found["drift_y"][1:], 3 * sign, atol=0.05)
    np.testing.assert_allclose(found["drift_x"][1:], -2 * sign, atol=0.05)


def test_contrast_may_invert_across_the_edge(patterned):
    images, known = patterned(0.15 * (1 - 2 / (1 + np.exp(-(np.arange(16) - 7.4) / 1.2))))
    assert rms(places(xpeem.drift(images)) - known) < 0.05


def test_a_frame_whose_contrast_vanishes_is_flagged_and_no_other(patterned):
    images, known = patterned(np.where(np.arange(12) == 5, 0.0, 0.15))
    found = xpeem.drift(images)
    lost = (found["frame_flag"] & int(Flag.not_converged)).values > 0
    assert np.flatnonzero(lost).tolist() == [5]
    assert np.isnan(places(found)[5]).all()
    assert rms((places(found) - known)[~lost]) < 0.02


def test_a_first_frame_without_contrast_hands_the_reference_on(patterned):
    images, known = patterned(np.where(np.arange(8) == 0, 0.0, 0.15))
    found = places(xpeem.drift(images))
    assert np.isnan(found[0]).all()
    assert rms(found[1:] - (known - known[1])[1:]) < 0.03


def test_frames_that_are_flagged_are_ignored(patterned):
    images, known = patterned(np.full(10, 0.15))
    spoilt = images.copy(deep=True)
    spoilt[3], spoilt[6] = 65535.0, np.nan
    spoilt["frame_flag"][3], spoilt["frame_flag"][6] = int(Flag.saturated), int(Flag.missing_frame)
    found = xpeem.drift(spoilt)
    good = ~np.isin(np.arange(10), [3, 6])
    assert np.isnan(places(found)[~good]).all()
    assert rms((places(found) - known)[good]) < 0.02
    assert found["frame_flag"].values[[3, 6]].tolist() == [int(Flag.saturated), int(Flag.missing_frame)]


def test_frames_that_the_detector_gave_twice_do_no_harm(patterned):
    images, known = patterned(np.full(12, 0.15))
    for lost in (4, 9):
        images[lost], known[lost] = images[lost - 1], known[lost - 1]
    assert rms(places(xpeem.drift(images)) - known) < 0.02


def test_images_without_noise_are_placed_as_well():
    noise, shape = np.random.default_rng(2), (128, 128)
    waves, known = pattern(shape, 8.0, noise), walk(6, 0.8, noise)
    frames = as_images(np.array([5 + displaced(waves, place, shape) for place in known]))
    assert rms(places(xpeem.drift(frames)) - known) < 0.01
    still = xpeem.drift(as_images(np.stack([frames[0]] * 4)))
    np.testing.assert_allclose(places(still), 0, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, np.nan, 7.0])
def test_frames_without_a_pattern_are_flagged_although_the_reader_did_not(patterned, value):
    images, known = patterned(np.full(10, 0.15))
    images[4] = value
    found = xpeem.drift(images)
    assert np.flatnonzero(found["frame_flag"]).tolist() == [4]
    assert rms(np.delete(places(found) - known, 4, axis=0)) < 0.02


def test_dead_pixels_do_not_hold_the_image_back(patterned):
    images, known = patterned(np.full(10, 0.15))
    images = images.where(np.random.default_rng(1).random(images.shape[1:]) > 0.002)
    assert rms(places(xpeem.drift(images)) - known) < 0.03


def test_any_frame_or_an_image_may_be_the_reference(patterned):
    images, known = patterned(np.full(10, 0.15))
    other = places(xpeem.drift(images, reference=4))
    assert rms(other - (known - known[4])) < 0.02
    np.testing.assert_array_equal(other[4], 0)
    against = places(xpeem.drift(images[1:], reference=images[0].drop_vars(["energy", "frame_flag"])))
    assert rms(against - known[1:]) < 0.02


def test_uncertainty_is_larger_for_noisier_images_and_zero_for_the_reference(patterned):
    bright, dim = (xpeem.drift(patterned(np.full(8, 0.15), counts=counts)[0]) for counts in (400.0, 25.0))
    for name in ("drift_y_std", "drift_x_std"):
        assert dim[name][1:].mean() > 3 * bright[name][1:].mean()
        assert bright[name][0] == 0
    assert float(bright["quality"].min()) > float(dim["quality"].max())


def test_chunks_order_and_other_dims_change_nothing(patterned):
    images, _ = patterned(np.full(6, 0.15), size=96)
    whole = xpeem.drift(images)
    lazy = xpeem.drift(images.transpose("x", "energy", "y").chunk(energy=4, y=50, x=31))
    xr.testing.assert_identical(lazy.drop_attrs(), whole.drop_attrs())
    series = xpeem.drift(xr.concat([images, images], "scan", coords="minimal", compat="override"))
    for scan in range(2):
        np.testing.assert_array_equal(places(series.isel(scan=scan)), places(whole))


def test_input_is_left_alone_and_the_step_is_recorded(patterned):
    images, _ = patterned(np.full(4, 0.15), size=96)
    before = images.copy(deep=True)
    found = xpeem.drift(images)
    xr.testing.assert_identical(images, before)
    assert history.entries(found)[-1]["step"] == "xas.xpeem.drift"
    assert {found[name].attrs["units"] for name in ("drift_y", "drift_x", "drift_y_std", "drift_x_std")} == {"px"}
    assert all(found[name].attrs["long_name"] for name in found.data_vars)


def test_all_scans_refer_to_the_first_frame_of_the_first_scan_if_asked(beamtime):
    stack, known = beamtime
    images = xpeem.correct(stack)
    truth = np.stack([known["drift_y"], known["drift_x"]], axis=-1)
    good = known["frame_flag"].values == 0
    own, one = (places(xpeem.drift(images, between=between)) for between in (False, True))
    assert np.abs(truth[1, 0]).max() > 1
    assert rms((own - (truth - truth[:, :1]))[good]) < 0.05
    assert rms((one - truth)[good]) < 0.05


def test_a_first_scan_that_is_lost_leaves_the_others_to_the_second(patterned):
    images, known = patterned(np.full(16, 0.15))
    scans = [images[:8], images[8:].assign_coords(energy=images["energy"][:8])]
    lost = scans[0].copy(data=np.full(scans[0].shape, np.nan, np.float32))
    found = places(xpeem.drift(xr.concat([lost, *scans], "scan"), between=True))
    assert np.isnan(found[0]).all()
    assert rms(found[1] - known[:8]) < 0.02
    assert rms(found[2] - known[8:]) < 0.02


def test_shipped_stacks_are_placed_within_0_15_px_in_all_good_frames():
    small = Path(example_scans.__file__).parent / "small"
    known = xr.open_datatree(small / "truth.zarr", engine="zarr")["xpeem/Ni_L3"].to_dataset().load()
    stack = opened([small / "xpeem" / f"{name}.h5" for name in known["source"].values], known)
    found = places(xpeem.drift(xpeem.correct(stack), between=True))
    truth = np.stack([known["drift_y"], known["drift_x"]], axis=-1)
    good = known["frame_flag"].values == 0
    assert np.isfinite(found).all(axis=-1).tolist() == good.tolist()
    for scan in range(2):
        assert rms((found - truth)[scan][good[scan]]) < 0.15


@pytest.fixture
def measured(realdata) -> np.ndarray:
    """Frames of a magnetic domain boundary: three of one helicity, one of the other."""
    tifffile = pytest.importorskip("tifffile")
    files = sorted((realdata / "xas" / "xmcdpy").glob("*.tiff"))
    return np.array([tifffile.imread(file) for file in files], dtype=np.float32)


@pytest.mark.realdata
@pytest.mark.peer
def test_measured_frames_lie_where_skimage_finds_them_by_the_same_waves(measured):
    registration = pytest.importorskip("skimage.registration", reason="scikit-image is not installed")
    frames = measured[:, 330:630, 180:680]
    found = xpeem.drift(as_stack(frames[:3]), band=(10.0, 80.0))
    length = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.fftfreq(500))
    taper = np.outer(*(edges(size) for size in (300, 500)))
    kept = (length <= 1 / 10) & (length >= 1 / 80)
    shown = [np.fft.ifft2(np.fft.fft2((frame - frame.mean()) * taper) * kept).real for frame in frames]
    for frame in (1, 2):
        theirs = registration.phase_cross_correlation(shown[0], shown[frame], upsample_factor=100, normalization=None)
        np.testing.assert_allclose(places(found)[frame], -theirs[0], atol=0.03)


@pytest.mark.realdata
@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning:skimage")
def test_measured_frames_lie_where_skimage_finds_them_whole_if_all_waves_count(measured):
    """The brightness of the frames, which both then follow, moves by up to a pixel."""
    registration = pytest.importorskip("skimage.registration", reason="scikit-image is not installed")
    found = places(xpeem.drift(as_stack(measured), reference=0, band=(2.0, 1e4), taper=1e-4))
    for frame in (1, 2, 3):
        theirs, *_ = registration.phase_cross_correlation(
            *np.float64(measured[[0, frame]]), upsample_factor=100, normalization=None
        )
        np.testing.assert_allclose(found[frame], -theirs, atol=0.1)


@pytest.mark.realdata
@pytest.mark.parametrize("bins", [1, 2])
def test_measured_frames_displaced_by_known_pixels_and_halves_are_found(measured, bins):
    """Fields cut from other places of a frame; of pixels binned in pairs, odd displacements are exact halves."""
    moves = np.array([[0, 0], [3, -5], [-7, 2], [9, 11]])
    size, corner = 512, np.array([240, 200])
    fields = [measured[frame][tuple(slice(at, at + size) for at in corner - move)] for frame, move in enumerate(moves)]
    binned = np.array(fields).reshape(4, size // bins, bins, size // bins, bins).mean(axis=(2, 4))
    still = np.array([frame[240 : 240 + size, 200 : 200 + size] for frame in measured])
    still = still.reshape(4, size // bins, bins, size // bins, bins).mean(axis=(2, 4))
    found = places(xpeem.drift(as_stack(binned), reference=0)) - places(xpeem.drift(as_stack(still), reference=0))
    np.testing.assert_allclose(found, moves / bins, atol=0.1)


def edges(size: int) -> np.ndarray:
    """Return weights that fall as a cosine over a quarter of the length to either end."""
    at = np.arange(size) + 0.5
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(np.minimum(at, size - at) / (size / 4), 0, 1))


def as_stack(frames: np.ndarray) -> xr.DataArray:
    return xr.DataArray(frames, dims=("energy", "y", "x"), coords={"energy": 850.0 + np.arange(len(frames))})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"band": (1.0, 40.0)}, "expected a band"),
        ({"reference": 12}, "expected a reference among 4 frames, got 12"),
        ({"reference": np.zeros((3, 3))}, r"expected a reference image of \(96, 96\) px"),
        ({"taper": 0.7}, "expected a taper up to 0.5"),
        ({"band": (30.0, 40.0)}, "expected images of at least 120 px"),
    ],
)
def test_what_cannot_be_asked_is_said(patterned, options, said):
    images, _ = patterned(np.full(4, 0.15), size=96)
    with pytest.raises(OperandoError, match=said):
        xpeem.drift(images, **options)


def test_a_frame_that_is_there_twice_has_not_moved(patterned):
    images, _ = patterned(np.full(1, 0.15), size=96)
    found = xpeem.drift(xr.concat([images, images], "energy"))
    np.testing.assert_allclose(places(found), 0.0, atol=1e-6)
    np.testing.assert_allclose(found[["drift_y_std", "drift_x_std"]].to_array(), 0.0, atol=1e-6)
    assert (found["frame_flag"] == 0).all()


def test_a_flagged_reference_is_refused(patterned):
    images, _ = patterned(np.full(4, 0.15), size=96)
    images["frame_flag"][2] = int(Flag.saturated)
    with pytest.raises(OperandoError, match="frame 2 is flagged"):
        xpeem.drift(images, reference=2)


def test_spectra_are_no_images():
    with pytest.raises(OperandoError, match="dims energy, y and x"):
        xpeem.drift(xr.DataArray(np.zeros((4, 5)), dims=("energy", "y")))
