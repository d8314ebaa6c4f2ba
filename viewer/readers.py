"""Readers of napari: a store of operando, and volumes in every format that ``tomo.read`` knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError, OperandoError, OperandoWarning

from .layers import LayerData, View, layers_of, title
from .levels import ome_zarr_levels
from .stores import is_store, layers_of_store, split

Paths = str | Sequence[str]
Read = Callable[[Paths], list[LayerData]]
_NO_VOXEL = "the edge of a voxel"


def reader(path: Paths) -> Read | None:
    """Return what reads a path, or several as one series; None if it is neither a store nor a volume.

    Parameters
    ----------
    path
        A store or a node in it, or the file or the folder of a volume.
    """
    paths = _listed(path)
    if len(paths) == 1 and is_store(split(paths[0])[0]):
        return lambda given: layers_of_store(_listed(given)[0])
    if all(map(_is_volume, paths)):
        return lambda given: layers_of_volumes(_listed(given))
    return None


def layers_of_volumes(paths: Sequence[Path]) -> list[LayerData]:
    """Return the volumes in files or folders as one layer, along ``scan`` if there are several.

    A file that does not tell the edge of a voxel is shown in pixels, with a warning.

    Raises
    ------
    FileError
        If one of them cannot be read, or they are volumes of different sizes.
    """
    ds = _read(paths)
    array = ds["grey"] if "grey" in ds else ds["projections"].rename(angle="z").drop_vars("z")
    levels: list[Any] | None = None
    if len(paths) == 1 and ds.attrs.get("format") == "ome_zarr" and "scan" not in array.dims:
        levels = [level[0] for level in ome_zarr_levels(paths, {"reader": "ome_zarr"})] or None
    known = {"source": str(paths[0]), "is_store": False, "node": "", "variable": str(array.name)}
    return layers_of([View(array, title(paths[0].name, array), levels, about=known)])


def _listed(path: Paths) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _is_volume(path: Path) -> bool:
    from operando.sniff import head, identify
    from operando.tomo.formats import FORMATS

    try:
        return identify(head(path, folders=True), FORMATS) is not None
    except OperandoError:
        return False


def _read(paths: Sequence[Path]) -> xr.Dataset:
    """Return what the files hold; without places where nothing tells the edge of a voxel."""
    from operando import tomo

    def read(**settings: Any) -> xr.Dataset:
        return tomo.read(paths[0], **settings) if len(paths) == 1 else tomo.read_series(paths, **settings)

    try:
        return read()
    except FileError as error:
        if error.expected != _NO_VOXEL:
            raise
        warnings.warn(f"{error.file}: nothing tells the edge of a voxel; it is shown in pixels", OperandoWarning, 2)
        return read(voxel_size=1.0).drop_vars(["z", "y", "x", "voxel_size", "pixel_size"], errors="ignore")
