"""Choose one region of a file that may hold several, each measured once or again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from operando.entries import as_series
from operando.errors import FileError
from operando.xps.layout import ALONG

from .spectrum import region_name


def one_region(
    path: Path,
    spectra: Sequence[xr.Dataset],
    left_out: Sequence[FileError],
    region: str | None,
    parameters: Mapping[str, Any],
    *,
    entry: str,
) -> xr.Dataset:
    """Return the spectra of one region along ``scan``, or the only one without that dim.

    Parameters
    ----------
    spectra
        All spectra of the file, each with ``attrs["region"]`` and a ``source`` that names its entry.
    left_out
        Why further entries of the file are no spectra.
    region
        The region's name, however its parts are divided (``"S 2p"``, ``"S2p"``); the only one by default.
    parameters
        The settings of the reader, for the history.
    entry
        What an entry is called, such as ``"block"``.

    Raises
    ------
    FileError
        If the file has no spectrum, lacks the region, or has several and none is named; those it has are listed.
    """
    names = list(dict.fromkeys(str(one.attrs["region"]) for one in spectra))
    if region is None and len(names) > 1:
        remedy = f"name it, such as region = {names[0]!r}"
        raise FileError(path, "one region", ", ".join(names), place="region", remedy=remedy)
    chosen = [one for one in spectra if region is None or _alike(one.attrs["region"], region)]
    if spectra and not chosen:
        raise FileError(path, f"a region among {', '.join(names)}", repr(region), place="region")
    return as_series(path, chosen, left_out, {**parameters, "region": region}, entry=entry, axis=ALONG, step="xps.read")


def _alike(name: str, wanted: str) -> bool:
    return region_name(name).casefold() == region_name(wanted).casefold()
