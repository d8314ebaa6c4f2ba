"""Volumes that several steps read are made once: in memory if they are small, else in a folder that goes with them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

IN_MEMORY = 2**28
"""Bytes of all lazy variables up to which they are held in memory, unless ``MOST`` says otherwise."""
MOST = "operando.in-memory"
"""A setting of dask: a cluster is not sent what could be read from a folder."""


def kept(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose lazy variables have been computed, all in one pass over their blocks.

    What is larger than ``IN_MEMORY`` is written chunk by chunk to a temporary folder, in dask's
    ``temporary-directory`` if that is set, and stays lazy; the folder vanishes with the last of these variables.
    """
    lazy = {str(name): one for name, one in ds.variables.items() if one.chunks is not None and one.dtype.kind in "biuf"}
    if sum(array.nbytes for array in lazy.values()) <= dask.config.get(MOST, IN_MEMORY):
        return ds.compute()
    folder = Path(tempfile.mkdtemp(prefix="operando-", dir=dask.config.get("temporary-directory", None)))
    try:
        targets = [_target(folder / name, array.data) for name, array in lazy.items()]
        sources = [array.data.rechunk(to.chunks) for array, to in zip(lazy.values(), targets, strict=True)]
        da.store(sources, targets, lock=False)  # type: ignore[arg-type]
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    together = _Folder(folder)
    made = {
        name: xr.Variable(array.dims, _lazily(_Held(to, together), f"scratch-{folder.name}-{name}"), array.attrs)
        for (name, array), to in zip(lazy.items(), targets, strict=True)
    }
    # Text and times are few.
    small = ds.drop_vars(list(lazy)).compute()
    coords = {name: variable for name, variable in made.items() if name in ds.coords}
    return small.assign({name: one for name, one in made.items() if name not in coords}).assign_coords(coords)


class _Folder:
    """A temporary folder that goes with the last array in it."""

    def __init__(self, path: Path) -> None:
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)


class _Held:
    """An array in a temporary folder, as dask slices it; in another process the folder is only borrowed."""

    def __init__(self, array: zarr.Array[Any], folder: _Folder | None = None) -> None:
        self.array, self.folder = array, folder
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, part: tuple[slice, ...]) -> object:
        return self.array[part]

    def __reduce__(self) -> tuple[object, ...]:
        return _Held, (self.array,)


def _lazily(held: _Held, name: str) -> da.Array:
    array: da.Array = da.from_array(held, chunks=held.array.chunks, name=name)  # type: ignore[no-untyped-call]
    return array


def _target(path: Path, data: da.Array) -> zarr.Array[Any]:
    """Return a new array in the chunks of the data, the largest along each dim."""
    return zarr.create_array(
        path,
        shape=data.shape,
        dtype=data.dtype,
        chunks=tuple(int(size) for size in data.chunksize),
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
    )
