"""Choose among the spectra of a file: regions by their names, each measured once or again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from operando.entries import as_series, asked_for, differing
from operando.errors import FileError, OperandoError, SeveralRegionsError
from operando.xps.joining import join
from operando.xps.layout import ALONG

from .region_names import same_region

Wanted = int | str | Sequence[int | str] | None
"""What a setting asks for: a number or a name, or a list of them; all by default."""
Regions = str | Sequence[str] | None
"""What the setting ``region`` asks for: a name, or a list of names that are joined; the only one by default."""


@dataclass(frozen=True)
class Entry:
    """One spectrum of a file before it is built, since only those asked for are.

    ``label`` follows the file in ``source``; ``keys`` are the names by which settings such as ``cycle`` ask for it, for
    each of these settings.
    """

    region: str
    label: str
    build: Callable[[], xr.Dataset]
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """Why a region is no photoemission spectrum; ``region`` is empty if the reason holds for the whole file."""

    region: str
    reason: FileError


def read_region(
    path: Path,
    entries: Sequence[Entry],
    refused: Sequence[Refusal],
    region: Regions,
    parameters: Mapping[str, Any],
    *,
    chosen_by: Mapping[str, Wanted],
    entry: str,
    others: Sequence[str] = (),
) -> xr.Dataset:
    """Return the spectra of one region along ``scan``, or the only one without that dim.

    What is wrong with other regions than those asked for is not told.

    Parameters
    ----------
    entries
        All spectra of the file.
    refused
        Why further ones are none.
    region
        The region's name, however its parts are divided (``"S 2p"``, ``"S2p"``); the only one by default. A list of
        them joins the first spectrum of each to one scan, the second of each to the next, and so on, as
        :func:`operando.xps.join` does.
    parameters
        The settings of the reader, for the history.
    chosen_by
        The settings that choose among the spectra, with what they ask for.
    entry
        Which of these settings reads one spectrum by its label, such as ``"block"``.
    others
        The names of regions that the file has besides.

    Raises
    ------
    SeveralRegionsError
        If the file has several regions and none is named.
    FileError
        If the file has no spectrum or lacks the region; those it has are listed.
    OperandoError
        If ``region`` is something else, or regions that are to be joined overlap or were not measured equally often.
    """
    wanted = names_of(path, region)
    for name in wanted:
        _require(path, name, entries, refused, others)
    chosen = [one for one in entries if not wanted or any(same_region(one.region, name) for name in wanted)]
    chosen = _chosen(path, chosen, chosen_by)
    found: list[str] = []
    for one in chosen:
        if not any(same_region(one.region, name) for name in found):
            found.append(one.region)
    if not wanted and len(found) > 1:
        apart = [one.reason for one in refused if not any(same_region(one.region, name) for name in found)]
        raise SeveralRegionsError(path, found, apart)
    series: list[xr.Dataset] = []
    asked: list[str | None] = [*wanted] if wanted else [None]
    for asked_name in asked:
        own = [one for one in chosen if asked_name is None or same_region(one.region, asked_name)]
        told = [one.reason for one in refused if _concerns(one, asked_name, first=not series)]
        called = own[0].region if asked_name and own else asked_name
        series.append(_series(path, own, told, {**parameters, "region": called}, entry))
    if len(series) == 1:
        return series[0]
    try:
        return join(series)
    except OperandoError as error:
        raise OperandoError(f"{path}: {error}") from None


def one_name(path: Path, region: Regions) -> str | None:
    """Return the name that a setting gives to the only region of a file.

    Raises
    ------
    OperandoError
        If it is something else.
    """
    if region is None or isinstance(region, str):
        return region
    raise OperandoError(f"{path}: region: expected one name, since the file has one region, got {region!r}")


def names_of(path: Path, region: Regions) -> list[str]:
    """Return the names that the setting ``region`` has.

    Raises
    ------
    OperandoError
        If it is neither a name nor a list of several.
    """
    if region is None or isinstance(region, str):
        return [] if region is None else [region]
    if not isinstance(region, Sequence) or len(region) < 2 or not all(isinstance(name, str) for name in region):
        raise OperandoError(f"{path}: region: expected a name such as 'S 2p' or a list of several, got {region!r}")
    return list(region)


def numbered(names: Sequence[str], numbers: Iterable[int] | None = None) -> list[str]:
    """Return names that differ: those that are empty or met again carry their number, counted from 1 by default."""
    often = Counter(names)
    return [
        name if name and often[name] == 1 else f"{name} ({number})" if name else str(number)
        for name, number in zip(names, numbers or range(1, len(names) + 1), strict=True)
    ]


def _require(
    path: Path, name: str, entries: Sequence[Entry], refused: Sequence[Refusal], others: Sequence[str]
) -> None:
    """Refuse the name of a region that is not there, with the reason why it is not."""
    if any(same_region(one.region, name) for one in entries):
        return
    own = [one.reason for one in refused if one.region and same_region(one.region, name)]
    whole = [one.reason for one in refused if not one.region]
    if own or (whole and not entries and not others):
        raise [*own, *whole][0]
    listed = ", ".join(dict.fromkeys([*(one.region for one in entries), *others])) or "none"
    remedy = f"part of the file cannot be read: expected {whole[0].expected}, got {whole[0].got}" if whole else ""
    raise FileError(path, f"a region among {listed}", repr(name), place="region", remedy=remedy)


def _concerns(refusal: Refusal, name: str | None, *, first: bool) -> bool:
    """Whether a reason is to be told with a region; what holds for the whole file is told with the first one."""
    if not refusal.region:
        return first
    return name is None or same_region(refusal.region, name)


def _chosen(path: Path, entries: Sequence[Entry], chosen_by: Mapping[str, Wanted]) -> list[Entry]:
    chosen = list(entries)
    for setting, wanted in chosen_by.items():
        if wanted is not None and chosen:
            known = list(dict.fromkeys(tuple(one.keys[setting]) for one in chosen))
            asked = {known[k] for k in asked_for(path, wanted, known, setting)}
            chosen = [one for one in chosen if tuple(one.keys[setting]) in asked]
    return chosen


def _series(
    path: Path, entries: Sequence[Entry], left_out: Sequence[FileError], parameters: Mapping[str, Any], entry: str
) -> xr.Dataset:
    """Return spectra of one region, built, as one series."""
    told, spectra = list(left_out), []
    for one in entries:
        try:
            spectra.append(one.build())
        except FileError as error:
            told.append(error)
    if not (spectra or told):
        raise FileError(path, "a region with spectra", "a file without any")
    series = as_series(path, spectra, told, parameters, entry=entry, axis=ALONG, step="xps.read")
    return differing(series, spectra) if len({one.attrs["metadata"] for one in spectra}) > 1 else series
