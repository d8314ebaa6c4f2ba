"""Writers of napari: layers back into the store that they belong to, or as OME-Zarr."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import xarray as xr

import operando
from operando.errors import OperandoError
from operando.history import recorded
from operando.schema import DRAWN

from .layers import AXES, about, array_of
from .stores import is_store, node_of

_LABELS = "labels"


def write(path: str, data: Sequence[tuple[Any, Mapping[str, Any], str]]) -> list[str]:
    """Write layers where a path says, as napari asks: into a store that is there, else as OME-Zarr.

    Parameters
    ----------
    path
        A store of operando, or a new ``name.ome.zarr``.
    data
        Of each layer its data, attributes and kind.

    Returns
    -------
    list of str
        What was written.

    Raises
    ------
    OperandoError
        If a layer does not belong to a series of the store, or cannot be written.
    """
    layers = [_as_layer(*one) for one in data]
    if is_store(Path(path)):
        return [str(Path(path) / node) for node in write_to_store(Path(path), layers)]
    return [str(one) for layer in layers for one in write_volumes(Path(path), layer, several=len(layers) > 1)]


def write_to_store(store: Path, layers: Sequence[Any]) -> list[str]:
    """Write layers into the node ``drawn`` of their series, all in one commit; return the nodes.

    What the node holds under other names stays; what has the same name is replaced.

    Raises
    ------
    OperandoError
        If a layer does not lie on the voxels of one of the store's series.
    StoreError
        If another run holds the store.
    """
    from operando.pipelines.writer import Writer

    tree = operando.open(store)
    nodes: dict[str, xr.Dataset] = {}
    for layer in layers:
        array = _placed(layer, tree, store)
        series = str(array.attrs.pop("series"))
        node = f"{series}/{DRAWN}"
        known = nodes.get(node)
        known = known if known is not None else (node_of(tree, node) or xr.Dataset())
        told = known.assign({str(array.name): array.variable}).assign_coords(array.coords)
        nodes[node] = recorded(told, "viewer.write", {"variable": str(array.name), "layer": layer.name})
    with Writer(store) as writer:
        writer.replace(nodes)
    return list(nodes)


def write_volumes(path: Path, layer: Any, *, several: bool = False) -> list[Path]:
    """Write a layer as OME-Zarr stores, one for each scan, and return them.

    Parameters
    ----------
    path
        Such as ``cracks.ome.zarr``; of several scans ``cracks_000.ome.zarr``, of several layers with their names.

    Raises
    ------
    OperandoError
        If it has no places in um, or a store is there.
    """
    from operando.pipelines.export.ome_zarr import write_ome_zarr

    array, stem = array_of(layer), path.name.split(".")[0]
    stem = f"{stem}_{_slug(layer.name)}" if several else stem
    labels = layer._type_string == _LABELS
    if "scan" not in array.dims:
        return [write_ome_zarr(path.with_name(f"{stem}.ome.zarr"), array, labels=labels)]
    count = array.sizes["scan"]
    names = [f"{stem}_{scan:03d}.ome.zarr" if count > 1 else f"{stem}.ome.zarr" for scan in range(count)]
    each = [array.isel(scan=scan).reset_coords(drop=True) for scan in range(count)]
    return [write_ome_zarr(path.with_name(name), one, labels=labels) for name, one in zip(names, each, strict=True)]


def _as_layer(data: Any, meta: Mapping[str, Any], kind: str) -> Any:
    """Return what napari hands to writers as if it were the layer."""
    several = bool(meta.get("multiscale"))
    known = {"name": meta.get("name", kind), "metadata": meta.get("metadata") or {}, "multiscale": several}
    return SimpleNamespace(data=data, _type_string=kind, **known)


def _placed(layer: Any, tree: xr.DataTree, store: Path) -> xr.DataArray:
    """Return a layer on the voxels of a series of the store; ``attrs["series"]`` is that one.

    A layer that operando has not opened, such as new labels, belongs to the series of its shape.
    """
    known = about(layer)
    if known:
        if Path(str(known["source"])).resolve() != store.resolve() or not known["node"]:
            raise OperandoError(f"{store}: expected layers of this store, got {layer.name!r} of {known['source']}")
        array = array_of(layer)
        return _named(array, layer, known["node"].rpartition("/")[0])
    data = array_of(layer)
    data = data.squeeze([dim for dim in data.dims if data.sizes[dim] == 1])
    fitting = {
        series: raw
        for series, raw in _series(tree)
        if tuple(raw.sizes[dim] for dim in AXES if raw.sizes.get(dim, 1) > 1) == data.shape
    }
    if len(fitting) != 1:
        got = " x ".join(map(str, data.shape))
        raise OperandoError(f"{store}: expected a layer of the shape of one series, got {layer.name!r} of {got} voxels")
    ((series, raw),) = fitting.items()
    dims = [dim for dim in AXES if raw.sizes.get(dim, 1) > 1]
    coords = {name: raw[name].variable for name in raw.coords if set(raw[name].dims) <= set(dims)}
    return _named(xr.DataArray(data.data, coords, dims), layer, series)


def _series(tree: xr.DataTree) -> list[tuple[str, xr.Dataset]]:
    """Return the series of volumes in a store, each with its measured node."""
    paths = [node.path.strip("/") for node in tree.leaves]
    raws = [path for path in paths if path.startswith("xtm/") and path.endswith("/raw")]
    return [(path.removesuffix("/raw"), tree[path].to_dataset()) for path in raws]


def _named(array: xr.DataArray, layer: Any, series: str) -> xr.DataArray:
    name = _slug(layer.name.rpartition(" · ")[2])
    kept = [str(one) for one in array.coords if set(array[one].dims) <= set(array.dims)]
    units = str(array.attrs.get("units", "1"))
    told = {**array.attrs, "units": units, "long_name": f"{layer.name}, as the viewer had it", "series": series}
    told = {key: value for key, value in told.items() if key != "history"}
    return array.drop_vars([one for one in array.coords if one not in kept]).rename(name).assign_attrs(told)


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", re.sub(r"\s*\(.*?\)", "", name)).strip("_").lower() or "layer"
