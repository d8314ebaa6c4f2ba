"""Of lazy scans in a series a part costs that part: no whole chunk is read for a slice."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from operando.stacked_rows import StackedRows, stacked_rows


class Counted:
    """An array in a file, which tells what is read of it."""

    def __init__(self, values):
        self.values, self.read = values, 0
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __getitem__(self, key):
        found = self.values[key]
        self.read += found.size
        return found


@pytest.fixture
def files():
    values = np.arange(3 * 8 * 6 * 4, dtype="uint16").reshape(3, 8, 6, 4)
    return [Counted(one) for one in values], values


def lazily(files, chunks=(4, 6, 4)):
    return [da.from_array(one, chunks=chunks, name=False, meta=np.empty((0, 0, 0), "uint16")) for one in files]


def test_a_slice_of_one_scan_reads_that_slice_alone(files):
    sources, values = files
    whole = stacked_rows(lazily(sources))
    assert whole.chunks == ((1, 1, 1), (4, 4), (6,), (4,))
    np.testing.assert_array_equal(whole[1, 5], values[1, 5])
    assert [one.read for one in sources] == [0, 24, 0]
    np.testing.assert_array_equal(whole[:, 2, ::2, 1:3], values[:, 2, ::2, 1:3])
    assert [one.read for one in sources] == [6, 30, 6]
    np.testing.assert_array_equal(whole, values)


@pytest.mark.parametrize("key", [(1, 2), (slice(0, 3, 2), slice(1, 5), 0, slice(None)), ([2, 0], slice(None), 1, 2)])
def test_parts_are_those_of_the_stacked_values(files, key):
    sources, values = files
    key = key + (slice(None),) * (4 - len(key))
    np.testing.assert_array_equal(StackedRows(tuple(sources), np.dtype("uint16"))[key], values[key])


def test_rows_that_are_computed_or_cut_otherwise_are_stacked_by_dask(files):
    sources, values = files
    first, second, third = lazily(sources)
    for rows in ([first, second + 0, third], [first, second.rechunk((2, 6, 4)), third], [values[0], second, third]):
        whole = stacked_rows(rows)
        np.testing.assert_array_equal(whole, values)
        assert not any(name.startswith("original-array") and len(whole.dask.layers) == 2 for name in whole.dask.layers)
