"""Volumes and projections written in every format that is read, each from the same numbers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import tifffile
import zarr

SHAPE = (6, 12, 10)
EDGE = 0.65
ANGLES = np.linspace(0, 150, SHAPE[0])


def grey(shape=SHAPE, dtype=np.uint16, seed=3):
    """Return a volume in which no slice is like another."""
    return np.random.default_rng(seed).integers(1, 200, shape).astype(dtype)


def slices(folder: Path, values=None, name="slice_{:04d}.tif", first=1, edge=EDGE, **more) -> Path:
    """Write a slice a file; those that are None are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    size = {} if edge is None else {"resolution": (1e4 / edge, 1e4 / edge), "resolutionunit": "CENTIMETER"}
    for number, image in enumerate(grey() if values is None else values, first):
        if image is not None:
            tifffile.imwrite(folder / name.format(number), image, metadata=None, **{**size, **more})
    return folder


def pages(path: Path, values=None, **more) -> Path:
    """Write a page a slice."""
    size = {"resolution": (1e4 / EDGE, 1e4 / EDGE), "resolutionunit": "CENTIMETER", "photometric": "minisblack"}
    tifffile.imwrite(path, grey() if values is None else values, **{**size, **more})
    return path


def imagej(path: Path, values=None, **metadata) -> Path:
    """Write a file as ImageJ does."""
    values = grey() if values is None else values
    described = {"axes": "ZYX", "unit": "um", "spacing": 2 * EDGE, **metadata}
    tifffile.imwrite(path, values, imagej=True, resolution=(1 / EDGE, 1 / EDGE), metadata=described)
    return path


def hdf5(path: Path, datasets, links=None, attributes=None, **layout) -> Path:
    """Write datasets; a pair is a dataset with its unit."""
    with h5py.File(path, "w") as file:
        for place, values in datasets.items():
            array, unit = values if isinstance(values, tuple) else (values, None)
            more = layout if np.ndim(array) == 3 else {}
            file.create_dataset(place, data=array, **more)
            if unit is not None:
                file[place].attrs["units"] = unit
        for place, (target, inside) in (links or {}).items():
            file[place] = h5py.ExternalLink(target, inside)
        for key, value in (attributes or {}).items():
            where, _, name = key.partition("@")
            file[where].attrs[name] = value
    return path


def dxchange(path: Path, **changed) -> Path:
    """Write projections as Data Exchange has them; None leaves a dataset out."""
    datasets = {
        "exchange/data": grey(),
        "exchange/data_white": grey((3, *SHAPE[1:]), seed=4),
        "exchange/data_dark": grey((2, *SHAPE[1:]), seed=5),
        "exchange/theta": (ANGLES, "deg"),
        "measurement/instrument/detector/pixel_size_x": (EDGE, "um"),
        "process/acquisition/start_date": "2026-05-18T17:57:43",
    }
    datasets |= {f"exchange/{name}": values for name, values in changed.items()}
    return hdf5(path, {place: values for place, values in datasets.items() if values is not None})


KEYS = np.array([1, 2, 0, 0, 0, 1])


def nxtomo(path: Path, links=None, **changed) -> Path:
    """Write projections, flats and darks as NXtomo has them; None leaves a dataset out."""
    datasets = {
        "entry/instrument/detector/data": grey(),
        "entry/instrument/detector/image_key": KEYS,
        "entry/instrument/detector/x_pixel_size": (EDGE / 1e3, "mm"),
        "entry/sample/rotation_angle": (np.deg2rad(ANGLES), "rad"),
        "entry/start_time": "2026-05-18T17:57:43+02:00",
        "entry/end_time": "2026-05-18T18:07:43+02:00",
    }
    datasets |= {place.replace(".", "/"): values for place, values in changed.items()}
    return hdf5(path, {place: values for place, values in datasets.items() if values is not None}, links)


def zarr_array(path: Path, values=None, zarr_format=3, chunks=(2, 6, 5)) -> Path:
    values = grey() if values is None else values
    array = zarr.create_array(path, shape=values.shape, dtype=values.dtype, chunks=chunks, zarr_format=zarr_format)
    array[...] = values
    return path


def ome_zarr(path: Path, values=None, *, version="0.5", axes="zyx", scale=None, unit="nanometer") -> Path:
    """Write an OME-Zarr of two levels by its description alone."""
    values = grey() if values is None else values
    root = zarr.create_group(path, zarr_format=3 if version == "0.5" else 2)
    levels = [values, values[..., ::2, ::2, ::2]]
    for name, level in enumerate(levels):
        array = root.create_array(str(name), shape=level.shape, dtype=level.dtype, chunks=level.shape)
        array[...] = level
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for one in described:
        if one["type"] == "space" and unit:
            one["unit"] = unit
    scale = scale or [1.0] * (len(axes) - 3) + [2e3 * EDGE, 1e3 * EDGE, 1e3 * EDGE]
    doubled = [*scale[:-3], *(2 * edge for edge in scale[-3:])]
    datasets = [
        {"path": str(name), "coordinateTransformations": [{"type": "scale", "scale": own}]}
        for name, own in enumerate((scale, doubled))
    ]
    image = {"axes": described, "datasets": datasets, "name": "simulated"}
    if version == "0.5":
        root.attrs["ome"] = {"version": version, "multiscales": [image]}
    else:
        root.attrs["multiscales"] = [{"version": version, **image}]
    return path
