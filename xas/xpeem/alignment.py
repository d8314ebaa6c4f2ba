"""Move the images of a stack back to where the reference shows them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .frames import PLANE, images_of, whole_frames

Images = TypeVar("Images", xr.DataArray, xr.Dataset)
_DRIFTS = ("drift_y", "drift_x")


def align(images: Images, drift: xr.Dataset, order: int = 3) -> Images:
    """Return images moved by minus their drift, so that every pixel shows the same place in all frames.

    out(y, x) = image(y + drift_y, x + drift_x), by splines; NaN where that lies outside the frame or next to a pixel
    that is NaN, and in frames without a drift.

    Parameters
    ----------
    images
        Dims ``energy``, ``y``, ``x`` and others such as ``scan``, in memory or dask; or a Dataset with them as
        ``intensity`` and perhaps ``intensity_std``, whose square is moved by linear interpolation: sums over pixels
        keep their uncertainty, while neighboring pixels then share noise.
    drift
        What :func:`~operando.xas.xpeem.drift` returns: ``drift_y`` and ``drift_x`` (px).
    order
        Order of the splines, 0 to 5.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        As given, with the ``frame_flag`` of the drift; whole frames are chunks.

    Raises
    ------
    OperandoError
        If images and drift are not of the same frames, or the order is out of range.

    Notes
    -----
    The equation is the definition of the drift.
    """
    stack = images_of(images, "align")
    if order not in range(6):
        raise OperandoError(f"align: expected an order from 0 to 5, got {order}")
    lacking = [name for name in _DRIFTS if name not in drift]
    if lacking or any(stack.sizes.get(str(dim)) != size for dim, size in drift["drift_y"].sizes.items()):
        got = "no " + " and ".join(lacking) if lacking else f"{dict(drift.sizes)} for images {dict(stack.sizes)}"
        raise OperandoError(f"align: expected the drift of the same frames, got {got}")
    if isinstance(images, xr.DataArray):
        return _marked(_moved(stack, drift, order), drift).assign_attrs(images.attrs)
    moved = _marked(images.assign(intensity=_moved(stack, drift, order)), drift)
    if "intensity_std" in images:
        std = images["intensity_std"]
        moved["intensity_std"] = (_moved(std**2, drift, 1) ** 0.5).assign_attrs(std.attrs)
    moved["intensity"].attrs = dict(images["intensity"].attrs)
    return recorded(moved, "xas.xpeem.align", {"order": order}, after=images)


def _marked(images: Images, drift: xr.Dataset) -> Images:
    return images.assign_coords(frame_flag=drift["frame_flag"].variable) if "frame_flag" in drift.coords else images


def _moved(images: xr.DataArray, drift: xr.Dataset, order: int) -> xr.DataArray:
    known = whole_frames(images)
    dtype = np.result_type(known.dtype, np.float32)
    moved: xr.DataArray = xr.apply_ufunc(
        _shifted,
        known,
        *(drift[name].variable for name in _DRIFTS),
        kwargs={"order": order, "dtype": dtype},
        input_core_dims=[list(PLANE), [], []],
        output_core_dims=[list(PLANE)],
        dask="parallelized",
        output_dtypes=[dtype],
        keep_attrs=False,
    )
    return moved.transpose(*images.dims).assign_coords(images.coords)


def _shifted(
    images: NDArray[np.floating], in_y: NDArray[np.float64], in_x: NDArray[np.float64], *, order: int, dtype: np.dtype
) -> NDArray[np.floating]:
    """Move images, whose last axes are y and x, by minus their drift."""
    out = np.full(images.shape, np.nan, dtype=dtype)
    lead = images.shape[:-2]
    places = [np.broadcast_to(values, lead) for values in (in_y, in_x)]
    for index in np.ndindex(lead):
        by = [-float(values[index]) for values in places]
        if np.isfinite(by).all():
            out[index] = _shifted_frame(images[index].astype(dtype), by, order)
    return out


def _shifted_frame(image: NDArray[np.floating], by: list[float], order: int) -> NDArray[np.floating]:
    from scipy import ndimage

    known = np.isfinite(image)
    if known.all():
        whole: NDArray[np.floating] = ndimage.shift(image, by, order=order, cval=np.nan)
        return whole
    if not known.any():
        return image
    moved = ndimage.shift(np.where(known, image, image[known].mean()), by, order=order, cval=np.nan)
    near = ndimage.shift((~known).astype(np.float32), by, order=min(order, 1), cval=1.0)
    return np.where(near > 1e-6, np.nan, moved)
