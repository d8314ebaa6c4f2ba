"""Write figures for print: in the width of a column or a page, with letters of 7 to 8 points, whole files or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import OperandoError
from operando.paper import paper_style

from .drawings import draw
from .selection import chosen
from .whole_files import made_for, written_whole

KINDS = ("pdf", "svg", "png")
_NO_DATE = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
"""The same store gives the same file."""


def write_figures(
    folder: str | Path, tree: xr.DataTree, kind: str = "pdf", nodes: Sequence[str] = (), *, overwrite: bool = False
) -> tuple[list[Path], list[str]]:
    """Write the figures of a store for print, and return their files and notes on what has none.

    The timeline of the potential with a tick a scan; absorption spectra, edge energies and shares of references
    against potential; regions of image stacks with their spectra, maps of the first, middle and last stack, edge energy
    and shares of every region; fits of photoemission with their residuals, areas of lines against potential; voids and
    cracks against time with the detection limit, single cracks, tortuosity factors. Colors are told apart by the
    color-blind; letters stay letters.

    Parameters
    ----------
    folder
        Where the files are written; it is made if it is not there.
    tree
        An experiment, as :func:`operando.open` returns it.
    kind
        ``"pdf"``, ``"svg"`` or ``"png"`` (300 dots per inch).
    nodes
        Paths such as ``"xas/Ni_K"``; all by default.
    overwrite
        Whether files that are there may be replaced.

    Raises
    ------
    OperandoError
        If there is nothing to draw, or a file is there and may not be replaced, or cannot be written.
    """
    import matplotlib as mpl

    folder = Path(folder)
    if kind not in KINDS:
        raise OperandoError(f"figures: expected one of {', '.join(KINDS)}, got {kind!r}")
    written: list[Path] = []
    style: Any = paper_style()
    with mpl.rc_context(style):
        figures = [(folder / f"{name}.{kind}", figure) for name, figure in draw(tree, chosen(tree, nodes))]
        if not figures:
            raise OperandoError(f"figures: expected something to draw, got none in {', '.join(nodes) or 'the store'}")
        made_for(folder, [path for path, _ in figures], overwrite=overwrite)
        for path, figure in figures:
            with written_whole(path, overwrite=overwrite) as aside, aside.open("wb") as stream:
                figure.savefig(stream, format=kind, metadata=_NO_DATE[kind])
            written.append(path)
    return written, []
