"""What the panels ask of an experiment: its series, its times as they are shown, its failed files."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from operando.pipelines.steps import TECHNIQUES
from operando.plot import HalfCycle, axis_label, experiment_zone, half_cycles

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ENERGIES = {technique.axis for technique in TECHNIQUES.values()}
_AXES = ("scan", *sorted(_ENERGIES), "k", "r")
STACKS, VOLUMES = "xpeem", "xtm"
SPUTTERED = "sputter_time"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Series:
    """A series of the experiment.

    ``count`` is how many scans it has and ``scans`` what is known of each; ``raw`` and ``processed``
    are None if missing. ``shared`` says that a series of another technique has its name.
    """

    path: str
    raw: xr.Dataset | None
    processed: xr.Dataset | None
    count: int
    scans: xr.Dataset
    shared: bool = False

    @property
    def name(self) -> str:
        """The node's name, such as ``Ni_K``; with the technique where there are several of that name."""
        node = self.path.rsplit("/", 1)[-1]
        return f"{node} ({self.technique})" if self.shared else node

    @property
    def technique(self) -> str:
        """The technique, such as ``xas``."""
        return self.path.strip("/").split("/")[0]

    @property
    def axis(self) -> str:
        """The dim along which its spectra lie: ``energy`` or ``binding_energy``."""
        return TECHNIQUES[self.technique].axis if self.technique in TECHNIQUES else "energy"

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a coordinate along ``scan``, NaN where it is missing."""
        if name not in self.scans.variables:
            return np.full(self.count, np.nan)
        return np.asarray(self.scans[name].values, dtype=float)

    def times(self, name: str = "time") -> NDArray[np.datetime64]:
        """Return a time of every scan (UTC), NaT where it is missing."""
        if name not in self.scans.variables:
            return np.full(self.count, np.datetime64("NaT", "ns"))
        return np.asarray(self.scans[name].values).astype("datetime64[ns]")

    def flags(self) -> NDArray[np.int64]:
        """Return the flag of every scan, 0 where there is none."""
        return np.nan_to_num(self.column("flag")).astype(np.int64)

    def sources(self) -> list[str]:
        """Return the file of every scan."""
        if "source" not in self.scans.variables:
            return [""] * self.count
        return [str(source) for source in self.scans["source"].values]


@dataclass(frozen=True)
class ScanAxis:
    """What scans are drawn against: what it is called, the label of the axis, a number for every scan."""

    name: str
    label: str
    values: NDArray[np.float64]
    dated: bool = False


def axis_of(series: Series, place: str, local: LocalTime) -> ScanAxis:
    """Return a coordinate of the scans, or their ``time``; where no time is known, time of sputtering or number."""
    if place != "time":
        label = axis_label(series.scans[place]) if place in series.scans else ""
        return ScanAxis(place, label, series.column(place))
    times = local.milliseconds(series.times())
    if np.isfinite(times).any():
        return ScanAxis("time", f"time ({local.name})", times, dated=True)
    if np.isfinite(series.column(SPUTTERED)).any():
        return ScanAxis("sputter time", axis_label(series.scans[SPUTTERED]), series.column(SPUTTERED))
    return ScanAxis("scan number", "scan number", np.arange(series.count, dtype=float))


def all_series(tree: xr.DataTree) -> list[Series]:
    """Return the series of every technique, in the tree's order."""
    found = []
    for node in tree.subtree:
        raw, processed = _series_of(node, "raw"), _series_of(node, "processed")
        both = [ds for ds in (processed, raw) if ds is not None]
        if both:
            variables = [(str(name), one) for ds in both for name, one in ds.variables.items()]
            along = {name: one for name, one in variables if one.dims == ("scan",)}
            found.append(Series(node.path, raw, processed, int(both[0].sizes["scan"]), xr.Dataset(along)))
    names = Counter(series.name for series in found)
    return [replace(series, shared=names[series.name] > 1) for series in found]


def spectra_series(tree: xr.DataTree) -> list[Series]:
    """Return the series whose scans are a spectrum each; images and volumes have panels of their own."""
    return [series for series in all_series(tree) if series.technique not in (STACKS, VOLUMES)]


def stack_series(tree: xr.DataTree) -> list[Series]:
    """Return the series of stacks of images."""
    return [series for series in all_series(tree) if series.technique == STACKS]


def over_all(tree: xr.DataTree, series: Series) -> list[tuple[str, xr.Dataset]]:
    """Return the nodes that steps over all scans of a series have made, with their names."""
    children = tree[series.path].children.items()
    return [(name, node.to_dataset()) for name, node in children if name not in ("raw", "processed", "references")]


def _series_of(node: xr.DataTree, stage: str) -> xr.Dataset | None:
    if stage not in node.children:
        return None
    ds = node[stage].to_dataset()
    if "scan" not in ds.dims and not _ENERGIES.isdisjoint(map(str, ds.dims)):
        ds = ds.expand_dims("scan")
        ds = ds.assign_coords(
            {name: ds[name].expand_dims("scan") for name in ds.coords if not ds[name].dims and name != "signal"}
        )
    return ds if "scan" in ds.dims else None


def slices(
    ds: xr.Dataset, variable: str, most: int = 6, apart: tuple[str, ...] = _AXES
) -> Iterator[tuple[str, xr.Dataset]]:
    """Yield ``ds`` for every signal (and any dim of ``variable`` but those ``apart``), with what tells it apart.

    Only the first ``most`` are given.
    """
    dims = [str(dim) for dim in ds[variable].dims if dim not in apart]
    places = list(product(*(range(ds.sizes[dim]) for dim in dims)))
    for place in places[:most]:
        chosen = dict(zip(dims, place, strict=True))
        yield ", ".join(f"{dim} {_name(ds, dim, at)}" for dim, at in chosen.items()), ds.isel(chosen)


def _name(ds: xr.Dataset, dim: str, at: int) -> str:
    return str(ds[dim].values[at]) if dim in ds.coords else str(at)


@dataclass(frozen=True)
class LocalTime:
    """UTC as the experiment's wall clock, at one constant offset so that no hour appears twice."""

    zone: str
    offset: timedelta
    changes: bool = False

    @property
    def name(self) -> str:
        """The zone in words: ``Europe/Paris, UTC+02:00``."""
        if not self.offset and self.zone == "UTC":
            return "UTC"
        hours, minutes = divmod(abs(int(self.offset.total_seconds())) // 60, 60)
        return f"{self.zone}, UTC{'-' if self.offset < timedelta(0) else '+'}{hours:02d}:{minutes:02d}"

    def milliseconds(self, times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return times as bokeh's milliseconds since 1970 on the local clock, NaN for NaT."""
        shifted = (times.astype("datetime64[ns]") - np.datetime64(0, "ns")) / np.timedelta64(1, "ms")
        return np.where(np.isnat(times), np.nan, shifted + self.offset.total_seconds() * 1e3)

    def text(self, time: np.datetime64, digits: int = 0) -> str:
        """Return a time to the second, or with that many ``digits`` of it; ``-`` for NaT."""
        if np.isnat(time):
            return "–"
        seconds = round(float(self.milliseconds(np.array([time]))[0]) / 1e3, digits)
        whole = math.floor(seconds)
        fraction = f"{seconds - whole:.{digits}f}"[1:]
        return f"{_EPOCH + timedelta(seconds=whole):%Y-%m-%d %H:%M:%S}{fraction}"


def local_time(tree: xr.DataTree) -> LocalTime:
    """Return the clock on which the report shows the experiment, at the offset of its first moment."""
    zone = experiment_zone(tree)
    times = [series.times() for series in all_series(tree)]
    if "echem" in tree.children and tree["echem"].sizes.get("time"):
        times.append(tree["echem"].to_dataset()["time"].values[[0, -1]].astype("datetime64[ns]"))
    known = np.concatenate([part[~np.isnat(part)] for part in times]) if times else np.array([], "datetime64[ns]")
    if not known.size:
        return LocalTime("UTC", timedelta(0))
    first, last = (_utc(time).astimezone(zone).utcoffset() or timedelta(0) for time in (known.min(), known.max()))
    return LocalTime(zone.key, first, first != last)


def _utc(time: np.datetime64) -> datetime:
    return _EPOCH + timedelta(microseconds=int(time.astype("datetime64[us]").astype(np.int64)))


def failed(tree: xr.DataTree) -> list[dict[str, str]]:
    """Return what could not be read or done (series, source, reason), each once; a step has no source."""
    found = [{"node": "", **item} for item in json_list(tree.attrs.get("failed"))]
    seen = {(item.get("source"), item.get("reason")) for item in found}
    for series in all_series(tree):
        items = json_list(series.raw.attrs.get("failed")) if series.raw is not None else []
        found += [
            {"node": series.name, **item} for item in items if (item.get("source"), item.get("reason")) not in seen
        ]
    return found


def json_list(value: Any) -> list[dict[str, Any]]:
    """Return a JSON list of objects kept as text in an attribute; empty if it is missing or broken."""
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return []
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list | tuple) else []


def known_half_cycles(tree: xr.DataTree, series: Series | None = None) -> dict[int, HalfCycle]:
    """Return the half-cycles of the log, or of the series where there is no log, in colors for the whole page."""
    if "echem" in tree.children:
        return half_cycles(tree["echem"].to_dataset())
    return half_cycles(series.scans) if series is not None else {}


def half_cycle_of(series: Series, known: dict[int, HalfCycle], other: HalfCycle) -> list[HalfCycle]:
    """Return the half-cycle of every scan; ``other`` where it is in none."""
    number = series.column("half_cycle")
    rounded = np.where(np.isfinite(number), np.rint(np.nan_to_num(number)), -1).astype(int)
    return [known.get(int(value), other) for value in rounded]


def thinned(count: int, most: int) -> NDArray[np.intp]:
    """Return at most ``most`` evenly spread indices out of ``count``, the first and the last among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, max(most, 2)).round().astype(np.intp))
