import tracemalloc

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

from operando import tomo
from operando.errors import OperandoError
from operando.tomo import crack_passes
from operando.tomo.blocks import over_blocks
from operando.tomo.costs import OPERATIONS, check_cost, cost

LEVELS = {"matrix": 20000.0, "void": 14000.0, "noise": 2000.0, "blur": 0.7}


def lazy(edge, chunk):
    """Grey levels (uint16) that are made block by block, so that memory holds no more than the work needs."""

    def made(block_info=None):
        bands = 8000 * (np.arange(chunk) % 16 > 7)
        noise = np.random.default_rng(block_info[None]["chunk-location"]).integers(0, 3000, (chunk,) * 3)
        return (20000 + bands + noise).astype(np.uint16)

    grey = da.map_blocks(made, chunks=((chunk,) * (edge // chunk),) * 3, dtype=np.uint16, meta=np.empty((0,) * 3, "u2"))
    return xr.DataArray(grey, dims=("z", "y", "x"))


def peak(array):
    """Bytes at most while each block is made and dropped, one after the other."""
    dropped = array.map_blocks(lambda block: np.zeros((1,) * block.ndim, np.uint8), dtype=np.uint8, chunks=(1,) * 3)
    with dask.config.set(scheduler="sync"):
        tracemalloc.start()
        dropped.compute()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return found


@pytest.fixture(scope="module")
def fitted():
    grey = lazy(64, 64).compute()
    marks = np.zeros(grey.shape, np.uint8)
    marks[30, 20:40:3, 20:40] = 1 + (grey.values[30, 20:40:3, 20:40] > 25000)
    return tomo.PixelClassifier(trees=3).fit(grey, marks)


def test_memory_of_a_classifier_is_what_was_said(fitted):
    volume = lazy(192, 96)
    said = cost("classify", volume.shape, chunks=96, workers=1).peak_memory
    assert said / 1.5 < peak(fitted.predict(volume).data) < 1.5 * said


@pytest.mark.parametrize("shape", [(160, 160, 160), (160, 320, 320)])
def test_blocks_wait_for_their_neighbors(shape):
    """What the graph holds apart from the work: two layers of blocks and a bit."""
    chunk = 40
    noise = da.map_blocks(
        lambda: np.ones((chunk,) * 3), chunks=tuple((chunk,) * (side // chunk) for side in shape), dtype=float,
        meta=np.empty((0,) * 3),
    )  # fmt: skip
    volume = xr.DataArray(noise, dims=("z", "y", "x"))
    work = OPERATIONS["denoise"]
    said = cost("denoise", shape, dtype=float, chunks=chunk, workers=1).peak_memory - work.bytes * (chunk + 2) ** 3
    assert said / 1.5 < peak(over_blocks(np.copy, volume, margin=1, dtype=float).data) < 1.5 * said


def test_memory_of_a_tortuosity_factor_in_slabs_is_what_was_said():
    mask = xr.DataArray(da.random.default_rng(1).random((160,) * 3, chunks=(32, 160, 160)) < 0.7, dims=("z", "y", "x"))
    tomo.tortuosity_in_slabs(mask[:8, :8, :8], slabs=4)
    said = cost("tortuosity_in_slabs", mask.shape, dtype=bool, chunks=160, workers=1).peak_memory - 10e6
    tracemalloc.start()
    tomo.tortuosity_in_slabs(mask, slabs=160, workers=1)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said / 1.5 < found < 1.5 * said


@pytest.mark.parametrize("name", ["plate_filter", "denoise"])
def test_memory_of_filters_is_what_was_said(name):
    if name not in tomo.__all__:
        pytest.skip(f"operando.tomo has no {name} yet")
    volume = lazy(256, 128)
    said = cost(name, volume.shape, chunks=128, workers=1).peak_memory
    assert said / 1.5 < peak(getattr(tomo, name)(volume).data) < 1.5 * said


class Flat:
    """An array of one grey level that takes no room, and stands for a file."""

    def __init__(self, shape, dtype):
        self.shape, self.ndim, self.dtype = shape, len(shape), np.dtype(dtype)

    def __getitem__(self, key):
        return np.ones([len(range(size)[cut]) for size, cut in zip(self.shape, key, strict=True)], self.dtype)


def graph_of(work):
    """Return how many tasks the first graph has that a piece of work computes."""

    def counted(graph, keys, **_):
        raise StopAsyncIteration(len(dict(graph.__dask_graph__())))

    with dask.config.set(scheduler=counted), pytest.raises(StopAsyncIteration) as counts:
        work()
    return counts.value.args[0]


GIGAVOXELS = {
    "denoise": (np.uint16, lambda grey, to: da.to_zarr(tomo.denoise(grey).data, to)),
    "histogram": (np.uint16, lambda grey, _: tomo.histogram(grey)),
    "label": (bool, lambda mask, to: tomo.label(mask, store=to)),
    "local_thickness": (bool, lambda mask, to: da.to_zarr(tomo.local_thickness(mask, max_radius=12.0).data, to)),
    "plate_filter": (np.uint16, lambda grey, to: da.to_zarr(tomo.plate_filter(grey).data, to)),
    "regions": (np.int32, lambda labels, _: tomo.regions(labels)),
}


@pytest.mark.parametrize("operation", GIGAVOXELS)
def test_fourteen_gigavoxels_from_files_take_the_tasks_and_fit_into_the_memory_that_was_said(operation, tmp_path):
    dtype, work = GIGAVOXELS[operation]
    shape = (2160, 2560, 2560)
    volume = xr.DataArray(da.from_array(Flat(shape, dtype), chunks=256), dims=("z", "y", "x"))
    said = check_cost(cost(operation, shape, dtype=dtype, chunks=256), 4e9)
    assert graph_of(lambda: work(volume, tmp_path / "to.zarr")) == pytest.approx(said.tasks, rel=0.02)


def test_cracks_of_fourteen_gigavoxels_take_two_graphs_of_few_tasks(tmp_path, monkeypatch):
    """The first pass is counted, and skipped for the second, which writes four volumes."""
    shape = (2160, 2560, 2560)
    volume = xr.DataArray(da.from_array(Flat(shape, np.uint16), chunks=256), dims=("z", "y", "x"))
    said = check_cost(cost("segment_cracks", shape, chunks=256), 4e9)
    assert graph_of(lambda: tomo.segment_cracks(volume, **LEVELS)) < said.tasks / 2
    monkeypatch.setattr(crack_passes, "each_block", lambda *_: {})
    monkeypatch.setattr(crack_passes, "join_sure", lambda *_: None)
    found = tomo.segment_cracks(volume, **LEVELS).drop_attrs()
    graph = graph_of(lambda: found.to_zarr(tmp_path / "to.zarr", consolidated=False))
    assert graph == pytest.approx(said.tasks, rel=0.02)


@pytest.mark.parametrize(("edge", "chunk"), [(64, 32), (96, 24), (128, 128)])
def test_tasks_are_those_of_the_graph(edge, chunk, tmp_path):
    volume = lazy(edge, chunk)
    graph = graph_of(lambda: da.to_zarr(tomo.plate_filter(volume).data, tmp_path / "to.zarr"))
    said = cost("plate_filter", (edge,) * 3, chunks=chunk).tasks
    assert said == pytest.approx(graph, abs=3)


def test_a_series_takes_as_long_as_its_volumes():
    one, many = cost("plate_filter", (256,) * 3), cost("plate_filter", (7, 256, 256, 256))
    assert many.seconds == pytest.approx(7 * one.seconds)
    assert many.bytes_read == 7 * one.bytes_read == 7 * 2 * 256**3
    assert (many.peak_memory, many.tasks) == (one.peak_memory, one.tasks)


@pytest.mark.parametrize("operation", sorted({one for one, work in OPERATIONS.items() if work.bytes} - {"reconstruct"}))
def test_more_workers_take_less_time_and_more_memory_and_smaller_chunks_less(operation):
    few, many = (cost(operation, (600,) * 3, workers=workers) for workers in (1, 4))
    assert many.seconds == pytest.approx(few.seconds / 4)
    assert few.peak_memory < many.peak_memory <= 4 * few.peak_memory
    small = cost(operation, (600,) * 3, workers=1, chunks=60)
    assert small.peak_memory < few.peak_memory
    assert small.tasks > few.tasks or not OPERATIONS[operation].tasks
    assert small.seconds >= few.seconds


def test_a_reconstruction_is_counted_by_its_projections():
    found = cost("reconstruct", (64, 256, 256), angles=200, chunks=16, workers=1)
    assert found.bytes_read == 64 * 200 * 256 * 2
    assert found.tasks == 4
    assert found.seconds == pytest.approx(64 * 256**2 * 200 / 1.4e9, rel=0.3)


def test_what_cannot_fit_is_refused_with_a_way_out():
    whole = cost("plate_filter", (2160, 2560, 2560), chunks=512, workers=8)
    assert check_cost(whole, 1e12) is whole
    with pytest.raises(OperandoError, match=r"plate_filter: needs about .* GB, got 2 GB of memory; use smaller chunks"):
        check_cost(whole, 2e9)
    with pytest.raises(OperandoError, match=r"5000 tasks or fewer in a graph, got .*; use larger chunks"):
        check_cost(cost("plate_filter", (2160, 2560, 2560), chunks=64), 1e12)
    assert str(whole).startswith("plate_filter: reads 28.3 GB, holds ")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"operation": "polish"}, "expected one of classify, contact_area"),
        ({"shape": (5, 5)}, r"a shape \(..., z, y, x\)"),
        ({"shape": (5, 0, 5)}, "a shape"),
        ({"workers": 0}, "workers"),
        ({"chunks": (4, 4)}, "chunks as one edge or three"),
        ({"chunks": 0}, "chunks as one edge or three"),
        ({"angles": 100}, "angles with 'reconstruct', and only there"),
        ({"operation": "reconstruct"}, "angles with 'reconstruct'"),
    ],
)
def test_questions_without_an_answer_are_refused(wrong, said):
    with pytest.raises(OperandoError, match=said):
        cost(**({"operation": "label", "shape": (64, 64, 64)} | wrong))
