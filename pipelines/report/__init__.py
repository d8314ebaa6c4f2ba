"""The report: one HTML page that a scientist reads before the beamtime ends."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BREAKS_OFF", "write", "write_store"]

BREAKS_OFF = "report section"
"""How a line begins that tells of a section that could not be drawn."""


def write(tree: xr.DataTree, path: str | os.PathLike[str]) -> Path:
    """Write the report of an experiment as one self-contained HTML page and return its path.

    The page asks nothing from the network: bokeh, style and data are inside. It appears whole or not
    at all: it is written beside ``path`` and then takes its place.

    Parameters
    ----------
    tree
        The experiment: ``/cell``, ``/echem`` and ``/xas/<node>/raw`` and ``/processed``, as far as
        they are there. Long series are shown in part, and the page says so.
    path
        The page to write.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OSError
        If the page cannot be written.
    """
    from .page import html

    target = Path(path)
    text = html(tree)
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False
    ) as part:
        try:
            part.write(text)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).chmod(0o644)
            Path(part.name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(part.name).unlink()
            raise
    return target


def write_store(store: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write the report of the experiment in ``store``; see :func:`write`.

    Parameters
    ----------
    store
        The folder of a store.
    path
        The page to write, ending in ``.html``.

    Returns
    -------
    Path
        The page.
    """
    import operando

    with operando.open(store) as tree:
        return write(tree, path)
