"""Images as the bytes of TIFF and HDF5 files, without dates, so that the same images give the same files."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import h5py
import numpy as np
import tifffile

SOFTWARE = "operando.example_scans, simulated data"


def tiff(image: np.ndarray, pixel: float) -> bytes:
    """Return a TIFF file of one image (uint16, deflate), with its resolution.

    Parameters
    ----------
    image
        Dims (y, x).
    pixel
        Edge of a pixel, um.
    """
    file = BytesIO()
    per_cm = 1e4 / pixel
    tifffile.imwrite(
        file,
        image,
        compression="zlib",
        predictor=True,
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
        software=SOFTWARE,
        metadata=None,
    )
    return file.getvalue()


def hdf5(datasets: Mapping[str, tuple[Any, Mapping[str, Any]]], attributes: Mapping[str, str]) -> bytes:
    """Return an HDF5 file.

    Parameters
    ----------
    datasets
        Path in the file -> values and attributes. Arrays of three dims are chunked by image and compressed.
    attributes
        Attributes of the file's root.
    """
    buffer = BytesIO()
    with h5py.File(buffer, "w", track_order=True) as file:
        file.attrs.update(attributes)
        for path, (values, attrs) in datasets.items():
            file.create_dataset(path, data=values, track_times=False, **_layout(values)).attrs.update(attrs)
    return buffer.getvalue()


def _layout(values: Any) -> dict[str, Any]:
    shape = np.shape(values)
    return {"chunks": (1, *shape[1:]), "compression": "gzip", "shuffle": True} if len(shape) == 3 else {}
