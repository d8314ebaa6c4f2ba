"""The electrochemistry and the clocks that a recipe names, read and estimated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import cyclers, echem, history, onsets
from operando.cell import describe
from operando.clock import Clock, to_utc
from operando.clock_events import clock_from_events, zone_trap
from operando.errors import OperandoError, RecipeError, names_file, printable
from operando.folders import within
from operando.shared_channel import estimate_clock

from .progress import Reporter
from .recipe import Recipe
from .recipe_tables import ClockSection, OnsetSection
from .sources import checksums, made_from

ONSETS = "onsets"
"""Name of the table of the onsets that the recipe asks for."""


@dataclass
class Electrochemistry:
    """The shared tables of an experiment: empty where the recipe names no log or none could be read."""

    tables: dict[str, xr.Dataset] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)
    failed: list[dict[str, str]] = field(default_factory=list)
    origin: str = ""
    onsets_origin: str = ""

    def origin_of(self, table: str) -> str:
        """Return what a table was made from; scans do not depend on the onsets, which so may change alone."""
        return self.onsets_origin if table == ONSETS else self.origin


def gather(recipe: Recipe, tell: Reporter) -> Electrochemistry:
    """Read the electrochemistry of a recipe, describe the cell, and set or estimate its clocks.

    Raises
    ------
    OperandoError
        If no file of the log can be read, or a clock cannot be estimated from its shared channel: without them no
        scan has a place in the log, and what an earlier run linked must not be lost.
    """
    found, values = Electrochemistry(), _cell_values(recipe)
    if recipe.echem is None:
        found.origin = made_from(values)
        found.tables = {"cell": describe(values)} if values else {}
        return found
    paths = recipe.files(recipe.echem)
    tell.say(f"echem: {len(paths)} file{'s' if len(paths) != 1 else ''}")
    found.origin = made_from(
        recipe.cell.model_dump(), recipe.echem.model_dump(), recipe.zone(recipe.echem), checksums(paths)
    )
    log = _read_log(paths, recipe, found.failed, tell)
    found.tables = {"echem": log, "cell": describe(values, log)}
    found.clocks = {name: _clock(name, section, recipe, log) for name, section in recipe.clocks.items()}
    for clock in found.clocks.values():
        if zone_trap(clock):
            tell.warn(zone_trap(clock))
    if recipe.onsets:
        found.tables[ONSETS] = onset_table(log, recipe.onsets)
        found.onsets_origin = made_from(
            found.origin, {name: section.model_dump() for name, section in recipe.onsets.items()}
        )
    return found


def onset_table(log: xr.Dataset, sections: Mapping[str, OnsetSection]) -> xr.Dataset:
    """Return the onsets that a recipe asks for, in order of time."""
    parts = [onsets(log, name=name, **section.model_dump()) for name, section in sections.items()]
    steps = [*history.entries(log), *(history.entries(part)[-1] for part in parts)]
    table = xr.concat(parts, "onset", combine_attrs="drop_conflicts", data_vars="all").sortby("time")
    return table.assign_attrs({history.HISTORY: json.dumps(steps, ensure_ascii=False)})


def _cell_values(recipe: Recipe) -> dict[str, Any]:
    values = recipe.cell.model_dump(exclude_none=True)
    materials = values.pop("materials")
    return {**values, "materials": json.dumps(materials, ensure_ascii=False)} if materials else values


def _read_log(paths: list[Path], recipe: Recipe, failed: list[dict[str, str]], tell: Reporter) -> xr.Dataset:
    """Return the log of all files that can be read; the others are listed."""
    section, good = recipe.echem, list(paths)
    while good and section is not None:
        try:
            with within(recipe.folders):
                return echem.read(
                    good,
                    timezone=recipe.zone(section),
                    reader=section.reader,
                    cell=_cell_values(recipe),
                    current_offset_std=section.current_offset_std,
                    **section.read,
                )
        except OperandoError as error:
            bad = [path for path in good if names_file(error, path)]
            if not bad:
                raise
            good.remove(bad[0])
            source = printable(bad[0].relative_to(recipe.folder).as_posix())
            failed.append({"node": "echem", "source": source, "reason": str(error)})
            tell.warn(str(error))
    why = f"none of its {len(paths)} files can be read: {failed[0]['reason']}" if failed else "no file of it is there"
    raise RecipeError([f"{recipe.path}: [echem]: {why}"])


def _clock(name: str, section: ClockSection, recipe: Recipe, log: xr.Dataset) -> Clock:
    start = np.datetime64(log["time"].values[0], "ns")
    channel = section.shared_channel
    if section.events:
        return _clock_of_events(name, section, recipe, log)
    if channel is None:
        return Clock(name, section.reference, start, section.offset, section.drift, section.sigma, section.method)
    zone = recipe.zone(channel)
    files = recipe.files(channel)
    with within(recipe.folders):
        parts = [cyclers.read(path, timezone=zone, reader=channel.reader, **channel.read) for path in files]
    copy = parts[0]["voltage"] if len(parts) == 1 else xr.concat([part["voltage"] for part in parts], "time")
    return estimate_clock(copy, log, t_ref=start, name=name, reference=section.reference)


def _clock_of_events(name: str, section: ClockSection, recipe: Recipe, log: xr.Dataset) -> Clock:
    """Return the clock that noted the recipe's events; local times are those of the experiment's zone."""
    zone, events, time = recipe.experiment.timezone, section.events, log["time"].values
    times: list[list[np.datetime64]] = []
    for key in ("shown", "reference"):
        where = [f"clocks.{name}.events.{number}.{key}" for number in range(len(events))]
        texts = [getattr(event, key) for event in events]
        times.append(
            [to_utc(text, zone, file=recipe.path, place=place) for text, place in zip(texts, where, strict=True)]
        )
    shown, reference = (np.array(column, "M8[ns]") for column in times)
    clock, _ = clock_from_events(
        shown,
        reference,
        [event.std for event in events],
        labels=[event.label for event in events],
        t_ref=np.datetime64(time[0], "ns"),
        span=(time[0], time[-1]),
        name=name,
        reference_name=section.reference,
        method="trigger" if section.method == "trigger" else "event",
    )
    return clock
