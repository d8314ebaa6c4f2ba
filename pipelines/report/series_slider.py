"""A slider that goes through the scans of a series, and the title that each of them has under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from operando.plot import INK

from .figures import FONT, HIDDEN_IN_PRINT, Figure, Model, models
from .series import SPUTTERED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .series import LocalTime, Series


_BESIDE_BUTTONS = (10, 5, 8, 5)
"""Margins with which a slider is as high as a row of buttons, so that the figures under them are level."""


def titles(series: Series, scan: NDArray[np.intp], local: LocalTime, noun: str) -> list[str]:
    """Return number, time (or time of sputtering) and potential of scans, as far as they are known."""
    potential, time, sputtered = series.column("potential"), series.times(), series.column(SPUTTERED)
    found = []
    for at in scan:
        said = [f"{noun} {at}"]
        said += [] if np.isnat(time[at]) else [local.text(time[at])]
        said += [f"sputtered for {sputtered[at]:g} s"] if np.isfinite(sputtered[at]) else []
        said += [f"{potential[at]:.3f} V"] if np.isfinite(potential[at]) else []
        found.append(", ".join(said))
    return found


def number_slider(count: int, first: int = 0) -> Model:
    """Return a slider over the numbers from 0 on, beginning at ``first``; the titles say what they stand for."""
    end = max(1, count - 1)
    slider = models.Slider(start=0, end=end, step=1, value=first, title=None, show_value=False, bar_color=INK)
    slider.margin = _BESIDE_BUTTONS
    slider.sizing_mode, slider.stylesheets = "stretch_width", [models.InlineStyleSheet(css=HIDDEN_IN_PRINT)]
    return slider


def scan_slider(series: Series, scan: NDArray[np.intp]) -> Model:
    """Return a slider over scans of a series, which goes to the one that is chosen in the page."""
    slider = number_slider(scan.size)
    slider.tags = [{"series": series.path, "scans": scan.tolist()}]
    return slider


def head(fig: Figure, title: str) -> Model:
    """Put a title over a figure and return it."""
    fig.title = models.Title(text=title, text_font=FONT, text_font_style="normal", text_font_size="13px")
    return fig.title
