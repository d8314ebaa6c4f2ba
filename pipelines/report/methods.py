"""The methods section: what was done to the data, by which version, with which parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import history

from .citations import docstring, dois
from .cycling import onsets_of
from .paper import paper
from .paper_sentences import listed
from .parts import table, text
from .series import Series, all_series, json_list, local_time, over_all
from .tables import compact
from .verdict import METHODS
from .volume_methods import volume_methods

if TYPE_CHECKING:
    import xarray as xr

_MARKUP = re.compile(r"(?::[a-z]+:)?`+~?([^`]*)`+")


def methods(tree: xr.DataTree) -> str:
    """Return the methods section as HTML; everything that comes from files is escaped."""
    said = [_times(tree), _clocks(tree), _potential(tree), _uncertainty()]
    steps = [_node_steps(title, ds, after) for title, ds, after in _nodes(tree)]
    told = [*(f"<p>{one}</p>" for one in said if one), *volume_methods(tree)]
    every = f"<details><summary>All steps with all parameters</summary>{''.join(steps)}</details>" if any(steps) else ""
    return "".join([*told, paper(tree), every, _provenance(tree), _recipe(tree)])


def _times(tree: xr.DataTree) -> str:
    series, local = all_series(tree), local_time(tree)
    said = [f"Times are stored in UTC and shown in {text(local.name)}."]
    if any(not np.isnat(one.times()).all() for one in series):
        said.append("A scan is an interval from its start to its end; its time is the middle of it.")
    if any(np.isfinite(one.column("ec_samples")).any() or "potential" in one.scans for one in series):
        said.append(
            "Potential, current and state of charge of a scan are means of the electrochemistry over its interval;"
            " outside the log, and across its gaps, a scan gets no value and a flag."
        )
    said += [text(_times_taken(series))] if _times_taken(series) else []
    said += [text(_local_start(one)) for one in series if one.raw is not None and _local_start(one)]
    return " ".join(said)


def _times_taken(series: Sequence[Series]) -> str:
    """Return a sentence on what the files state of times, as far as that is the same for all scans of a series."""
    taken: dict[str, list[str]] = {}
    for one in series:
        if one.raw is not None and (note := one.raw.attrs.get("time_taken")):
            taken.setdefault(str(note), []).append(one.name)
    return f"Times in the files: {'; '.join(f'{note} ({listed(of)})' for note, of in taken.items())}." if taken else ""


def _local_start(series: Series) -> str:
    stated = series.raw.attrs.get("local_time_start") if series.raw is not None else None
    return f"{series.name} states local times without a zone ({compact(stated)}); they are not used." if stated else ""


def _clocks(tree: xr.DataTree) -> str:
    clocks = json_list(tree.attrs.get("clocks"))
    if not clocks:
        return "No clock is stated: the times of all files are taken to be of one clock."
    head = ("clock", "reference", "offset (s)", "drift (ppm)", "uncertainty (s)", "how it is known")
    rows = [
        (
            clock.get("name", "–"),
            clock.get("reference", "–"),
            _number(clock.get("offset")),
            _number(clock.get("drift"), 1e6),
            _number(clock.get("sigma")),
            METHODS.get(str(clock.get("method")), str(clock.get("method", "–"))),
        )
        for clock in clocks
    ]
    law = "t = t<sub>ref</sub> + (t<sub>raw</sub> − t<sub>ref</sub> − offset)/(1 + drift)"
    return f"Clocks are brought to the reference clock by {law}.</p>{table(head, rows)}<p>"


def _number(value: Any, factor: float = 1.0) -> str:
    return f"{value * factor:.6g}" if isinstance(value, int | float) else "–"


def _potential(tree: xr.DataTree) -> str:
    cell = tree["cell"].attrs if "cell" in tree.children else {}
    if "reference_electrode" not in cell:
        return "No reference electrode is stated." if "echem" in tree.children else ""
    offset = cell.get("potential_offset")
    added = f"; {_number(offset)} V were added to state the potential vs Li+/Li" if offset else ""
    return text(f"The voltage was measured against {cell['reference_electrode']}{added}. Charge is positive current.")


def _uncertainty() -> str:
    return "Uncertainties are one standard uncertainty. Scans are numbered from 0, as in the store."


def _nodes(tree: xr.DataTree) -> Iterator[tuple[str, xr.Dataset, int]]:
    """Yield every node that has a history, and how many of its steps another node told already."""
    if "echem" in tree.children:
        log = tree["echem"].to_dataset()
        yield "Electrochemistry", log, 0
        onsets = onsets_of(tree)
        if onsets is not None:
            yield "Onsets", onsets, len(history.entries(log))
    for series in all_series(tree):
        told: list[dict[str, Any]] = []
        for stage, ds in (("raw", series.raw), ("processed", series.processed), *over_all(tree, series)):
            if ds is not None:
                steps = history.entries(ds)
                yield f"{series.name}, {stage}", ds, len(told) if steps[: len(told)] == told else 0
                told = steps if stage in ("raw", "processed") else told


def _node_steps(title: str, ds: xr.Dataset, after: int) -> str:
    steps = history.entries(ds)[after:]
    if not steps:
        return ""
    items = "".join(f"<li>{_step(step)}</li>" for step in steps)
    return f'<h3>{text(title)}</h3><ol class="steps" start="{after + 1}">{items}</ol>'


def _step(step: dict[str, Any]) -> str:
    name, parameters = str(step.get("step", "?")), step.get("parameters") or {}
    about = _about(name)
    said = f"<code>{text(name)}</code> (operando {text(step.get('version', '?'))})"
    said += f": {text(about)}" if about else ""
    pairs = (f"<dt>{text(key)}</dt><dd>{text(_short(value))}</dd>" for key, value in dict(parameters).items())
    listed = "".join(pairs)
    return f"{said}<dl>{listed}</dl>" if listed else said


def _short(value: Any, most: int = 600) -> str:
    said = compact(value)
    return said if len(said) <= most else f"{said[:most]} … ({len(said)} characters)"


def _about(name: str) -> str:
    """Return the first line of the docstring of the function a step names, and its sources; empty if there is none."""
    said = docstring(name).strip()
    if not said:
        return ""
    sources = ", ".join(dois(name))
    return _MARKUP.sub(r"\1", said.splitlines()[0]) + (f" ({sources})" if sources else "")


def _provenance(tree: xr.DataTree) -> str:
    rows = [(name.replace("_", " "), compact(tree.attrs[name])) for name in _PROVENANCE if tree.attrs.get(name)]
    return f"<h3>Provenance</h3>{table(('what', 'which'), rows)}" if rows else ""


_PROVENANCE = ("software", "schema_version", "created")


def _recipe(tree: xr.DataTree) -> str:
    recipe = tree.attrs.get("recipe")
    return f"<details><summary>The recipe</summary><pre>{text(recipe)}</pre></details>" if recipe else ""
