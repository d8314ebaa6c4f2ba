"""Write volumes as OME-Zarr: a pyramid of resolutions, out of core, whole or not at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import entries, software_version
from operando.pipelines.commit import sync_folder
from operando.pipelines.derived_volumes import MADE_FROM
from operando.tomo.layout import PLACES
from operando.tomo.voxels import Voxel, as_volume, voxel

VERSION = "0.5"
CHUNK = (64, 128, 128)
COARSEST = 256
"""Edge, in voxels, that the coarsest level does not exceed."""
_MOST_LEVELS = 12
_STEP = "write_ome_zarr"

Shape = tuple[int, ...]
Block = tuple[slice, ...]


def write_ome_zarr(
    path: str | Path,
    volume: xr.DataArray,
    *,
    labels: bool = False,
    levels: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a volume as an OME-Zarr 0.5 store (Zarr v3) and return its path.

    The store is written beside its place under another name and renamed: nobody sees half of it, and a write that
    fails leaves what was there. A lazy volume is read once, a slab of 64 slices at a time.

    Parameters
    ----------
    path
        The store, such as ``"step_001.ome.zarr"``; its folder is there.
    volume
        Dims z, y, x, places in um (others only of size 1); grey values, or labels.
    labels
        Whether the values are names: a voxel of a coarser level then has the most frequent of its eight (of equally
        frequent ones the first), else their mean.
    levels
        Levels of resolution, each of half the edges of the one before; by default as many as bring the longest edge to
        256 voxels or below.
    overwrite
        Whether a store that is there may be replaced.

    Raises
    ------
    OperandoError
        If the store is there and may not be replaced, cannot be written, or the volume has no places in um.

    Notes
    -----
    https://ngff.openmicroscopy.org/0.5/. A voxel's place is that of its middle: ``scale`` times its number plus
    ``translation``, micrometer.
    """
    path = Path(path)
    volume = _single(volume)
    edges = voxel(volume, _STEP)
    if edges.units != "um":
        raise OperandoError(f"{_STEP}: expected places along z, y, x (um), got none; assign voxel_size to the volume")
    if not overwrite and path.exists():
        raise OperandoError(f"{path}: expected nothing here, got a store; say overwrite = true to replace it")
    if not path.parent.is_dir():
        raise OperandoError(f"{path}: expected an existing folder to write to, got {path.parent}")
    shapes = _shapes(volume.shape, levels)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        _write(aside, volume, shapes, labels=labels)
        _describe(aside, path.name.split(".")[0], volume, edges, len(shapes), labels=labels)
        _put(aside, path)
    except OSError as error:
        said = error.strerror or str(error)
        raise OperandoError(f"{path}: writing failed ({said}); no store was changed; check the folder") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return path


def halved(values: NDArray[Any], *, labels: bool = False) -> NDArray[Any]:
    """Return a volume of half the edges, rounded up: the mean of each 2 x 2 x 2 voxels, or their most frequent label.

    At an odd end the last slice stands for the missing one. Means of integers are rounded to the nearest, halves to
    the even one.
    """
    padded = np.pad(values, [(0, size % 2) for size in values.shape], mode="edge")
    eight = [padded[z::2, y::2, x::2] for z, y, x in product((0, 1), repeat=3)]
    if labels:
        return _most_frequent(eight)
    mean = np.zeros(eight[0].shape, np.float64)
    for one in eight:
        mean += one
    mean /= len(eight)
    return (np.rint(mean) if values.dtype.kind in "iu" else mean).astype(values.dtype)


def _most_frequent(each: Sequence[NDArray[Any]]) -> NDArray[Any]:
    best, often = each[0].copy(), np.zeros(each[0].shape, np.int8)
    for one in each:
        count = np.zeros(one.shape, np.int8)
        for other in each:
            count += one == other
        more = count > often
        best[more], often[more] = one[more], count[more]
    return best


def _single(volume: xr.DataArray) -> xr.DataArray:
    volume = as_volume(volume, _STEP)
    others = {str(dim): size for dim, size in volume.sizes.items() if dim not in PLACES}
    if any(size != 1 for size in others.values()):
        raise OperandoError(f"{_STEP}: expected one volume (z, y, x), got {others} beside; choose one with isel")
    single = volume.isel(dict.fromkeys(others, 0))
    return single.astype(np.uint8) if single.dtype.kind == "b" else single


def _shapes(shape: Shape, levels: int | None) -> list[Shape]:
    """Return the shape of each level."""
    if levels is not None and (
        isinstance(levels, bool) or not isinstance(levels, int) or not 0 < levels <= _MOST_LEVELS
    ):
        raise OperandoError(f"{_STEP}: levels: expected a number from 1 to {_MOST_LEVELS}, got {levels!r}")
    found = [tuple(shape)]
    while (len(found) < levels) if levels is not None else (max(found[-1]) > COARSEST):
        found.append(tuple(-(-size // 2) for size in found[-1]))
    return found


def _write(aside: Path, volume: xr.DataArray, shapes: Sequence[Shape], *, labels: bool) -> None:
    import zarr
    from zarr.codecs import BloscCodec

    root = zarr.create_group(aside, zarr_format=3)
    arrays = [
        root.create_array(
            str(level),
            shape=shape,
            dtype=volume.dtype,
            chunks=tuple(min(edge, size) for edge, size in zip(CHUNK, shape, strict=True)),
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
            dimension_names=PLACES,
        )
        for level, shape in enumerate(shapes)
    ]
    for start in range(0, shapes[0][0], CHUNK[0]):
        arrays[0][start : start + CHUNK[0]] = _slab(volume[start : start + CHUNK[0]])
    with ThreadPoolExecutor() as threads:
        for finer, coarser in pairwise(arrays):
            done = threads.map(
                lambda block, of=finer, to=coarser: _halve(of, to, block, labels=labels), _blocks(coarser.shape)
            )
            for _ in done:
                pass


def _slab(part: xr.DataArray) -> NDArray[Any]:
    """Return slices in memory, chunk by chunk: they are there once, not once more in pieces."""
    import dask.array as da

    if part.chunks is None:
        return part.to_numpy()
    whole = np.empty(part.shape, part.dtype)
    da.store(part.data, whole, lock=False)
    return whole


def _blocks(shape: Shape) -> Iterator[Block]:
    starts = [range(0, size, edge) for size, edge in zip(shape, CHUNK, strict=True)]
    for corner in product(*starts):
        yield tuple(slice(at, min(at + edge, size)) for at, edge, size in zip(corner, CHUNK, shape, strict=True))


def _halve(finer: Any, coarser: Any, block: Block, *, labels: bool) -> None:
    source = tuple(slice(2 * cut.start, 2 * cut.stop) for cut in block)
    coarser[block] = halved(finer[source], labels=labels)


def _describe(aside: Path, name: str, volume: xr.DataArray, edges: Voxel, levels: int, *, labels: bool) -> None:
    """Write what the store says of itself: axes, and the place of every level's voxels."""
    import zarr

    first = [
        float(volume[axis][0]) if axis in volume.coords else 0.5 * edge
        for axis, edge in zip(PLACES, edges.edges, strict=True)
    ]
    datasets = []
    for level in range(levels):
        by = 2**level
        scale = [_rounded(by * edge) for edge in edges.edges]
        shift = [_rounded(at + (by - 1) / 2 * edge) for at, edge in zip(first, edges.edges, strict=True)]
        placed = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": shift}]
        datasets.append({"path": str(level), "coordinateTransformations": placed})
    image = {
        "name": name,
        "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in PLACES],
        "datasets": datasets,
        "type": "mode" if labels else "mean",
    }
    ome: dict[str, Any] = {"version": VERSION, "multiscales": [image]}
    if labels:
        ome["image-label"] = {}
    about = {
        "software": f"operando {software_version()}",
        "history": entries(volume),
        "units": volume.attrs.get("units", "1"),
    }
    if MADE_FROM in volume.attrs:
        about[MADE_FROM] = volume.attrs[MADE_FROM]
    zarr.open_group(aside, mode="r+").update_attributes({"ome": ome, "operando": about})


def _rounded(length: float) -> float:
    """Return a length without the last digits that differences of places leave."""
    return float(f"{length:.12g}")


def _put(aside: Path, path: Path) -> None:
    """Give the store its name; one that is replaced goes when the new one is there."""
    old = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    if path.exists():
        path.rename(old)
    try:
        aside.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    sync_folder(path.parent)
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        with suppress(OSError):
            old.unlink()
