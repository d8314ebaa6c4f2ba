"""Write NetCDF files: nodes of a store as groups, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.pipelines.encoding import NAT, NUMBERS, TIME_UNITS

from .selection import chosen
from .whole_files import IN_MEMORY, require_space, written_whole

_NOT_KEPT = {"float16", "complex64", "complex128"}
_LARGE = 2**20


def write_netcdf(path: str | Path, tree: xr.DataTree, nodes: Sequence[str] = (), *, overwrite: bool = False) -> Path:
    """Write a store, or nodes of it, as one NetCDF-4 file and return its path.

    Nodes are groups at the same paths, and ``xarray.open_datatree(path, engine="h5netcdf")`` gives them back to the
    last bit and nanosecond, with attributes (lists of numbers as arrays). Texts are UTF-8 of any length in the file and
    come back letter by letter, in the type that the reader has for them: xarray 2026.9 as wide as the longest
    (``<U18``), older ones as objects, where the store has ``StringDType``. Lazy variables are written chunk by chunk.

    Parameters
    ----------
    path
        The file, such as ``"cell7.nc"``; its folder is there.
    tree
        An experiment, as :func:`operando.open` returns it.
    nodes
        Paths of nodes, such as ``"xas/Ni_K"``; all by default. What is stored by reference stays where it is.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If a node is not there, a variable has a type that NetCDF does not know, or the file is there and may not be
        replaced, or cannot be written.
    """
    path = Path(path)
    kept = {f"/{node}": _plain(tree[node].to_dataset(), node) for node in chosen(tree, nodes)}
    root = xr.Dataset(attrs={key: _attribute(value) for key, value in tree.attrs.items()})
    encoding = {node: {str(name): _encoding(ds[name]) for name in ds.variables} for node, ds in kept.items()}
    _require_package()
    whole = xr.DataTree.from_dict({"/": root, **kept})
    size = sum(ds.nbytes for ds in kept.values())
    if size > IN_MEMORY:
        require_space(path, size)
    with written_whole(path, overwrite=overwrite) as aside:
        if size > IN_MEMORY:
            whole.to_netcdf(aside, engine="h5netcdf", encoding=encoding)
        else:
            aside.write_bytes(whole.to_netcdf(engine="h5netcdf", encoding=encoding))
    return path


def _require_package() -> None:
    if find_spec("h5netcdf") is None:
        raise OperandoError("netcdf: expected the package h5netcdf, got none; pip install h5netcdf")


def _plain(ds: xr.Dataset, node: str) -> xr.Dataset:
    """Return a node as NetCDF holds it: text as objects, attributes as text, numbers or lists of them."""
    plain = ds.drop_encoding()
    for name in map(str, plain.variables):
        array = plain[name]
        if array.dtype.kind in "TUO":
            plain[name] = array.copy(data=array.to_numpy().astype(object))
        elif array.dtype.kind != "M" and (array.dtype.name in _NOT_KEPT or array.dtype.name not in NUMBERS):
            raise OperandoError(f"{node}/{name}: expected a type that NetCDF knows, got {array.dtype}; export as zarr")
        plain[name].attrs = {key: _attribute(value) for key, value in array.attrs.items()}
    plain.attrs = {key: _attribute(value) for key, value in plain.attrs.items()}
    return plain


def _attribute(value: Any) -> Any:
    """Return an attribute; what NetCDF has no word for as JSON."""
    if isinstance(value, bool | None | Mapping):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple) and not all(isinstance(one, int | float | str) for one in value):
        return json.dumps(value, ensure_ascii=False)
    return value


def _encoding(array: xr.DataArray) -> dict[str, Any]:
    if array.dtype.kind == "M":
        return {"units": TIME_UNITS, "dtype": "int64", "_FillValue": np.int64(NAT), "calendar": "proleptic_gregorian"}
    if array.dtype.kind in "OTU":
        return {}
    packed = {"zlib": True, "complevel": 1, "shuffle": True} if array.nbytes >= _LARGE and array.ndim else {}
    chunks = {"chunksizes": tuple(int(sizes[0]) for sizes in array.chunks)} if packed and array.chunks else {}
    return {"_FillValue": None, **packed, **chunks}
