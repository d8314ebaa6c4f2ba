"""The simulated volumes are those of their truth; series share their voxels; those of a store open again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import dask
import numpy as np
import pytest
import xarray as xr
from volume_files import EDGE, dxchange, grey, nxtomo, pages, slices

from operando import example_scans, tomo
from operando.errors import OperandoError
from operando.flags import Flag
from operando.schema import check
from operando.tomo.blocks import THREADS
from operando.tomo.formats.frames import MISSING, Picked, chunk, lazily
from operando.tomo.formats.zarr_frames import ZarrFrames
from operando.tomo.layout import IMAGES, PROJECTIONS, RAW

SMALL = Path(example_scans.__file__).parent / "small"
STEPS = [SMALL / "xtm" / f"step_{number:03d}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def known():
    with xr.open_datatree(SMALL / "truth.zarr", engine="zarr") as tree:
        yield tree["xtm"].to_dataset().load()


@pytest.fixture(scope="module")
def series():
    return tomo.read_series(STEPS, timezone="Europe/Zurich", log="steps.txt")


def test_simulated_volumes_have_the_layout_of_the_store_and_the_flags_they_deserve(series, known):
    check(series, RAW)
    assert series["grey"].dtype == np.uint16
    assert series["grey"].chunks[0] == (1,) * 5
    ring = int(Flag.ring_artifact)
    np.testing.assert_array_equal(series["flag"], known["flag"] & ~ring)
    np.testing.assert_array_equal(series["frame_flag"], known["slice_flag"])
    np.testing.assert_allclose(series["z"], known["z"])
    np.testing.assert_allclose(series["voxel_size"], known.attrs["voxel_size"])


def test_simulated_grey_levels_follow_the_true_phases(series, known):
    grey_of = dict(zip(known["phase"].values, known["grey_level"].values, strict=True))
    for scan in (0, 3):
        sound = series["grey"][scan].values.astype(float)
        for number, name in ((1, "ncm"), (2, "electrolyte")):
            inside = known["label"][scan].values == number
            assert np.median(sound[inside]) == pytest.approx(grey_of[name], rel=0.06)


def test_simulated_projections_have_their_layout():
    ds = tomo.read(SMALL / "xtm" / "step_001.h5", timezone="Europe/Zurich")
    check(xr.concat([ds], "scan", coords="all"), PROJECTIONS)
    assert ds.sizes["angle"] == 90
    np.testing.assert_allclose(ds["angle"], np.arange(90) * 2.0)


def test_the_log_alone_gives_the_same_series(series):
    logged = tomo.read(SMALL / "xtm" / "steps.txt", timezone="Europe/Zurich")
    check(logged, RAW)
    xr.testing.assert_equal(logged.drop_vars(["source", "images"]), series.drop_vars(["source", "images"]))


def test_surplus_and_missing_slices_at_the_end_are_found_in_the_series():
    single = tomo.read_series(STEPS)
    assert single.sizes["z"] == 64
    assert int(single["flag"][4]) & Flag.surplus_frame


def stored_as(series, sources):
    stored = series.drop_vars([name for name in IMAGES if name in series])
    return stored.assign_coords(source=("scan", np.array(sources, dtype=object)))


def test_stored_volumes_open_again(series):
    stored = stored_as(series, [f"xtm/{path.name}" for path in STEPS])
    again = tomo.reopen(stored, SMALL)
    xr.testing.assert_equal(again["grey"], stored.assign(grey=series["grey"])["grey"])
    np.testing.assert_array_equal(tomo.reopen(stored.isel(scan=1), SMALL)["grey"], series["grey"][1])
    logged = tomo.read(SMALL / "xtm" / "steps.txt", timezone="Europe/Zurich")
    stored = stored_as(logged, [f"xtm/{source}" for source in logged["source"].values])
    np.testing.assert_array_equal(tomo.reopen(stored.isel(scan=[3, 1]), SMALL)["grey"], series["grey"][[3, 1]])


def test_volumes_that_changed_are_not_opened_for_the_stored_ones(tmp_path):
    paths = [slices(tmp_path / f"s{number}", grey(seed=number)) for number in (1, 2)]
    stored = tomo.read_series(paths).drop_vars("grey")
    np.testing.assert_array_equal(tomo.reopen(stored, tmp_path)["grey"], [grey(seed=number) for number in (1, 2)])
    shutil.rmtree(paths[0])
    slices(paths[0], grey(), edge=2 * EDGE)
    with pytest.raises(OperandoError, match="expected the places along z of the stored scan"):
        tomo.reopen(stored, tmp_path)
    shutil.rmtree(paths[0])
    with pytest.raises(OperandoError, match="s1: expected a readable file, got No such file"):
        tomo.reopen(stored, tmp_path)
    with pytest.raises(OperandoError, match="reopen: expected attrs"):
        tomo.reopen(stored.drop_attrs(), tmp_path)


def test_stored_projections_open_again_with_their_flats(tmp_path):
    series = tomo.read_series([dxchange(tmp_path / "a.h5"), dxchange(tmp_path / "b.h5")], timezone="Europe/Zurich")
    check(series, PROJECTIONS)
    again = tomo.reopen(series.drop_vars(["projections", "flat", "dark"]), tmp_path)
    for name in ("projections", "flat", "dark"):
        np.testing.assert_array_equal(again[name], series[name])


def test_a_volume_that_ends_early_is_filled_and_flagged(tmp_path):
    paths = [slices(tmp_path / name, values) for name, values in (("a", grey()), ("b", grey()[:4]), ("c", grey()))]
    series = tomo.read_series(paths)
    assert series["grey"].dtype == np.uint16
    assert (series["frame_flag"][1, 4:] == Flag.missing_frame).all()
    assert int(series["flag"][1]) & Flag.truncated
    assert not series["grey"][1, 4:].any()
    np.testing.assert_array_equal(series["grey"][1, :4], grey()[:4])


def test_volumes_of_other_voxels_or_sizes_are_no_series(tmp_path):
    one = slices(tmp_path / "a")
    other = slices(tmp_path / "b", edge=2 * EDGE)
    with pytest.raises(OperandoError, match=r"expected a voxel_size of 0\.65 .* as in a, got 1\.3 .* in b; give it"):
        tomo.read_series([one, other])
    wide = slices(tmp_path / "c", grey((6, 12, 11)))
    with pytest.raises(OperandoError, match="expected 10 voxels along x as in a, got 11 in c"):
        tomo.read_series([one, wide])
    with pytest.raises(OperandoError, match="expected only volumes or only projections, got both"):
        tomo.read_series([one, nxtomo(tmp_path / "d.nxs")])
    with pytest.raises(OperandoError, match="expected at least one volume"):
        tomo.read_series([])


def test_settings_and_history_are_those_of_the_reading(tmp_path):
    ds = tomo.read(pages(tmp_path / "v.tif"), voxel_size=EDGE, slices=5)
    assert json.loads(ds.attrs["settings"]) == {"reader": "tiff", "voxel_size": EDGE, "slices": 5}
    (step,) = json.loads(ds.attrs["history"])
    assert step["step"] == "tomo.read"
    assert step["parameters"]["voxel_size_taken"] == EDGE
    assert ds["grey"].attrs == {"units": "1", "long_name": "grey value"}


class Numbered:
    """Frames that hold their own number, and know which of them were read."""

    shape = (9, 2, 3)

    def __init__(self):
        self.read = []

    def block(self, frames, rows, columns):
        self.read += range(9)[frames]
        return np.broadcast_to(np.arange(9)[:, None, None], self.shape)[frames, rows, columns]


@pytest.mark.parametrize("order", [(0, 1, 2), (-1, 0, 1), (3, 4, -1, -1, 5, 0), (-1, -1), (2, 2, 8)])
def test_picked_frames_lie_where_their_order_says(order):
    picked = Picked(Numbered(), order, np.dtype(np.float32))
    wanted = np.broadcast_to(np.where(np.array(order) == MISSING, np.nan, order)[:, None, None], picked.shape)
    each = slice(None)
    keys = [(each,) * 3, (slice(1, 5), 1, slice(0, 2)), (slice(None, None, -1), each, 2), (1, 0, 0), (1, each, [2, 0])]
    for key in [*keys, ([1, 0, 1], slice(1), each), (np.array([1]), 1, 2)]:
        np.testing.assert_array_equal(picked[key], wanted[key])


def test_a_slice_costs_a_slice():
    source = Numbered()
    lazy = lazily(Picked(source, tuple(range(9)), np.dtype(np.float32)), (1, 2, 3))
    assert not source.read
    np.testing.assert_array_equal(lazy[4].compute(), np.full((2, 3), 4))
    assert source.read == [4]
    np.testing.assert_array_equal(lazy[[7, 1], 0].compute(), [[7] * 3, [1] * 3])


def test_chunks_are_whole_pieces_of_what_a_file_delivers():
    assert chunk((2160, 2560, 2560), (1, 2560, 2560), 2) == (8, 2560, 2560)
    edges = chunk((2160, 2560, 2560), (64, 64, 64), 2)
    assert 2 * np.prod(edges) == 2**27
    assert max(edges) == 2 * min(edges)
    assert chunk((64, 64, 64), (1, 64, 64), 2) == (64, 64, 64)
    assert chunk((5, 40_000, 40_000), (1, 40_000, 40_000), 2) == (1, 40_000, 40_000)


@pytest.mark.parametrize(
    ("shape", "grain", "threads", "expected"),
    [
        ((256, 256, 256), (1, 256, 256), 1, (256, 256, 256)),
        ((256, 256, 256), (1, 256, 256), 2, (128, 256, 256)),
        ((257, 256, 256), (1, 256, 256), 2, (129, 256, 256)),
        ((256, 256, 256), (1, 256, 256), 64, (32, 256, 256)),
        ((256, 256, 256), (64, 64, 64), 3, (128, 128, 256)),
        ((64, 64, 64), (1, 64, 64), 64, (64, 64, 64)),
        ((4, 2560, 2560), (1, 2560, 2560), 64, (1, 2560, 2560)),
        ((2160, 2560, 2560), (1, 2560, 2560), 64, (8, 2560, 2560)),
    ],
)
def test_every_thread_has_a_chunk_of_a_volume_that_is_large_enough(shape, grain, threads, expected):
    assert chunk(shape, grain, 2, threads) == expected


@pytest.mark.parametrize(
    ("settings", "count"),
    [({"scheduler": "synchronous"}, 1), ({"num_workers": 3}, 4), ({THREADS: 8, "scheduler": "synchronous"}, 8)],
)
def test_threads_are_those_of_the_cluster_or_those_here(settings, count):
    whole = Picked(SimpleNamespace(shape=(256, 256, 256)), tuple(range(256)), np.dtype(np.uint16))
    with dask.config.set(settings):
        assert len(lazily(whole, (1, 256, 256)).chunks[0]) == count


def test_frames_of_a_store_that_changed_are_refused(tmp_path):
    frames = ZarrFrames(tmp_path, "", (None,) * 3, (6, 12, 10), np.dtype(np.uint16))
    with pytest.raises(OperandoError, match="a sound Zarr store"):
        frames.block(slice(0, 1), slice(None), slice(None))
