"""Panel: the numbers of every series as tables to be copied, those that ``operando export --format csv`` writes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operando import echem
from operando.pipelines.export.tables import Table, main_table

from .cycling import cycled, onsets_of
from .parts import Html, Part, copied, counted, table, text
from .series import all_series, over_all, thinned

if TYPE_CHECKING:
    import xarray as xr

_CELLS = 40_000
"""Cells of all tables of a page together: about 1 MB."""


@dataclass(frozen=True)
class Numbers:
    """A table, what it is called, and the node of the store that the export has it of; none if it has not."""

    name: str
    table: Table
    node: str = ""


def wants(tree: xr.DataTree) -> bool:
    """Return whether there are numbers of scans, onsets or half-cycles."""
    return bool(all_series(tree)) or onsets_of(tree) is not None or cycled(tree)


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield a folded table for every node with numbers."""
    found = list(_all(tree))
    most = _most_lines([one.table for one in found])
    yield Html(
        "<p>Numbers of the figures and those that belong to them, with their units and uncertainties"
        " (<code>_std</code>, one standard uncertainty), copied with tabs between them. Times are UTC, scans count"
        " from 0, and nothing stands where there is no value. <code>operando export --format csv</code> writes the same"
        " tables, and spectra.</p>"
    )
    for one in found:
        yield Html(_folded(one, most))


def _all(tree: xr.DataTree) -> Iterator[Numbers]:
    for name, ds, node in _nodes(tree):
        found = main_table(ds)
        if found is not None and found.size():
            yield Numbers(name, found, node)


def _nodes(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset, str]]:
    """Yield name, content and path of what has numbers."""
    onsets = onsets_of(tree)
    if onsets is not None:
        yield "onsets", onsets, "onsets"
    if cycled(tree):
        yield "half-cycles", echem.half_cycles(tree), ""
        yield "cycles", echem.cycles(tree), ""
    for series in all_series(tree):
        stages = {"processed": series.processed, "raw": series.raw}
        stage, ds = next((stage, ds) for stage, ds in stages.items() if ds is not None)
        own = [(series.name, stage, ds), *((f"{series.name}, {name}", name, ds) for name, ds in over_all(tree, series))]
        yield from ((name, ds, f"{series.path.strip('/')}/{child}") for name, child, ds in own)


def _most_lines(tables: list[Table]) -> int:
    """Return how many lines of each table, at most, may be shown."""
    sizes = [(one.size(), len(one.columns)) for one in tables]
    counts = range(1, max((size for size, _ in sizes), default=0) + 1)
    return max(1, bisect_right(counts, _CELLS, key=lambda most: sum(min(most, size) * wide for size, wide in sizes)))


def _folded(numbers: Numbers, most: int) -> str:
    own, size = numbers.table, numbers.table.size()
    lines = thinned(size, most)
    said = f"{numbers.name}: {counted(size, own.rows.replace('_', ' '))}, {counted(len(own.columns), 'column')}"
    part = f"<p>{counted(lines.size, 'line')} of {counted(size, 'line')}, evenly chosen.{_all_in(numbers)}</p>"
    cells = table([column.label for column in own.columns], own.some(lines))
    return (
        f'<details class="numbers"><summary>{text(said)}</summary>{part if lines.size < size else ""}'
        f"{copied('table', f'the table of {numbers.name}', cells)}</details>"
    )


def _all_in(numbers: Numbers) -> str:
    command = f"operando export STORE --format csv --node {numbers.node}"
    return f" All of them: <code>{text(command)}</code>." if numbers.node else ""
