"""Write NeXus files: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from operando.xps.nexus_groups import Field, Group, Link

from .whole_files import written_whole


def write_nexus(path: str | Path, tree: Group, *, overwrite: bool = False) -> Path:
    """Write a tree as a NeXus file (HDF5) and return its path.

    The file is written beside its place under another name, synced to the disk and renamed: nobody sees half of it,
    and a write that fails leaves what was there.

    Parameters
    ----------
    path
        The file, such as ``"S_2p.nxs"``; its folder is there.
    tree
        What it holds, as :func:`operando.xps.nexus_tree` returns it.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If the file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    with written_whole(path, overwrite=overwrite) as aside:
        _write(aside, path.name, tree)
    return path


def _write(aside: Path, name: str, tree: Group) -> None:
    import h5py

    with h5py.File(aside, "x") as file:
        _fill(file, tree)
        file.attrs["file_name"] = name
        for place, link in _links("", tree):
            file[place] = file[link.target]


def _fill(place: Any, group: Group) -> None:
    """Write a group's attributes and members; links come when all they may lead to is there."""
    place.attrs["NX_class"] = group.nx_class
    for key, value in group.attrs.items():
        place.attrs[key] = value
    for name, member in group.members.items():
        if isinstance(member, Group):
            _fill(place.create_group(name), member)
        elif isinstance(member, Field):
            place[name] = member.value
            for key, value in member.attrs.items():
                place[name].attrs[key] = value


def _links(above: str, group: Group) -> list[tuple[str, Link]]:
    found = []
    for name, member in group.members.items():
        if isinstance(member, Link):
            found.append((f"{above}/{name}", member))
        elif isinstance(member, Group):
            found += _links(f"{above}/{name}", member)
    return found
