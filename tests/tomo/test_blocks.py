import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.tomo.blocks import over_blocks
from operando.tomo.voxels import as_volume, voxel


def smooth(block, sigma):
    return gaussian_filter(block, sigma, mode="nearest")


@pytest.fixture
def volumes():
    values = np.random.default_rng(5).normal(size=(2, 40, 35, 30))
    return xr.DataArray(values, dims=("scan", "z", "y", "x"))


@pytest.mark.parametrize("chunks", [{"z": 40, "y": 35, "x": 30}, {"z": 13, "y": 35, "x": 9}, {"scan": 2, "z": 20}])
def test_blocks_with_a_margin_give_what_the_whole_gives(volumes, chunks):
    whole = np.stack([smooth(one, 1.0) for one in volumes.values])
    lazy = over_blocks(smooth, volumes.chunk(chunks), margin=(5, 5, 5), dtype=float, sigma=1.0)
    assert lazy.chunks is not None
    assert_allclose(lazy.values, whole, rtol=1e-12)


def test_a_slab_thinner_than_the_margin_is_one_block(volumes):
    slab = volumes.isel(z=slice(3))
    lazy = over_blocks(smooth, slab.chunk(z=1, y=12), margin=5, dtype=float, sigma=1.0)
    assert_allclose(lazy.values, np.stack([smooth(one, 1.0) for one in slab.values]), rtol=1e-12)


def test_volumes_in_memory_stay_in_memory(volumes, monkeypatch):
    monkeypatch.setattr("operando.tomo.blocks.EDGE", 16)
    found = over_blocks(smooth, volumes, margin=5, dtype=float, sigma=1.0)
    assert isinstance(found.data, np.ndarray)
    assert_allclose(found.values[1], smooth(volumes.values[1], 1.0), rtol=1e-12)


def test_voxels_are_as_long_as_their_coordinates_say(volumes):
    assert voxel(volumes, "test").units == "px"
    placed = volumes.assign_coords(z=np.arange(40) * 1.3, y=np.arange(35) * 0.65, x=np.arange(30) * 0.65)
    assert voxel(placed, "test").edges == pytest.approx((1.3, 0.65, 0.65))
    assert voxel(placed, "test").volume == pytest.approx(1.3 * 0.65**2)
    with pytest.raises(OperandoError, match=r"cubic voxels, got 1\.3 x 0\.65 x 0\.65 um"):
        voxel(placed, "test").cube("test")


def test_a_slice_has_the_thickness_that_is_told(volumes):
    slab = volumes.isel(z=[3]).assign_coords(z=[1.0], y=np.arange(35) * 0.65, x=np.arange(30) * 0.65)
    with pytest.raises(OperandoError, match="assign it"):
        voxel(slab, "test")
    assert voxel(slab.assign_coords(voxel_size=0.7), "test").z == 0.7


def test_uneven_places_and_missing_dims_are_refused(volumes):
    with pytest.raises(OperandoError, match="evenly spaced"):
        voxel(volumes.assign_coords(z=np.arange(40) ** 2, y=np.arange(35), x=np.arange(30)), "test")
    with pytest.raises(OperandoError, match="the dims z, y and x"):
        as_volume(volumes.rename(z="depth"), "test")
    with pytest.raises(OperandoError, match="three dims"):
        as_volume(np.zeros((3, 3)), "test")
