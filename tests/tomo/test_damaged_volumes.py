"""A damaged file is refused in one line, or read as far as it is whole, with flags: never anything else."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from damaged_copies import cut_off, one_byte_changed
from volume_files import EDGE, dxchange, grey, hdf5, imagej, nxtomo, ome_zarr, pages, slices, zarr_array

from operando import tomo
from operando.errors import OperandoError, OperandoWarning
from operando.flags import Flag
from operando.schema import problems
from operando.tomo.layout import PROJECTIONS, RAW

OME = {"axes": "ZYX", "PhysicalSizeX": EDGE, "PhysicalSizeY": EDGE, "PhysicalSizeZ": EDGE}
SETTINGS = {"timezone": "Europe/Zurich"}
PLAIN = {"voxel_size": EDGE}


def plain_hdf5(path: Path) -> Path:
    layout = {"chunks": (2, 12, 10), "compression": "gzip"}
    return hdf5(path, {"vol": grey((8, 12, 10))}, attributes={"vol@element_size_um": [EDGE] * 3}, **layout)


WRITTEN = {
    "pages": (lambda path: pages(path / "v.tif"), "v.tif", {}),
    "packed": (lambda path: pages(path / "v.tif", compression="zlib"), "v.tif", {}),
    "imagej": (lambda path: imagej(path / "v.tif"), "v.tif", {}),
    "ome": (lambda path: pages(path / "v.ome.tif", metadata=OME), "v.ome.tif", {}),
    "slices": (lambda path: slices(path / "s"), "s/slice_0003.tif", {}),
    "dxchange": (lambda path: dxchange(path / "v.h5"), "v.h5", {}),
    "nxtomo": (lambda path: nxtomo(path / "v.nxs"), "v.nxs", {}),
    "hdf5": (lambda path: plain_hdf5(path / "v.h5"), "v.h5", {}),
    "zarr": (lambda path: zarr_array(path / "v.zarr"), "v.zarr/zarr.json", PLAIN),
    "zarr 2": (lambda path: zarr_array(path / "v.zarr", zarr_format=2), "v.zarr/.zarray", PLAIN),
    "chunk": (lambda path: zarr_array(path / "v.zarr"), "v.zarr/c/0/0/0", PLAIN),
    "OME-Zarr 0.5": (lambda path: ome_zarr(path / "v.zarr"), "v.zarr/zarr.json", {}),
    "OME-Zarr 0.4": (lambda path: ome_zarr(path / "v.zarr", version="0.4"), "v.zarr/.zattrs", {}),
}


def attempt(path, settings):
    """Return what a damaged file gives, None if it is refused; anything but a line of ours fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        try:
            ds = tomo.read(path, **SETTINGS, **settings).compute()
        except OperandoError as error:
            return None if len(str(error).splitlines()) == 1 else pytest.fail(f"more than a line: {error}")
    as_series = xr.concat([ds], "scan", coords="all")
    assert not problems(as_series, RAW if "grey" in ds else PROJECTIONS)
    return ds


@pytest.mark.parametrize("kind", list(WRITTEN))
def test_a_changed_byte_spoils_one_slice_at_most(kind, tmp_path):
    write, name, settings = WRITTEN[kind]
    path = write(tmp_path)
    data, whole = (tmp_path / name).read_bytes(), attempt(path, settings)
    image = "grey" if "grey" in whole else "projections"
    for copy in one_byte_changed(data, 12, seed=20):
        (tmp_path / name).write_bytes(copy)
        ds = attempt(path, settings)
        if ds is None or ds[image].shape != whole[image].shape:
            continue
        lost = ds["frame_flag"].values != 0
        differ = ds[image].values != whole[image].values
        # A voxel that is another number, or a strip that lies elsewhere, no reader can know to be wrong.
        if kind in ("pages", "packed", "imagej", "ome", "slices"):
            assert np.count_nonzero(differ[~lost].any(axis=(1, 2))) <= 1


@pytest.mark.parametrize("kind", list(WRITTEN))
def test_a_file_that_breaks_off_is_refused_or_flagged(kind, tmp_path):
    write, name, settings = WRITTEN[kind]
    path = write(tmp_path)
    data, whole = (tmp_path / name).read_bytes(), attempt(path, settings)
    image = "grey" if "grey" in whole else "projections"
    for copy in cut_off(data):
        (tmp_path / name).write_bytes(copy)
        ds = attempt(path, settings)
        if ds is None or (ds[image].shape == whole[image].shape and (ds[image].values == whole[image].values).all()):
            continue
        assert int(ds["flag"]) & (Flag.missing_frame | Flag.truncated)
        there = ds["frame_flag"].values == 0
        np.testing.assert_array_equal(ds[image].values[there], whole[image].values[: there.size][there])


@pytest.mark.parametrize("name", ["v.tif", "v.h5", "v.zarr/zarr.json"])
def test_an_empty_file_is_told(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(OperandoError, match="expected data, got an empty file"):
        tomo.read(tmp_path / name)
