import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter, label
from scipy.stats import chi2

from operando.tomo.block_results import Place
from operando.tomo.crofton import DIRECTIONS, _counted, areas_per_crossing, crossings

CUBE = (1.0, 1.0, 1.0)


def surface(labels, edges=CUBE, phases=None):
    labels = xr.DataArray(labels, dims=("z", "y", "x"))
    _, counts = crossings(labels, None if phases is None else xr.DataArray(phases, dims=labels.dims))
    return counts @ areas_per_crossing(edges)


def spheres(radius, number, seed, edges=CUBE):
    """Balls at random places between voxels, each in its own volume with a margin, one label each."""
    random = np.random.default_rng(seed)
    size = [int(2 * radius / edge) + 6 for edge in edges]
    for _ in range(number):
        center = [(n / 2 + shift) * edge for n, shift, edge in zip(size, random.uniform(0, 1, 3), edges, strict=True)]
        grid = np.ogrid[tuple(slice(n) for n in size)]
        yield sum((at * edge - c) ** 2 for at, c, edge in zip(grid, center, edges, strict=True)) <= radius**2


def test_shares_of_directions_are_those_of_the_literature():
    share = areas_per_crossing(CUBE) * np.linalg.norm(DIRECTIONS, axis=1) / 4
    kind = np.abs(DIRECTIONS).sum(axis=1)
    assert_allclose([share[kind == one].mean() for one in (1, 2, 3)], [0.04577789, 0.03698063, 0.03519564], atol=1e-8)


@pytest.mark.parametrize(("radius", "number", "spread"), [(10.0, 60, 0.0020), (20.0, 15, 0.0010)])
def test_spheres_have_the_surface_of_spheres(radius, number, spread):
    """Less the chords that fall between two voxels, a share |v|^2 / (12 R^2), on average 2 / (12 R^2)."""
    ratio = np.array([surface(mask)[0, 0] for mask in spheres(radius, number, 1)]) / (4 * np.pi * radius**2)
    assert abs(ratio.mean() - 1 + 2.007 / (12 * radius**2)) < 3.3 * spread / np.sqrt(number)
    assert (number - 1) * ratio.var(ddof=1) / spread**2 < chi2.ppf(0.999, number - 1)
    assert np.abs(ratio - 1).max() < 0.008


def test_spheres_of_long_voxels_have_the_surface_of_spheres():
    edges = (1.3, 0.65, 0.65)
    ratio = [surface(mask, edges)[0, 0] / (4 * np.pi * 8.0**2) for mask in spheres(8.0, 10, 2, edges)]
    assert np.mean(ratio) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    ("normal", "section", "ratio"),
    [((1, 0, 0), 1.0, 0.927), ((1, 1, 0), np.sqrt(2), 0.933), ((1, 1, 1), 1.5 * np.sqrt(3) / 2, 0.961)],
)
def test_planes_are_off_by_what_the_docstring_states(normal, section, ratio):
    below = np.tensordot(normal, np.indices((84, 84, 84)) - 42, 1) < 0
    core = Place((0, 0, 0), (80, 80, 80), ((2, 2, 2),))
    _, counts = _counted(core, below)
    assert (counts @ areas_per_crossing(CUBE))[0, 0] == pytest.approx(ratio * section * 80**2, rel=0.01)


@pytest.mark.parametrize("chunks", [{"z": 9, "y": 30, "x": 11}, {"z": 1}])
def test_counts_depend_on_no_chunks(chunks):
    labels = label(gaussian_filter(np.random.default_rng(3).normal(size=(20, 30, 28)), 1.5) > 0.05)[0] * 7
    phases = (gaussian_filter(np.random.default_rng(4).normal(size=labels.shape), 1.5) > 0).astype(np.uint8)
    labels, phases = (xr.DataArray(one, dims=("z", "y", "x")) for one in (labels, phases))
    numbers, counts = crossings(labels, phases)
    there, again = crossings(labels.chunk(chunks), phases.chunk({"y": 5}))
    assert_array_equal(numbers, np.unique(labels)[1:])
    assert_array_equal(there, numbers)
    assert_array_equal(again, counts)


def test_crossings_are_counted_by_what_lies_beyond():
    z, y, x = np.indices((30, 30, 30)) - 14.5
    mask = (z**2 + y**2 + x**2 <= 100).astype(np.int32)
    area = surface(mask, phases=(z > 0).astype(np.uint8) + 1)[0]
    assert area[0] == 0
    assert area[1] == pytest.approx(area[2], rel=1e-12)
    assert area.sum() == pytest.approx(400 * np.pi, rel=0.006)
