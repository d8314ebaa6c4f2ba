import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from operando.errors import OperandoError
from operando.flags import Flag
from operando.tomo import threshold_local


@pytest.fixture(scope="module")
def volume():
    levels = np.random.default_rng(1).integers(0, 4000, (24, 26, 22)).astype(np.uint16)
    return xr.DataArray(levels, dims=("z", "y", "x"))


@pytest.mark.peer
@pytest.mark.parametrize("method", ["gaussian", "mean"])
def test_thresholds_are_those_of_skimage(volume, method):
    from skimage.filters import threshold_local as peer

    theirs = peer(volume.values.astype(float), 7, method=method, offset=3.0, mode="reflect")
    assert_allclose(threshold_local(volume, 7, method=method, offset=3.0), theirs, rtol=1e-6)


@pytest.mark.parametrize("method", ["gaussian", "mean"])
@pytest.mark.parametrize("masked", [False, True])
def test_chunks_change_nothing(volume, method, masked):
    mask = np.random.default_rng(2).random(volume.shape) > 0.3 if masked else None
    whole = threshold_local(volume, 9, method=method, mask=mask)
    lazy = threshold_local(volume.chunk(z=10, y=13, x=22), 9, method=method, mask=mask)
    assert lazy.chunks is not None
    assert_array_equal(lazy, whole)


def test_a_window_wider_than_the_volume_is_a_mean_of_all(volume):
    found = threshold_local(volume.chunk(z=12), 1001)
    assert_allclose(found, float(volume.mean()), rtol=2e-2)


def test_a_phase_is_told_from_its_surroundings_where_brightness_drifts():
    z, _, _ = np.indices((40, 20, 20))
    stripes = (np.indices((40, 20, 20)).sum(axis=0) // 2) % 2
    found = threshold_local(20.0 * z + 100 * stripes, 9)
    inside = (slice(5, -5), slice(5, -5), slice(5, -5))
    assert_array_equal((20.0 * z + 100 * stripes > found)[inside], stripes[inside] == 1)


def test_saturated_slices_and_masked_voxels_do_not_reach_their_neighbors(volume):
    spoilt = volume.copy()
    spoilt[5], spoilt[:, 0, 0] = 65535, 65535
    mask = np.ones(volume.shape, dtype=bool)
    mask[:, 0, 0] = False
    flag = np.where(np.arange(24) == 5, int(Flag.saturated), 0)
    found, plain = (
        threshold_local(levels.assign_coords(frame_flag=("z", flag)), 9, mask=mask) for levels in (spoilt, volume)
    )
    assert_array_equal(found, plain)
    assert float(threshold_local(spoilt, 9)[6].mean()) > 3 * float(found[6].mean())


def test_a_size_that_is_even_is_refused(volume):
    with pytest.raises(OperandoError, match="odd size from 3"):
        threshold_local(volume, 8)
