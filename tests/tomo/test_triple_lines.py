import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal
from pulls import RARE
from scipy.ndimage import gaussian_filter
from scipy.stats import binom

from operando.errors import OperandoError
from operando.history import entries
from operando.tomo import triple_phase_length

DIMS = ("z", "y", "x")


def length(phases):
    return float(triple_phase_length(phases, 1, 2, 3)["triple_phase_length"])


def sectors(along, opening, shift, size=40):
    """Three sectors that meet on a line through the middle of a volume, and the line's length in it."""
    along = np.array(along, float) / np.linalg.norm(along)
    across = np.cross(along, (1, 0.3, 0.2))
    across /= np.linalg.norm(across)
    away = np.indices((size,) * 3) - (size - 1) / 2 - np.reshape(shift, (3, 1, 1, 1))
    turn = np.arctan2(np.tensordot(np.cross(along, across), away, 1), np.tensordot(across, away, 1))
    turn = np.rad2deg(turn) % 360
    phases = np.where(turn < opening, 1, np.where(turn < 180 + opening / 2, 2, 3)).astype(np.uint8)
    with np.errstate(divide="ignore"):
        ends = np.sort([(side * (size - 1) / 2 - shift) / along for side in (-1, 1)], axis=0)
    return phases, ends[1].min() - ends[0].max()


@pytest.mark.parametrize("angle", [0, 30, 45, 60])
@pytest.mark.parametrize("opening", [60, 120, 200])
def test_straight_lines_have_their_length_at_any_angle(angle, opening):
    along = (np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)), 0.0)
    phases, true = sectors(along, opening, np.array([0.2, -0.3, 0.1]))
    assert length(phases) == pytest.approx(true, rel=0.03)


def test_lines_in_all_directions_are_right_on_average_and_their_errors_cover():
    """Errors are those of lines that bend; straight ones are better."""
    random, pulls, ratio = np.random.default_rng(31), [], []
    for along in random.normal(size=(200, 3)):
        phases, true = sectors(along, random.uniform(60, 150), random.uniform(-0.5, 0.5, 3), 24)
        found = triple_phase_length(phases, 1, 2, 3)
        pulls.append(float(found["triple_phase_length"] - true) / float(found["triple_phase_length_std"]))
        ratio.append(float(found["triple_phase_length"]) / true)
    assert np.mean(ratio) == pytest.approx(1, abs=0.003)
    assert np.std(ratio) < 0.01
    assert abs(np.mean(pulls)) < 3.3 / np.sqrt(200)
    assert (np.abs(pulls) < 2).sum() >= binom.ppf(RARE, 200, 0.9545)


@pytest.mark.parametrize(
    ("angle", "beyond"), [(90.0, 0.2), (72.5, 0.2), (53.1, 0.35), (36.9, 0.55)], ids=lambda value: f"{value:g}"
)
@pytest.mark.parametrize("radius", [10, 20])
def test_a_plane_cuts_a_ball_along_a_circle_that_is_too_long_by_what_is_stated(radius, angle, beyond):
    """At the angle at which they meet; the tip of the wedge between them is not in the labels."""
    random, found = np.random.default_rng(radius), []
    size, height, circle = 2 * radius + 10, radius * np.cos(np.deg2rad(angle)), radius * np.sin(np.deg2rad(angle))
    for toward in random.normal(size=(8, 3)):
        shift = (size - 1) / 2 + random.uniform(-0.5, 0.5, 3)
        away = np.indices((size,) * 3) - shift.reshape(3, 1, 1, 1)
        above = np.tensordot(toward / np.linalg.norm(toward), away, 1) > height
        found.append(length(np.where((away**2).sum(axis=0) < radius**2, 1, np.where(above, 2, 3)).astype(np.uint8)))
    assert np.mean(found) / (2 * np.pi) == pytest.approx(circle + beyond, abs=0.15)
    assert np.std(found) / np.mean(found) < 0.02
    if angle > 50 and radius > 10:
        assert np.mean(found) == pytest.approx(2 * np.pi * circle, rel=0.03)


def media():
    fields = gaussian_filter(np.random.default_rng(32).normal(size=(2, 4, 22, 24, 26)), (0, 0, 2, 2, 2))
    return xr.DataArray(fields.argmax(axis=1).astype(np.uint8) + 1, dims=("scan", *DIMS)).assign_coords(voxel_size=0.5)


@pytest.mark.parametrize("chunks", [{"z": 7, "y": 24, "x": 9}, {"scan": 2, "z": 1}])
def test_chunks_order_of_phases_and_mirrors_change_nothing(chunks):
    phases = media()
    found = triple_phase_length(phases, 1, 2, 3)
    again = triple_phase_length(phases.chunk(chunks), 3, 1, 2)
    assert_array_equal(found["triple_phase_length"], again["triple_phase_length"])
    mirrored = triple_phase_length(phases.isel(z=slice(None, None, -1)), 2, 1, 3)
    np.testing.assert_allclose(found["triple_phase_length"], mirrored["triple_phase_length"], rtol=1e-6)
    swapped = triple_phase_length(phases.transpose("scan", "y", "z", "x").rename(y="z", z="y"), 1, 2, 3)
    np.testing.assert_allclose(found["triple_phase_length"], swapped["triple_phase_length"], rtol=1e-6)
    volume = 21 * 23 * 25 * 0.5**3
    np.testing.assert_allclose(found["triple_phase_density"], found["triple_phase_length"] / volume)
    assert found["triple_phase_density"].attrs["units"] == "1/um^2"
    assert entries(found)[-1]["step"] == "tomo.triple_phase_length"


def test_steps_of_voxels_add_nothing_to_a_line():
    """Twice the voxels an edge, twice the length in voxels."""
    phases, _ = sectors((1, 1, 1), 120, np.zeros(3), 24)
    fine, _ = sectors((1, 1, 1), 120, np.zeros(3), 48)
    assert length(fine) / 47 == pytest.approx(length(phases) / 23, rel=0.02)


def test_what_has_no_such_lines_is_refused_or_zero():
    phases = media()
    with pytest.raises(OperandoError, match="expected three phases, got 1, 2 and 1"):
        triple_phase_length(phases, 1, 2, 1)
    with pytest.raises(OperandoError, match="expected labels of phases, got float64"):
        triple_phase_length(phases.astype(float), 1, 2, 3)
    long = {name: (np.arange(n) + 0.5) * edge for name, n, edge in zip(DIMS, (22, 24, 26), (2, 1, 1), strict=True)}
    with pytest.raises(OperandoError, match="expected cubic voxels, got 2 x 1 x 1 um; resample"):
        triple_phase_length(phases.drop_vars("voxel_size").assign_coords(long), 1, 2, 3)
    found = triple_phase_length(phases.where(phases != 3, 4), 1, 2, 3)
    assert (found["triple_phase_length"] == 0).all()
    assert (found["triple_phase_length_std"] == 0).all()
