"""Run a recipe: read, link, process and store every scan, whatever a few of them are like."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from operando.schema import DRAWN

from . import report
from .check import check as check_recipe
from .cluster import Cluster
from .commit import one_line_errors
from .electrochemistry import Electrochemistry, gather
from .processing import Processing
from .progress import Reporter, Silent
from .recipe import Recipe
from .scan_files import PresentFiles, ScanFiles
from .series_growth import SeriesGrowth
from .steps import TECHNIQUES
from .writer import Writer


@dataclass
class Summary:
    """What a run did."""

    store: Path
    report: Path
    scans: dict[str, int] = field(default_factory=dict)
    new: int = 0
    flagged: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 if every file was read and every step taken, 3 if some were not."""
        return 3 if self.failed else 0


def run(recipe: Recipe, tell: Reporter | None = None, cluster: Cluster | None = None) -> Summary:
    """Bring the store of a recipe up to date with its files and write the report.

    Scans that are in the store stay as they are; when the electrochemistry or their clock changed, they are linked
    anew. Scans of files that changed or went are taken out, and read again; so are those that depend on them. A series
    is made anew when its part of the recipe changed, or new scans hold quantities or energies that it has no place for.
    A file that cannot be read is listed in the summary and in the store's ``failed``, and the others go on. Stacks
    of images and volumes are worked on by the ``cluster``, if there is one.

    Raises
    ------
    RecipeError
        If the recipe does not fit the files.
    StoreError
        If the store cannot be written.
    """
    started, tell = perf_counter(), tell or Silent()
    check_recipe(recipe)
    echem = gather(recipe, tell)
    summary = Summary(recipe.store, recipe.report)
    with Writer(recipe.store, {"experiment": recipe.title}) as store:
        Run(recipe, echem, store, summary, tell, PresentFiles(recipe), cluster).complete()
    tell.say(f"writing {recipe.report}")
    with one_line_errors(recipe.report):
        report.write_store(recipe.store, recipe.report)
    summary.seconds = perf_counter() - started
    return summary


@dataclass
class Run:
    """A run of a recipe into an open store, whole or in parts that may come again when files or the log have grown."""

    recipe: Recipe
    echem: Electrochemistry
    store: Writer
    summary: Summary
    tell: Reporter
    files: ScanFiles
    cluster: Cluster | None = None

    def __post_init__(self) -> None:
        """Take up every series of the recipe."""
        works = (Processing(self.recipe, series) for series in self.recipe.series)
        self.series = [SeriesGrowth(work, self.store, self.files, self.tell) for work in works]

    def complete(self) -> None:
        """Withdraw what is outdated, publish the tables, link what is stored to them, append what is new."""
        self.renew()
        for growth in self.series:
            with self._computing(growth.work):
                self.grow(growth)
                growth.publish_over_all(self.echem)
        self.publish_attrs()

    def renew(self) -> None:
        """Bring what is stored in step with the recipe, the log and the files: withdraw, replace, link anew."""
        self._withdraw_outdated()
        self._publish_tables()
        for growth in self.series:
            growth.link_anew(self.echem)

    def grow(self, growth: SeriesGrowth, most: int | None = None) -> int:
        """Append the files of a series that the store does not hold yet; return how many scans are new."""
        new = growth.grow(self.echem, most)
        if growth.held.sources:
            growth.publish_references()
        self.summary.new += new
        return new

    def publish_attrs(self) -> None:
        """Bring the summary and the attributes of the store up to date."""
        summary = self.summary
        summary.scans = {growth.work.folder: len(growth.held.sources) for growth in self.series}
        summary.flagged = sum(int(np.count_nonzero(growth.held.flags)) for growth in self.series)
        summary.failed = [*self.echem.failed, *(found for growth in self.series for found in growth.failures())]
        attrs, known = self._root_attrs(), self.store.attrs()
        if any(known.get(name) != value for name, value in attrs.items()):
            self.store.set_attrs(attrs)

    def _computing(self, work: Processing) -> AbstractContextManager[Any]:
        """Compute lazy arrays of a series where the run was told to."""
        large = TECHNIQUES[work.series.technique].referenced
        return nullcontext() if self.cluster is None or not large else self.cluster.computing(self.recipe.store)

    def _root_attrs(self) -> dict[str, Any]:
        return {
            "experiment": self.recipe.title,
            "timezone": self.recipe.experiment.timezone or "UTC",
            "recipe": self.recipe.text,
            "files_from": Path(os.path.relpath(self.recipe.folder, self.recipe.store.parent)).as_posix(),
            "clocks": json.dumps([clock.to_dict() for clock in self.echem.clocks.values()]),
            "failed": json.dumps(self.summary.failed, ensure_ascii=False),
        }

    def _withdraw_outdated(self) -> None:
        """Take out the nodes that no longer follow from the recipe and the files, and scans of files that changed."""
        keep = set(self.echem.tables)
        for growth in self.series:
            if growth.work.raw_node not in self.store.committed():
                continue
            follows = growth.follows(self.echem)
            changed = growth.changed_files() if follows else set()
            if follows and (not changed or growth.withdraw(changed)):
                keep.update(growth.nodes())
            else:
                self.tell.say(f"{growth.work.series.node}: the recipe or the files changed, so it is made anew")
                growth.forget()
        outdated = [node for node in self.store.committed() if node not in keep and not node.endswith(f"/{DRAWN}")]
        if outdated:
            self.store.remove(outdated)

    def _publish_tables(self) -> None:
        """Write the electrochemistry and the cell, unless the store has them from the same files."""
        known = self.store.committed()
        outdated = {
            name: ds.assign_attrs(made_from=self.echem.origin_of(name))
            for name, ds in self.echem.tables.items()
            if name not in known or self.store.node_attrs(name).get("made_from") != self.echem.origin_of(name)
        }
        if outdated:
            self.store.replace(outdated)
