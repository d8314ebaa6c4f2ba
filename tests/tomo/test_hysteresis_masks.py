import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal
from scipy.ndimage import gaussian_filter

from operando.errors import OperandoError
from operando.flags import Flag
from operando.tomo import hysteresis


@pytest.fixture(scope="module")
def series():
    noise = np.random.default_rng(1).normal(size=(2, 30, 28, 26))
    smooth = np.stack([gaussian_filter(one, 1.5) for one in noise])
    return xr.DataArray(smooth / smooth.std(), dims=("scan", "z", "y", "x"))


@pytest.mark.peer
def test_masks_are_those_of_skimage(series):
    from skimage.filters import apply_hysteresis_threshold as peer

    found = hysteresis(series[0], 0.8, 2.2, connectivity=6)
    assert_array_equal(found, peer(series[0].values, 0.8, 2.2))
    assert 0 < int(found.sum()) < int((series[0] > 0.8).sum())


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("chunks", [{"z": 7, "y": 9, "x": 26}, {"scan": 2, "z": 30, "y": 5, "x": 4}])
def test_pieces_that_run_through_many_chunks_stay_whole(series, connectivity, chunks):
    whole = hysteresis(series, 0.8, 2.2, connectivity)
    lazy = hysteresis(series.chunk(chunks), 0.8, 2.2, connectivity)
    assert lazy.chunks is not None
    assert_array_equal(lazy, whole)


def test_voids_are_pieces_below(series):
    assert_array_equal(hysteresis(series, -2.2, -0.8, above=False), hysteresis(-series, 0.8, 2.2))


def test_a_thread_hangs_on_by_a_corner_only_where_corners_count():
    levels = np.zeros((3, 3, 3))
    levels[0, 0, 0], levels[1, 1, 1] = 2.0, 1.0
    assert hysteresis(levels, 0.5, 1.5, 26).sum() == 2
    assert hysteresis(levels, 0.5, 1.5, 18).sum() == 1


@pytest.mark.parametrize("lazy", [False, True])
def test_what_does_not_count_parts_pieces(lazy):
    levels = xr.DataArray(np.ones((9, 4, 4)), dims=("z", "y", "x"))
    levels[0, 0, 0], levels[8, 0, 0] = 2.0, np.nan
    flag = np.where(np.arange(9) == 4, int(Flag.missing_frame), 0)
    levels = levels.assign_coords(frame_flag=("z", flag))
    found = hysteresis(levels.chunk(z=3) if lazy else levels, 0.5, 1.5)
    assert_array_equal(found.any(["y", "x"]), np.arange(9) < 4)


@pytest.mark.parametrize("lazy", [False, True])
def test_volumes_without_voxels_are_refused(series, lazy):
    empty = series[0, :0]
    with pytest.raises(OperandoError, match="without voxels"):
        hysteresis(empty.chunk() if lazy else empty, 1.0, 2.0)


def test_thresholds_in_the_wrong_order_are_refused(series):
    with pytest.raises(OperandoError, match="low <= high"):
        hysteresis(series, 2.0, 1.0)
