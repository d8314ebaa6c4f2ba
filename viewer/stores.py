"""What of a store can be shown as layers: volumes, labels, stacks of images and maps, series by series."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import operando
from operando.errors import OperandoError, OperandoWarning

from .layers import AXES, LayerData, View, layers_of, title
from .levels import file_levels
from .recipe_settings import settings_of

_MEASURED = {"xtm": "grey", "xpeem": "counts"}
_SHOWN = ("grey", "label", "aligned", "region_label")
"""What is shown at first, of the first series; the rest waits in the list of layers."""
DRIFTS = {"drift_y", "drift_x"}
_MOST_CHOICES = 12


def layers_of_store(path: str | Path) -> list[LayerData]:
    """Return every volume, stack and map of a store as layers; nothing is read but what the first look needs.

    Parameters
    ----------
    path
        The folder of the store, or a node's in it: only that one is opened.

    Raises
    ------
    StoreError
        If it is no store.
    OperandoError
        If there is nothing to show.
    """
    store, node = split(Path(path))
    found = list(views(operando.open(store), store, node))
    if not found:
        raise OperandoError(
            f"{path}: expected volumes, stacks of images or maps to show, got none; see 'operando report'"
        )
    return layers_of(sorted(found, key=lambda view: view.visible))


def split(path: Path) -> tuple[Path, str]:
    """Return the store that a path leads into, links followed, and the node in it; the path if there is none."""
    path = path.resolve()
    for folder in (path, *path.parents):
        if is_store(folder):
            return folder, path.relative_to(folder).as_posix().strip(".")
    return path, ""


def node_of(tree: xr.DataTree, path: str) -> xr.Dataset | None:
    """Return what a node of a store holds, such as ``xtm/composite/cracks``; None if there is none."""
    known = {node.path.strip("/") for node in tree.leaves}
    return tree[path].to_dataset() if path in known else None


def is_store(path: Path) -> bool:
    """Whether a folder is a store of operando."""
    from operando.store import read_root

    try:
        read_root(path)
    except OperandoError:
        return False
    return True


def views(tree: xr.DataTree, store: Path, below: str = "") -> Iterator[View]:
    """Yield what can be shown of the nodes ``below`` one; of the first series some layers are visible."""
    first = ""
    for name in _ordered(tree, below):
        ds: xr.Dataset = tree[name].to_dataset()
        levels: dict[str, list[Any]] = {}
        series, _, stage = name.rpartition("/")
        if stage == "raw" and name.partition("/")[0] in _MEASURED:
            ds, levels = _with_images(ds, name, store, tree)
        for array in displayable(ds):
            first = first or series
            shown = series == first and str(array.name) in _SHOWN
            yield from _views(_placed(array, tree, series), name, store, shown, levels.get(str(array.name)))


def _ordered(tree: xr.DataTree, below: str) -> list[str]:
    """Return the nodes below one: volumes first, what was measured before what was made of it."""
    names = [node.path.strip("/") for node in tree.leaves]
    inside = [name for name in names if not below or f"{name}/".startswith(f"{below}/")]
    series = {name.rpartition("/")[0] for name in inside}
    order = {one: (not one.startswith("xtm/"), not one.startswith("xpeem/"), one) for one in series}
    return sorted(inside, key=lambda name: (order[name.rpartition("/")[0]], not name.endswith("/raw"), name))


def _placed(array: xr.DataArray, tree: xr.DataTree, series: str) -> xr.DataArray:
    """Return an image with the edge of a pixel, which the measured node of its series states."""
    raw = node_of(tree, f"{series}/raw")
    if raw is None or "pixel_size" not in raw.coords or {"y", "x"} & set(array.coords):
        return array
    return array.assign_coords(pixel_size=raw["pixel_size"].variable if "scan" in array.dims else raw["pixel_size"][0])


def displayable(ds: xr.Dataset) -> Iterator[xr.DataArray]:
    """Yield the variables that lie in a plane, besides uncertainties and the slices kept for the report."""
    for name, array in ds.data_vars.items():
        plane = {"y", "x"} <= set(array.dims) and array.dtype.kind in "iufb"
        if plane and not str(name).endswith("_std") and len(set(array.dims) - set(AXES)) <= 1:
            yield array


def _views(array: xr.DataArray, node: str, store: Path, visible: bool, levels: Any) -> Iterator[View]:
    known = {"source": str(store), "is_store": True, "node": node, "variable": str(array.name)}
    series = node.rpartition("/")[0]
    further = [str(dim) for dim in array.dims if dim not in AXES]
    if not further:
        yield View(array, title(series, array), levels, visible, known)
        return
    (dim,) = further
    names = array[dim].values if dim in array.coords else np.arange(array.sizes[dim])
    for at, name in enumerate(names[:_MOST_CHOICES]):
        one = array.isel({dim: at}, drop=True)
        yield View(one, title(series, array, str(name)), None, False, {**known, dim: str(name)})


def _with_images(raw: xr.Dataset, node: str, store: Path, tree: xr.DataTree) -> tuple[xr.Dataset, dict[str, list[Any]]]:
    """Return the measured node with its images, which stay in their files, and their coarser levels."""
    from operando import tomo, xas

    technique = node.partition("/")[0]
    if _MEASURED[technique] in raw:
        return (_with_aligned(raw, tree, node) if technique == "xpeem" else raw), {}
    folder = store.parent / str(tree.attrs.get("files_from") or ".")
    try:
        if technique == "xpeem":
            return _with_aligned(xas.xpeem.reopen(raw, folder), tree, node), {}
        ds = tomo.reopen(raw, folder)
        return ds, {"grey": found} if "grey" in ds and (found := file_levels(raw, folder)) else {}
    except OperandoError as error:
        warnings.warn(str(error), OperandoWarning, stacklevel=2)
        return raw, {}


def _with_aligned(raw: xr.Dataset, tree: xr.DataTree, node: str) -> xr.Dataset:
    """Return stacks also with every frame moved to where the first was, which is done when a frame is looked at."""
    from operando.xas import xpeem

    series = node.rpartition("/")[0]
    processed = node_of(tree, f"{series}/processed")
    if processed is None or "aligned" in processed or not set(processed.variables) >= DRIFTS:
        return raw
    found = xpeem.align(xpeem.correct(raw, **settings_of(tree, series).correct), processed)
    return raw.assign(aligned=found["intensity"])
