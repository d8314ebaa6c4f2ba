"""What a plain reader finds in a store that is being filled: whose rows they are, and which are those of no run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from zarr.core.metadata import ArrayV3Metadata
from zarr.storage import LocalStore, StorePath

STORE = "fed.zarr"
NODES = {"xas": "xas/Ni_L3", "xps": "xps/S_2p", "xpeem": "xpeem/Ni_L3"}
LINKED = ("potential", "charge", "soc", "voltage", "current", "cycle", "half_cycle", "ec_samples", "flag")
COMPARED = ("potential", "potential_std")
"""What the log says of a scan it covers: the same to rounding, however far the log goes on."""
OUTSIDE = 1 << 10 | 1 << 11
"""The flags of scans that lie beyond the log, or in a gap of it."""


def opened(folder: Path):
    return xr.open_datatree(folder / STORE, engine="zarr")


def rows(tree, node: str) -> xr.Dataset:
    """Return a node in memory, its scans in order of their source, text as objects."""
    ds = tree[node].to_dataset().load()
    ds = ds.assign({name: var.astype(object) for name, var in ds.variables.items() if var.dtype.kind in "TO"})
    return ds.isel(scan=np.argsort(ds.source.values.astype(str))) if "scan" in ds.dims else ds


def truth(folder: Path, settings: dict) -> dict[str, xr.Dataset]:
    """Return the nodes of all series that a run has made."""
    with opened(folder) as tree:
        nodes = [f"{NODES[technique]}/{part}" for technique in settings["techniques"] for part in ("raw", "processed")]
        return {node: rows(tree, node) for node in nodes if f"/{node}" in tree.groups}


def sources(store: Path, settings: dict) -> set[str]:
    """Return the names of all scans that are stored; of the metadata only what they need is looked at, to be quick."""
    known = json.loads((store / "zarr.json").read_bytes())["consolidated_metadata"]["metadata"]
    found: set[str] = set()
    for node in (f"{NODES[technique]}/raw/source" for technique in settings["techniques"]):
        if node in known:
            place = StorePath(LocalStore(store, read_only=True), node)
            array = zarr.Array(zarr.AsyncArray(ArrayV3Metadata.from_dict(known[node]), place))
            found |= set(map(str, array[:]))
    return found


def judge(store: Path, settings: dict, truths) -> list[str]:
    """Read all series and return what is wrong with them."""
    with xr.open_datatree(store, engine="zarr") as tree:
        nodes = [f"{NODES[technique]}/raw" for technique in settings["techniques"]]
        return [text for node in nodes if f"/{node}" in tree.groups for text in faults(tree, node, truths)]


def faults(tree, node: str, truths) -> list[str]:
    """Return which rows of a series are those of no run."""
    found = []
    for part in (node, node.replace("/raw", "/processed")):
        if f"/{part}" not in tree.groups:
            continue
        ds = rows(tree, part)
        good, told = np.zeros(ds.sizes["scan"], bool), set()
        for truth in truths:
            good |= alike(ds, truth.get(part), told)
        found += [f"{part}: {source} in {', '.join(sorted(told))}" for source in ds.source.values[~good][:5]]
    return found


def alike(ds: xr.Dataset, truth: xr.Dataset | None, told: set[str]) -> np.ndarray:
    """Return which rows are those of a run: all that was measured and made of it; what the log says, once it does.

    The variables in which any differs are added to ``told``.
    """
    good = np.zeros(ds.sizes["scan"], bool)
    if truth is None:
        return good
    place = {source: k for k, source in enumerate(truth.source.values)}
    there = np.array([source in place for source in ds.source.values])
    at = np.array([place[source] for source in ds.source.values[there]], dtype=int)
    mine, its = ds.isel(scan=there), truth.isel(scan=at)
    beyond = (mine["flag"].values & OUTSIDE) != 0
    same = np.ones(at.size, bool)
    for name, var in its.variables.items():
        linked = name.removesuffix("_std") in LINKED
        if "scan" not in var.dims or (linked and name not in COMPARED):
            continue
        a, b = mine[name].variable, var
        if a.shape != b.shape:
            return good
        near = np.isclose(a.values, b.values, rtol=1e-9) if linked else a.values == b.values
        equal = near | both_missing(a.values, b.values)
        equal = equal.reshape(at.size, -1).all(axis=1)
        equal = equal | beyond if linked else equal
        told |= set() if equal.all() else {name}
        same &= equal
    good[np.flatnonzero(there)] = same
    return good


def both_missing(a: np.ndarray, b: np.ndarray):
    if a.dtype.kind in "fM" and b.dtype.kind in "fM":
        return np.isnat(a) & np.isnat(b) if a.dtype.kind == "M" else np.isnan(a) & np.isnan(b)
    return False
