"""Find what shows a store in windows: packages say so themselves, nothing here imports them."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from operando.errors import OperandoError

GROUP = "operando.view"
"""The group of entry points under which a viewer names the function that shows a store."""


def viewer() -> Callable[[Path], None]:
    """Return the function that shows a store, of the first viewer that is installed.

    Raises
    ------
    OperandoError
        If there is none.
    """
    found = sorted(entry_points(group=GROUP), key=lambda one: one.name)
    if not found:
        raise OperandoError("view: expected an installed viewer, got none; pip install --force-reinstall operando")
    show: Callable[[Path], None] = found[0].load()
    return show
