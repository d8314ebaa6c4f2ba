"""A flag is a CF bitmask whose bits keep their meaning."""

import numpy as np
import pytest
import xarray as xr

from operando import flags
from operando.flags import Flag


def test_every_bit_is_a_power_of_two_with_a_meaning():
    assert [int(flag) for flag in Flag] == [1 << bit for bit in range(len(Flag))]
    assert set(flags.MEANINGS) == set(Flag)


@pytest.mark.parametrize(("name", "bit"), [("no_time", 0), ("truncated", 3), ("ec_gap", 10), ("after_gap", 16)])
def test_bits_in_stores_keep_their_meaning(name, bit):
    assert Flag[name] == 1 << bit


def test_cf_attributes_name_every_mask_in_order():
    attrs = flags.attrs()
    assert attrs["flag_meanings"].split() == [flag.name for flag in Flag]
    assert attrs["flag_masks"] == [int(flag) for flag in Flag]


def test_raised_adds_a_reason_and_keeps_the_others():
    before = xr.DataArray(np.array([0, int(Flag.no_time)], "i4"), dims="scan")
    after = flags.raised(before, Flag.ec_gap, xr.DataArray([False, True], dims="scan"))
    assert flags.names(int(after[1])) == ["no_time", "ec_gap"]
    assert int(after[0]) == 0
    assert after.dtype == np.int32
    assert flags.describe(int(after[1]))[0] == "the file gives no usable time"
