import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from operando.errors import OperandoError
from operando.flags import Flag
from operando.tomo import histogram


@pytest.fixture(scope="module")
def series():
    levels = np.random.default_rng(1).normal(2000, 300, (2, 20, 18, 16))
    return xr.DataArray(
        levels.astype(np.uint16), dims=("scan", "z", "y", "x"), coords={"z": np.arange(20) + 0.5}, attrs={"units": "1"}
    )


@settings(max_examples=5, deadline=None)
@given(st.tuples(*(st.integers(6, 20) for _ in range(3))), st.sampled_from([np.uint16, np.float64]))
def test_counts_are_exact_and_the_same_for_all_chunks(series, sizes, dtype):
    chunks = dict(zip("zyx", sizes, strict=True))
    kind = series.astype(dtype) / (1 if dtype is np.uint16 else 7)
    kind = kind.astype(dtype)
    whole = histogram(kind)
    xr.testing.assert_identical(histogram(kind.chunk(chunks)), whole)
    edges = np.append(whole["level"] - whole["level"].bin_width / 2, whole["level"][-1] + whole["level"].bin_width / 2)
    if dtype is np.uint16:
        for scan in range(2):
            assert_array_equal(whole["counts"][scan], np.histogram(kind[scan], edges)[0])


@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "i2", "?"])
def test_every_level_of_small_integers_is_a_bin(dtype):
    kind = np.dtype(dtype)
    low, high = (0, 2) if kind.kind == "b" else (-100 if kind.kind == "i" else 0, 120)
    levels = np.random.default_rng(2).integers(low, high, (6, 5, 40)).astype(dtype)
    found = histogram(levels)
    values, counts = np.unique(levels, return_counts=True)
    assert_array_equal(found["level"], np.arange(int(values[0]), int(values[-1]) + 1))
    assert_array_equal(found["counts"][found["counts"] > 0], counts)


@pytest.mark.parametrize("dtype", ["u2", "f4", "f8"])
def test_levels_lie_in_the_bins_that_numpy_puts_them_in(dtype):
    levels = np.random.default_rng(3).integers(0, 1000, (10, 12, 14)).astype(dtype)
    found = histogram(levels, bins=20, range=(100, 900))
    assert_array_equal(found["counts"], np.histogram(levels, 20, (100, 900))[0])
    assert found["below"] == (levels < 100).sum()
    assert found["above"] == (levels > 900).sum()


@pytest.mark.parametrize("lazy", [False, True])
def test_lost_slices_values_that_are_not_finite_and_masked_voxels_are_left_out(series, lazy):
    flag = np.zeros((2, 20), dtype=np.int32)
    flag[0, 3], flag[1, 5], flag[1, 7] = int(Flag.saturated), int(Flag.missing_frame), int(Flag.ring_artifact)
    levels = series.astype(np.float32).assign_coords(frame_flag=(("scan", "z"), flag))
    levels[0, 3] = 65535.0
    levels[0, 4, 0, 0], levels[0, 4, 0, 1] = np.nan, np.inf
    mask = np.ones((20, 18, 16), dtype=bool)
    mask[:2] = False
    found = histogram(levels.chunk(z=7, y=9) if lazy else levels, mask=mask)
    assert_array_equal(found["left_out"], [3 * 18 * 16 + 2, 3 * 18 * 16])
    assert float(found["level"][-1]) < 5000
    assert_array_equal(found["counts"].sum("level") + found["left_out"], [20 * 18 * 16] * 2)


def test_a_scan_of_which_nothing_counts_has_no_counts(series):
    flag = np.zeros((2, 20), dtype=np.int32)
    flag[1] = int(Flag.missing_frame)
    for levels in (series, series.astype(float)):
        found = histogram(levels.assign_coords(frame_flag=(("scan", "z"), flag)))
        assert_array_equal(found["counts"].sum("level"), [20 * 18 * 16, 0])


def test_nothing_to_count_and_wrong_masks_are_refused(series):
    nothing = np.zeros((20, 18, 16), dtype=bool)
    for levels in (series, series.astype(float)):
        with pytest.raises(OperandoError, match="voxels that count, got none"):
            histogram(levels, mask=nothing)
    with pytest.raises(OperandoError, match="mask of truth values"):
        histogram(series, mask=np.ones((20, 18, 15), dtype=bool))
    with pytest.raises(OperandoError, match="at the places of the volume"):
        histogram(series, mask=series[0].assign_coords(z=np.arange(20.0)) > 0)
    with pytest.raises(OperandoError, match="from low to high"):
        histogram(series, range=(3.0, 3.0))
