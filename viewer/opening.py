"""Open a store in a window of napari: ``operando view STORE``."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import operando
from operando.errors import OperandoError

from .stores import split

PLUGIN = "operando"
_INSTALL = "pip install 'operando[viewer]'"


def show(store: Path) -> None:
    """Show a store in napari until its window is closed.

    Parameters
    ----------
    store
        The folder of a store, or a node in it: then only that one is opened.

    Raises
    ------
    OperandoError
        If it is no store, there is nothing to show in it, napari is not installed, or there is no display.
    """
    operando.open(split(store)[0]).close()
    require_window()
    import napari

    open_in(napari.Viewer(title=f"{store.name} - operando"), store)
    napari.run()


def open_in(viewer: Any, store: Path) -> Any:
    """Open a store in a viewer and return the timeline.

    The timeline is shown below the images where scans have times; a store without images, but with absorption spectra,
    is shown by the widget Spectrum.

    Raises
    ------
    OperandoError
        If there is nothing to show.
    """
    from qtpy.QtCore import QTimer

    from .absorption_series import absorption_series
    from .timeline import Timeline

    try:
        viewer.open(str(store.resolve()), plugin=PLUGIN)
    except OperandoError:
        if not list(absorption_series(store.resolve())):
            raise
        _show_spectra(viewer, store.resolve())
    timeline = Timeline(viewer)
    if timeline.layer is not None:
        viewer.window.add_dock_widget(timeline, name="Timeline", area="bottom")
        # Once the images have the place that the timeline leaves them, they fill it.
        QTimer.singleShot(0, viewer.reset_view)
    return timeline


def _show_spectra(viewer: Any, store: Path) -> None:
    """Show the spectra of a store in a widget."""
    from .spectrum import Spectrum

    spectrum = Spectrum(viewer)
    viewer.window.add_dock_widget(spectrum, name="Spectrum")
    spectrum.open(store)


def require_window() -> None:
    """Refuse to go on without napari or a display: Qt would end the whole program.

    Raises
    ------
    OperandoError
        With what is to be done.
    """
    for name in ("napari", "PySide6"):
        if find_spec(name) is None:
            raise OperandoError(f"view: expected {name}, which is not installed; {_INSTALL}")
    named = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if sys.platform.startswith("linux") and not named:
        raise OperandoError(
            "view: expected a display, got none (DISPLAY is not set); log in with 'ssh -X', or start it as 'xvfb-run "
            "operando view ...'"
        )
