"""How figures look in print: widths of a column and of a page, letters of 7 to 8 points, colors for the color-blind."""

from __future__ import annotations

from typing import Any, Literal

from .errors import OperandoError
from .kind_colors import SUBSTANCES

COLUMN, PAGE = 88.0, 180.0
"""Widths of one column and of a page, mm."""
_INCH = 25.4
_WIDTHS = {"column": COLUMN, "page": PAGE}
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "operando",
    "figure.dpi": 120,
    "savefig.dpi": 300,
}


def paper_style() -> dict[str, Any]:
    """Return matplotlib's settings for figures in print.

    Returns
    -------
    dict
        For ``matplotlib.rc_context`` or ``matplotlib.rcParams.update``: letters of 7 to 8 points that stay letters in
        PDF and SVG, 300 dots per inch, lines in colors that the color-blind tell apart, too.

    Notes
    -----
    ``figure.constrained_layout.use`` is left to the figure. The colors begin with those of Okabe and Ito (2008),
    https://jfly.uni-koeln.de/color/.

    Examples
    --------
    >>> from operando import paper_style
    >>> paper_style()["font.size"]
    8
    """
    from cycler import cycler

    return {**_STYLE, "axes.prop_cycle": cycler(color=SUBSTANCES[:10])}


def paper_size(width: Literal["column", "page"] | float = "column", height: float = 66.0) -> tuple[float, float]:
    """Return the size of a figure in inches, as matplotlib's ``figsize`` takes it.

    Parameters
    ----------
    width
        ``"column"`` (88 mm), ``"page"`` (180 mm), or mm.
    height
        mm.

    Returns
    -------
    tuple of float
        Width and height, inches.

    Raises
    ------
    OperandoError
        If the width has another name, or a length is not positive.

    Examples
    --------
    >>> from operando import paper_size
    >>> print("{:.2f} x {:.2f}".format(*paper_size("page", 70.0)))
    7.09 x 2.76
    """
    known = _WIDTHS.get(width) if isinstance(width, str) else width
    if known is None or not (known > 0 and height > 0):
        raise OperandoError(f"paper_size: expected 'column', 'page' or mm above 0, got {width!r} and {height!r}")
    return known / _INCH, height / _INCH
