import os
import signal
import time
import tracemalloc
from types import SimpleNamespace

import dask
import dask.array as da
import distributed
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from scipy import ndimage

from operando.errors import FileError, OperandoError, OperandoWarning
from operando.tomo import slab_holders, tortuosity, tortuosity_in_slabs
from operando.tomo.conduction_in_slabs import SlabSystem
from operando.tomo.mask_slabs import MaskSlab

PLACES = ("z", "y", "x")


def blobs(shape, filled, seed=1):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5)
    return field < np.quantile(field, filled)


def same(one, other):
    xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize(("planes", "slabs"), [(20, 2), (13, 3), (8, 5)])
def test_slabs_give_the_digits_of_the_whole(planes, slabs):
    mask = blobs((39, 30, 33), 0.4)
    assert -(-39 // (-(-planes // 4) * 4)) == slabs
    same(tortuosity_in_slabs(mask, "all", slabs=planes), tortuosity(mask, "all"))


@given(arrays(np.bool_, st.tuples(st.integers(1, 13), st.integers(1, 6), st.integers(1, 6))))
@settings(max_examples=25, deadline=None)
def test_any_mask_in_slabs_conducts_as_the_whole(mask):
    found, whole = (
        work(mask, "all", tol=1e-7, **given)["tortuosity_factor"].values
        for work, given in ((tortuosity_in_slabs, {"slabs": 4}), (tortuosity, {}))
    )
    assert_allclose(found, whole, rtol=1e-6)


def test_thin_walls_and_pipes_that_come_back_to_slabs_they_left_conduct_as_in_the_whole():
    baffles = np.ones((60, 30, 30), bool)
    for number, z in enumerate(range(5, 60, 10)):
        baffles[z] = False
        baffles[z, number % 2 * 24 + 2 : number % 2 * 24 + 4, 14:17] = True
    pipe = np.zeros((31, 23, 9), bool)
    for number, y in enumerate(range(0, 23, 4)):
        pipe[:, y : y + 2, 3:6] = True
        pipe[29 * (number % 2) : 29 * (number % 2) + 2, y : y + 6, 3:6] = True
    sparse = np.random.default_rng(0).random((40, 30, 30)) < 0.36
    for mask, dim in ((baffles, "z"), (pipe, "y"), (sparse, "z")):
        whole = tortuosity(mask, dim)
        assert whole["percolating"].item()
        same(tortuosity_in_slabs(mask, dim, slabs=8), whole)


def test_what_does_not_percolate_says_why_and_series_keep_their_dims():
    masks = np.ones((2, 12, 6, 7), bool)
    masks[1, 7] = False
    series = xr.DataArray(masks, dims=("scan", *PLACES)).assign_coords(voxel_size=0.5, scan=[4, 5]).chunk({"z": 5})
    found = tortuosity_in_slabs(series, ["x", "z"], slabs=4)
    same(found, tortuosity(series, ["x", "z"]))
    assert found["reason"].sel(scan=5, axis="z").item().startswith("no path leads")
    assert '"slabs": 4' in found.attrs["history"]


def test_threads_change_no_digit():
    mask = blobs((66, 64, 70), 0.4)
    whole = tortuosity(mask, workers=1)
    for workers in (1, 3):
        same(tortuosity_in_slabs(mask, slabs=32, workers=workers), whole)


def test_slabs_in_files_take_the_memory_of_one_and_leave_nothing(tmp_path):
    shape, chunk = (96, 80, 80), 16
    plane = blobs((chunk, *shape[1:]), 0.5)
    mask = da.map_blocks(lambda: plane, chunks=((chunk,) * 6, *[(size,) for size in shape[1:]]), dtype=bool)
    volume = xr.DataArray(mask, dims=PLACES)
    tortuosity_in_slabs(volume[:8, :9, :9], slabs=4)
    tracemalloc.start()
    found = tortuosity_in_slabs(volume, slabs=chunk, store=tmp_path / "slabs", workers=1)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 4 * mask.size
    assert list((tmp_path / "slabs").iterdir()) == []
    same(found, tortuosity(volume))


def test_workers_of_a_cluster_give_the_digits_of_the_whole(client):
    mask = blobs((41, 30, 33), 0.4)
    whole = tortuosity(mask)
    lazy = xr.DataArray(mask, dims=PLACES).chunk(16)
    with dask.config.set(scheduler=client):
        for volume, slabs in ((lazy, None), (mask, 12), (lazy.persist(), 12)):
            same(tortuosity_in_slabs(volume, slabs=slabs), whole)
    same(client.submit(tortuosity_in_slabs, mask, slabs=12).result(), whole)
    patience = time.monotonic() + 10
    while any(client.run(lambda dask_worker: len(dask_worker.state.actors)).values()):
        assert time.monotonic() < patience, "workers keep slabs that nobody works on"
        time.sleep(0.02)


def test_a_worker_that_is_lost_is_told(client, monkeypatch):
    pids = sorted(client.run(os.getpid).items())
    monkeypatch.setattr(slab_holders, "_PATIENCE", 0.5)
    follow = SlabSystem.follow

    def follow_after_a_loss(system, share):
        os.kill(pids[0][1], signal.SIGKILL)
        return follow(system, share)

    monkeypatch.setattr(SlabSystem, "follow", follow_after_a_loss)
    mask, lost = blobs((16, 10, 10), 0.6), "expected workers that stay to the end, lost"
    with dask.config.set(scheduler=client), pytest.raises(OperandoError, match=lost):
        tortuosity_in_slabs(mask)


def test_a_slab_that_a_cluster_made_anew_refuses_to_go_on():
    slab = MaskSlab(np.ones((4, 5, 6), bool), (8, 5, 6), 4, 0, 1)
    slab.arrays = {name: np.zeros(shape, kind) for name, (shape, kind) in slab.kinds().items()}
    with pytest.raises(RuntimeError, match="has lost what it held"):
        slab.follow(0.5, (None, None))


def test_a_solution_that_is_cut_short_says_so(monkeypatch):
    from operando.tomo import conduction_in_slabs
    from operando.tomo.conjugate_gradients import minimize

    monkeypatch.setattr(conduction_in_slabs, "minimize", lambda system, tol: minimize(system, tol, most=2))
    with pytest.warns(OperandoWarning, match="not every solution converged"):
        found = tortuosity_in_slabs(blobs((20, 20, 20), 0.4), slabs=8)
    assert not found["converged"].item()


def test_what_cannot_be_cut_is_refused(tmp_path, monkeypatch):
    mask = np.ones((4, 4, 4), bool)
    with pytest.raises(OperandoError, match="slabs from 1 voxel on"):
        tortuosity_in_slabs(mask, slabs=0)
    with pytest.raises(OperandoError, match="expected a mask of true and false"):
        tortuosity_in_slabs(mask.astype(int))
    places = {name: np.arange(4) * edge for name, edge in zip(PLACES, (1.0, 2.0, 2.0), strict=True)}
    with pytest.raises(OperandoError, match="expected cubic voxels"):
        tortuosity_in_slabs(xr.DataArray(mask, places, PLACES))
    monkeypatch.setattr(slab_holders.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FileError, match=r"expected .* GB of room for slabs, got 0 GB"):
        tortuosity_in_slabs(mask, store=tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OperandoError, match="a folder"):
        tortuosity_in_slabs(mask, store=tmp_path / "file")
