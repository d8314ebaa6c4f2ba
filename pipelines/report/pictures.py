"""Images in figures: small enough for the page, the first row at the top, regions outlined and numbered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.palettes import Greys256, Viridis256

from operando.color_limits import color_limits

from .figures import FONT, Figure, models, new_figure

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE = 256
_NOTHING = "#ffffff00"
_OUTLINE = 0xFF0055D5
MAP_PALETTE = [_NOTHING, *Viridis256[1:]]
_NUMBERED = 60


def reduced(image: NDArray[Any], edge: int = EDGE, *, kinds: bool = False) -> NDArray[np.float64]:
    """Return an image of at most ``edge`` pixels a side: means over squares, of what is known in them.

    Numbers that stand for ``kinds`` have no mean: of these every so many pixels one is kept.
    """
    step = max(1, -(-max(image.shape) // edge))
    if step == 1 or kinds:
        return np.asarray(image[::step, ::step], float)
    padding = [(0, -size % step) for size in image.shape]
    padded = np.pad(np.asarray(image, float), padding, constant_values=np.nan)
    rows, columns = (size // step for size in padded.shape)
    blocks = padded.reshape(rows, step, columns, step)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3))
    means: NDArray[np.float64] = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return means


def scaled(image: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    """Return an image as the numbers of a palette's colors; 0, which is transparent, where nothing is known."""
    span = high - low if high > low else 1.0
    level = 1 + np.clip((np.nan_to_num(image, nan=low) - low) / span, 0, 1) * 254
    return np.where(np.isfinite(image), np.rint(level), 0).astype(np.uint8)


def empty_picture(pixel_size: float | None) -> Figure:
    """Return a figure for images, square pixels, the first row at the top."""
    unit = "px" if pixel_size is None else "µm"
    fig = new_figure(f"x ({unit})", f"y ({unit})", match_aspect=True, y_range=models.DataRange1d(flipped=True))
    fig.grid.visible = False
    fig.x_range.range_padding = fig.y_range.range_padding = 0.0
    return fig


def place(shape: tuple[int, ...], pixel_size: float | None) -> dict[str, float]:
    """Return where an image of a shape (full size) lies: pixel centers are whole numbers, times the pixel's size."""
    size = pixel_size or 1.0
    return {"x": -size / 2, "y": -size / 2, "dw": shape[1] * size, "dh": shape[0] * size}


def draw_picture(image: NDArray[np.float64], label: NDArray[np.integer] | None, pixel_size: float | None) -> Figure:
    """Draw an image in grey and, over it, the outlines and numbers of regions.

    Parameters
    ----------
    image
        The image, perhaps reduced in size.
    label
        The number of the region of each pixel, full size.
    """
    fig = empty_picture(pixel_size)
    shape = image.shape if label is None else label.shape
    where = place(shape, pixel_size)
    mapper = models.LinearColorMapper(palette=[_NOTHING, *Greys256[1:]], low=0, high=255)
    fig.image([scaled(image, *color_limits(image))], color_mapper=mapper, **where)
    if label is not None:
        fig.image_rgba([outlines(label)], **where)
        _draw_numbers(fig, label, pixel_size or 1.0)
    return fig


def outlines(label: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Return an image of the inner edges of regions, transparent elsewhere, at most 512 pixels a side."""
    step = max(1, -(-max(label.shape) // (2 * EDGE)))
    small = label[::step, ::step]
    wide = np.pad(small, 1)
    beside = [wide[1:-1, :-2], wide[1:-1, 2:], wide[:-2, 1:-1], wide[2:, 1:-1]]
    edge = (small > 0) & np.logical_or.reduce([small != other for other in beside])
    return np.where(edge, _OUTLINE, 0).astype(np.uint32)


def _draw_numbers(fig: Figure, label: NDArray[np.integer], size: float) -> None:
    """Write the numbers of the largest regions at their centers."""
    area = np.bincount(label.ravel())
    area[0] = 0
    largest = np.sort(np.argsort(-area, kind="stable")[: min(_NUMBERED, int((area > 0).sum()))])
    rows, columns = np.indices(label.shape)
    centers = [np.bincount(label.ravel(), at.ravel())[largest] / area[largest] * size for at in (rows, columns)]
    source = models.ColumnDataSource({"y": centers[0], "x": centers[1], "number": [str(one) for one in largest]})
    style: dict[str, Any] = {"text_font": {"value": FONT}, "text_font_size": "11px", "text_color": "#ffffff"}
    style |= {"text_outline_color": "#000000", "text_align": "center", "text_baseline": "middle"}
    fig.text("x", "y", "number", source=source, **style)
