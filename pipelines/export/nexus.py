"""Write NeXus files: whole or not at all."""

from __future__ import annotations

import math
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import Any

from operando.nexus_tree import Field, Group, Link

from .whole_files import IN_MEMORY, require_space, written_whole

_LARGE = 2**20
_COMPRESSIBLE = {"bool", "uint8", "int32", "int64"}
"""Labels and masks, which become small; the noise of grey values and spectra does not, and takes long."""
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
_SHORTEST = defaultdict(lambda: 1, {0: 128, 1: 128})
"""Edges of chunks, counted from the last axis, that are not cut further."""


def write_nexus(path: str | Path, tree: Group, *, overwrite: bool = False) -> Path:
    """Write a tree as a NeXus file (HDF5) and return its path.

    The file is written beside its place under another name, synced to the disk and renamed: nobody sees half of it,
    and a write that fails leaves what was there.

    Parameters
    ----------
    path
        The file, such as ``"S_2p.nxs"``; its folder is there.
    tree
        What it holds, as :func:`operando.xas.nexus_tree`, :func:`operando.xps.nexus_tree` and
        :func:`operando.tomo.nexus_tree` return it. Lazy numbers are written chunk by chunk.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If the file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    if size_of(tree) > IN_MEMORY:
        require_space(path, size_of(tree))
    with written_whole(path, overwrite=overwrite) as aside:
        _write(aside, path.name, tree)
    return path


def _write(aside: Path, name: str, tree: Group) -> None:
    if size_of(tree) <= IN_MEMORY:
        content = BytesIO()
        _write_to(content, name, tree)
        aside.write_bytes(content.getbuffer())
        return
    try:
        _write_to(aside, name, tree)
    except RuntimeError as error:
        raise OSError(" ".join(str(error).split())) from None


def size_of(group: Group) -> int:
    """Return the bytes of all numbers of a tree."""
    size = 0
    for member in group.members.values():
        if isinstance(member, Group):
            size += size_of(member)
        elif isinstance(member, Field):
            size += int(getattr(member.value, "nbytes", 0))
    return size


def _write_to(target: Path | BytesIO, name: str, tree: Group) -> None:
    import h5py

    with h5py.File(target, "w") as file:
        _fill(file, tree)
        file.attrs["file_name"] = name
        for place, link in _links("", tree):
            file[place] = file[link.target]
            file[link.target].attrs["target"] = link.target


def _fill(place: Any, group: Group) -> None:
    """Write a group's attributes and members; links come when all they may lead to is there."""
    place.attrs["NX_class"] = group.nx_class
    for key, value in group.attrs.items():
        place.attrs[key] = value
    for name, member in group.members.items():
        if isinstance(member, Group):
            _fill(place.create_group(name), member)
        elif isinstance(member, Field):
            _put(place, name, member.value)
            for key, value in member.attrs.items():
                place[name].attrs[key] = value


def _put(place: Any, name: str, value: Any) -> None:
    """Write a field; large numbers in chunks, labels compressed, lazy ones a chunk after another."""
    import dask.array as da

    lazy = isinstance(value, da.Array)
    if not lazy and getattr(value, "nbytes", 0) < _LARGE:
        place[name] = value
        return
    chunks = tuple(min(edge, size) for edge, size in zip(_chunk(value), value.shape, strict=True))
    packed = _PACKED if chunks and value.nbytes >= _LARGE and value.dtype.name in _COMPRESSIBLE else {}
    dataset = place.create_dataset(name, value.shape, value.dtype, chunks=chunks or None, **packed)
    if lazy and value.ndim:
        da.store(value, dataset, lock=True)
    else:
        dataset[...] = value


def _chunk(value: Any) -> tuple[int, ...]:
    """Return edges of chunks of about 1 MiB: whole spectra, cubes of volumes."""
    edges = list(value.shape)
    most = max(1, _LARGE // value.dtype.itemsize)
    for axis in range(len(edges)):
        while math.prod(edges) > most and edges[axis] > _SHORTEST[len(edges) - axis - 1]:
            edges[axis] = max(edges[axis] // 2, 1)
    return tuple(edges)


def _links(above: str, group: Group) -> list[tuple[str, Link]]:
    found = []
    for name, member in group.members.items():
        if isinstance(member, Link):
            found.append((f"{above}/{name}", member))
        elif isinstance(member, Group):
            found += _links(f"{above}/{name}", member)
    return found
