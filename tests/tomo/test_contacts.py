import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from pulls import assert_unit_normal
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.example_scans import microstructure, parameters
from operando.example_scans.microstructure import ELECTROLYTE, GAP, NCM
from operando.history import entries
from operando.tomo import contact_area, contact_loss

DIMS = ("z", "y", "x")
EDGE = 0.65


def placed(values, edge=EDGE):
    return xr.DataArray(values, dims=("scan", *DIMS)[-np.ndim(values) :]).assign_coords(voxel_size=edge)


def capped(radius, angle, toward, gap=3.0, shift=0.0):
    """A particle (1) in electrolyte (2) with a gap (3) of half the opening angle (deg)."""
    size = 2 * int(radius + gap) + 8
    away = np.indices((size,) * 3) - (size - 1) / 2 - np.reshape(shift, (-1, 1, 1, 1))
    distance = np.sqrt((away**2).sum(axis=0))
    along = np.tensordot(toward, away, 1) / np.linalg.norm(toward) / np.maximum(distance, 1e-9)
    phases = np.full(distance.shape, 2, np.uint8)
    phases[(distance < radius + gap) & (along > np.cos(np.deg2rad(angle)))] = 3
    phases[distance < radius] = 1
    return placed(phases)


def lost(radius, angle):
    return 2 * np.pi * (radius * EDGE) ** 2 * (1 - np.cos(np.deg2rad(angle)))


@pytest.mark.parametrize("angle", [0, 30, 45, 60])
def test_half_a_contact_opens_at_any_angle(angle):
    """The plane between 1 and 2 runs along x, and a gap of 3 opens from the middle on."""
    turn, size = np.deg2rad(angle), 48
    z, y, x = np.indices((size,) * 3) - (size - 1) / 2
    depth = np.cos(turn) * z + np.sin(turn) * y - 0.2
    phases = np.where(depth < 0, 1, 2).astype(np.uint8)
    phases[(depth >= 0) & (depth < 3) & (x > 0)] = 3
    found = contact_area(placed(phases, 1.0), 1, 2)
    length = (size - 1) / max(np.cos(turn), np.sin(turn))
    cut = 0.2 / max(np.cos(turn), np.sin(turn)) if angle == 45 else 0
    assert float(found["surface_area"]) == pytest.approx((length - cut) * (size - 1), rel=0.02)
    assert float(found["contact_share"]) == pytest.approx(0.5, abs=0.01)


def test_areas_lost_behind_gaps_are_those_of_caps_with_their_errors():
    random, pulls = np.random.default_rng(21), []
    for number in range(200):
        radius, angle = random.uniform(6, 9), random.uniform(30, 80)
        phases = capped(radius, angle, random.normal(size=3), shift=random.uniform(-0.5, 0.5, 3))
        gap = contact_area(phases, 1, 3)
        true = lost(radius, angle)
        share = true / (4 * np.pi * (radius * EDGE) ** 2)
        area = float(gap["contact_area"] - true) / float(gap["contact_area_std"])
        pulls.append((area, float(gap["contact_share"] - share) / float(gap["contact_share_std"])))
        if number % 40 == 0:
            both = float(gap["contact_area"] + contact_area(phases, 1, 2)["contact_area"])
            assert both == pytest.approx(float(gap["surface_area"]), rel=1e-12)
    for one in np.transpose(pulls):
        assert_unit_normal(one)


def test_contact_is_the_same_from_both_sides():
    phases = capped(8, 50, (1, 2, 0.5)).assign_attrs(flag_values=[1, 2, 3], flag_meanings="ncm lps void")
    here, there = contact_area(phases, "ncm", "lps"), contact_area(phases, "lps", "ncm")
    assert_array_equal(here["contact_area"], there["contact_area"])
    assert_array_equal(here["contact_area"], contact_area(phases, 1, 2)["contact_area"])
    assert float(there["contact_share"]) < float(here["contact_share"])
    assert here["contact_area"].attrs["units"] == "um^2"
    assert entries(here)[-1]["step"] == "tomo.contact_area"


def grains(seed=22):
    """Phases over two scans, and particles that partly touch each other."""
    fields = gaussian_filter(np.random.default_rng(seed).normal(size=(2, 3, 24, 26, 28)), (0, 0, 2, 2, 2))
    phases = placed(fields.argmax(axis=1).astype(np.uint8) + 1)
    number = np.digitize(np.arange(28), (10, 19)) * 5 + 2
    return phases, placed(np.where(phases == 1, number, 0).astype(np.int32))


@pytest.mark.parametrize("chunks", [{"z": 7, "y": 26, "x": 9}, {"scan": 2, "z": 24, "x": 13}])
def test_chunks_change_nothing(chunks):
    phases, particles = grains()
    for one in (None, particles):
        found = contact_area(phases, 1, 2, one)
        again = contact_area(phases.chunk(chunks), 1, 2, None if one is None else one.chunk({"z": 5}))
        xr.testing.assert_allclose(found, again, rtol=1e-12)
    lost_, again = (contact_loss(a, b, 1, 2) for a, b in ((phases, particles), (phases.chunk(chunks), particles)))
    xr.testing.assert_allclose(lost_, again, rtol=1e-12)


def test_particles_share_what_the_phase_touches():
    phases, particles = grains()
    whole, each = contact_area(phases, 1, 2), contact_area(phases, 1, 2, particles)
    sums = each.groupby("scan").sum()
    assert_allclose(sums["contact_area"], whole["contact_area"], rtol=0.03)
    assert_allclose(sums["surface_area"], whole["surface_area"], rtol=0.03)
    assert_array_equal(each["number"], [2, 7, 12, 2, 7, 12])
    assert (each["particle_contact_area"] > 0).all()


def test_contact_is_lost_scan_by_scan_and_known_by_track():
    """One particle loses a cap, another none; in the second scan their numbers have changed."""
    angles = [0.0, 35.0, 60.0]
    left = [capped(8, angle, (1, 1, 0)).values for angle in angles]
    right = capped(8, 0, (1, 1, 0)).values
    phases = placed(np.array([np.concatenate([one, right], axis=2) for one in left]))
    half = right.shape[2]
    numbers = np.where(np.arange(2 * half) < half, 1, 2)
    turned = xr.DataArray([numbers, 3 - numbers, numbers], dims=("scan", "x"))
    particles = (phases == 1) * turned
    known = xr.DataArray([[1, 2], [2, 1], [1, 2]], dims=("scan", "track"), coords={"track": [11, 12]})
    found = contact_loss(phases, particles.transpose(*phases.dims), 1, 2, numbers=known)
    true = np.array([(1 - np.cos(np.deg2rad(angle))) / 2 for angle in angles])
    assert list(found["particle"].values) == [11, 12]
    loss, error = found["contact_loss"], found["contact_loss_std"]
    assert (np.abs(loss.values[1:, 0] - true[1:]) < 2.5 * error.values[1:, 0]).all()
    assert_allclose(loss[:, 1], 0, atol=1e-12)
    assert_allclose(loss[0], 0)
    assert_allclose(found["total_contact_loss"], true / 2, atol=0.01)
    kept = contact_loss(phases, particles.isel(scan=0), 1, 2, reference=None)
    assert_allclose(kept["contact_loss"][:, 0], true, atol=0.015)
    assert entries(found)[-1]["step"] == "tomo.contact_loss"


def behind_gaps(law, fixed, now):
    """Surface of particles behind gaps, and all of it, within the middles of the outermost voxels, by points on it."""
    points, half = microstructure.sphere_points(3000), law.voxel_size / 2
    found = np.zeros(2)
    for center, radius, toward, angle in zip(fixed.center, now.radius, fixed.toward, now.angle, strict=True):
        place = center + radius * points
        seen = ((place > half) & (place < law.voxels * law.voxel_size - half)).all(axis=1)
        hidden = seen & (points @ toward > np.cos(angle))
        found += 4 * np.pi * radius**2 / len(points) * np.array([hidden.sum(), seen.sum()])
    return found


@pytest.mark.parametrize("voxels", [64, 96])
def test_contact_lost_in_the_simulated_composite_is_the_true_one(voxels):
    """Shares of the surface of whole particles behind gaps of two voxels and more."""
    law = parameters.load("small").tomography
    size = law.voxels * law.voxel_size / voxels
    law = law.model_copy(update={"voxels": voxels, "voxel_size": size})
    fixed = microstructure.structure(law, 1)
    now = microstructure.state(law, fixed, 1.0, 1.0)
    known = microstructure.volume(law, fixed, now).label
    kind = np.where(known == NCM, 1, np.where(known == GAP, 3, 2)).astype(np.uint8)
    assert ELECTROLYTE == 2
    place = (np.argwhere(kind == 1) + 0.5) * size
    nearest = np.argmin(
        [np.linalg.norm(place - c, axis=1) - r for c, r in zip(fixed.center, now.radius, strict=True)], 0
    )
    particles = np.zeros(kind.shape, np.int32)
    particles[kind == 1] = nearest + 1
    found = contact_area(placed(kind, size), 1, 3, placed(particles, size))
    edge = voxels * size
    inside = ((fixed.center > now.radius[:, None]) & (fixed.center < edge - now.radius[:, None])).all(axis=1)
    row = found["number"].values - 1
    judged = inside[row] & (now.angle[row] > 0)
    true = microstructure.contact_lost(now.radius, now.angle) / (4 * np.pi * now.radius**2)
    pulls = ((found["contact_share"] - true[row]) / found["contact_share_std"]).values[judged]
    assert judged.sum() > 10
    assert abs(pulls.mean()) < 0.5
    assert 0.3 < pulls.std() < 1.2
    surface = found["surface_area"].values[inside[row]] / (4 * np.pi * now.radius[row][inside[row]] ** 2)
    assert surface.mean() == pytest.approx(1, abs=0.005)
    total, (gone, every) = contact_area(placed(kind, size), 1, 3), behind_gaps(law, fixed, now)
    assert abs(float(total["contact_area"]) - gone) < 2.5 * float(total["contact_area_std"])
    assert abs(float(total["contact_share"]) - gone / every) < 2.5 * float(total["contact_share_std"])


def test_what_cannot_touch_is_refused():
    phases, particles = grains()
    named = phases.assign_attrs(flag_values=[1, 2, 3], flag_meanings="ncm lps void")
    with pytest.raises(OperandoError, match="expected two phases, got 1 twice"):
        contact_area(phases, 1, 1)
    with pytest.raises(OperandoError, match="expected a phase among"):
        contact_area(named, "ncm", "carbon")
    with pytest.raises(OperandoError, match="expected labels of phases, got float64"):
        contact_area(phases.astype(float), 1, 2)
    with pytest.raises(OperandoError, match="numbers of particles on the voxels of the phases"):
        contact_area(phases, 1, 2, particles.isel(z=slice(3)))
    with pytest.raises(OperandoError, match="dims scan, z, y, x, got"):
        contact_loss(phases.isel(scan=0), particles.isel(scan=0), 1, 2)
    with pytest.raises(OperandoError, match="a reference from 0 to 1, got 2"):
        contact_loss(phases, particles, 1, 2, reference=2)
    with pytest.raises(OperandoError, match="numbers over 2 scans and particles"):
        contact_loss(phases, particles, 1, 2, numbers=xr.DataArray([1, 2], dims="track"))
    nothing = contact_area(phases * 0 + 3, 1, 2)
    assert (nothing["contact_area"] == 0).all()
    assert nothing["contact_share"].isnull().all()
