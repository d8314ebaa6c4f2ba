"""Read photoemission spectra, whatever the format, and stack them to a series."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import ArrayLike

from operando.reading import read_as
from operando.series import stack

from .formats import FORMATS
from .layout import ALONG


def read(path: str | Path, reader: str | None = None, timezone: str | None = None, **settings: Any) -> xr.Dataset:
    """Return the spectra of one region of a file.

    Parameters
    ----------
    path
        The file.
    reader
        The name of a reader in :data:`~operando.xps.formats.FORMATS`; found from the content by default.
    timezone
        Zone of local times in the file, such as ``"Europe/Paris"``. Without it they are left NaT and flagged.
    **settings
        Settings of the reader; ``region`` names one of several regions.

    Returns
    -------
    xarray.Dataset
        Dim ``binding_energy`` (eV, ascending), and ``scan`` if the region was measured more than once: ``counts``
        (count, over all sweeps), else ``rate`` (count/s) or ``intensity``; what the file has of ``transmission``,
        ``photon_energy``, ``dwell``, ``sweeps``, ``pass_energy``; coordinates ``time_start, time, time_end`` (UTC),
        ``source`` and ``flag``.

    Raises
    ------
    FileError
        If the file cannot be read, or has several regions and none is named.
    OperandoError
        If a setting is unknown to the reader.
    """
    return read_as(FORMATS, path, reader, timezone, settings)


def read_series(
    paths: Iterable[str | Path],
    reader: str | None = None,
    timezone: str | None = None,
    values: ArrayLike | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Return the spectra of one region of several files as one series, in the order of their paths as given.

    Parameters
    ----------
    paths
        The files.
    reader, timezone, **settings
        As :func:`read` takes them, the same for all files.
    values
        Binding energies of the series (eV); by default those that most spectra have.

    Returns
    -------
    xarray.Dataset
        What :func:`read` returns, over ``scan`` and ``binding_energy`` (eV), with times (UTC), ``source`` and ``flag``.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    """
    return stack((read(path, reader, timezone, **settings) for path in paths), ALONG, values)
