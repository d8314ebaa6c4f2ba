"""What the tables say of the steps below white lines: their shares, widths and distance."""

from __future__ import annotations

from operando.errors import OperandoError

from . import atomic_data
from .white_line_kernels import Lines

_PAIRS = {"L": (("L3", "L2"), (2 / 3, 1 / 3)), "M": (("M5", "M4"), (3 / 5, 2 / 5))}
"""The pairs of edges that spin and orbit split, and their statistical shares, (2 j + 1) each."""


def lines_of(
    element: str | None,
    edge: str,
    *,
    step_width: float | tuple[float, float] | None,
    resolution: float,
    search: tuple[float, float],
    smoothing: float,
    shape: str,
    offset: float,
) -> Lines:
    """Return the law of the lines of an edge, checked; a single step where no element is named.

    Raises
    ------
    OperandoError
        If element or edge are unknown, the shape is, or neither element nor ``step_width`` are given.
    """
    if shape not in ("arctan", "fermi"):
        raise OperandoError(f"white_line: expected the shape 'arctan' or 'fermi', got {shape!r}")
    if not search[0] < search[1] or not smoothing > 0 or not resolution >= 0:
        given = f"search {search}, smoothing {smoothing}, resolution {resolution}"
        raise OperandoError(f"white_line: expected a search that rises, a smoothing above 0 eV, got {given}")
    names, shares = pair_of(edge) if element is not None else ((edge,), (1.0,))
    widths = _widths(element, names, step_width, resolution)
    energies = [0.0] if element is None else [atomic_data.edge(element, name).energy for name in names]
    return Lines(shares, widths, energies[-1] - energies[0], search, smoothing, shape, offset)


def pair_of(edge: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the edges that stand together, in the order of their energies, and their shares of the step."""
    pair = next((pair for pair in _PAIRS.values() if edge.title() in pair[0]), None)
    return pair or ((edge.title(),), (1.0,))


def _widths(
    element: str | None, names: tuple[str, ...], given: float | tuple[float, float] | None, resolution: float
) -> tuple[float, ...]:
    """Return the full width of each step: given, or of the core level with the resolution (a Voigt line's)."""
    if given is not None:
        both = (given,) * len(names) if isinstance(given, int | float) else tuple(given)
        if len(both) != len(names) or not all(width > 0 for width in both):
            raise OperandoError(f"white_line: expected a step_width above 0 eV for each of {names}, got {given}")
        return tuple(float(width) for width in both)
    if element is None:
        raise OperandoError("white_line: expected element and edge, such as 'Ni' and 'L3', or a step_width, got none")
    return tuple(
        0.5346 * core + (0.2166 * core**2 + resolution**2) ** 0.5
        for core in (atomic_data.core_width(element, name) for name in names)
    )
