import crack_volumes as cv
import numpy as np
import pytest

from operando import tomo
from operando.errors import OperandoError
from operando.history import entries
from operando.tomo.detection_limits import FACES

SCAN = {"blur": 1.0, "noise": 10.0}
CONTRAST, RADIUS, CRACKS, EDGE = 8.0, 9.0, 8, 40


@pytest.fixture(scope="module")
def curve():
    return tomo.detection_limit(
        0.65, **SCAN, contrast=CONTRAST, apertures=(0.5, 1.0, 2.0, 4.0), radius=RADIUS, edge=EDGE, repeats=8, seed=5
    )


def missed(aperture, number):
    """Return the share of a disc's volume that is missed, on a volume made by brute force."""
    rng = np.random.default_rng(1000 * number + int(10 * aperture))
    normal = rng.normal(size=3)
    share = cv.crack_share(
        normal / np.linalg.norm(normal), aperture, edge=EDGE, offset=rng.uniform(-0.5, 0.5), radius=RADIUS
    )
    grey = cv.scanned(share, rng, matrix=CONTRAST, void=0.0, noise=SCAN["noise"], blur=SCAN["blur"])
    ds = tomo.segment_cracks(grey, matrix=CONTRAST, void=0.0, **SCAN)
    inner = (slice(FACES, -FACES),) * 3
    return 1 - share[inner][ds["share"].values[inner] != 0].sum() / share[inner].sum()


@pytest.mark.parametrize("aperture", [1.0, 2.0])
def test_the_curve_predicts_what_is_missed_of_other_cracks_within_its_error(curve, aperture):
    seen = np.array([missed(aperture, number) for number in range(CRACKS)])
    told = curve.sel(aperture=aperture * 0.65, method="nearest")
    error = np.hypot(float(told["found_std"]), seen.std(ddof=1) / np.sqrt(CRACKS))
    assert abs(1 - float(told["found"]) - seen.mean()) < 3.3 * error


def test_wider_cracks_are_found_and_thin_ones_are_not(curve):
    assert curve["found"].values[0] < 0.4
    assert curve["found"].values[-1] > 0.9
    assert (np.diff(curve["found"].values) > -0.1).all()
    limit = float(curve["detection_limit"])
    assert np.interp(limit, curve["aperture"], curve["found"]) == pytest.approx(0.5)
    assert float(curve["detection_limit_std"]) > 0


def test_at_four_times_the_noise_cracks_of_half_a_voxel_keep_their_volume():
    ds = tomo.detection_limit(blur=0.7, noise=10.0, contrast=40.0, apertures=(0.5, 3.0), repeats=3, seed=6)
    assert (ds["found"] > 0.95).all()
    assert (np.abs(ds["volume_bias"]) < 0.08).all()
    assert (ds["false_alarm"] < 1e-3).all()


@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_gaps_beside_particles_are_found_from_three_and_a_half_times_the_blur_of_an_edge(blur):
    edge = float(np.hypot(blur, np.sqrt(1 / 12)))
    ds = tomo.detection_limit(
        blur=blur,
        noise=1.0,
        contrast=4.3,
        particle=31.0,
        apertures=(1.5 * edge, 3.5 * edge),
        repeats=4,
        edge=40,
        seed=8,
    )
    assert ds["found"].values[0] < 0.2
    assert ds["volume_bias"].values[1] == pytest.approx(0, abs=0.05)
    assert 1.5 * edge < float(ds["detection_limit"]) < 2.75 * edge
    assert (ds["false_alarm"] < 1e-3).all()
    assert entries(ds)[-1]["parameters"]["particle"] == 31.0


def test_the_limit_is_a_number_with_a_unit_and_the_same_for_a_seed(curve):
    few = {"contrast": CONTRAST, "apertures": (2.0,), "edge": 36, "repeats": 2}
    assert tomo.detection_limit(**SCAN, **few, seed=3).identical(tomo.detection_limit(**SCAN, **few, seed=3))
    assert not tomo.detection_limit(**SCAN, **few, seed=4).equals(tomo.detection_limit(**SCAN, **few, seed=3))
    assert curve["detection_limit"].attrs["units"] == "um"
    assert all(variable.attrs["units"] and variable.attrs["long_name"] for variable in curve.variables.values())
    assert entries(curve)[-1]["parameters"]["radius"] == RADIUS


def test_a_limit_that_is_never_reached_is_not_made_up():
    ds = tomo.detection_limit(blur=2.0, noise=100.0, contrast=5.0, apertures=(0.25, 0.5), repeats=2, edge=40)
    assert np.isnan(ds["detection_limit"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"apertures": (2.0, 1.0)}, "rising apertures"),
        ({"level": 1.0}, "level between 0 and 1"),
        ({"edge": 20}, "got edge = 20"),
        ({"radius": 30.0}, "holds the crack"),
        ({"contrast": -1.0}, "contrast above 0"),
        ({"noise": 0.0}, "noise above 0"),
        ({"particle": -3.0}, "a particle brighter than the matrix"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(change, words):
    with pytest.raises(OperandoError, match=words):
        tomo.detection_limit(**{**SCAN, "contrast": 20.0, **change})
