"""Regions of images: what shows the edge, in pieces that touch nothing else."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

PLANE = ("y", "x")
_FEWEST = 16


def regions(
    image: xr.DataArray,
    *,
    threshold: float | None = None,
    smallest: int = 50,
    shrink: int = 1,
    most: int | None = None,
) -> xr.Dataset:
    """Return the regions of an image that lie above a threshold, each a piece connected along edges.

    Parameters
    ----------
    image
        What tells regions from the rest, such as the edge step, dims ``y``, ``x``; NaN belongs to none.
    threshold
        In the image's unit; Otsu's by default, which splits the values into two classes that spread least.
    smallest
        Fewest pixels of a region.
    shrink
        Pixels that are taken off around each region, where its light and that of its surroundings mix.
    most
        How many regions are kept, the largest ones; all by default.

    Returns
    -------
    xarray.Dataset
        ``region_label`` (y, x): the number of the region, from 1 in the order of their first pixel; 0 outside. For each
        ``region`` its ``region_area`` and center ``region_y``, ``region_x`` (px).

    Raises
    ------
    OperandoError
        If the dims are not y and x, hardly any value is finite, or nothing lies above the threshold.

    Notes
    -----
    N. Otsu, IEEE Trans. Syst. Man Cybern. 9, 62 (1979), doi:10.1109/TSMC.1979.4310076.
    """
    if set(image.dims) != set(PLANE):
        raise OperandoError(f"regions: expected an image with dims y and x, got {tuple(image.dims)}")
    if smallest < 1 or shrink < 0 or (most is not None and most < 1):
        raise OperandoError("regions: expected smallest and most from 1 and shrink from 0")
    values = image.transpose(*PLANE).to_numpy()
    above, limit = _above(values, threshold)
    label = _numbered(_largest(above, smallest, shrink, most))
    if not label.any():
        wanted = f"pieces of {smallest} px or more above {limit:.4g}"
        raise OperandoError(f"regions: expected {wanted}, got none; state a lower 'threshold' or 'smallest'")
    parameters = {"threshold": limit, "smallest": smallest, "shrink": shrink, "most": most}
    return recorded(labelled(label), "xas.xpeem.regions", parameters, after=xr.Dataset(attrs=image.attrs))


def labelled(label: NDArray[np.integer]) -> xr.Dataset:
    """Return numbered regions (y, x), 0 outside, with area and center of each.

    Parameters
    ----------
    label
        Number of the region that a pixel lies in, 0 outside; dims (y, x).

    Returns
    -------
    xarray.Dataset
        ``label`` (y, x) and for each ``region`` its area (px) and the center ``y`` and ``x`` (px).

    Raises
    ------
    OperandoError
        If the numbers are not 0 to n, each there.
    """
    count = int(label.max(initial=0))
    area = np.bincount(np.maximum(label, 0).ravel(), minlength=count + 1)[1:]
    if label.ndim != 2 or count < 1 or label.min() < 0 or not area.all():
        raise OperandoError(f"regions: expected an image of the numbers 0 to n, each there, got {label.shape}, {count}")
    rows, columns = np.indices(label.shape)
    center = [np.bincount(label.ravel(), place.ravel(), count + 1)[1:] / area for place in (rows, columns)]
    columns_of = {
        "region_area": (area.astype(np.int64), "pixels of the region"),
        "region_y": (center[0], "center of the region in y"),
        "region_x": (center[1], "center of the region in x"),
    }
    ds = xr.Dataset(
        {name: ("region", values, {"units": "px", "long_name": text}) for name, (values, text) in columns_of.items()},
        coords={"region": ("region", np.arange(1, count + 1), {"units": "1", "long_name": "number of the region"})},
    )
    attrs = {"units": "1", "long_name": "number of the region, 0 outside"}
    return ds.assign(region_label=(PLANE, label.astype(np.int32), attrs))


def _above(values: NDArray[np.floating], threshold: float | None) -> tuple[NDArray[np.bool_], float]:
    finite = np.isfinite(values)
    if finite.sum() < _FEWEST or np.ptp(values[finite]) == 0:
        raise OperandoError("regions: expected an image whose values differ, got hardly any")
    if threshold is None:
        from skimage.filters import threshold_otsu

        threshold = float(threshold_otsu(values[finite]))  # type: ignore[no-untyped-call]
    return finite & (np.where(finite, values, -np.inf) > threshold), threshold


def _largest(above: NDArray[np.bool_], smallest: int, shrink: int, most: int | None) -> NDArray[np.bool_]:
    """Return the pieces, shrunken, that are large enough and among the largest."""
    from scipy import ndimage

    if shrink:
        above = ndimage.binary_erosion(above, iterations=shrink)
    label, count = ndimage.label(above)
    area = np.bincount(label.ravel(), minlength=count + 1)
    area[0] = 0
    kept = area >= smallest
    if most is not None:
        order = np.argsort(-area, kind="stable")
        kept[order[most:]] = False
    chosen: NDArray[np.bool_] = kept[label]
    return chosen


def _numbered(above: NDArray[np.bool_]) -> NDArray[np.int32]:
    from scipy import ndimage

    label: NDArray[np.int32] = ndimage.label(above)[0]
    return label
