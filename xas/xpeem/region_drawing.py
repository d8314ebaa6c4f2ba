"""Regions of images that were drawn: polygons and ellipses, in pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .region_finding import PLANE, labelled

Mask = NDArray[np.bool_]
KINDS = {"polygon": 3, "ellipse": 4}
"""The kinds of shapes, and how many corners each has at least."""
_SIDES = 90


def drawn_regions(image: xr.DataArray, shapes: Sequence[Mapping[str, Any]]) -> xr.Dataset:
    """Return the regions of an image that lie within drawn shapes, numbered from 1 in the order of the shapes.

    Parameters
    ----------
    image
        An image of the size that the regions shall have, dims ``y``, ``x``; its values do not matter.
    shapes
        Tables with ``kind``, ``"polygon"`` or ``"ellipse"``, and ``corners``: places (y, x) in pixels, counted from
        the middle of the first one; of an ellipse the four corners of the rectangle around it, in their order.

    Returns
    -------
    xarray.Dataset
        As :func:`~operando.xas.xpeem.labelled` returns it: ``region_label`` (y, x), and for each ``region`` its
        ``region_area`` and center ``region_y``, ``region_x`` (px).

    Raises
    ------
    OperandoError
        If the dims are not y and x, a shape is none or has no pixel in the image, or two have a pixel in common.

    Examples
    --------
    A rectangle of 3 by 4 pixels:

    >>> import xarray as xr
    >>> from operando.xas import xpeem
    >>> image = xr.DataArray([[0.0] * 8] * 8, dims=("y", "x"))
    >>> corners = [[1.5, 1.5], [1.5, 5.5], [4.5, 5.5], [4.5, 1.5]]
    >>> found = xpeem.drawn_regions(image, [{"kind": "polygon", "corners": corners}])
    >>> print(found["region_area"].values.tolist())
    [12]
    """
    if set(image.dims) != set(PLANE):
        raise OperandoError(f"regions: expected an image with dims y and x, got {tuple(image.dims)}")
    size = image.sizes["y"], image.sizes["x"]
    label = np.zeros(size, np.int32)
    for number, shape in enumerate(shapes, 1):
        mask = inside(size, *_checked(shape, number))
        if not mask.any():
            raise OperandoError(f"regions: expected pixels of the {size} px image in shape {number}, got none")
        if label[mask].any():
            other = int(label[mask].max())
            raise OperandoError(
                f"regions: expected shapes apart from each other, got pixels in both {other} and {number}"
            )
        label[mask] = number
    parameters = {"shapes": [dict(shape) for shape in shapes]}
    return recorded(labelled(label), "xas.xpeem.drawn_regions", parameters, after=xr.Dataset(attrs=image.attrs))


def inside(size: Sequence[int], kind: str, corners: NDArray[np.floating[Any]]) -> Mask:
    """Return the pixels of an image whose middle lies within a shape, dims (y, x).

    Parameters
    ----------
    size
        Pixels along y and x.
    kind
        ``"ellipse"``; anything else is a polygon.
    corners
        (corner, 2) in pixels; of an ellipse those of the rectangle around it.
    """
    from skimage.draw import polygon2mask

    if kind == "ellipse":
        middle, sides = corners[:4].mean(axis=0), (corners[1] - corners[0], corners[2] - corners[1])
        angle = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)[:, None]
        corners = middle + np.cos(angle) * sides[0] / 2 + np.sin(angle) * sides[1] / 2
    within: Mask = polygon2mask(tuple(size), corners)  # type: ignore[no-untyped-call]
    return within


def _checked(shape: Mapping[str, Any], number: int) -> tuple[str, NDArray[np.float64]]:
    """Return kind and corners of a shape."""
    kind, unknown = shape.get("kind"), sorted(set(shape) - {"kind", "corners"})
    if kind not in KINDS or unknown:
        got = ", ".join(unknown) or repr(kind)
        raise OperandoError(f"regions: expected kind {' or '.join(KINDS)} and corners in shape {number}, got {got}")
    try:
        corners = np.asarray(shape.get("corners"), np.float64)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < KINDS[kind] or not np.isfinite(corners).all():
        wanted = f"{KINDS[kind]} or more corners [y, x]"
        raise OperandoError(f"regions: expected {wanted} (px) in shape {number}, got {shape.get('corners')!r:.60}")
    return str(kind), corners
