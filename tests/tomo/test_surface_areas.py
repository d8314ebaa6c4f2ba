import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from pulls import assert_unit_normal
from random_media import overlapping_spheres, sphere_centers
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2

from operando.errors import OperandoError
from operando.example_scans.microstructure import sphere_points
from operando.flags import Flag
from operando.history import entries
from operando.tomo import label, surface_area

DIMS = ("z", "y", "x")


def at(degrees):
    return np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), 0.0


FLAT = [at(angle) for angle in (0, 30, 45, 60)]
SPECIAL = [(1, 0, 0), (0, 1, 1), (1, 1, 1), (0, 1, 2)]


def placed(values, edge=0.65):
    return xr.DataArray(values, dims=("scan", *DIMS)[-np.ndim(values) :]).assign_coords(voxel_size=edge)


def area(values):
    return float(surface_area(values)["surface_area"])


def depth(normal, size, shift=0.21, edges=(1.0, 1.0, 1.0)):
    """Distances of voxels from a plane through the middle of a volume, and the middles' extents."""
    normal = np.array(normal, float) / np.linalg.norm(normal)
    grid = [(np.arange(n) - (n - 1) / 2) * edge for n, edge in zip(size, edges, strict=True)]
    return sum(n * one for n, one in zip(normal, np.ix_(*grid), strict=True)) - shift


def section(normal, half, shift):
    """Area of a plane within a box of half extents, by projecting it onto the face that it is nearest to."""
    normal = np.array(normal, float) / np.linalg.norm(normal)
    axis = int(np.argmax(np.abs(normal)))
    one, other = (n for n in range(3) if n != axis)
    a, b = np.ix_(*((np.arange(1000) - 499.5) / 500 * half[n] for n in (one, other)))
    height = (shift - normal[one] * a - normal[other] * b) / normal[axis]
    return (np.abs(height) < half[axis]).mean() * 4 * half[one] * half[other] / abs(normal[axis])


def ball(radius, center, size):
    z, y, x = (np.arange(size) - c for c in center)
    return z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2


@pytest.mark.parametrize(("radius", "bound"), [(10, 0.003), (20, 0.0015), (40, 0.001)])
def test_balls_at_random_places_have_the_surface_of_spheres(radius, bound):
    random = np.random.default_rng(radius)
    size = 2 * radius + 6
    found = [area(ball(radius, size / 2 + random.uniform(-0.5, 0.5, 3), size)) for _ in range(20)]
    assert np.mean(found) / (4 * np.pi * radius**2) == pytest.approx(1, abs=bound)


@pytest.mark.parametrize("normal", [*FLAT, at(10), at(5), *SPECIAL])
def test_planes_and_plates_have_their_area_at_any_angle(normal):
    away = depth(normal, (40, 40, 40))
    first = section(normal, [19.5] * 3, 0.21)
    assert area(away > 0) == pytest.approx(first, rel=0.02)
    for thickness in (2.0, 6.0):
        both = first + section(normal, [19.5] * 3, 0.21 + thickness)
        assert area((away > 0) & (away < thickness)) == pytest.approx(
            both, rel=0.03 if thickness > 2 or normal in FLAT else 0.045
        )


def test_directions_of_planes_scatter_by_what_is_stated():
    random = np.random.default_rng(11)
    ratio = [
        area(depth(normal, (40, 40, 40)) > 0) / section(normal, [19.5] * 3, 0.21)
        for normal in random.normal(size=(30, 3))
    ]
    assert np.mean(ratio) == pytest.approx(1, abs=0.003)
    assert np.std(ratio) < 0.007


@pytest.mark.parametrize("normal", [at(30), at(60), (1, 1, 1)])
def test_voxels_may_be_longer_along_one_dim(normal):
    edges, size = (1.5, 0.5, 0.75), (24, 72, 48)
    places = {name: (np.arange(n) + 0.5) * edge for name, n, edge in zip(DIMS, size, edges, strict=True)}
    solid = xr.DataArray(depth(normal, size, 0.1, edges) > 0, dims=DIMS, coords=places)
    half = [(n - 1) * edge / 2 for n, edge in zip(size, edges, strict=True)]
    assert area(solid) == pytest.approx(section(normal, half, 0.1), rel=0.02)


def test_errors_of_the_surface_are_those_of_balls_and_planes():
    """Of round bodies the voxels at their surface, of planes what is wrong with the normals of all voxels alike."""
    random, pulls = np.random.default_rng(12), []
    for _ in range(120):
        radius = random.uniform(3, 7)
        found = surface_area(ball(radius, 10 + random.uniform(-0.5, 0.5, 3), 21))
        pulls.append((float(found["surface_area"]) - 4 * np.pi * radius**2) / float(found["surface_area_std"]))
    for normal in random.normal(size=(100, 3)):
        found = surface_area(depth(normal, (28, 28, 28)) > 0)
        true = section(normal, [13.5] * 3, 0.21)
        pulls.append((float(found["surface_area"]) - true) / float(found["surface_area_std"]))
    assert_unit_normal(np.array(pulls))


def model(edge, radius, eta, noise):
    """Distances from a Boolean model of spheres, and their exposed surface, of many points on each sphere.

    That of these very spheres within the middles of the outermost voxels, so that chance is out of the comparison.
    """
    centers = sphere_centers(edge, radius, eta, noise)
    points, seen, away = sphere_points(3000) * radius, 0, np.full((edge,) * 3, np.inf)
    for number, center in enumerate(centers):
        z, y, x = (np.arange(edge) + 0.5 - c for c in center)
        np.minimum(away, np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) - radius, out=away)
        place = center + points
        place = place[((place > 0.5) & (place < edge - 0.5)).all(axis=1)]
        others = np.delete(centers, number, axis=0)
        near = others[np.linalg.norm(others - center, axis=1) < 2 * radius]
        seen += (np.linalg.norm(place[:, None] - near, axis=2) >= radius).all(axis=1).sum()
    return away, seen * 4 * np.pi * radius**2 / len(points)


@pytest.mark.parametrize(("radius", "eta", "edge"), [(10.0, 0.5, 70), (10.0, 1.0, 60), (20.0, 0.5, 90)])
def test_overlapping_spheres_have_their_surface(radius, eta, edge):
    """Within 2 % of the exposed spheres: by masks and by grey levels, where each voxel holds the share within."""
    found, true = np.zeros((2, 2)), 0.0
    for seed in range(2):
        away, exposed = model(edge, radius, eta, np.random.default_rng(seed))
        grey = np.clip(0.5 - away, 0, 1).astype(np.float32)
        both = surface_area(away < 0), surface_area(grey, 0.5)
        found += [(float(one["surface_area"]), float(one["surface_area_std"])) for one in both]
        true += exposed
    assert found[:, 0] == pytest.approx([true] * 2, rel=0.02)
    assert (np.abs(found[:, 0] - true) < 2.5 * found[:, 1]).all()
    if radius == 20:
        assert true / 2 / (edge - 1) ** 3 == pytest.approx(3 * eta / radius * np.exp(-eta), rel=0.25)


def test_the_blur_of_grey_levels_fills_grooves_and_is_put_back():
    """Also moves spheres inward by blur^2/R, 1 % of their surface here, which is not put back."""
    away, true = model(70, 10.0, 0.5, np.random.default_rng(3))
    grey = gaussian_filter(np.clip(0.5 - away, 0, 1).astype(np.float32), 0.7)
    bare, stated = (float(surface_area(grey, 0.5, blur=blur)["surface_area"]) for blur in (0.0, 0.7))
    assert bare / true < 0.97
    assert stated / (1 - 2 * 0.7**2 / 10**2) == pytest.approx(true, rel=0.025)
    with pytest.raises(OperandoError, match="a blur from 0 to 1 voxel, got 2"):
        surface_area(grey, 0.5, blur=2.0)


def test_edges_of_cubes_in_any_direction_are_rounded_off_by_little():
    random, found = np.random.default_rng(17), []
    for _ in range(12):
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        places = np.tensordot(turn, np.indices((37,) * 3) - 18 - random.uniform(-0.5, 0.5, (3, 1, 1, 1)), 1)
        found.append(area((np.abs(places) < 8).all(axis=0)) / (6 * 16**2))
    assert np.mean(found) == pytest.approx(1, abs=0.03)


def test_spread_of_subvolumes_is_that_of_volumes():
    random, number = np.random.default_rng(13), 36
    found = [surface_area(overlapping_spheres(36, 4.0, 0.5, random)) for _ in range(number)]
    specific = np.array([float(one["specific_surface_area"]) for one in found])
    stated = np.mean([float(one["specific_surface_area_std"]) ** 2 for one in found])
    ratio = specific.var(ddof=1) / stated
    low, high = chi2.ppf([5e-4, 1 - 5e-4], number - 1) / (number - 1)
    assert low < ratio < high


def series(seed=14):
    return gaussian_filter(np.random.default_rng(seed).normal(size=(2, 26, 30, 28)), (0, 2, 2, 2))


@pytest.mark.parametrize("chunks", [{"z": 9, "y": 30, "x": 11}, {"scan": 2, "z": 13}])
def test_chunks_and_series_change_nothing(chunks):
    values = series()
    mask = placed(values > 0)
    labels = label(placed(values > 0.05))[0]
    phases = placed(np.digitize(values, (-0.03, 0.03)).astype(np.uint8) + 1)
    for one, settings in ((mask, {}), (labels, {}), (phases, {"names": {1: "a", 2: "b", 3: "c"}})):
        found = surface_area(one, **settings)
        again = surface_area(one.chunk(chunks), **settings)
        xr.testing.assert_allclose(found, again, rtol=1e-12)
        assert_array_equal(found["surface_area"], again["surface_area"])
        first = surface_area(one.isel(scan=0), **settings)["surface_area"]
        both = found["surface_area"]
        assert_array_equal(both.isel(scan=0) if "scan" in both.dims else both[found["scan"] == 0], first)


def test_phases_share_their_surfaces():
    fields = gaussian_filter(np.random.default_rng(16).normal(size=(3, 30, 30, 30)), (0, 3, 3, 3))
    phases = placed(fields.argmax(axis=0).astype(np.uint8))
    found = surface_area(phases.assign_attrs(flag_values=[0, 1, 2], flag_meanings="dark middle bright"))
    total = sum(area(phases == one) for one in range(3))
    assert list(found["phase"].values) == ["dark", "middle", "bright"]
    assert float(found["surface_area"].sum()) == pytest.approx(total, rel=0.02)
    unknown = surface_area(phases, names={1: "middle", 2: "bright"})["surface_area"]
    assert_allclose(unknown[0], unknown[1], rtol=1e-12)
    assert found["specific_surface_area"].attrs["units"] == "1/um"
    assert entries(found)[-1]["step"] == "tomo.surface_area"


def test_objects_have_a_row_each_and_a_mask_is_their_union():
    mask = placed(ball(6, (10, 10, 10), 40) | ball(9, (26, 27, 25), 40))
    labels, table = label(mask)
    found = surface_area(labels * 7)
    assert_array_equal(found["number"], table["number"].values * 7)
    assert_allclose(found["surface_area"], 4 * np.pi * (np.array([6, 9]) * 0.65) ** 2, rtol=0.015)
    assert float(found["surface_area"].sum()) == pytest.approx(area(mask), rel=1e-12)


def test_grey_levels_tell_the_surface_and_what_the_threshold_does_to_it():
    inside = ball(12, (20.2, 19.7, 20.1), 40).astype(float)
    noise = np.random.default_rng(15).normal(size=inside.shape)
    grey = placed((gaussian_filter(100 + 100 * inside, 1.0) + 3 * noise).astype(np.float32))
    found = surface_area(grey, 150.0)
    true = 4 * np.pi * (12 * 0.65) ** 2
    assert float(found["surface_area"]) == pytest.approx(true, rel=0.01)
    moved = 8 * np.pi * 12 * 0.65**2 * (np.sqrt(2 * np.pi) * 0.1 * 1.0)
    assert float(found["surface_area_systematic"]) == pytest.approx(moved, rel=0.35)
    assert abs(float(found["surface_area"]) - true) < 2 * float(found["surface_area_uncertainty"])
    levels = xr.Dataset({"threshold": ("boundary", [150.0]), "grey_level": ("phase", [100.0, 200.0])})
    assert_allclose(surface_area(grey.chunk(17), levels)["surface_area"], found["surface_area"], rtol=1e-12)
    upper = float(surface_area(grey.where(xr.DataArray(np.arange(40) > 19, dims="z")), 150.0)["surface_area"])
    assert upper == pytest.approx(true * (12 + 20.2 - 19.5) / 24, rel=0.02)


def test_voxels_that_do_not_count_bound_nothing():
    away = depth((0.2, 1, 0.4), (32, 32, 32)) > 0
    mask = np.zeros(away.shape, bool)
    mask[:16] = True
    whole, half = (surface_area(away, mask=one) for one in (np.ones_like(mask), mask))
    share = float(half["surface_area"] / whole["surface_area"])
    assert share == pytest.approx(0.5, abs=0.04)
    assert_allclose(half["specific_surface_area"], whole["specific_surface_area"], rtol=0.05)
    flags = np.zeros(32, np.int32)
    flags[10] = int(Flag.missing_frame)
    broken = away.copy()
    broken[10] = False
    flagged = placed(broken, 1.0).assign_coords(frame_flag=("z", flags))
    assert_allclose(surface_area(flagged)["specific_surface_area"], whole["specific_surface_area"], rtol=0.03)


def test_what_is_no_surface_is_refused():
    grey = np.zeros((4, 4, 4), np.float32)
    with pytest.raises(OperandoError, match="expected a mask or labels, got float32; state a threshold"):
        surface_area(grey)
    with pytest.raises(OperandoError, match="expected 2 to 16 subvolumes along each dim, got 17"):
        surface_area(grey > 0, subvolumes=17)
    with pytest.raises(OperandoError, match="expected one threshold, got 2"):
        surface_area(grey, [1.0, 2.0])
    with pytest.raises(OperandoError, match="grey levels with a threshold, got a mask"):
        surface_area(grey > 0, 1.0)
    with pytest.raises(OperandoError, match="two voxels or more along z, y, x"):
        surface_area(grey[:1] > 0)
    with pytest.raises(OperandoError, match="got none; look at mask"):
        surface_area(grey > 0, mask=np.zeros(grey.shape, bool))
    with pytest.raises(OperandoError, match="labels that are whole numbers from 0"):
        surface_area(np.full((4, 4, 4), -3))
    with pytest.raises(OperandoError, match="of labels without flag_values, got"):
        surface_area(np.ones((4, 4, 4), int), names=["one"])
    assert float(surface_area(grey > 0)["surface_area"]) == 0
    long = {name: (np.arange(4) + 0.5) * edge for name, edge in zip(DIMS, (5.0, 1.0, 1.0), strict=True)}
    with pytest.raises(OperandoError, match="at most 4 times as long as wide, got 5 x 1 x 1 um; resample"):
        surface_area(xr.DataArray(grey > 0, dims=DIMS, coords=long))
