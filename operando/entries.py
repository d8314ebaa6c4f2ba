"""Several spectra of one file as one series: those that belong together, with the reasons why others do not."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .errors import FileError, OperandoError, OperandoWarning
from .history import recorded
from .series import stack

ENTRY = "::"
_LISTED = 20


def named(ds: xr.Dataset, path: Path, entry: str) -> xr.Dataset:
    """Return a scan whose ``source`` says which entry of the file it is."""
    return ds.assign_coords(source=xr.Variable((), np.array(f"{path.name}{ENTRY}{entry}", dtype=object)))


def asked_for(
    path: Path, wanted: str | int | Sequence[str | int] | None, known: Sequence[Sequence[str]], entry: str
) -> list[int]:
    """Return which entries of a file a setting asks for, in the order of the file; all if it says nothing.

    Parameters
    ----------
    wanted
        A name or a number, or a list of them.
    known
        The names of each entry.

    Raises
    ------
    FileError
        If one of them is not there; the entries that are there are listed.
    OperandoError
        If the setting is something else.
    """
    if wanted is None:
        return list(range(len(known)))
    keys = [wanted] if isinstance(wanted, str | int) else wanted
    if not isinstance(keys, Sequence) or not all(isinstance(key, str | int) for key in keys):
        raise OperandoError(f"{path}: {entry}: expected a number or text, such as '7.2', or a list, got {wanted!r}")
    texts = [str(key).strip() for key in keys]
    for text in texts:
        if not any(text in names for names in known):
            listed = ", ".join(names[0] for names in known[:_LISTED]) + (" ..." if len(known) > _LISTED else "")
            raise FileError(path, f"a {entry} among {listed or 'none'}", repr(text), place=entry)
    return [k for k, names in enumerate(known) if any(text in names for text in texts)]


def as_series(
    path: Path,
    spectra: Sequence[xr.Dataset],
    left_out: Sequence[FileError],
    parameters: Mapping[str, Any],
    *,
    entry: str,
    axis: str = "energy",
    step: str = "xas.read",
) -> xr.Dataset:
    """Return the spectra that belong together along ``scan``, or the only one without that dim.

    Spectra that share less than half their range with most others, or have other channels, are left out.

    Parameters
    ----------
    spectra
        Scans whose ``source`` names their entry.
    left_out
        Why further entries are no spectra.
    parameters
        The settings of the reader, for the history.
    entry
        What an entry is called, and the setting that reads one: ``"group"``, ``"scan"``.
    axis
        The dim along which the spectra lie, in eV.
    step
        The name under which the history has the reading.

    Returns
    -------
    xarray.Dataset
        What is left out stands in ``attrs["remarks"]`` and in a warning.

    Raises
    ------
    FileError
        If no spectrum is left: the first reason.
    """
    if not spectra:
        raise left_out[0] if left_out else FileError(path, f"{_plural(entry)} of spectra", "a file without any")
    together, apart = _together(path, spectra, entry, axis)
    reasons = [str(error) for error in _grouped([*left_out, *apart], entry)]
    for reason in reasons:
        warnings.warn(reason, OperandoWarning, stacklevel=3)
    if len(together) == 1:
        remarks = [*json.loads(together[0].attrs.get("remarks", "[]")), *reasons]
        ds = together[0]
    else:
        remarks = [*_remarks(together, entry), *reasons]
        ds = stack(together, axis)
        ds.attrs |= _local_time(together)
    ds = ds.assign_attrs(remarks=json.dumps(remarks, ensure_ascii=False)) if remarks else ds
    return recorded(ds, step, dict(parameters))


def differing(ds: xr.Dataset, spectra: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return a series whose ``metadata`` also holds what its scans do not share, by their entries, as ``scans``."""
    if "scan" not in ds.dims:
        return ds
    shared = json.loads(ds.attrs["metadata"])
    kept = {str(source) for source in ds["source"].values}
    own = {
        _entry(one): {key: value for key, value in json.loads(one.attrs["metadata"]).items() if key not in shared}
        for one in spectra
        if str(one["source"].values) in kept
    }
    return ds.assign_attrs(metadata=json.dumps({**shared, "scans": own}, ensure_ascii=False))


def _together(
    path: Path, spectra: Sequence[xr.Dataset], entry: str, axis: str
) -> tuple[list[xr.Dataset], list[FileError]]:
    """Return the spectra that share energies and channels with most others, and why the rest does not."""
    near, channels = _near(spectra, axis), [_channels(one) for one in spectra]
    usual = Counter(one for one, kept in zip(channels, near, strict=True) if kept).most_common(1)[0][0]
    together, apart = [], []
    for one, kept, own in zip(spectra, near, channels, strict=True):
        label, (low, high) = _entry(one), one[axis].values[[0, -1]]
        place, remedy = f"{entry} {label!r}", f"read it by itself with {entry} = {label!r}"
        if not kept:
            expected, got = f"energies that most {_plural(entry)} share", f"{low:g} to {high:g} eV"
            apart.append(FileError(path, expected, got, place=place, remedy=remedy))
        elif own != usual:
            expected, got = f"the channels {', '.join(usual) or '(one only)'}", ", ".join(own) or "one only"
            apart.append(FileError(path, expected, got, place=place, remedy=remedy))
        else:
            together.append(one)
    return together, apart


def _near(spectra: Sequence[xr.Dataset], axis: str) -> NDArray[np.bool_]:
    """Return which spectra share most of their energies with most others."""
    ends = np.array([one[axis].values[[0, -1]] for one in spectra])
    overlap = np.minimum(ends[:, None, 1], ends[None, :, 1]) - np.maximum(ends[:, None, 0], ends[None, :, 0])
    shares = overlap / np.maximum(ends[:, 1] - ends[:, 0], np.finfo(float).tiny)[:, None] > 0.5
    np.fill_diagonal(shares, val=True)
    chosen: NDArray[np.bool_] = shares[:, (shares & shares.T).sum(axis=0).argmax()]
    return chosen


def _channels(one: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the channels along ``detector``, or their numbers."""
    return tuple(map(str, one["detector"].values)) if "detector" in one.dims else ()


def _plural(word: str) -> str:
    if word.endswith("um"):
        return f"{word[:-2]}a"
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def _grouped(errors: Sequence[FileError], entry: str) -> list[FileError]:
    """Return the reasons, each once, with all the places that it holds for."""
    places: dict[tuple[str, str, str], list[FileError]] = {}
    for error in errors:
        places.setdefault((error.expected, error.got, error.remedy), []).append(error)
    return [found[0] if len(found) == 1 else _joined(found, entry) for found in places.values()]


def _joined(errors: Sequence[FileError], entry: str) -> FileError:
    first = errors[0]
    names = [error.place.removeprefix(f"{entry} ") for error in errors]
    return FileError(first.file, first.expected, first.got, place=_called(entry, names), remedy=first.remedy)


def _entry(one: xr.Dataset) -> str:
    return str(one["source"].values).partition(ENTRY)[2]


def _remarks(spectra: Sequence[xr.Dataset], entry: str) -> list[str]:
    """Return the remarks of all spectra, each once, with the entries that it is about."""
    about: dict[str, list[str]] = {}
    for one in spectra:
        for remark in json.loads(one.attrs.get("remarks", "[]")):
            about.setdefault(remark, []).append(_entry(one))
    return [f"{_called(entry, names)}: {remark}" for remark, names in about.items()]


def _called(entry: str, names: Sequence[str]) -> str:
    """Return entries as words: ``scan 3``, or ``scans 3, 4``."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{entry if len(names) == 1 else _plural(entry)} {', '.join(names[:_LISTED])}{more}"


def _local_time(spectra: Sequence[xr.Dataset]) -> dict[str, str]:
    """Return the first local time that could not be used for want of a zone, as an attribute."""
    return next(
        ({"local_time_start": one.attrs["local_time_start"]} for one in spectra if "local_time_start" in one.attrs), {}
    )
