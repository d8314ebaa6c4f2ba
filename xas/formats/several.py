"""Several spectra in one file: a series of those that belong together, and a word on each that does not."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoWarning
from operando.series import stack

_SHARED = 0.5


def series(path: Path, spectra: Sequence[xr.Dataset], left_out: Sequence[FileError], setting: str) -> xr.Dataset:
    """Return the spectra of a file along ``scan``, or the only one as it is.

    Spectra that share less than half their energies with most others, or have other channels, are left out. They and
    those in ``left_out`` are warned of and listed in ``attrs["remarks"]``.

    Parameters
    ----------
    spectra
        Scans whose ``source`` is the file and the spectrum's name behind ``::``.
    left_out
        Why others are no spectra.
    setting
        The reader's setting that chooses one of them.
    """
    together, apart = _together(path, spectra, setting)
    remarks = [str(error) for error in (*left_out, *apart)]
    for remark in remarks:
        warnings.warn(remark, OperandoWarning, stacklevel=3)
    ds = together[0] if len(together) == 1 else stack(together)
    remarks = [*_own(together), *remarks]
    return ds.assign_attrs(remarks=json.dumps(remarks, ensure_ascii=False)) if remarks else ds


def _own(spectra: Sequence[xr.Dataset]) -> list[str]:
    """Return what the spectra themselves remark on, each under its name if there are several."""
    lists = [
        (str(one["source"].values).partition("::")[2], json.loads(one.attrs.get("remarks", "[]"))) for one in spectra
    ]
    return [f"{label}: {text}" if len(spectra) > 1 else text for label, texts in lists for text in texts]


def _together(path: Path, spectra: Sequence[xr.Dataset], setting: str) -> tuple[list[xr.Dataset], list[FileError]]:
    """Return the spectra that share most of their energies with most others, and why the rest does not."""
    ends = np.array([one["energy"].values[[0, -1]] for one in spectra])
    overlap = np.minimum(ends[:, None, 1], ends[None, :, 1]) - np.maximum(ends[:, None, 0], ends[None, :, 0])
    spans = ends[:, 1] - ends[:, 0]
    shares = overlap / np.where(spans > 0, spans, 1.0)[:, None] > _SHARED
    np.fill_diagonal(shares, val=True)
    chosen = shares[:, (shares & shares.T).sum(axis=0).argmax()]
    channels = [_channels(one) for one in spectra]
    usual = Counter(one for one, kept in zip(channels, chosen, strict=True) if kept).most_common(1)[0][0]
    together, apart = [], []
    for one, kept, own in zip(spectra, chosen, channels, strict=True):
        label, (low, high) = str(one["source"].values).partition("::")[2], one["energy"].values[[0, -1]]
        place, remedy = f"{setting} {label!r}", f"read it by itself with {setting} = {label!r}"
        if not kept:
            expected, got = f"energies that most {_plural(setting)} share", f"{low:g} to {high:g} eV"
            apart.append(FileError(path, expected, got, place=place, remedy=remedy))
        elif own != usual:
            expected, got = f"the channels {', '.join(usual) or '(one only)'}", ", ".join(own) or "one only"
            apart.append(FileError(path, expected, got, place=place, remedy=remedy))
        else:
            together.append(one)
    return together, apart


def _channels(one: xr.Dataset) -> tuple[str, ...]:
    """Return the names of the channels along ``detector``, or their numbers."""
    if "detector" not in one.dims:
        return ()
    return tuple(map(str, one["detector"].values))


def _plural(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
