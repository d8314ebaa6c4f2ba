"""Curves in a widget, in the colors of napari's theme."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Curves(QWidget):
    """A figure of one or several plots above one another, drawn when the interface has time.

    Parameters
    ----------
    heights
        Relative heights of the plots, from the top; they share their horizontal axis.
    height
        Of all together, pixels, at least.
    """

    def __init__(self, heights: tuple[float, ...] = (1.0,), height: int = 180) -> None:
        super().__init__()
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(3.6, height / 100), layout="constrained")
        self.canvas: Any = FigureCanvasQTAgg(self.figure)  # type: ignore[no-untyped-call]
        self.canvas.draw = _quiet(self.canvas.draw)  # type: ignore[method-assign]
        grid = self.figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": list(heights)}
        )
        self.plots: tuple[Axes, ...] = tuple(grid[:, 0])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.canvas)
        self.setMinimumHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        get_settings().appearance.events.theme.connect(self.paint)
        self.paint()

    @property
    def axes(self) -> Axes:
        """The first plot."""
        return self.plots[0]

    def paint(self, _event: object = None) -> None:
        """Take the colors of napari's theme."""
        colors = theme_colors()
        self.figure.set_facecolor(colors["background"])
        for plot in self.plots:
            plot.set_facecolor(colors["background"])
            plot.tick_params(colors=colors["text"], labelsize=8)
            plot.xaxis.label.set_color(colors["text"])
            plot.yaxis.label.set_color(colors["text"])
            plot.xaxis.label.set_fontsize(8)
            plot.yaxis.label.set_fontsize(8)
            for spine in plot.spines.values():
                spine.set_color(colors["secondary"])
            for side in ("top", "right"):
                plot.spines[side].set_visible(False)
        self.redraw()

    def clear(self) -> None:
        """Show nothing."""
        for plot in self.plots:
            plot.clear()
        self.paint()

    def redraw(self) -> None:
        """Draw at the next occasion."""
        self.canvas.draw_idle()

    def closeEvent(self, event: Any) -> None:  # noqa: N802
        """Let go of the theme."""
        get_settings().appearance.events.theme.disconnect(self.paint)
        super().closeEvent(event)


def _quiet(draw: Callable[..., None]) -> Callable[..., None]:
    """Return what draws a figure without a warning where a dock is too small for it."""

    def quiet(*more: Any, **further: Any) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "constrained_layout not applied")
            draw(*more, **further)

    return quiet


def theme_colors() -> dict[str, str]:
    """Return the colors of napari's theme as matplotlib takes them, by what they are for."""
    theme = get_theme(get_settings().appearance.theme)
    names = ("background", "foreground", "primary", "secondary", "highlight", "text", "current")
    return {name: getattr(theme, name).as_hex() for name in names}
