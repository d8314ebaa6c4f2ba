"""Read absorption scans, whatever the format, and stack them to a series."""

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
    """Return the scan in a file.

    Parameters
    ----------
    path
        The file.
    reader
        The name of a reader in :data:`~operando.xas.formats.FORMATS`; found from the content by default.
    timezone
        Zone of local times in the file, such as ``"Europe/Paris"``. Without it they are left NaT and flagged.
    **settings
        Settings of the reader.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending) and perhaps ``detector``: what the file has of ``i0, mu, tey, tfy, pfy,
        transmission, reference, fluorescence``; scalar coordinates ``time_start, time, time_end`` (UTC), ``source``
        and ``flag``.

    Raises
    ------
    FileError
        If the file cannot be read as a scan.
    OperandoError
        If a setting is unknown to the reader.

    Examples
    --------
    A file of two columns, described by their labels:

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from operando import xas
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "scan.txt"
    ...     np.savetxt(file, np.c_[8300.0:8310.0, 1000.0:1010.0], header="energy counts", comments="")
    ...     scan = xas.read(file, columns={"energy": "energy", "tfy": "counts"}, units={"tfy": "count"})
    >>> print(dict(scan.sizes), scan["energy"].attrs["units"])
    {'energy': 10} eV
    """
    return read_as(FORMATS, path, reader, timezone, settings)


def read_series(
    paths: Iterable[str | Path],
    reader: str | None = None,
    timezone: str | None = None,
    values: ArrayLike | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Return the scans of several files as one series, in the order of their paths as given.

    Parameters
    ----------
    paths
        The files.
    reader, timezone, **settings
        As :func:`read` takes them, the same for all files.
    values
        Energies of the series (eV); by default those that most scans have. See :func:`operando.series.stack`.

    Returns
    -------
    xarray.Dataset
        What :func:`read` returns, over ``scan`` and ``energy`` (eV), with times (UTC), ``source`` and ``flag`` of every
        scan.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    """
    return stack((read(path, reader, timezone, **settings) for path in paths), ALONG, values)
