from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from operando import tomo
from operando.errors import OperandoError
from operando.tomo.object_selection import remove_small, select


@pytest.fixture(scope="module")
def mask():
    solid = np.random.default_rng(4).random((3, 14, 12, 10)) < 0.2
    return xr.DataArray(solid, dims=("scan", "z", "y", "x"))


def test_what_is_left_without_small_objects_is_what_their_mask_labels_to(mask):
    labels, table = tomo.label(mask)
    large, rows = remove_small(labels, table, 6)
    again, same = tomo.label(large > 0)
    assert_array_equal(large, again)
    xr.testing.assert_identical(rows.drop_attrs(), same.drop_attrs())
    assert rows["voxels"].min() >= 6
    assert 0 < rows.sizes["object"] < table.sizes["object"]


@pytest.mark.parametrize("volume", [slice(None), 1])
def test_lazy_labels_stay_lazy_and_come_out_the_same(mask, volume):
    mask = mask[volume]
    labels, table = tomo.label(mask)
    lazy, _ = tomo.label(mask.chunk(z=5, y=12, x=4))
    chosen = table["voxels"] % 2 == 0
    found, rows = select(lazy, table, chosen)
    assert found.chunks is not None
    assert found.dtype == labels.dtype
    kept, same = select(labels, table, chosen)
    assert_array_equal(found, kept)
    xr.testing.assert_identical(rows, same)
    xr.testing.assert_identical(tomo.regions(found).drop_attrs(), rows.drop_attrs())


def test_keeping_none_leaves_nothing(mask):
    labels, table = tomo.label(mask)
    none, rows = select(labels, table, np.zeros(table.sizes["object"], bool))
    assert not none.any()
    assert rows.sizes["object"] == 0


def test_a_choice_of_another_length_is_refused(mask):
    labels, table = tomo.label(mask)
    with pytest.raises(OperandoError, match="a bool for each of"):
        select(labels, table, [True, False])
    with pytest.raises(OperandoError, match="got int64"):
        select(labels, table, table["voxels"])
