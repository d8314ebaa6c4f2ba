"""Write the series of a store as NeXus files, one a series, and tell what their definitions require beyond it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import xarray as xr

from operando import tomo, xas, xps
from operando.errors import OperandoError
from operando.nexus_tree import Group, lacking, sample_of
from operando.tomo.layout import IMAGES

from .nexus import write_nexus
from .selection import chosen, experiment
from .whole_files import made_folder, refuse_existing

TECHNIQUES = {"xas": "NXxas", "xps": "NXmpes", "xtm": "NXtomoproc"}
_OTHERWISE = {"echem": "bdf, netcdf or csv", "cell": "netcdf or csv", "xpeem": "netcdf or csv"}


def write_nexus_files(
    path: str | Path,
    tree: xr.DataTree,
    nodes: Sequence[str] = (),
    *,
    overwrite: bool = False,
    sample: str | None = None,
    texts: Mapping[str, str] | None = None,
    variables: Sequence[str] = (),
    store: str | Path | None = None,
) -> tuple[list[Path], list[str]]:
    """Write series as NeXus files, and return their paths and notes on what is missing or left out.

    Absorption is written as NXxas, photoemission as NXmpes, volumes as NXtomoproc; from a node ``processed``, the
    normalized spectra and the volumes that steps have made. Volumes that a store only refers to are read from their
    files, slab by slab.

    Parameters
    ----------
    path
        The file for one series, the folder of the files for several.
    tree
        An experiment, as :func:`operando.open` returns it.
    nodes
        Paths such as ``"xas/Ni_K"``; all series by default.
    overwrite
        Whether files that are there may be replaced.
    sample
        The sample's name; by default what the files say, else the experiment's title.
    texts
        Texts of fields that a definition requires, such as ``{"instrument/source/name": "SLS"}``.
    variables
        Which volumes of a series; all by default.
    store
        The store's folder, from which volumes find their files.

    Raises
    ------
    OperandoError
        If there is no such series, or a file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    found, notes = wanted(tree, nodes)
    if len(found) > 1:
        files = {node: path / f"{_stem(node)}.nxs" for node in found}
        made_folder(path)
    else:
        files = dict.fromkeys(found, path)
    if not overwrite:
        refuse_existing(files.values())
    for node, file in files.items():
        made = _tree(tree, node, sample=sample, texts=texts or {}, variables=variables, store=store)
        write_nexus(file, made, overwrite=overwrite)
        notes += _missing(file, node, made)
    return list(files.values()), notes


def wanted(tree: xr.DataTree, nodes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the nodes to be written, and notes on those that NeXus has no definition for."""
    asked = {node.strip("/") for node in nodes}
    found: list[str] = []
    left: dict[str, list[str]] = {}
    for path in chosen(tree, nodes):
        technique = path.partition("/")[0]
        if technique not in TECHNIQUES:
            left.setdefault(_OTHERWISE.get(technique, "netcdf or csv"), []).append(path)
        elif path in asked or path.endswith("/raw"):
            found.append(path)
    notes = [f"left out: {', '.join(paths)} (export as {formats})" for formats, paths in left.items()]
    if not found:
        there = "; ".join(notes) or f"none below {', '.join(nodes)}"
        raise OperandoError(f"nexus: expected a series of {', '.join(TECHNIQUES)}, got {there}")
    return found, notes


def _stem(node: str) -> str:
    return node.removesuffix("/raw").replace("/", "_")


def _tree(
    tree: xr.DataTree,
    node: str,
    *,
    sample: str | None,
    texts: Mapping[str, str],
    variables: Sequence[str],
    store: str | Path | None,
) -> Group:
    technique, name = node.split("/")[:2]
    ds = tree[node].to_dataset()
    called = None if "sample/name" in texts else sample or sample_of(ds) or experiment(tree) or None
    if technique == "xas":
        return xas.nexus_tree(ds, name, called, texts)
    if technique == "xps":
        return xps.nexus_tree(ds, called, texts=texts)
    return tomo.nexus_tree(_volumes(ds, tree, store), variables or None, called, texts)


def _volumes(ds: xr.Dataset, tree: xr.DataTree, store: str | Path | None) -> xr.Dataset:
    if any(name in ds for name in IMAGES) or not ds.attrs.get("settings") or "source" not in ds.coords:
        return ds
    if any({"z", "y", "x"} <= set(array.dims) for array in ds.data_vars.values()):
        return ds
    folder = Path(store).parent if store is not None else Path()
    return tomo.reopen(ds, folder / str(tree.attrs.get("files_from") or "."))


def _missing(file: Path, node: str, made: Group) -> Iterator[str]:
    """Yield what the definition requires and the store does not tell, a line for all entries that lack the same."""
    by_fields: dict[tuple[str, ...], list[str]] = {}
    for entry, paths in lacking(made):
        by_fields.setdefault(tuple(paths), []).append(entry)
    definition = TECHNIQUES[node.partition("/")[0]]
    for fields, entries in by_fields.items():
        where = entries[0] if len(entries) == 1 else f"{entries[0]} to {entries[-1]}"
        yield f"{file.name}, {where}: {definition} requires {', '.join(fields)}; state them with --set {fields[0]}=TEXT"
