"""The spectra of a file before they are built: only those that are asked for become Datasets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from operando.entries import asked_for
from operando.errors import FileError

from .regions import one_region
from .spectrum import region_name

Wanted = int | str | Sequence[int | str] | None
"""What a setting asks for: a number or a name, or a list of them; all by default."""


@dataclass(frozen=True)
class Entry:
    """One spectrum of a file: its region, its label (which follows the file in ``source``), and how it is built.

    ``keys`` are the names by which settings such as ``cycle`` ask for it, for each of these settings.
    """

    region: str
    label: str
    build: Callable[[], xr.Dataset]
    keys: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Refusal:
    """Why a region is no photoemission spectrum; ``region`` is empty if the reason holds for the whole file."""

    region: str
    reason: FileError


def read_region(
    path: Path,
    entries: Sequence[Entry],
    refused: Sequence[Refusal],
    region: str | None,
    parameters: Mapping[str, Any],
    *,
    chosen_by: Mapping[str, Wanted],
    entry: str,
) -> xr.Dataset:
    """Return the spectra of one region as :func:`~.regions.one_region` does.

    What is wrong with other regions than the one asked for is not told.

    Parameters
    ----------
    chosen_by
        The settings that choose among the spectra, with what they ask for.

    Raises
    ------
    FileError
        If there is no such spectrum, or there are several regions and none is named.
    """
    told = [one.reason for one in refused if region is None or not one.region or alike(one.region, region)]
    chosen = [one for one in entries if region is None or alike(one.region, region)]
    if region is not None and not chosen:
        own = [one.reason for one in refused if one.region and alike(one.region, region)]
        raise own[0] if own else FileError(path, f"a region among {_names(entries)}", repr(region), place="region")
    for setting, wanted in chosen_by.items():
        if wanted is not None and chosen:
            known = list(dict.fromkeys(one.keys[setting] for one in chosen))
            asked = {known[k] for k in asked_for(path, wanted, known, setting)}
            chosen = [one for one in chosen if one.keys[setting] in asked]
    if region is None and len({one.region for one in chosen}) > 1:
        remedy = f"name it, such as region = {chosen[0].region!r}"
        raise FileError(path, "one region", _names(chosen), place="region", remedy=remedy)
    if not (chosen or told):
        raise FileError(path, "a region with spectra", "a file without any")
    spectra = []
    for one in chosen:
        try:
            spectra.append(one.build())
        except FileError as error:
            told.append(error)
    named = region if region is None else chosen[0].region
    return one_region(path, spectra, told, named, parameters, entry=entry)


def suggested(names: Iterable[str]) -> dict[str, Any]:
    """Return the setting that a recipe needs: the first region of a file that has several."""
    different = list(dict.fromkeys(names))
    return {"region": different[0]} if len(different) > 1 else {}


def alike(name: str, wanted: str) -> bool:
    """Whether two names of regions mean the same core level, however they are written."""
    return _letters(name).casefold() == _letters(wanted).casefold()


def level_name(text: str) -> str:
    """Return the name of one core level as ``"S 2p"``; any other name, such as of two levels, as it is."""
    name = region_name(text)
    return name if _letters(name) == _letters(text) else " ".join(text.split())


def _letters(text: str) -> str:
    """Return a name without its gaps, and without the ``/2`` of a level's total angular momentum."""
    return re.sub(r"(\d[pdf][1357])/2$", r"\1", re.sub(r"[\s_]", "", text))


def _names(entries: Sequence[Entry]) -> str:
    return ", ".join(dict.fromkeys(one.region for one in entries)) or "none"
