"""Read volumes and projections, whatever the format, stack them to a series, and open those of a store again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import FileError, OperandoError
from operando.reading import read_as
from operando.series import same_axis

from .formats import FORMATS
from .layout import IMAGES
from .volume_series import along, stack_volumes

_ENTRY = "::"


def read(path: str | Path, reader: str | None = None, timezone: str | None = None, **settings: Any) -> xr.Dataset:
    """Return the volume or the projections in a file or a folder; images stay in their files until they are used.

    Parameters
    ----------
    path
        The file, or the folder of slices or of a Zarr store.
    reader
        The name of a reader in :data:`~operando.tomo.formats.FORMATS`; found from the content by default.
    timezone
        Zone of local times in the file or its log, such as ``"Europe/Zurich"``. Without it they are left NaT and
        flagged.
    **settings
        Settings of the reader; all take ``voxel_size`` (um), which is needed where the file does not state it.

    Returns
    -------
    xarray.Dataset
        Of a volume ``grey`` (z, y, x), lazy; coordinates ``z, y, x`` (um, middles of voxels), ``frame_flag`` (z) and
        scalars ``voxel_size`` (um), ``time_start, time, time_end`` (UTC), ``source``, ``images`` (its files beside the
        source), ``flag``. Of projections ``projections`` (angle, y, x), and ``flat`` (flat_frame, y, x) and ``dark``
        as far as there are; ``angle`` (deg), ``pixel_size`` (um). A log of volumes gives a series of them (scan first).

    Raises
    ------
    FileError
        If it cannot be read, or nothing tells the edge of a voxel.
    OperandoError
        If a setting is wrong or unknown to the reader.

    Notes
    -----
    Opening reads headers and a few pixels of each slice, not the volume. A slice that is missing, damaged or of another
    size keeps its place, is 0 (NaN) and flagged; one that is saturated throughout is flagged.
    """
    return read_as(FORMATS, path, reader, timezone, settings)


def read_series(
    paths: Iterable[str | Path], reader: str | None = None, timezone: str | None = None, **settings: Any
) -> xr.Dataset:
    """Return the volumes (or projections) of several files or folders as one series, in the order of their paths.

    Parameters
    ----------
    paths
        The files or folders.
    reader, timezone, **settings
        As :func:`read` takes them, the same for all.

    Returns
    -------
    xarray.Dataset
        As :func:`read` returns it, with the dim ``scan`` first; places in um. A volume with fewer slices than most is 0
        (NaN) where it ends and flagged as truncated; slices beyond those that most volumes have are left out and
        flagged.

    Raises
    ------
    FileError
        If one of them cannot be read.
    OperandoError
        If they differ in the size of their voxels or slices.
    """
    return stack_volumes(read(path, reader, timezone, **settings) for path in paths)


def reopen(series: xr.Dataset, folder: str | Path) -> xr.Dataset:
    """Return volumes or projections from a store with their images, lazily, from the files they were read from.

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
        ``series`` with ``grey`` (or ``projections``, ``flat`` and ``dark``) in the units of the files. A scan that ends
        early is 0 (NaN) there. Where a run has reconstructed the volume (coordinate ``reconstructed``), it is that one
        (1/um).

    Raises
    ------
    FileError
        If a file is not there any more, cannot be read, or lies at other places than the stored scan.
    OperandoError
        If the series does not say how it was read.
    """
    if "scan" not in series.dims:
        whole = reopen(xr.concat([series], "scan", coords="all"), folder).isel(scan=0)
        return series.assign({name: whole[name].variable for name in IMAGES if name in whole})
    settings = dict(json.loads(series.attrs.get("settings") or "{}"))
    if "reader" not in settings or "source" not in series.coords:
        raise OperandoError("reopen: expected attrs['settings'] and 'source' of a stored series, got none")
    dim = along(series)
    opened: dict[Path, xr.Dataset] = {}
    single = []
    made = series["reconstructed"].to_numpy() if "reconstructed" in series.coords else [""] * series.sizes["scan"]
    for source, own in zip(map(str, series["source"].to_numpy()), map(str, made), strict=True):
        file, _, entry = (own, "", "") if own else source.partition(_ENTRY)
        path = Path(folder) / file
        if path not in opened:
            opened[path] = read(path, reader="ome_zarr") if own else read(path, **settings)
        one = _entry(path, opened[path], entry)
        _require_places(path, one, series)
        single.append(one)
    joined = stack_volumes(single, series[dim].to_numpy())
    return series.assign({name: joined[name].variable for name in IMAGES if name in joined})


def _entry(path: Path, read_again: xr.Dataset, entry: str) -> xr.Dataset:
    """Return one scan of a file: that of an entry, where the file describes several."""
    if "scan" not in read_again.dims:
        return read_again
    names = [str(name).partition(_ENTRY)[2] for name in read_again["source"].to_numpy()]
    if names.count(entry) != 1:
        raise FileError(path, f"one volume {entry!r}", f"{names.count(entry)}", remedy="run the recipe again")
    return read_again.isel(scan=names.index(entry))


def _require_places(path: Path, one: xr.Dataset, series: xr.Dataset) -> None:
    """Refuse a scan that lies elsewhere than the stored one: other edges of the voxels, other angles, another size."""
    for dim in (along(series), "y", "x"):
        if dim in series.coords and dim in one.coords:
            own, known = one[dim].to_numpy(), series[dim].to_numpy()
            shared = min(own.size, known.size) if dim == along(series) else known.size
            if not same_axis(own[:shared], known[:shared]):
                got = f"{own.size} along {dim} from {np.min(own):g} to {np.max(own):g}"
                raise FileError(path, f"the places along {dim} of the stored scan", got, remedy="run the recipe again")
