"""NeXus files as trees of groups and fields: what definitions require, and what series tell of their scans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .clock import seconds_since
from .errors import OperandoError
from .flags import Flag
from .history import HISTORY, software_version

LACKS = "operando_lacks"
"""Attribute of an entry that lists what its definition requires and the store does not tell."""
TIMES = ("time_start", "time", "time_end")
_SAMPLE = ("sample.name", "Sample.name", "Sample", "sample")
_STD, _ERRORS = "_std", "_errors"


@dataclass(frozen=True)
class Field:
    """A dataset: a text, texts, or numbers (lazy ones are written chunk by chunk), with attributes."""

    value: Any
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Link:
    """A second place of a field, which lies at an absolute path."""

    target: str


@dataclass(frozen=True)
class Group:
    """A group of a NeXus class; members without a value are not there."""

    nx_class: str
    members: Mapping[str, Group | Field | Link | None] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


def root(entries: Mapping[str, Group]) -> Group:
    """Return a file of entries, which readers open at the first of them."""
    made = {"creator": "operando", "creator_version": software_version()}
    return Group("NXroot", dict(entries), {"default": next(iter(entries)), **made})


def heading(ds: xr.Dataset, definition: Field, title: str) -> dict[str, Field | None]:
    """Return what entries begin with: definition, title, start and end of the scans, and what wrote them."""
    moments = {"start_time": first_moment(ds), "end_time": last_moment(ds)}
    return {
        "definition": definition,
        "title": Field(title),
        **{name: Field(iso(moment)) if moment is not None else None for name, moment in moments.items()},
        "program_name": Field("operando", {"version": software_version()}),
    }


def found(group: Group, path: str) -> Group | Field | Link | None:
    """Return what lies at a path such as ``sample/name`` below a group; None if nothing does."""
    here: Group | Field | Link | None = group
    for part in path.split("/"):
        here = here.members.get(part) if isinstance(here, Group) else None
    return here


def completed(entry: Group, required: Sequence[str], texts: Mapping[str, str]) -> Group:
    """Return an entry with further texts, and with what its definition requires beyond that as an attribute.

    Parameters
    ----------
    entry
        An NXentry.
    required
        Paths of required fields with the classes of new groups, such as ``"sample:NXsample/name"``.
    texts
        ``{path: text}`` of fields to add, such as ``{"sample/name": "cell 7"}``.

    Raises
    ------
    OperandoError
        If a text has a path that is not among those required, or that is filled already.
    """
    classes = {_plain(path): path for path in required}
    for path, text in texts.items():
        if path not in classes:
            raise OperandoError(f"NeXus field {path!r}: expected one of {', '.join(classes)}; check its spelling")
        if found(entry, path) is not None:
            raise OperandoError(f"NeXus field {path!r}: expected one that is not filled yet, got one that is")
        entry = _with_text(entry, classes[path].split("/"), text)
    lacking = [path for path in classes if found(entry, path) is None]
    return replace(entry, attrs={**entry.attrs, LACKS: lacking}) if lacking else entry


def lacking(tree: Group) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of every entry that lacks required fields, and their paths."""
    for name, entry in tree.members.items():
        if isinstance(entry, Group) and LACKS in entry.attrs:
            yield name, list(entry.attrs[LACKS])


def first_moment(ds: xr.Dataset) -> np.datetime64 | None:
    """Return the first known time of a series; None if it knows none."""
    return _extreme(ds, np.min)


def last_moment(ds: xr.Dataset) -> np.datetime64 | None:
    """Return the last known time of a series; None if it knows none."""
    return _extreme(ds, np.max)


def iso(moment: np.datetime64) -> str:
    """Return a moment in UTC as NeXus writes it."""
    return f"{np.datetime_as_string(moment)}+00:00"


def scan_fields(ds: xr.Dataset) -> dict[str, Group | Field | Link | None]:
    """Return what a series tells of its scans: times, state of the cell, flags.

    Times are seconds from the whole second of the first one, which programs can read that know no more than
    microseconds. Numbers keep their units; uncertainties ``<name>_std`` become ``<name>_errors``, as NXdata has it.
    """
    fields: dict[str, Group | Field | Link | None] = {}
    start = first_moment(ds)
    if start is not None:
        whole = start.astype("datetime64[s]")
        for name in (name for name in TIMES if name in ds.coords):
            attrs = {"units": "s", "start": iso(whole), "long_name": str(ds[name].attrs.get("long_name", name))}
            fields[name] = Field(seconds_since(_moments(ds, name), whole), attrs)
    for name in map(str, ds.coords):
        if name != "flag" and ds[name].dims in {(), ("scan",)} and ds[name].dtype.kind in "iuf":
            known = {key: ds[name].attrs[key] for key in ("units", "long_name") if key in ds[name].attrs}
            own = f"{name.removesuffix(_STD)}{_ERRORS}" if name.endswith(_STD) else name
            fields[own] = Field(np.atleast_1d(ds[name].to_numpy()), known)
    if "flag" in ds.coords:
        kept = {key: ds["flag"].attrs[key] for key in ("flag_masks", "flag_meanings") if key in ds["flag"].attrs}
        fields["flag"] = Field(ds["flag"].to_numpy(), {"long_name": "reasons for doubt", **kept})
    return fields


def sample_of(ds: xr.Dataset) -> str:
    """Return what the files call the sample; nothing if they do not say."""
    told = json.loads(ds.attrs.get("metadata") or "{}")
    return next((" ".join(str(told[key]).split()) for key in _SAMPLE if told.get(key)), "")


def stated_flags(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the reasons for doubt that a file states; what cannot be any is none."""
    every = 2 * int(max(Flag)) - 1
    possible = np.isfinite(values) & (values >= 0) & (values <= every)
    return np.where(possible, values, 0.0).astype(np.int32)


def origin(ds: xr.Dataset) -> Group:
    """Return where the spectra came from and what was done to them, as JSON."""
    told: dict[str, Any] = {"format": ds.attrs.get("format", "")}
    if "source" in ds.coords:
        told["source"] = [str(one) for one in np.atleast_1d(ds["source"].to_numpy())]
    for name in ("metadata", "remarks", HISTORY):
        if ds.attrs.get(name):
            told[name] = json.loads(ds.attrs[name])
    return Group("NXcollection", {"record": Field(json.dumps(told, ensure_ascii=False))})


def _extreme(ds: xr.Dataset, choose: Any) -> np.datetime64 | None:
    moments = [_moments(ds, name) for name in TIMES if name in ds.coords]
    known = np.concatenate([values[~np.isnat(values)] for values in moments] or [np.empty(0, "M8[ns]")])
    return choose(known) if known.size else None


def _moments(ds: xr.Dataset, name: str) -> NDArray[np.datetime64]:
    return np.atleast_1d(ds[name].to_numpy()).astype("datetime64[ns]")


def _plain(path: str) -> str:
    """Return a path without the classes of its groups."""
    return "/".join(part.partition(":")[0] for part in path.split("/"))


def _with_text(group: Group, parts: Sequence[str], text: str) -> Group:
    name, _, nx_class = parts[0].partition(":")
    if len(parts) == 1:
        return replace(group, members={**group.members, name: Field(text)})
    below = group.members.get(name)
    inner = below if isinstance(below, Group) else Group(nx_class)
    return replace(group, members={**group.members, name: _with_text(inner, parts[1:], text)})
