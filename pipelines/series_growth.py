"""A series on its way into the store: its new files are read, linked, worked up and appended, batch by batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.errors import OperandoError, StoreError, printable, told
from operando.flags import Flag
from operando.history import HISTORY
from operando.series import names_along, stack

from .encoding import IMAGE_DIMS
from .frame import completed, frame_of, misfit, on_places, widened
from .held_scans import HeldScans, needs_frame
from .lock import LockLostError
from .processing import Processing, told_apart
from .progress import Reporter
from .relinking import can_link_anew, linked_anew
from .sources import ENTRY, checksums, file_of, made_from
from .steps import TECHNIQUES, Technique

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from .electrochemistry import Electrochemistry
    from .scan_files import ScanFiles
    from .writer import Writer

BATCH = 64
"""Scans that are read and committed together; those with stacks of images are taken one by one."""


@dataclass
class SeriesGrowth:
    """One series of a recipe and what became of its files.

    ``refused`` holds the reason and the checksum of each file that cannot be stored, ``unfinished`` the reason why a
    file is waited for, ``lost`` the reason why the node of a step over all scans could not be made, and from what;
    ``latest`` is the last scan stored. What ``computing`` returns is entered while its lazy arrays are computed.
    """

    work: Processing
    store: Writer
    files: ScanFiles
    tell: Reporter
    computing: Callable[[], AbstractContextManager[Any]] = nullcontext
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    unfinished: dict[str, str] = field(default_factory=dict)
    lost: dict[str, tuple[str, str]] = field(default_factory=dict)
    latest: xr.Dataset | None = None
    _held: HeldScans | None = None
    _names: dict[Path, str] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    @property
    def technique(self) -> Technique:
        """The technique of the series."""
        return TECHNIQUES[self.work.series.technique]

    @property
    def held(self) -> HeldScans:
        """What the store holds of it."""
        if self._held is None:
            stored = self.work.raw_node in self.store.committed()
            self._held = HeldScans.of(self.store.dataset(self.work.raw_node, chunked=False)) if stored else HeldScans()
        return self._held

    def nodes(self) -> list[str]:
        """Return its nodes in the store."""
        return [node for node in self.store.committed() if node.startswith(f"{self.work.folder}/")]

    def failures(self) -> Iterator[dict[str, str]]:
        """Yield what could not be done: files, then steps over all scans."""
        refused = {source: reason for source, (reason, _) in self.refused.items()}
        for source, reason in [*refused.items(), *(("", reason) for reason, _ in self.lost.values())]:
            yield {"node": self.work.series.node, "source": source, "reason": reason}

    def origin(self) -> str:
        """Return a fingerprint of the part of the recipe and of the files that all scans depend on."""
        series, recipe = self.work.series, self.work.recipe
        parts = series.model_dump(mode="json", exclude={"files"}), recipe.zone(series)
        shared = [*self.work.reference_files().values(), *self.work.step_files()]
        return made_from(*parts, checksums(shared, of=self.files.checksum))

    def made_as_now(self) -> bool:
        """Whether what is stored, if anything is, was made from this recipe and these references."""
        node = self.work.raw_node
        return node not in self.store.committed() or self.store.node_attrs(node).get("made_from") == self.origin()

    def follows(self, echem: Electrochemistry) -> bool:
        """Whether what is stored was made from this recipe, and can be linked to the log that there is now."""
        if not self.made_as_now():
            return False
        known = self.store.node_attrs(self.work.raw_node)
        if known.get("linked_with") == self._linked_with(echem):
            return True
        return can_link_anew(self.store.dataset(self.work.raw_node), echem, self.work.series.clock)

    def changed_files(self) -> set[str]:
        """Return the stored files that are gone or hold something else than what was stored."""
        there = {self._source(path): path for path in self.files.of(self.work.series)}
        return {name for name, known in self.held.files.items() if self._changed(name, there.get(name), known)}

    def _changed(self, name: str, path: Path | None, known: str) -> bool:
        if path is None:
            return not self.files.keeps(self._path(name))
        try:
            return self.files.checksum(path, self.held.images.get(name, "")) != known
        except OperandoError:
            return not self.files.keeps(path)

    def withdraw(self, files: set[str]) -> bool:
        """Take the scans of files out of the store; False if the whole series hangs on them."""
        rows = self.held.rows_without(files, depend=bool(self.technique.referenced))
        nodes = [node for node in (self.work.raw_node, self.work.processed_node) if node in self.store.committed()]
        kept = {node: self.store.dataset(node).isel(scan=rows) for node in nodes}
        if not rows.size or not needs_frame(kept[self.work.raw_node], self.technique.axis):
            return False
        self.store.replace(kept)
        self._held = None
        return True

    def forget(self) -> None:
        """Begin anew, once nothing of the series is in the store any more."""
        self.work = Processing(self.work.recipe, self.work.series)
        self.refused, self.lost, self._held = {}, {}, None

    def link_anew(self, echem: Electrochemistry) -> None:
        """Put the electrochemistry on stored scans that were linked to another log, or by another clock."""
        mark = {"linked_with": self._linked_with(echem)}
        nodes = [node for node in (self.work.raw_node, self.work.processed_node) if node in self.store.committed()]
        if any(self.store.node_attrs(node).get("linked_with") != mark["linked_with"] for node in nodes):
            self.tell.say(f"{self.work.folder}: linked anew, as the electrochemistry or the clock changed")
            stored = {node: self.store.dataset(node) for node in nodes}
            again = {node: linked_anew(ds, echem, self.work.series.clock) for node, ds in stored.items()}
            self.store.update({node: ds.assign_attrs(mark) for node, ds in again.items()})
            self.held.flags = again[self.work.raw_node]["flag"].values.astype(np.int64)

    def grow(self, echem: Electrochemistry, most: int | None = None) -> int:
        """Append files that the store does not hold yet, at most so many of them; return how many scans are new.

        If new scans hold quantities or energies that the series has no place for, it is made anew.
        """
        before = len(self.held.sources)
        paths = self._new_files()[:most]
        if not paths:
            return 0
        with self.computing():
            wider = self._grow(paths, echem, self.held.frame)
            while wider is not None:
                self.tell.say(f"{self.work.folder}: new scans hold more than the stored ones, so it is made anew")
                self.store.remove(self.nodes())
                self.forget()
                before, wider = 0, self._grow(self._new_files(), echem, wider)
        return len(self.held.sources) - before

    def _source(self, path: Path) -> str:
        if path not in self._names:
            self._names[path] = printable(path.relative_to(self.work.recipe.folder).as_posix())
        return self._names[path]

    def _path(self, source: str) -> Path:
        """Return the file of a source, which may have a name that no text holds."""
        return next((path for path, name in self._names.items() if name == source), self.work.recipe.folder / source)

    def _new_files(self) -> list[Path]:
        """Return the files that are not stored, without those that were refused and hold the same as then."""
        there = self.files.of(self.work.series)
        if self.refused or self.unfinished:
            names = {self._source(path) for path in there}
            self.refused = {source: why for source, why in self.refused.items() if source in names}
            self.unfinished = {source: why for source, why in self.unfinished.items() if source in names}
        new = [path for path in there if self._source(path) not in self.held.files]
        return [path for path in new if not self._refused_as_it_is(path)]

    def _refused_as_it_is(self, path: Path) -> bool:
        _, known = self.refused.get(self._source(path), ("", ""))
        return bool(known) and known == checksums([path], of=self.files.checksum)[0]

    def _grow(self, paths: list[Path], echem: Electrochemistry, frame: xr.Dataset | None) -> xr.Dataset | None:
        """Append what fits the frame, a batch a commit; return a wider frame as soon as one is needed."""
        with self.tell.counting(self.work.folder, len(paths)) as counter:
            for batch in _batches(paths, 1 if self.technique.referenced else BATCH):
                scans = self._scans(batch, frame)
                if scans and frame is not None and self.held.sources:
                    kept = [self.work.stored(scan) for scan in scans]
                    wider = widened(frame, self.held.flags, kept, self.technique.axis)
                    if wider is not None:
                        return wider
                if scans:
                    frame = self._stored(scans, echem, frame)
                counter.add(len(batch))
        return None

    def _stored(self, scans: list[xr.Dataset], echem: Electrochemistry, frame: xr.Dataset | None) -> xr.Dataset | None:
        """Append scans and return their frame; file by file, without those that a step refuses, if it refuses any."""
        axis, referenced = self.technique.axis, bool(self.technique.referenced)
        try:
            stacked = stack(scans, axis, None if frame is None else frame[axis], interpolate=not referenced)
            self._append(stacked if frame is None else completed(stacked, frame), echem)
        except Exception as error:
            if _is_the_stores(error):
                raise
            if len(scans) == 1:
                source = str(np.ravel(scans[0]["source"].values)[0])
                self._refuse(file_of(source), f"{source}: {told(error)}")
                return frame
            for scan in scans:
                frame = self._stored([scan], echem, frame)
            return frame
        return self.held.frame

    def _append(self, stacked: xr.Dataset, echem: Electrochemistry) -> None:
        origin, first, previous = self.origin(), None, None
        if self.technique.referenced and self.work.processed_node in self.store.committed():
            stored = self.store.dataset(self.work.processed_node)
            first, previous = stored.isel(scan=slice(0, 1)), stored.isel(scan=slice(-1, None))
        with told_apart() as said:
            nodes = self.work.nodes(stacked, echem, first, previous)
        mark = {"linked_with": self._linked_with(echem)}
        described = {name: self._described(name, node.assign_attrs(mark), origin) for name, node in nodes.items()}
        self.store.append(described)
        raw = nodes[self.work.raw_node]
        self.held.add(raw)
        self.held.frame = frame_of(raw) if self.held.frame is None else self.held.frame
        self.latest = raw.drop_vars(list(raw.data_vars)).isel(scan=-1)
        for source in map(str, raw["source"].values):
            self.refused.pop(file_of(source), None)
        self._warn(said)

    def _linked_with(self, echem: Electrochemistry) -> str:
        """Return a fingerprint of what the scans are linked with; empty if there is no log."""
        clock = echem.clocks.get(self.work.series.clock or "")
        return made_from(clock.to_dict() if clock else None, echem.origin) if "echem" in echem.tables else ""

    def _scans(self, paths: list[Path], frame: xr.Dataset | None) -> list[xr.Dataset]:
        """Return the scans of files that can be read and joined; the others are listed."""
        axis, exact = self.technique.axis, self._exact(frame)
        sizes = {} if frame is None else {str(dim): size for dim, size in frame.sizes.items()}
        names = {} if frame is None else names_along(frame)
        if self.technique.referenced and self.work.processed_node in self.store.committed():
            # The stored raw scans have no images that would tell their size.
            stored = self.store.dataset(self.work.processed_node)
            sizes = {**{str(dim): size for dim, size in stored.sizes.items()}, **sizes}
        scans = []
        for path in paths:
            scan = self._read(path)
            scan = on_places(scan, frame) if scan is not None and frame is not None and exact else scan
            reason = misfit(scan, sizes, names, axis, exact) if scan is not None else ""
            if reason:
                self._refuse(self._source(path), f"{path}: {reason}; give such scans a series of their own")
            elif scan is not None:
                sizes = {**{str(dim): size for dim, size in scan.sizes.items()}, **sizes}
                names = {**names_along(scan), **names}
                scans.append(scan)
        return scans

    def _exact(self, frame: xr.Dataset | None) -> dict[str, NDArray[np.float64]]:
        """Return the axis and the places that scans of images must lie at."""
        if frame is None or not self.technique.referenced:
            return {}
        return {dim: frame[dim].to_numpy() for dim in (self.technique.axis, *IMAGE_DIMS) if dim in frame.coords}

    def _read(self, path: Path) -> xr.Dataset | None:
        """Return one scan; None, and listed, if its file cannot be read, or is to be read again when it is whole."""
        source = self._source(path)
        try:
            # Taken before reading: a file that grows meanwhile will be seen to have changed.
            known = self.files.checksum(path)
            with told_apart() as left_out:
                scan = self.work.read(path)
            if self._is_unfinished(path, scan):
                self.unfinished[source] = "it breaks off"
                return None
            images = str(scan["images"].values) if "images" in scan.coords else ""
            marked = _marked(scan, source, self.files.checksum(path, images) if images else known)
        except Exception as error:
            reason = told(error) if isinstance(error, OperandoError) else f"{path}: {told(error)}"
            if self._is_unfinished(path):
                self.unfinished[source] = reason
            else:
                self._refuse(source, reason)
            return None
        for text in dict.fromkeys(left_out):
            self.tell.warn(text)
        self.unfinished.pop(source, None)
        return marked

    def _is_unfinished(self, path: Path, scan: xr.Dataset | None = None) -> bool:
        """Whether a file is to be read again later: it changed meanwhile, or it breaks off and may grow."""
        if not self.files.is_as_seen(path):
            return True
        return (scan is None or _breaks_off(scan)) and self.files.may_grow(path)

    def _refuse(self, source: str, reason: str) -> None:
        """List a file with the reason why it is not stored, and tell it unless that is known."""
        known, _ = self.refused.get(source, ("", ""))
        self.refused[source] = reason, checksums([self._path(source)], of=self.files.checksum)[0]
        self.unfinished.pop(source, None)
        if reason != known:
            self.tell.warn(reason)

    def _described(self, name: str, node: xr.Dataset, origin: str) -> xr.Dataset:
        """Return a node's next scans with the attributes that hold for the stored ones too.

        The history is that of the first batch, and what the stored ones are linked with stays, so that they are linked
        anew with these if that has changed; an attribute in which scans differ is left empty.
        """
        if name not in self.store.committed():
            return node.assign_attrs(made_from=origin)
        stored, new = self.store.node_attrs(name), node.attrs
        attrs = {key: value if new.get(key) == value else "" for key, value in stored.items()}
        metadata = {key: json.loads(found.get("metadata", "{}")) for key, found in (("old", stored), ("new", new))}
        common = {key: value for key, value in metadata["old"].items() if metadata["new"].get(key) == value}
        kept = {HISTORY: stored[HISTORY], "made_from": origin, "metadata": json.dumps(common, ensure_ascii=False)}
        kept |= {name: stored[name] for name in ("linked_with",) if name in stored}
        return node.drop_attrs(deep=False).assign_attrs({**attrs, **kept})

    def publish_references(self) -> None:
        """Write the references that the series is compared with; they change only with the series."""
        if self.work.series.references is not None and self.work.references_node not in self.store.committed():
            self.store.replace({self.work.references_node: self.work.references})

    def publish_over_all(self, echem: Electrochemistry) -> None:
        """Make what needs all scans, unless it was made from just these."""
        rows = [*self.held.files.items()], self.held.sources
        for node, section in self.work.over_all() if self.held.sources else ():
            origin = made_from(self.origin(), self._linked_with(echem), rows)
            known = node in self.store.committed()
            tried = self.lost.get(node, ("", ""))[1]
            if origin in (tried, self.store.node_attrs(node).get("made_from") if known else ""):
                continue
            try:
                with self.computing(), told_apart() as said:
                    processed, raw = (self.store.dataset(n) for n in (self.work.processed_node, self.work.raw_node))
                    result = self.work.from_all(section, processed, raw)
                    self.store.replace({node: result.assign_attrs(made_from=origin)})
                self._warn(said)
                self.lost.pop(node, None)
            except Exception as error:
                if _is_the_stores(error):
                    raise
                self.lost[node] = told(error), origin
                self.tell.warn(told(error))
                if known:
                    self.store.remove([node])

    def _warn(self, said: list[str]) -> None:
        """Pass on what steps say of a series, each once: with other numbers it is the same again."""
        for text in said:
            kind = re.sub(r"\d+", "#", text)
            if kind not in self._said:
                self._said.add(kind)
                self.tell.warn(f"{self.work.folder}: {text}")


def _breaks_off(scan: xr.Dataset) -> bool:
    return "flag" in scan.coords and bool(np.any(scan["flag"].values & int(Flag.truncated)))


def _is_the_stores(error: Exception) -> bool:
    """Whether nothing can be stored any more, whatever the scans are like."""
    return isinstance(error, LockLostError) or (isinstance(error, StoreError) and isinstance(error.__cause__, OSError))


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
