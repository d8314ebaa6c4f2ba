"""Which columns hold the fluorescence of the element whose edge is scanned, told from labels such as ``Fe_Ka_mca3``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from operando.errors import OperandoError
from operando.xas.atomic_data import edge, fluorescence_line

_LINE = re.compile(r"(?:.*[_ ])?(?P<element>[A-Z][a-z]?)[_ ]?(?P<family>[KL][ab])(?P<behind>[_ ].*)?")
_PRE_EDGE = 200.0


def channels(labels: Sequence[str], low: float, high: float) -> list[int]:
    """Return the columns of one element's line, of detectors that differ in their number only; none if in doubt.

    Parameters
    ----------
    labels
        The names of the columns.
    low, high
        The ends of the scan (eV). A scan that was broken off before its edge was on its way to one 200 eV above its
        start at most.

    Returns
    -------
    list of int
        The largest set of columns whose labels are alike but for numbers; empty if no line, or the lines of several
        elements, have their edge within the scan.
    """
    sets: dict[tuple[str, str, str], list[int]] = {}
    for k, label in enumerate(labels):
        match = _LINE.fullmatch(label)
        if match and _within(match["element"], match["family"], low, max(high, low + _PRE_EDGE)):
            sets.setdefault((match["element"], match["family"], re.sub(r"\d+", "#", label)), []).append(k)
    if len({(element, family) for element, family, _ in sets}) != 1:
        return []
    return max(sets.values(), key=len)


def _within(element: str, family: str, low: float, high: float) -> bool:
    """Whether the hole that the line fills is made within a range of energies."""
    try:
        return low <= edge(element, fluorescence_line(element, family).edge).energy <= high
    except OperandoError:
        return False
