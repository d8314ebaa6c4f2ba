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
    scan, z = 1, (SHAPE[0] - 1) // 2
    assert (sliders.place(empty, layer, "scan"), sliders.place(empty, layer, "z")) == (scan, z)
    for axis, number in (("z", 100), ("scan", 2), ("z", 10), ("scan", 0), ("z", 11)):
        fetched.clear()
        sliders.go(empty, layer, axis, number)
        scan, z = (number, z) if axis == "scan" else (scan, number)
        finest = {f"step_{scan}.ome.zarr/0/{z // CHUNK[0]}/{y}/{x}" for y in (0, 1) for x in (0, 1)}
        again = (axis, number) == ("z", 11)
        assert {key for key in fetched if "/0/" in key[: len("step_0.ome.zarr/0/")]} == (set() if again else finest)
        assert set(fetched) - finest <= {f"step_{scan}.ome.zarr/1/0/0/0"}, "for the thumbnail"
        assert max(fetched.values(), default=1) == 1
        assert np.unique(layer._slice.image.raw).tolist() == [z + scan]
