"""The bar in a picture that tells how long something is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR = 0.25
"""Longest bar, in widths of the picture."""


def draw_scale_bar(ax: Axes, unit: str, *, color: str = "white", edge: str = "black") -> None:
    """Draw a bar of a round length, at most a quarter of the width, and what it measures in the unit of the axes.

    It is edged in another color, so that it is seen on pixels of its own.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    width, height = right - left, bottom - top
    length = _round_length(_BAR * width)
    x, y = right - 0.05 * width, bottom - 0.06 * height
    (bar,) = ax.plot([x - length, x], [y, y], color=color, lw=2.5, solid_capstyle="butt", gid="scale bar")
    style: dict[str, Any] = {"color": color, "ha": "center", "va": "bottom", "fontsize": "small"}
    text = ax.text(x - length / 2, y - 0.015 * height, f"{length:g} {unit}".strip(), **style)
    draw_edge(text, 1.5, edge)
    draw_edge(bar, 4.0, edge)


def draw_edge(drawn: Any, width: float, color: str = "black") -> None:
    """Edge letters or a line with a color, so that they are seen on whatever lies below; ``width`` in points."""
    from matplotlib import patheffects

    drawn.set_path_effects([patheffects.withStroke(linewidth=width, foreground=color)])


def _round_length(most: float) -> float:
    """Return the largest of 1, 2, 5, 10 ... that is not above ``most``."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))
