from __future__ import annotations

import gc
import os
from pathlib import Path

import cc3d
import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from scipy.ndimage import gaussian_filter

from operando import tomo
from operando.errors import OperandoError
from operando.history import entries
from operando.tomo import piece_joining, run_kernels

SHAPE = (23, 31, 18)
CHUNKS = [
    (5, 7, 4),
    (1, 31, 18),
    (23, 1, 18),
    (23, 31, 1),
    ((10, 3, 10), (1, 15, 15), (17, 1)),
]


@pytest.fixture(scope="module")
def mask():
    solid = np.random.default_rng(11).random(SHAPE) < 0.3
    place = {name: (np.arange(size) + 0.5) * 0.65 for name, size in zip("zyx", SHAPE, strict=True)}
    return xr.DataArray(solid, dims=("z", "y", "x"), coords=place)


def plain(table):
    return table.drop_attrs()


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_labels_and_table_are_the_same_to_the_last_bit_however_the_volume_is_cut(mask, connectivity):
    labels, table = tomo.label(mask, connectivity)
    for chunks in CHUNKS:
        lazy, same = tomo.label(mask.copy(data=da.from_array(mask.values, chunks=chunks)), connectivity)
        assert lazy.chunks == da.from_array(mask.values, chunks=chunks).chunks
        assert_array_equal(lazy.values, labels.values)
        xr.testing.assert_identical(same, table)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_objects_are_those_of_cc3d_numbered_by_their_first_voxels(mask, connectivity, monkeypatch):
    monkeypatch.setattr("operando.tomo.blocks.EDGE", 8)
    labels, table = tomo.label(mask, connectivity)
    theirs, count = cc3d.connected_components(mask.values, connectivity=connectivity, return_N=True)
    both = np.unique(np.stack([theirs[mask.values].astype(int), labels.values[mask.values]]), axis=1)
    assert both.shape[1] == count == table.sizes["object"]
    assert not labels.values[~mask.values].any()
    _, first = np.unique(labels.values, return_index=True)
    assert (np.diff(first[1:]) > 0).all()
    assert_array_equal(np.ravel_multi_index(table["first_voxel"].values.T, SHAPE), first[1:])
    assert_array_equal(table["voxels"], np.bincount(labels.values.ravel())[1:])


@settings(max_examples=60, deadline=None)
@given(
    solid=arrays(bool, st.tuples(*[st.integers(1, 6)] * 3)),
    connectivity=st.sampled_from([6, 18, 26]),
    edge=st.integers(1, 4),
)
def test_small_masks_are_labeled_as_by_scipy(solid, connectivity, edge):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("operando.tomo.blocks.EDGE", edge)
        labels = tomo.label(solid, connectivity, workers=1)[0].values
    steps = {6: 1, 18: 2, 26: 3}[connectivity]
    theirs = ndimage.label(solid, ndimage.generate_binary_structure(3, steps))[0]
    order = {int(number): at for at, number in enumerate(dict.fromkeys(theirs[solid].tolist()), 1)}
    assert_array_equal(labels, np.vectorize(lambda number: order.get(int(number), 0), otypes=[int])(theirs))


@settings(max_examples=60, deadline=None)
@given(solid=arrays(bool, st.tuples(*[st.integers(1, 9)] * 3), elements=st.booleans(), fill=st.booleans()))
def test_runs_of_a_mask_are_those_of_its_voxels_one_by_one(solid):
    voxels = solid.astype(np.uint8)
    expected = run_kernels.find_runs(voxels.reshape(-1, solid.shape[2]))
    for truth in (solid, (200 * voxels).view(bool), np.asfortranarray(solid)):
        for found, one in zip(piece_joining.mask_runs(truth), expected, strict=True):
            assert_array_equal(found, one)


def test_pieces_that_touch_at_a_corner_of_four_or_eight_chunks_are_one_only_where_asked():
    for across, fewest in (([[1, 1, 1], [1, 2, 2]], 18), ([[1, 1, 1], [2, 2, 2]], 26), ([[1, 2, 1], [2, 1, 2]], 26)):
        solid = np.zeros((4, 4, 4), bool)
        solid[tuple(np.transpose(across))] = True
        lazy = xr.DataArray(da.from_array(solid, chunks=2), dims=("z", "y", "x"))
        for connectivity in (6, 18, 26):
            assert tomo.label(lazy, connectivity)[1].sizes["object"] == (1 if connectivity >= fewest else 2)


def test_a_cuboid_has_the_moments_of_a_cuboid_wherever_blocks_cut_it():
    solid = np.zeros((40, 40, 40), bool)
    solid[5:35, 3:15, 20:26] = True
    place = {"z": np.arange(40) * 1.5 + 100, "y": np.arange(40) * 0.5, "x": np.arange(40) * 0.5}
    cut = xr.DataArray(da.from_array(solid, chunks=(7, 9, 40)), dims=("z", "y", "x"), coords=place)
    _, table = tomo.label(cut)
    sides = np.array([30 * 1.5, 12 * 0.5, 6 * 0.5])
    assert_allclose(table["covariance"][0], np.diag(sides**2 / 12), rtol=1e-12, atol=1e-12)
    assert_allclose(table["principal_length"][0], sides * np.sqrt(5 / 3), rtol=1e-12)
    assert_allclose(table["principal_axis"][0], np.eye(3), atol=1e-12)
    assert_allclose(table["centroid"][0], [100 + 19.5 * 1.5, 8.5 * 0.5, 22.5 * 0.5], rtol=0, atol=1e-9)
    assert table["volume"].item() == pytest.approx(sides.prod())
    assert table["elongation"].item() == pytest.approx(1 - 6 / 45)
    assert table["flatness"].item() == pytest.approx(0.5)
    assert table["box_min"].values.tolist() == [[5, 3, 20]]
    assert table["box_max"].values.tolist() == [[34, 14, 25]]
    assert not table["touches_border"].item()
    assert table["volume"].attrs["units"] == "um^3"


def test_a_tilted_plate_is_flat_and_its_short_axis_is_its_normal():
    normal = np.array([2.0, 1.0, -2.0]) / 3
    offset = np.indices((60,) * 3) - 29.5
    away = np.tensordot(normal, offset, 1)
    radius = np.sqrt((offset**2).sum(0) - away**2)
    _, table = tomo.label((np.abs(away) < 1.5) & (radius < 22))
    largest = table.isel(object=int(table["voxels"].values.argmax()))
    assert abs(largest["principal_axis"].sel(principal="short").values @ normal) > 0.9999
    assert largest["principal_length"].sel(principal="long").item() == pytest.approx(22 * np.sqrt(5), rel=0.01)
    assert largest["flatness"].item() > 0.9
    assert largest["elongation"].item() < 0.03


def test_far_from_the_origin_moments_lose_nothing():
    solid = np.zeros((3, 4, 60_000), bool)
    solid[1, 1:3, 59_990:59_995] = True
    _, table = tomo.label(solid)
    assert_allclose(table["covariance"][0], np.diag([1, 4, 25]) / 12, rtol=1e-14, atol=1e-14)


def test_volumes_of_a_series_are_numbered_each_by_itself(mask):
    series = xr.concat([mask, ~mask, mask & False], "scan")
    labels, table = tomo.label(series)
    lazy, same = tomo.label(series.transpose("y", "scan", "z", "x").chunk(y=12, scan=2, z=9))
    assert lazy.dims == ("scan", "z", "y", "x")
    assert_array_equal(lazy, labels)
    xr.testing.assert_identical(plain(same), plain(table))
    for scan in range(3):
        alone, rows = tomo.label(series[scan])
        assert_array_equal(labels[scan], alone)
        here = table.isel(object=table["scan"] == scan).drop_vars("scan")
        xr.testing.assert_identical(plain(here), plain(rows))
    assert entries(table)[-1]["step"] == "tomo.label"


def test_a_mask_without_objects_gives_an_empty_table():
    labels, table = tomo.label(np.zeros((4, 5, 6), bool))
    assert table.sizes["object"] == 0
    assert not labels.any()


def test_scratch_lies_in_dasks_folder_and_vanishes_with_the_labels(mask, tmp_path):
    with dask.config.set({"temporary-directory": str(tmp_path)}):
        labels, _ = tomo.label(mask.chunk(z=8))
    half = labels[:12].copy()
    del labels
    gc.collect()
    assert half.values.max() > 0
    assert len(list(tmp_path.iterdir())) == 1
    del half
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_a_store_is_filled_and_kept_and_never_used_twice(mask, tmp_path):
    expected = tomo.label(mask)[0].values
    labels, _ = tomo.label(mask.chunk(z=8), store=tmp_path / "pieces")
    assert_array_equal(labels, expected)
    del labels
    gc.collect()
    assert Path(tmp_path / "pieces").exists()
    with pytest.raises(OperandoError, match=r"pieces: expected a folder without pieces"):
        tomo.label(mask.chunk(z=8), store=tmp_path / "pieces")


def test_labels_of_a_stored_mask_are_stored_as_whole_numbers(mask, tmp_path):
    mask.to_dataset(name="mask").to_zarr(tmp_path / "mask.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "mask.zarr", consolidated=False)["mask"]
    labels, _ = tomo.label(stored)
    labels.to_dataset().to_zarr(tmp_path / "labels.zarr", consolidated=False)
    assert_array_equal(xr.open_zarr(tmp_path / "labels.zarr", consolidated=False)["labels"], tomo.label(mask)[0])


def test_plain_arrays_are_labeled_in_voxels_and_lazy_ones_stay_lazy(mask):
    labels, table = tomo.label(da.from_array(mask.values, chunks=9))
    assert labels.chunks is not None
    assert_array_equal(labels, tomo.label(mask.values)[0])
    assert table["centroid"].attrs["units"] == "px"


def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(OperandoError, match="expected a mask"):
        tomo.label(mask.astype(np.uint8))
    with pytest.raises(OperandoError, match="6, 18 or 26, got 8"):
        tomo.label(mask, 8)
    with pytest.raises(OperandoError, match="without voxels"):
        tomo.label(mask[:0])


def test_more_objects_than_a_label_can_count_are_refused(mask, monkeypatch):
    monkeypatch.setattr("operando.tomo.piece_joining.MOST", 3)
    with pytest.raises(OperandoError, match="at most 3 objects"):
        tomo.label(mask)


def test_processes_give_what_threads_give_even_when_one_dies(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    grey = gaussian_filter(np.random.default_rng(3).normal(size=(48, 40, 40)), 1.5)
    expected, table = tomo.label(grey > 0.1)
    marker = tmp_path / "died"

    def die_once(block, block_info=None):
        if block_info[0]["chunk-location"] == (2, 1, 0) and not marker.exists():
            marker.touch()
            os._exit(1)
        return block

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster),
    ):
        solid = da.from_array(grey > 0.1, chunks=(12, 20, 40)).map_blocks(die_once, dtype=bool)
        labels, same = tomo.label(xr.DataArray(solid, dims=("z", "y", "x")))
        assert marker.exists()
        assert_array_equal(labels, expected)
        xr.testing.assert_identical(plain(same), plain(table))
