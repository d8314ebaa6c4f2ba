"""Where an HDF5 file keeps a stack of images, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.hdf5 import Node

from .frames import MOST_FRAMES

QUANTITIES = ("frames", "energy", "i0", "time", "flat", "dark", "pixel_size", "start")
_USUAL = {
    "energy": ("energy", "photon_energy", "energies", "mono_energy"),
    "i0": ("i0", "incident_intensity", "mirror_current", "monitor"),
    "time": ("time", "frame_time", "elapsed_time"),
    "flat": ("flat", "flat_field", "flats"),
    "dark": ("dark", "dark_field", "darks", "background"),
    "pixel_size": ("pixel_size",),
    "start": ("start_time", "start", "date"),
}
_SMALLEST_EDGE = 32
_MOST_DATASETS, _DEEPEST, _MOST_TRIED = 10_000, 8, 100
# Deflate packs zeros 1032 to 1; frames that were never written take no room at all.
_LARGEST_RATIO = 20_000


def guess(root: Node) -> dict[str, str]:
    """Return the places of what can be told: the array of images, and datasets of usual names and fitting length."""
    arrays = dict(_arrays(root))
    images = {place: one for place, one in arrays.items() if _is_stack(one)}
    energies = {place: one for place, one in arrays.items() if _name(place) in _USUAL["energy"] and _is_axis(one)}
    pairs = product(islice(images, _MOST_TRIED), islice(energies, _MOST_TRIED))
    fitting = [(stack, energy) for stack, energy in pairs if _fits(images[stack], energies[energy])]
    if not fitting:
        return {}
    stack, energy = max(fitting, key=lambda pair: (_parent(pair[0]) == _parent(pair[1]), images[pair[0]].item.size))
    places = {"frames": stack, "energy": energy}
    count, size = _shape(energies[energy])[0], _shape(images[stack])[1:]
    for name, usual in _USUAL.items():
        fit = (place for place, one in arrays.items() if _name(place) in usual and _has_form(one, name, count, size))
        place = next(fit, None)
        if name not in places and place is not None:
            places[name] = place
    for group in (_parent(stack), "/"):
        start = next((key for key in _USUAL["start"] if _attribute(root, group, key)), None)
        if start is not None and "start" not in places:
            places["start"] = f"{group.rstrip('/')}@{start}"
    return places


def dataset(root: Node, place: str) -> Node:
    """Return the dataset at a place in the file.

    Raises
    ------
    FileError
        If there is none, a link or its data lead out of the file's folder, or its size cannot be.
    """
    found = root.get(place)
    if found is None:
        parts = [part for part in place.split("/") if part]
        known = next(
            node for k in range(len(parts), -1, -1) if (node := root.get("/" + "/".join(parts[:k]))) is not None
        )
        inside = ", ".join(sorted(known.names())[:12]) if known.is_group else "no group"
        raise FileError(root.file, f"a dataset {place!r}", f"in {known.name}: {inside or 'nothing'}")
    if found.is_group or found.shape is None:
        raise FileError(root.file, f"a dataset {place!r}", "a group", remedy="name the array in it")
    _require_possible(found)
    return found


def _deepest(root: Node, place: str) -> Node:
    """Return the last group on the way to a place."""
    here = root
    for part in filter(None, place.split("/")):
        below = here.get(part)
        if below is None:
            break
        here = below
    return here


def numbers(root: Node, place: str, dims: int) -> tuple[NDArray[np.float64], str]:
    """Return a dataset as floats, and its unit as the file states it ("" if not).

    Raises
    ------
    FileError
        If it is no array of numbers of that many dims, or is too long.
    """
    array = dataset(root, place)
    shape, size = _shape(array), int(np.prod(_shape(array), dtype=object))
    if not (len(shape) == dims or (dims == 0 and size == 1)):
        raise array.error(f"numbers, {dims} dims", f"shape {shape}")
    if size > MOST_FRAMES:
        raise array.error(f"at most {MOST_FRAMES} values", str(size))
    return array.numbers(), str(array.attribute("units") or "")


def text(root: Node, place: str) -> str:
    """Return the text of a dataset, or of an attribute (``/entry@start_time``).

    Raises
    ------
    FileError
        If there is none.
    """
    where, at, name = place.partition("@")
    found = _attribute(root, where, name) if at else dataset(root, where).scalar()
    if found is None:
        raise FileError(root.file, f"a text at {place!r}", "none")
    return str(found)


def _attribute(root: Node, where: str, name: str) -> str | float | list[str] | None:
    group = root.get(where)
    return None if group is None else group.attribute(name)


def _arrays(root: Node) -> Iterator[tuple[str, Node]]:
    """Yield the datasets of a file and where they are, each once; broken links are passed over."""
    waiting, looked_at, seen = [(root, "", 0)], 0, {root.identity()}
    while waiting:
        group, above, depth = waiting.pop(0)
        for name in group.names():
            looked_at += 1
            if looked_at > _MOST_DATASETS:
                return
            with suppress(FileError):
                child = group.get(name)
                if child is None or child.identity() in seen:
                    continue
                seen.add(child.identity())
                if child.is_group and depth < _DEEPEST:
                    waiting.append((child, f"{above}/{name}", depth + 1))
                elif not child.is_group and child.shape is not None:
                    yield f"{above}/{name}", child


def _shape(one: Node) -> tuple[int, ...]:
    return one.shape or ()


def _parent(place: str) -> str:
    return place.rsplit("/", 1)[0] or "/"


def _name(place: str) -> str:
    return place.rsplit("/", 1)[-1].lower()


def _is_axis(one: Node) -> bool:
    return len(_shape(one)) == 1 and _shape(one)[0] > 1


def _is_stack(one: Node) -> bool:
    shape = _shape(one)
    return len(shape) == 3 and one.item.dtype.kind in "uif" and min(shape[1:]) >= _SMALLEST_EDGE and shape[0] > 1


def _fits(stack: Node, energy: Node) -> bool:
    """Whether energies can be those of a stack, of which some frames may be missing or a few too many."""
    frames, energies = _shape(stack)[0], _shape(energy)[0]
    return 0.5 * energies <= frames <= 1.5 * energies


def _has_form(one: Node, name: str, count: int, size: tuple[int, ...]) -> bool:
    shape = _shape(one)
    if name in ("flat", "dark"):
        return len(shape) in (2, 3) and shape[-2:] == size
    if name in ("pixel_size", "start"):
        return int(np.prod(shape, dtype=object)) == 1
    return shape == (count,)


def _require_possible(array: Node) -> None:
    """Refuse an array of more frames than any stack has, or far larger than what its file can hold."""
    shape, stored = _shape(array), array.file.stat().st_size
    if len(shape) == 3 and shape[0] > MOST_FRAMES:
        raise array.error(f"at most {MOST_FRAMES} frames", str(shape[0]))
    if array.item.nbytes > _LARGEST_RATIO * stored and not array.item.is_virtual:
        raise array.error("as much data as the file can hold", f"{shape} declared in a file of {stored} bytes")
