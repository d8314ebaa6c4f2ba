import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import entries
from operando.tomo import segment, threshold_multiotsu


@pytest.fixture(scope="module")
def series():
    levels = np.random.default_rng(1).normal(size=(2, 12, 10, 8)).astype(np.float32)
    return xr.DataArray(levels, dims=("scan", "z", "y", "x"))


def test_labels_are_one_up_to_the_first_threshold_and_one_more_above_each(series):
    found = segment(series, [-0.5, 0.5], ["void", "electrolyte", "ncm"])
    assert_array_equal(found, 1 + np.digitize(series, [-0.5, 0.5], right=True))
    assert found.dtype == np.uint8
    assert found.attrs["flag_values"] == [1, 2, 3]
    assert found.attrs["flag_meanings"] == "void electrolyte ncm"
    assert entries(found)[-1]["step"] == "tomo.segment"


def test_each_scan_is_parted_by_its_own_thresholds_lazily_as_in_memory(series):
    limits = threshold_multiotsu(series, 3)
    whole = segment(series, limits)
    for scan in range(2):
        assert_array_equal(whole[scan], segment(series[scan], limits["threshold"][scan].values))
    lazy = segment(series.chunk(scan=1, z=5, y=3), limits)
    assert lazy.chunks is not None
    xr.testing.assert_identical(lazy.compute(), whole)


def test_what_is_not_known_has_no_phase(series):
    flag = xr.zeros_like(series[..., 0, 0], dtype=np.int32)
    flag[1, 4] = int(Flag.missing_frame)
    levels = series.copy().assign_coords(frame_flag=flag)
    levels[0, 0, 0, 0] = np.nan
    mask = np.ones((12, 10, 8), dtype=bool)
    mask[:, 0] = False
    found = segment(levels, 0.0, mask=mask)
    unknown = np.isnan(levels.values) | ~mask | (flag.values != 0)[..., np.newaxis, np.newaxis]
    assert_array_equal(found == 0, unknown)


@pytest.mark.parametrize("wrong", [[0.5, -0.5], [np.nan, 1.0], []])
def test_thresholds_that_do_not_ascend_are_refused(series, wrong):
    with pytest.raises(OperandoError, match="finite and ascend"):
        segment(series, wrong)


def test_names_are_as_many_as_phases(series):
    for names in (["void"], ["void", "void"], ["void", "active material"]):
        with pytest.raises(OperandoError, match="2 different names without blanks"):
            segment(series, 0.0, names)
