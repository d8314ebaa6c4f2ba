import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from operando.errors import OperandoError
from operando.tomo.direction_statistics import orientation_distribution
from operando.tomo.orientations import orientation
from operando.tomo.structure_tensor import directions

WAYS = [(1.0, 0.0, 0.0), (0.3, -0.8, 0.5), (0.0, 0.6, 0.8), (0.577, 0.577, 0.577)]


def distances(way, size=44, edges=(1.0, 1.0, 1.0)):
    """Distance of every voxel along a direction from the middle, and from the line along it."""
    way = np.array(way) / np.linalg.norm(way)
    grid = (np.moveaxis(np.indices((size,) * 3), 0, -1) - (size - 1) / 2) * edges
    along = grid @ way
    return way, along, np.linalg.norm(grid - along[..., None] * way, axis=-1)


def placed(values, edges=(1.0, 1.0, 1.0)):
    at = {name: (np.arange(n) + 0.5) * edge for name, n, edge in zip("zyx", values.shape, edges, strict=True)}
    return xr.DataArray(values, dims=("z", "y", "x"), coords=at)


def angle(found, way):
    mean = orientation_distribution(found)["principal_direction"].values[0]
    return np.rad2deg(np.arccos(min(abs(mean @ way), 1)))


@pytest.mark.parametrize("way", WAYS)
def test_a_cylinder_points_along_its_axis(way):
    way, _, across = distances(way)
    found = orientation(placed(np.clip(6.5 - across, 0, 1)), 1.0, 2.0)
    middle = found.isel(z=slice(16, 28), y=slice(16, 28), x=slice(16, 28))
    inside = np.moveaxis(middle["direction"].values, 0, -1)[across[16:28, 16:28, 16:28] < 7]
    assert np.rad2deg(np.arccos(np.abs(inside @ way).clip(0, 1))).max() < 1
    assert angle(middle["direction"], way) < 0.2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("edges", [(1.0, 1.0, 1.0), (1.3, 0.8, 1.0)])
def test_a_plate_has_the_normal_that_it_was_made_with(way, edges):
    way, along, _ = distances(way, edges=edges)
    found = orientation(placed(np.clip(2.5 - np.abs(along), 0, 1), edges), 1.0, 1.5, kind="plate")
    middle = found.isel(z=slice(17, 27), y=slice(17, 27), x=slice(17, 27))
    near = np.abs(along[17:27, 17:27, 17:27]) < 3
    normals = np.moveaxis(middle["direction"].values, 0, -1)[near]
    assert np.rad2deg(np.arccos(np.abs(normals @ way).clip(0, 1))).max() < 1
    assert middle["planarity"].values[near].min() > 0.95


def test_fibers_are_linear_and_plates_planar():
    _, along, across = distances((0.3, -0.8, 0.5))
    fiber = orientation(np.clip(4.5 - across, 0, 1), 1.0, 5.0).isel(z=22, y=22, x=22)
    plate = orientation(np.clip(2.5 - np.abs(along), 0, 1), 1.0, 3.0).isel(z=22, y=22, x=22)
    assert (fiber["linearity"] > 0.85) & (fiber["planarity"] < 0.1)
    assert (plate["planarity"] > 0.95) & (plate["linearity"] < 0.05)


def test_eigenvectors_are_those_of_a_general_solver():
    values = np.random.default_rng(1).normal(size=(500, 3, 3))
    tensors = (values @ np.swapaxes(values, 1, 2)).astype(np.float32)
    elements = [tensors[:, i, j].copy() for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    value, vector = np.linalg.eigh(tensors.astype(float))
    for across, column in ((True, 2), (False, 0)):
        found, lengths = directions(*elements, across=across)
        assert_allclose(lengths, value[:, ::-1], atol=2e-6 * value.max())
        assert_allclose(np.abs((found * vector[:, :, column]).sum(axis=1)), 1, atol=1e-5)
        assert (found[:, 0] >= 0).all()


@pytest.mark.parametrize("chunks", [{"z": 13, "y": 44, "x": 20}, {"z": 44, "y": 9}])
def test_chunks_do_not_change_an_orientation(chunks):
    volume = placed(np.random.default_rng(2).integers(0, 1000, (44, 40, 30)).astype(np.uint16))
    whole = orientation(volume, 1.0, 1.5)
    lazy = orientation(volume.chunk(chunks), 1.0, 1.5)
    assert lazy["direction"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), whole)
    from_lazy = orientation_distribution(lazy["direction"], lazy["linearity"])
    xr.testing.assert_allclose(from_lazy, orientation_distribution(whole["direction"], whole["linearity"]), rtol=1e-12)


def test_even_grey_levels_have_no_direction():
    found = orientation(np.full((12, 12, 12), 7.0), 1.0, 1.0)
    assert not found["direction"].values.any()
    with pytest.raises(OperandoError, match="a direction and a weight, got none"):
        orientation_distribution(found["direction"])


def test_isotropic_directions_have_no_order_and_parallel_ones_are_ordered():
    random = np.random.default_rng(3).normal(size=(3, 20, 20, 20))
    field = xr.DataArray(random / np.linalg.norm(random, axis=0), dims=("axis", "z", "y", "x"))
    found = orientation_distribution(field, bins=(4, 8))
    assert_allclose(found["order_tensor"], np.eye(3) / 3, atol=3.3 * np.sqrt(4 / 45 / 8000))
    expected = 8000 / 32
    assert ((found["share"] * 8000 - expected) ** 2 / expected).sum() < 61.1
    straight = xr.zeros_like(field) + xr.DataArray([0.0, -0.6, 0.8], dims="axis")
    ordered = orientation_distribution(straight)
    assert float(ordered["order"]) == pytest.approx(1)
    assert_allclose(abs(ordered["principal_direction"].values[0] @ [0, -0.6, 0.8]), 1)
    assert float(ordered["share"].max()) == 1.0


def test_weights_choose_voxels():
    field = xr.DataArray(np.zeros((3, 4, 4, 4)), dims=("axis", "z", "y", "x"))
    field[0, :2] = 1.0
    field[2, 2:] = 1.0
    weight = xr.DataArray(np.arange(4) >= 2, dims="z").broadcast_like(field[0])
    assert_array_equal(orientation_distribution(field, weight)["principal_direction"][0], [0, 0, 1])


@pytest.mark.realdata
def test_measured_fibers_lie_in_plies_of_one_plane(realdata):
    """The laminate's fibers lie along z, along x and at 45 deg between them; none goes through it, along y."""
    import tifffile

    grey = tifffile.imread(realdata / "tomo" / "fibers_150x150x150.tif")[40:110, :, 40:110]
    found = orientation(grey, 1.5, 3.0)
    statistics = orientation_distribution(found["direction"], found["linearity"])
    assert statistics["eigenvalue"][2] < 0.01
    assert abs(statistics["principal_direction"].values[2, 1]) > 0.98
    polar = statistics["share"].sum("azimuth")
    for low, high in ((0, 20), (38, 52), (80, 90)):
        assert polar.where((polar["polar"] >= low) & (polar["polar"] <= high)).sum() > 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [((0.0, 1.0), "above 0 px, got 0 and 1"), ((1.0, 1.0, "tube"), "'fiber' or 'plate', got 'tube'")],
)
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(OperandoError, match=message):
        orientation(np.zeros((5, 5, 5)), *settings)
