"""Run a recipe: read, link, process and store every scan, whatever a few of them are like."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

import operando
from operando.errors import OperandoError, StoreError, printable
from operando.history import HISTORY
from operando.series import names_along, stack
from operando.store import series_nodes

from . import report
from .check import check as check_recipe
from .cluster import Cluster
from .commit import one_line_errors
from .electrochemistry import Electrochemistry, gather
from .encoding import IMAGE_DIMS
from .frame import completed, frame_of, misfit, on_places, widened
from .processing import Processing, told_apart
from .progress import Reporter, Silent
from .recipe import Recipe
from .relinking import can_link_anew, linked_anew
from .sources import ENTRY, checksum_with, checksums, file_of, made_from
from .steps import TECHNIQUES, Technique
from .writer import Writer

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


BATCH = 64
"""Scans that are read and committed together; those with stacks of images are taken one by one."""

_MARKS = ("source", "checksum")


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
    anew. A series is made anew when its part of the recipe or one of its files changed, or new scans hold quantities
    or energies that it has no place for. A file that cannot be read is listed in the summary and in the store's
    ``failed``, and the others go on. Stacks of images and volumes are worked on by the ``cluster``, if there is one.

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
    summary = Summary(recipe.store, recipe.report, failed=list(echem.failed))
    with Writer(recipe.store, {"experiment": recipe.title}) as store:
        Run(recipe, echem, store, summary, tell, cluster).complete()
    summary.flagged = _count_flagged(recipe.store)
    tell.say(f"writing {recipe.report}")
    with one_line_errors(recipe.report):
        report.write_store(recipe.store, recipe.report)
    summary.seconds = perf_counter() - started
    return summary


@dataclass(frozen=True)
class Run:
    """One run of a recipe into an open store."""

    recipe: Recipe
    echem: Electrochemistry
    store: Writer
    summary: Summary
    tell: Reporter
    cluster: Cluster | None = None

    def complete(self) -> None:
        """Withdraw what is outdated, publish the tables, link what is stored to them, append what is new."""
        self._withdraw_outdated()
        self._publish_tables()
        self._link_anew()
        for work in self._works():
            with self._computing(work):
                self._bring_up_to_date(work)
        self.store.set_attrs(self._root_attrs())

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

    def _origin(self, work: Processing) -> str:
        series = work.series
        parts = series.model_dump(mode="json", exclude={"files"}), self.recipe.zone(series)
        return made_from(*parts, checksums([*work.reference_files().values(), *work.step_files()]))

    def _linked_with(self, work: Processing) -> str:
        """Return a fingerprint of what the scans of a series are linked with; empty if there is no log."""
        clock = self.echem.clocks.get(work.series.clock or "")
        return made_from(clock.to_dict() if clock else None, self.echem.origin) if "echem" in self.echem.tables else ""

    def _source(self, path: Path) -> str:
        return printable(path.relative_to(self.recipe.folder).as_posix())

    def _withdraw_outdated(self) -> None:
        """Take out the nodes that no longer follow from the recipe and the files."""
        committed = self.store.committed()
        keep = set(self.echem.tables)
        for work in self._works():
            if work.raw_node in committed and self._is_current(self.store.dataset(work.raw_node), work):
                keep |= {node for node in committed if node.startswith(f"{work.folder}/")}
            elif work.raw_node in committed:
                self.tell.say(f"{work.series.node}: the recipe or the files changed, so it is made anew")
        outdated = [node for node in committed if node not in keep]
        if outdated:
            self.store.remove(outdated)

    def _works(self) -> Iterator[Processing]:
        return (Processing(self.recipe, series) for series in self.recipe.series)

    def _is_current(self, raw: xr.Dataset, work: Processing) -> bool:
        """Whether a series was made from this recipe and these files, with none of them changed since."""
        if raw.attrs.get("made_from") != self._origin(work) or not can_link_anew(raw, self.echem, work.series.clock):
            return False
        sources = {self._source(path): path for path in self.recipe.files(work.series)}
        stored = {file_of(source): known for source, known in zip(*(raw[n].values for n in _MARKS), strict=True)}
        images = raw["images"].values if "images" in raw.coords else ()
        return stored.keys() <= sources.keys() and [*stored.values()] == checksums(
            (sources[file] for file in stored), images
        )

    def _publish_tables(self) -> None:
        """Write the electrochemistry and the cell, unless the store has them from the same files."""
        known = self.store.committed()
        outdated = {
            name: ds.assign_attrs(made_from=self.echem.origin_of(name))
            for name, ds in self.echem.tables.items()
            if name not in known or self.store.dataset(name).attrs.get("made_from") != self.echem.origin_of(name)
        }
        if outdated:
            self.store.replace(outdated)

    def _link_anew(self) -> None:
        """Put the electrochemistry on stored scans that were linked to another log, or by another clock."""
        committed = self.store.committed()
        for work in self._works():
            nodes = [node for node in (work.raw_node, work.processed_node) if node in committed]
            stored = {node: self.store.dataset(node) for node in nodes}
            if any(ds.attrs.get("linked_with") != self._linked_with(work) for ds in stored.values()):
                self.tell.say(f"{work.folder}: linked anew, as the electrochemistry or the clock changed")
                again = {node: linked_anew(ds, self.echem, work.series.clock) for node, ds in stored.items()}
                mark = {"linked_with": self._linked_with(work)}
                self.store.update({node: ds.assign_attrs(mark) for node, ds in again.items()})

    def _bring_up_to_date(self, work: Processing) -> None:
        """Append the files that the store does not hold yet; make a series anew that new scans have outgrown."""
        raw, node, failed = work.raw_node, work.folder, len(self.summary.failed)
        before, wider = self.store.committed().get(raw, 0), self._grow(work, None)
        while wider is not None:
            self.tell.say(f"{node}: new scans hold more than the stored ones, so it is made anew")
            self.store.remove([stored for stored in self.store.committed() if stored.startswith(f"{work.folder}/")])
            del self.summary.failed[failed:]
            before, wider = 0, self._grow(work, wider)
        self.summary.scans[node] = self.store.committed().get(raw, 0)
        self.summary.new += self.summary.scans[node] - before
        if self.summary.scans[node]:
            self._publish_references(work)
            self._publish_over_all(work)

    def _grow(self, work: Processing, frame: xr.Dataset | None) -> xr.Dataset | None:
        """Append what fits the frame, a batch a commit; return a wider frame as soon as one is needed."""
        series, raw, technique = work.series, work.raw_node, TECHNIQUES[work.series.technique]
        stored = self.store.dataset(raw) if raw in self.store.committed() else None
        known = set() if stored is None else {file_of(source) for source in stored["source"].values}
        frame = frame_of(stored) if stored is not None else frame
        paths = [path for path in self.recipe.files(series) if self._source(path) not in known]
        with self.tell.counting(work.folder, len(paths)) as counter:
            for batch in _batches(paths, 1 if technique.referenced else BATCH):
                scans = self._scans(batch, work, frame)
                if scans and frame is not None and raw in self.store.committed():
                    kept = [work.stored(scan) for scan in scans]
                    wider = widened(frame, self.store.dataset(raw)["flag"], kept, technique.axis)
                    if wider is not None:
                        return wider
                if scans:
                    values = None if frame is None else frame[technique.axis]
                    stacked = stack(scans, technique.axis, values, interpolate=not technique.referenced)
                    stacked = stacked if frame is None else completed(stacked, frame)
                    if self._append(stacked, work):
                        frame = frame_of(work.stored(stacked))
                counter.add(len(batch))
        return None

    def _scans(self, paths: list[Path], work: Processing, frame: xr.Dataset | None) -> list[xr.Dataset]:
        """Return the scans of files that can be read and joined; the others are listed."""
        technique = TECHNIQUES[work.series.technique]
        exact = self._exact(technique, frame)
        sizes = {} if frame is None else {str(dim): size for dim, size in frame.sizes.items()}
        names = {} if frame is None else names_along(frame)
        if technique.referenced and work.processed_node in self.store.committed():
            # The stored raw scans have no images that would tell their size.
            sizes = {**self._sizes(work.processed_node), **sizes}
        scans = []
        for path in paths:
            scan = self._read(path, work)
            scan = on_places(scan, frame) if scan is not None and frame is not None and exact else scan
            reason = misfit(scan, sizes, names, technique.axis, exact) if scan is not None else ""
            if reason:
                reason = f"{path}: {reason}; give such scans a series of their own"
                self._list_failed(work.series.node, self._source(path), reason)
            elif scan is not None:
                sizes = {**{str(dim): size for dim, size in scan.sizes.items()}, **sizes}
                names = {**names_along(scan), **names}
                scans.append(scan)
        return scans

    def _exact(self, technique: Technique, frame: xr.Dataset | None) -> dict[str, NDArray[np.float64]]:
        """Return the axis and the places that scans of images must lie at."""
        if frame is None or not technique.referenced:
            return {}
        return {dim: frame[dim].to_numpy() for dim in (technique.axis, *IMAGE_DIMS) if dim in frame.coords}

    def _sizes(self, node: str) -> dict[str, int]:
        return {str(dim): size for dim, size in self.store.dataset(node).sizes.items()}

    def _append(self, stacked: xr.Dataset, work: Processing) -> bool:
        """Append scans to the store; False, and listed, if a step refuses stacks of images, which come one by one."""
        origin, first, previous = self._origin(work), None, None
        referenced = TECHNIQUES[work.series.technique].referenced
        if referenced and work.processed_node in self.store.committed():
            stored = self.store.dataset(work.processed_node)
            first, previous = stored.isel(scan=slice(0, 1)), stored.isel(scan=slice(-1, None))
        try:
            with told_apart() as said:
                nodes = work.nodes(stacked, self.echem, first, previous)
            mark = {"linked_with": self._linked_with(work)}
            described = {name: self._described(name, node, origin) for name, node in nodes.items()}
            self.store.append({name: node.assign_attrs(mark) for name, node in described.items()})
        except StoreError:
            raise
        except OperandoError as error:
            if not referenced:
                raise
            source = str(stacked["source"].values[0])
            self._list_failed(work.series.node, source, f"{source}: {error}")
            return False
        self._warn(work, said)
        return True

    def _warn(self, work: Processing, said: list[str]) -> None:
        """Pass on what steps say of a series, each once."""
        for text in dict.fromkeys(said):
            self.tell.warn(f"{work.folder}: {text}")

    def _described(self, name: str, node: xr.Dataset, origin: str) -> xr.Dataset:
        """Return a node's next scans with the attributes that hold for the stored ones too.

        The history is that of the first batch; an attribute in which scans differ is left empty.
        """
        if name not in self.store.committed():
            return node.assign_attrs(made_from=origin)
        stored, new = self.store.dataset(name).attrs, node.attrs
        attrs = {key: value if new.get(key) == value else "" for key, value in stored.items()}
        metadata = {key: json.loads(found.get("metadata", "{}")) for key, found in (("old", stored), ("new", new))}
        common = {key: value for key, value in metadata["old"].items() if metadata["new"].get(key) == value}
        kept = {HISTORY: stored[HISTORY], "made_from": origin, "metadata": json.dumps(common, ensure_ascii=False)}
        return node.drop_attrs(deep=False).assign_attrs({**attrs, **kept})

    def _publish_references(self, work: Processing) -> None:
        """Write the references that the series was compared with; they change only with the series."""
        if work.series.references is not None and work.references_node not in self.store.committed():
            self.store.replace({work.references_node: work.references})

    def _publish_over_all(self, work: Processing) -> None:
        """Make what needs all scans, unless it was made from just these."""
        for node, section in work.over_all():
            processed = self.store.dataset(work.processed_node)
            origin = made_from(self._origin(work), self._linked_with(work), list(processed["source"].values))
            known = node in self.store.committed()
            if known and self.store.dataset(node).attrs.get("made_from") == origin:
                continue
            try:
                with told_apart() as said:
                    result = work.from_all(section, processed, self.store.dataset(work.raw_node))
                self._warn(work, said)
                self.store.replace({node: result.assign_attrs(made_from=origin)})
            except OperandoError as error:
                self._list_failed(work.series.node, "", str(error))
                if known:
                    self.store.remove([node])

    def _read(self, path: Path, work: Processing) -> xr.Dataset | None:
        """Return one scan; None, and listed, if its file cannot be read."""
        source = self._source(path)
        try:
            # Taken before reading: a file that grows meanwhile will be seen to have changed.
            known = checksum_with(path, "")
            with told_apart() as left_out:
                scan = work.read(path)
            for text in dict.fromkeys(left_out):
                self.tell.warn(text)
            images = str(scan["images"].values) if "images" in scan.coords else ""
            return _marked(scan, source, checksum_with(path, images) if images else known)
        except OperandoError as error:
            self._list_failed(work.series.node, source, str(error))
            return None

    def _list_failed(self, node: str, source: str, reason: str) -> None:
        self.summary.failed.append({"node": node, "source": source, "reason": reason})
        self.tell.warn(reason)


def _marked(scan: xr.Dataset, source: str, known: str) -> xr.Dataset:
    """Return what a file held with its source, and the entry in the file where it holds several scans."""
    if "scan" not in scan.dims:
        _, mark, entry = str(scan["source"].values).partition(ENTRY)
        return scan.assign_coords(source=f"{source}{mark}{entry}", checksum=known)
    entries = [str(name).partition(ENTRY)[2] for name in scan["source"].values]
    sources = np.array([f"{source}{ENTRY}{entry}" for entry in entries], dtype=object)
    return scan.assign_coords(source=("scan", sources), checksum=("scan", np.full(len(entries), known, dtype=object)))


def _batches(paths: list[Path], size: int) -> Iterator[list[Path]]:
    for start in range(0, len(paths), size):
        yield paths[start : start + size]


def _count_flagged(path: Path) -> int:
    """Return how many scans of the store carry a flag."""
    with operando.open(path) as tree:
        raw = (node for node in series_nodes(tree) if node.endswith("/raw"))
        flagged = (tree[node].coords["flag"].values for node in raw)
        return sum(int(np.count_nonzero(values)) for values in flagged)
