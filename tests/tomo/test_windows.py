import tracemalloc
from functools import partial

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import ndimage

from operando.tomo import windows
from operando.tomo.blocks import over_blocks
from operando.tomo.file_reads import file_reads
from operando.tomo.tiles import over_tiles

SHAPE = (2, 17, 14, 19)


class File:
    """An array that stands for one in a file, and writes down which parts of it are read."""

    def __init__(self, values):
        self.values, self.read = values, []
        self.shape, self.ndim, self.dtype = values.shape, values.ndim, values.dtype

    def __getitem__(self, key):
        self.read.append(key)
        return self.values[key].copy()

    def volume(self, chunks):
        return xr.DataArray(da.from_array(self, chunks=chunks), dims=("scan", "z", "y", "x")[-self.ndim :])


@pytest.fixture
def values():
    return np.random.default_rng(3).integers(0, 1000, SHAPE)


@pytest.fixture
def read_again(monkeypatch):
    monkeypatch.setattr(windows, "WAITING", 0)


def box_sums(block, reach):
    return ndimage.convolve(block, np.ones([2 * one + 1 for one in reach], int), mode="constant")


def whole(values, reach):
    return np.stack([box_sums(one, reach) for one in values])


def squared_around(window):
    return (window[2:-2, 2:-2, 2:-2] - window[:-4, 2:-2, 4:]) ** 2


@settings(max_examples=12, deadline=None)
@given(
    chunks=st.tuples(st.integers(1, 2), *[st.integers(3, 20)] * 3),
    reach=st.tuples(*[st.integers(0, 6)] * 3),
    again=st.booleans(),
)
def test_blocks_that_read_their_margins_or_are_handed_them_give_what_the_whole_gives(chunks, reach, again):
    values = np.random.default_rng(3).integers(0, 1000, SHAPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WAITING", 0 if again else 1 << 30)
        found = over_blocks(box_sums, File(values).volume(chunks), margin=reach, dtype=int, reach=reach)
    assert_array_equal(found.compute(scheduler="synchronous"), whole(values, reach))


@pytest.mark.usefixtures("read_again")
@pytest.mark.parametrize(
    "changed",
    [
        lambda file: file > 500,
        lambda file: np.sqrt(file.astype(np.float32)) - 3,
        lambda file: file.isel(scan=1)[2:, :, 3:],
        lambda file: file.transpose("scan", "x", "z", "y").rename(x="z", z="y", y="x"),
    ],
)
def test_quick_work_on_what_is_read_is_done_for_each_block(values, changed):
    volume = changed(File(values).volume((1, 5, 7, 6)))
    found = over_blocks(np.copy, volume, margin=2, dtype=volume.dtype)
    assert len(dict(found.data.dask)) <= volume.data.npartitions + 2
    assert_array_equal(found, volume)


@pytest.mark.usefixtures("read_again")
def test_work_that_may_be_long_is_never_done_twice(values):
    done = []

    def noted(block):
        done.append(block.shape)
        return block + 1

    volume = File(values).volume((1, 6, 7, 19)).copy(data=None)
    volume = volume.copy(data=volume.data.map_blocks(noted, dtype=int, meta=np.empty((0,) * 4, int)))
    assert file_reads(volume.data) is None
    found = over_blocks(box_sums, volume, margin=3, dtype=int, reach=(3, 3, 3))
    assert_array_equal(found.compute(scheduler="synchronous"), whole(values + 1, (3, 3, 3)))
    assert len(done) == volume.data.npartitions


@pytest.mark.usefixtures("read_again")
def test_only_what_a_block_needs_is_read_of_the_chunks_around_it():
    file = File(np.random.default_rng(4).random((40, 40, 40)))
    lazy = over_blocks(np.copy, file.volume(20), margin=2, dtype=float)
    lazy[:20, :20, :20].compute(scheduler="synchronous")
    assert sum(np.prod([side.stop - side.start for side in key]) for key in file.read) == 22**3


@pytest.mark.usefixtures("read_again")
def test_blocks_that_read_for_themselves_wait_for_nobody():
    """What is held at most is a block with its margins, and what is made of it."""
    volume = File(np.ones((200, 200, 200), np.uint8)).volume(40)
    made = over_blocks(np.copy, volume, margin=4, dtype=np.uint8).data
    dropped = made.map_blocks(lambda _: np.zeros((1, 1, 1), np.uint8), dtype=np.uint8, chunks=(1, 1, 1))
    with dask.config.set(scheduler="sync"):
        # What is loaded on first use does not count.
        dropped.compute()
        tracemalloc.start()
        dropped.compute()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2.5 * 48**3 + 1e6


@pytest.mark.usefixtures("read_again")
def test_tiles_read_their_margins_too(values):
    found = over_tiles(squared_around, File(values).volume((1, 6, 9, 8)), margin=2, dtype=np.float32)
    assert len(dict(found.data.dask)) == found.data.npartitions + 1
    assert_array_equal(found, over_tiles(squared_around, xr.DataArray(values, dims=found.dims), margin=2, dtype="f4"))


def corner_of(window, kept, corner):
    whole = np.broadcast_to(corner[-3:], (*window.shape, 3)) + np.moveaxis(np.indices(window.shape), 0, -1)[..., 1:]
    return (whole @ [10000, 100, 1] + 1000000 * corner[0])[kept]


@pytest.mark.parametrize("waiting", [0, 1 << 30])
def test_work_is_told_where_its_window_begins(values, waiting, monkeypatch):
    monkeypatch.setattr(windows, "WAITING", waiting)
    array = File(values).volume((1, 6, 7, 8)).data
    found = windows.over_windows(corner_of, array, (2, 3, 1), dtype=int, placed=True)
    assert_array_equal(found, np.moveaxis(np.indices(SHAPE), 0, -1) @ [1000000, 10000, 100, 1])


def test_graphs_of_the_same_work_have_the_same_names(values):
    volume = xr.DataArray(da.from_array(values, chunks=8), dims=("scan", "z", "y", "x"))
    one, same, other = (
        over_blocks(partial(np.clip, a_min=low), volume, margin=1, dtype=int, a_max=9).data.name for low in (1, 1, 2)
    )
    assert one == same != other


@pytest.mark.usefixtures("read_again")
def test_volumes_from_zarr_are_read_where_they_are_needed(values, tmp_path):
    path = tmp_path / "grey.zarr"
    xr.Dataset({"grey": (("scan", "z", "y", "x"), values)}).chunk(scan=1, z=5, y=3, x=7).to_zarr(
        path, consolidated=False
    )
    grey = xr.open_zarr(path, consolidated=False, chunks={"scan": 1, "z": 5, "y": 6, "x": 7})["grey"]
    found = over_blocks(box_sums, grey, margin=3, dtype=int, reach=(3, 3, 3))
    assert len(dict(found.data.dask)) == found.data.npartitions + 1
    assert_array_equal(found, whole(values, (3, 3, 3)))
