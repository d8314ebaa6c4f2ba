"""Sliders fetch only the chunks of what is shown: counted in the files of a store."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import xarray as xr

from operando import tomo
from operando.pipelines.export.ome_zarr import CHUNK, write_ome_zarr
from operando.pipelines.writer import Writer
from operando.viewer import sliders

SHAPE = (2 * CHUNK[0], 2 * CHUNK[1], 2 * CHUNK[2])
SCANS = 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A series of volumes that stay in OME-Zarr stores, two chunks long each way."""
    folder = tmp_path_factory.mktemp("lazy")
    places = {axis: (np.arange(size) + 0.5) * 0.1 for axis, size in zip("zyx", SHAPE, strict=True)}
    units = {axis: (axis, at, {"units": "um"}) for axis, at in places.items()}
    for scan in range(SCANS):
        grey = np.broadcast_to(np.arange(SHAPE[0], dtype="uint8")[:, None, None] + scan, SHAPE)
        write_ome_zarr(folder / f"step_{scan}.ome.zarr", xr.DataArray(grey, units, ("z", "y", "x")), levels=2)
    raw = tomo.read_series(sorted(folder.glob("*.ome.zarr"))).drop_vars("grey")
    with Writer(folder / "cell.zarr", {"files_from": "."}) as writer:
        writer.replace({"xtm/pellet/raw": raw})
    return folder / "cell.zarr"


@pytest.fixture
def fetched(monkeypatch):
    """The chunks that are read from files, counted: ``step_0.ome.zarr/0/c/0/1/1``."""
    from zarr.storage import LocalStore

    count, get = Counter(), LocalStore.get

    async def counting(self, key, *more, **further):
        name = f"{self.root.name}/{key}"
        if "/c/" in name:
            count[name.partition("/c/")[0] + "/" + name.partition("/c/")[2]] += 1
        return await get(self, key, *more, **further)

    monkeypatch.setattr(LocalStore, "get", counting)
    return count


def test_moving_the_sliders_fetches_the_chunks_of_the_shown_slice_alone(empty, store, fetched):
    (layer,) = empty.open(str(store), plugin="operando")
    assert [level.shape for level in layer.data] == [(SCANS, *SHAPE), (SCANS, *(size // 2 for size in SHAPE))]
    for scan, z in ((0, 10), (2, 10), (2, 100), (1, 100)):
        sliders.go(empty, layer, "scan", scan)
        fetched.clear()
        sliders.go(empty, layer, "z", z)
        sliders.go(empty, layer, "scan", (scan + 1) % SCANS)
        of_slice = {f"step_{one}.ome.zarr/0/{z // CHUNK[0]}" for one in (scan, (scan + 1) % SCANS)}
        of_slice |= {f"step_{one}.ome.zarr/1/0" for one in (scan, (scan + 1) % SCANS)}
        assert fetched
        assert {key.rsplit("/", 2)[0] for key in fetched} <= of_slice
        assert max(fetched.values()) <= 2, "for the slice and its thumbnail"
        assert sum(fetched.values()) <= 2 * 5, "of each scan four chunks of a slice, and one for the thumbnail"
        assert int(np.max(layer._slice.image.raw)) - z in ((scan + 1) % SCANS, (scan + 1) % SCANS + 1)
