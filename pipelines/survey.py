"""What a folder holds: which files, when, which reader, what is odd."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import cyclers, flags, sniff
from operando.errors import FileError, OperandoError, SeveralRegionsError

from .processing import told_apart
from .recipe import RECIPE_NAME, natural_key
from .steps import TECHNIQUES
from .volume_survey import by_folder, is_store, is_volume, looked_into

if TYPE_CHECKING:
    import xarray as xr

READ_BYTES = 64 * 2**20
# Only mu is whole without I0.
SIGNALS = ("mu", "tey", "transmission", "fluorescence", "tfy", "pfy")
ECHEM = "echem"


@dataclass
class Group:
    """Files of one folder that one reader reads in one way.

    Times are as the files state them, local where they name no zone; ``middles`` are the seconds from
    each scan's start to its middle.
    """

    folder: Path
    suffix: str
    technique: str
    reader: str
    settings: dict[str, Any]
    label: str
    paths: list[Path] = field(default_factory=list)
    times: list[np.datetime64] = field(default_factory=list)
    middles: list[float] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    example: xr.Dataset | None = None

    @property
    def span(self) -> tuple[np.datetime64, np.datetime64] | None:
        """The first and the last time, if the files state any."""
        return (min(self.times), max(self.times)) if self.times else None

    def include(self, path: Path, data: xr.Dataset | None) -> None:
        """Add a file, and what it tells about times and oddities."""
        self.paths.append(path)
        if data is None:
            self.notes["too large to look into"] += 1
            return
        self.example = data if self.example is None else self.example
        for name in ("time_start", "time", "time_end"):
            if name in data.variables:
                times = np.ravel(data[name].values)
                known = times[~np.isnat(times)]
                self.times += [known.min(), known.max()] if known.size else []
        if "time_start" in data.coords:
            middles = np.ravel((data["time"] - data["time_start"]).values) / np.timedelta64(1, "s")
            self.middles += middles[np.isfinite(middles)].tolist()
        reasons = np.bitwise_or.reduce(np.ravel(data["flag"].values).astype("int64"), initial=0)
        self.notes.update(name.replace("_", " ") for name in flags.names(int(reasons)))

    def left_out(self, count: int) -> None:
        """Note how many spectra of a file cannot be taken with the others."""
        if count:
            self.notes["left out"] += count


@dataclass
class Survey:
    """All groups of a folder, the files that failed and those that no reader knows."""

    folder: Path
    groups: list[Group]
    failed: list[str]
    unknown: list[Path]
    taken: set[Path] = field(default_factory=set)
    """Images that belong to a stack which another file stands for."""


def survey(folder: str | Path) -> Survey:
    """Look into every file below ``folder``; raw files are only read.

    Parameters
    ----------
    folder
        Of a beamtime, subfolders included.

    Returns
    -------
    Survey
        Groups of files that one reader takes, their times, what is odd, and what no reader takes.

    Raises
    ------
    OperandoError
        If the folder does not exist.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise OperandoError(f"{folder}: expected a folder, got {'a file' if folder.exists() else 'nothing there'}")
    found = Survey(folder, [], [], [])
    groups: dict[str, Group] = {}
    failed: dict[Path, str] = {}
    for path in _files(folder, found.failed):
        try:
            if path not in found.taken:
                _sort_in(path, groups, found)
        except OperandoError as error:
            failed[path] = str(error)
    found.failed += [text for path, text in failed.items() if path not in found.taken]
    found.unknown = [path for path in found.unknown if path not in found.taken]
    for group in groups.values():
        group.paths = [path for path in group.paths if path not in found.taken]
    whole = by_folder((group for group in groups.values() if group.paths), found.taken)
    found.groups = sorted(whole, key=lambda group: (group.technique != ECHEM, str(group.folder), group.label))
    return found


def _files(folder: Path, closed: list[str], above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder in natural order, without hidden ones, stores and recipes.

    A link to a folder that it lies in leads nowhere new and is passed over; a folder that may not be
    looked into is told in ``closed``.
    """
    above = (*above, folder.resolve())
    try:
        inside = sorted(folder.iterdir(), key=lambda item: natural_key(item.name))
        if is_store(folder):
            return
        folders = {path for path in inside if path.is_dir()}
    except OSError as error:
        closed.append(str(FileError(folder, "a folder to look into", error.strerror or str(error))))
        return
    for path in inside:
        if path.name.startswith(".") or path.name == RECIPE_NAME:
            continue
        if path in folders:
            if is_store(path) and is_volume(path):
                yield path
            elif path.resolve() not in above:
                yield from _files(path, closed, above)
        elif path.suffix.lower() not in {".html", ".toml", ".md"}:
            yield path


def _sort_in(path: Path, groups: dict[str, Group], found: Survey) -> None:
    start = sniff.head(path, folders=True)
    named, settings = _identify(start)
    if named is None:
        found.unknown.append(path)
        return
    small = named.lazy or path.stat().st_size <= READ_BYTES
    try:
        _add(path, named, settings, groups, found, read=small)
    except SeveralRegionsError as error:
        found.failed += map(str, error.left_out)
        for region in error.regions:
            try:
                _add(path, named, {**settings, "region": region}, groups, found, read=True)
            except OperandoError as reason:
                found.failed.append(str(reason))


def _add(
    path: Path, named: sniff.Format, settings: dict[str, Any], groups: dict[str, Group], found: Survey, *, read: bool
) -> None:
    """Add what a reader finds in a file to the group it belongs to; files that are too large are not read."""
    with told_apart() as left_out:
        data, settings = looked_into(path, named, settings) if read else (None, settings)
    images = _images(path, data)
    found.taken |= images
    # A stack with its images beside it has a folder of its own: stacks are told apart by these.
    own = any(image.parent == path.parent for image in images) and path.parent != found.folder
    folder = path.parent.parent if own else path.parent
    label = node_name(data, folder / path.name) if named.technique != ECHEM else ECHEM
    key = json.dumps([str(folder), path.suffix, named.technique, named.name, settings, label], default=str)
    if key not in groups:
        groups[key] = Group(folder, path.suffix, named.technique, named.name, settings, label)
    groups[key].include(path, data)
    groups[key].left_out(len(left_out))


def _images(path: Path, data: xr.Dataset | None) -> set[Path]:
    """Return the files of the images of a stack that ``path`` stands for."""
    names = str(data["images"].values).splitlines() if data is not None and "images" in data.coords else []
    return {Path(os.path.normpath(path.parent / name)) for name in names} - {path}


def _identify(start: sniff.Head) -> tuple[sniff.Format | None, dict[str, Any]]:
    """Return the format of a file among those of all techniques, and the settings it suggests.

    Where only formats that any text fits are left, the one wins that the file's labels or its name speak for, else the
    first whose guess finds columns.
    """
    formats = [*cyclers.FORMATS, *(fmt for technique in TECHNIQUES.values() for fmt in technique.formats())]
    for fmt in sorted(formats, key=lambda fmt: (not fmt.specific, not fmt.specific and not fmt.likely(start))):
        if (fmt.folders or not start.is_folder) and fmt.recognizes(start):
            settings = fmt.suggest(start)
            if fmt.specific or settings:
                return fmt, settings
    return None, {}


def node_name(scan: xr.Dataset | None, path: Path) -> str:
    """Return a node name for a scan: region, or element and edge, where they can be told, else the folder's name."""
    if scan is not None and "region" in scan.attrs:
        return _slug(str(scan.attrs["region"]))
    edge = _edge(scan) if scan is not None else None
    return edge or _slug(path.parent.absolute().name)


def _slug(name: str) -> str:
    slug = "".join(char if char.isascii() and char.isalnum() else "_" for char in name).strip("_")
    return slug if slug[:1].isalpha() else f"series_{slug}".rstrip("_")


def first_signal(scan: xr.Dataset) -> str | None:
    """Return the signal that a recipe would normalize first: one that shows an edge, if any does."""
    from operando import xas

    usable = [name for name in (SIGNALS if "i0" in scan.data_vars else SIGNALS[:1]) if name in scan.data_vars]
    for name in usable if len(usable) > 1 else ():
        judged = xas.quality(scan[[one for one in ("i0", name) if one in scan.data_vars]])
        if not (judged["flag"] & int(flags.Flag.no_edge)).all():
            return name
    return usable[0] if usable else None


def _edge(scan: xr.Dataset) -> str | None:
    """Return ``Ni_K`` and the like from the file's own words, else from where the signal rises.

    Only K and L3 edges are guessed: with M edges among them, that of oxygen would pass for antimony's M5.
    """
    import xraydb

    from operando import xas

    stated = json.loads(scan.attrs["metadata"])
    element, edge = (str(stated.get(key, "")) for key in ("element.symbol", "element.edge"))
    if _is_edge(element, edge):
        return f"{element}_{edge}"
    signal = first_signal(scan)
    if signal is None and "counts" not in scan:
        return None
    e0 = np.ravel(xas.find_e0(xas.signal(scan, signal) if signal else _mean_of_frames(scan)))
    if not np.isfinite(e0).any():
        return None
    element, edge = xraydb.guess_edge(float(np.nanmedian(e0)), edges=["K", "L3"])
    return f"{element}_{edge}"


def _is_edge(element: str, edge: str) -> bool:
    from operando.xas.atomic_data import edge as tabulated

    try:
        return bool(tabulated(element, edge))
    except OperandoError:
        return False


def _mean_of_frames(stack: xr.Dataset) -> xr.DataArray:
    """Return the mean counts of the sound frames of a stack, by their incoming intensity where it is known."""
    sound = stack["frame_flag"].values == 0
    mean = stack["counts"].isel(energy=np.flatnonzero(sound)).mean(("y", "x")).compute()
    known = "i0" in stack and not stack["frame_flag"].values[sound].any()
    return (mean / stack["i0"].isel(energy=np.flatnonzero(sound)) if known else mean).assign_attrs(units="1")
