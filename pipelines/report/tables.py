"""Panels that are tables: the cell, the flagged scans, the files that could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import flags
from operando.plot import unit_label

from .parts import Html, Part, counted, table, text, unbroken
from .series import LocalTime, Series, all_series, failed, local_time

if TYPE_CHECKING:
    import xarray as xr

_ROWS = 500


def wants_cell(tree: xr.DataTree) -> bool:
    """Return whether the cell is described."""
    return "cell" in tree.children and bool(tree["cell"].data_vars or tree["cell"].attrs)


def draw_cell(tree: xr.DataTree) -> Iterator[Part]:
    """Yield what is known of the cell, with units."""
    cell = tree["cell"].to_dataset()
    rows = [_cell_row(cell[name]) for name in cell.data_vars if not str(name).endswith("_std") and cell[name].size == 1]
    known = dict(cell.attrs)
    if "reference_electrode" in known:
        rows.append(("reference electrode", known.pop("reference_electrode")))
    if "potential_offset" in known:
        rows.append(
            ("offset from the voltage to the potential vs Li+/Li", f"{_number(known.pop('potential_offset'))} V")
        )
    rows += [(name.replace("_", " "), _words(known[name])) for name in ("materials",) if name in known]
    yield Html(table(("quantity", "value"), rows))


def _cell_row(array: xr.DataArray) -> tuple[str, str]:
    name = str(array.attrs.get("long_name") or array.name)
    return name, f"{_number(array.item())} {unit_label(str(array.attrs.get('units', '')))}".strip()


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else str(value)


def _words(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def wants_flags(tree: xr.DataTree) -> bool:
    """Return whether any scan is flagged."""
    return any(series.flags().any() for series in all_series(tree))


def draw_flags(tree: xr.DataTree) -> Iterator[Part]:
    """Yield how often each reason occurs and in which scans, then the flagged scans one by one."""
    found = [series for series in all_series(tree) if series.flags().any()]
    yield Html(table(("series", "reason", "scans", "scan numbers"), [row for one in found for row in _reasons(one)]))
    local, total = local_time(tree), sum(int(np.count_nonzero(one.flags())) for one in found)
    rows = [row for one in found for row in _flagged(one, local)][:_ROWS]
    kept = f" The first {counted(len(rows), 'scan')} are listed." if len(rows) < total else ""
    yield Html(
        f"<details{' open' if total <= 40 else ''}><summary>{counted(total, 'flagged scan')}, one by one</summary>"
        f"<p>Flagged scans are kept in the store and in the figures. Times are in {text(local.name)}.{kept}</p>"
        f"{table(('series', 'scan', 'time', 'file', 'reason'), rows)}</details>"
    )


def _flagged(series: Series, local: LocalTime) -> Iterator[tuple[object, ...]]:
    sources, time, flag = series.sources(), series.times(), series.flags()
    for at in np.flatnonzero(flag)[:_ROWS]:
        yield series.name, at, unbroken(local.text(time[at])), sources[at], "; ".join(flags.describe(flag[at]))


def _reasons(series: Series) -> list[tuple[str, str, int, str]]:
    flag = series.flags()
    rows = []
    for reason, words in flags.MEANINGS.items():
        scans = np.flatnonzero(flag & int(reason))
        if scans.size:
            rows.append((series.name, words, int(scans.size), ranges(scans)))
    return rows


def ranges(numbers: np.ndarray, most: int = 60) -> str:
    """Return ascending integers as text with runs drawn together: ``3, 7–12, 20``."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    said = [f"{run[0]}" if run.size == 1 else f"{run[0]}–{run[-1]}" for run in runs[:most]]
    return ", ".join(said) + (", …" if len(runs) > most else "")


def wants_failed(tree: xr.DataTree) -> bool:
    """Return whether some file could not be read or some step not taken."""
    return bool(failed(tree))


def draw_failed(tree: xr.DataTree) -> Iterator[Part]:
    """Yield the files that could not be read and the steps that could not be taken, and why."""
    items = failed(tree)
    rows = [(item.get("node") or "–", item.get("source") or "–", item.get("reason", "–")) for item in items[:_ROWS]]
    kept = f"<p>The first {_ROWS} are listed.</p>" if len(items) > _ROWS else ""
    yield Html(kept + table(("series", "file", "reason"), rows))


def compact(value: Any) -> str:
    """Return a parameter as text: JSON, a string without its quotes."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.9g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
