"""Read stacks of images, whatever the format, stack them to a series, and open those of a store again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from operando.errors import FileError, OperandoError
from operando.reading import read_as
from operando.series import same_axis, stack

from .formats import FORMATS
from .layout import ALONG, IMAGES

_ENTRY = "::"


def read(path: str | Path, reader: str | None = None, timezone: str | None = None, **settings: Any) -> xr.Dataset:
    """Return the stack in a file, or the one that a log describes; images stay in their files until they are used.

    Parameters
    ----------
    path
        The file.
    reader
        The name of a reader in :data:`~operando.xas.xpeem.formats.FORMATS`; found from the content by default.
    timezone
        Zone of local times in the file, such as ``"Europe/Paris"``. Without it they are left NaT and flagged.
    **settings
        Settings of the reader.

    Returns
    -------
    xarray.Dataset
        ``counts`` (energy, y, x) as lazy array, one chunk a frame; as far as they are known ``i0`` (energy), ``flat``
        and ``dark`` (y, x); coordinates ``energy`` (eV, ascending), ``frame_flag`` and ``frame_time`` (energy), and
        scalars ``time_start, time, time_end`` (UTC), ``source``, ``images`` (its files), ``pixel_size`` (um), ``flag``.

    Raises
    ------
    FileError
        If the file cannot be read as a stack.
    OperandoError
        If a setting is unknown to the reader.

    Notes
    -----
    Every frame is looked at once, so that missing and saturated ones are flagged.
    """
    return read_as(FORMATS, path, reader, timezone, settings)


def read_series(
    paths: Iterable[str | Path],
    reader: str | None = None,
    timezone: str | None = None,
    values: ArrayLike | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Return the stacks of several files as one series, in the order of their paths as given.

    Parameters
    ----------
    paths
        The files.
    reader, timezone, **settings
        As :func:`read` takes them, the same for all files.
    values
        Energies of the series (eV); by default those that most stacks have.

    Returns
    -------
    xarray.Dataset
        What :func:`read` returns, with the dims ``scan``, ``energy`` (eV), ``y`` and ``x``; the images stay in their
        files.

    Raises
    ------
    FileError
        If one of the files cannot be read.
    OperandoError
        If a stack has other energies: images are not interpolated, since the sample may have moved between them.
    """
    return stack((read(path, reader, timezone, **settings) for path in paths), ALONG, values, interpolate=False)


def reopen(series: xr.Dataset, folder: str | Path) -> xr.Dataset:
    """Return stacks from a store with their images, lazily, from the files they were read from.

    Parameters
    ----------
    series
        The ``raw`` node of a store (dim ``scan``), or one scan of it: it holds the files, the reader and its settings.
    folder
        The folder that ``source`` starts from: that of the recipe, in a store ``attrs["files_from"]`` of its root,
        seen from the store's own folder.

    Returns
    -------
    xarray.Dataset
        ``series`` with ``counts`` (units as in the files; scan, energy, y, x) and, as far as there are, ``flat`` and
        ``dark``. A stack that ends early is 0 there.

    Raises
    ------
    FileError
        If a file is not there any more, cannot be read, or has other energies than the stored stack.
    OperandoError
        If the series does not say how it was read.
    """
    if "scan" not in series.dims:
        whole = reopen(xr.concat([series], "scan", coords="all"), folder).isel(scan=0)
        return series.assign({name: whole[name].variable for name in IMAGES if name in whole})
    settings = dict(json.loads(series.attrs.get("settings") or "{}"))
    if "reader" not in settings or "source" not in series.coords:
        raise OperandoError("reopen: expected attrs['settings'] and 'source' of a stored series, got none")
    sources = [str(source) for source in series["source"].to_numpy()]
    single = [_reopened(Path(folder) / source.partition(_ENTRY)[0], settings, series[ALONG]) for source in sources]
    joined = stack(single, ALONG, series[ALONG].to_numpy(), interpolate=False)
    return series.assign({name: joined[name].variable for name in IMAGES if name in joined})


def _reopened(path: Path, settings: dict[str, Any], energy: xr.DataArray) -> xr.Dataset:
    one = read(path, **settings)
    own, known = one[ALONG].to_numpy(), energy.to_numpy()
    if not same_axis(own, known[: own.size]):
        spread = f"{own.size} from {np.min(own):g} to {np.max(own):g} eV"
        raise FileError(path, "the energies of the stored stack", spread, remedy="run the recipe again")
    return one[[name for name in IMAGES if name in one]]
