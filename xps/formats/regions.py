"""Choose regions of a file that may hold several, each measured once or again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from operando.entries import as_series
from operando.errors import FileError, OperandoError, SeveralRegionsError
from operando.xps.joining import join
from operando.xps.layout import ALONG

from .spectrum import region_name


def one_region(
    path: Path,
    spectra: Sequence[xr.Dataset],
    left_out: Sequence[FileError],
    region: str | Sequence[str] | None,
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
        The region's name, however its parts are divided (``"S 2p"``, ``"S2p"``); the only one by default. A list of
        them joins the first spectrum of each to one scan, the second of each to the next, and so on, as
        :func:`operando.xps.join` does.
    parameters
        The settings of the reader, for the history.
    entry
        What an entry is called, such as ``"block"``.

    Raises
    ------
    SeveralRegionsError
        If the file has several regions and none is named.
    FileError
        If the file has no spectrum or lacks the region; those it has are listed.
    OperandoError
        If regions that are to be joined overlap or were not measured equally often.
    """
    names = list(dict.fromkeys(str(one.attrs["region"]) for one in spectra))
    if region is None and len(names) > 1:
        raise SeveralRegionsError(path, names)
    if region is None or isinstance(region, str):
        return _series(path, spectra, left_out, region, parameters, entry=entry)
    if len(region) < 2 or not all(isinstance(name, str) for name in region):
        raise OperandoError(f"{path}: region: expected a name such as 'S 2p' or a list of several, got {region!r}")
    several = [_series(path, spectra, left_out, name, parameters, entry=entry) for name in region]
    try:
        return join(several)
    except OperandoError as error:
        raise OperandoError(f"{path}: {error}") from None


def _series(
    path: Path,
    spectra: Sequence[xr.Dataset],
    left_out: Sequence[FileError],
    region: str | None,
    parameters: Mapping[str, Any],
    *,
    entry: str,
) -> xr.Dataset:
    chosen = [one for one in spectra if region is None or _alike(one.attrs["region"], region)]
    if spectra and not chosen:
        names = dict.fromkeys(str(one.attrs["region"]) for one in spectra)
        raise FileError(path, f"a region among {', '.join(names)}", repr(region), place="region")
    return as_series(path, chosen, left_out, {**parameters, "region": region}, entry=entry, axis=ALONG, step="xps.read")


def _alike(name: str, wanted: str) -> bool:
    return region_name(name).casefold() == region_name(wanted).casefold()
