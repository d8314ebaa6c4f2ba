"""What an HDF5 file holds, looked up with care: links stay in the file's folder, sizes are those of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .frames import MOST_FRAMES

MAGIC = b"\x89HDF\r\n\x1a\n"
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
_MOST_DATASETS = 10_000
# Deflate packs zeros 1032 to 1; frames that were never written take no room at all.
_LARGEST_RATIO = 20_000


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading, never waiting for a lock of the program that writes it.

    Raises
    ------
    FileError
        If it cannot be opened.
    """
    import h5py

    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        text = str(error).splitlines()[0] if str(error) else "an error"
        raise FileError(path, "an HDF5 file", text, remedy="is it whole, and closed by its writer?") from None
    with file:
        yield file


def guess(file: Any) -> dict[str, str]:
    """Return the places of what can be told: the array of images, and datasets of usual names and fitting length.

    Only what lies in the file itself is looked at; links are not followed.
    """
    found: list[Any] = []

    def collect(_name: str, item: Any) -> bool | None:
        found.append(item)
        return True if len(found) >= _MOST_DATASETS else None

    file.visititems(collect)
    arrays = [item for item in found if hasattr(item, "shape")]
    images = [one for one in arrays if _is_stack(one)]
    energies = [one for one in arrays if one.ndim == 1 and one.size > 1 and _name(one) in _USUAL["energy"]]
    fitting = [(stack, energy) for stack in images for energy in energies if _fits(stack, energy)]
    if not fitting:
        return {}
    stack, energy = max(fitting, key=lambda pair: (pair[0].parent == pair[1].parent, pair[0].size))
    places = {"frames": str(stack.name), "energy": str(energy.name)}
    for name, usual in _USUAL.items():
        one = next((item for item in arrays if name not in places and _name(item) in usual), None)
        if one is not None and _has_form(one, name, energy.size, stack.shape[1:]):
            places[name] = str(one.name)
    for group in (stack.parent, file):
        start = next((key for key in group.attrs if key.lower() in _USUAL["start"]), None)
        if start is not None and "start" not in places:
            places["start"] = f"{group.name.rstrip('/')}@{start}"
    return places


def dataset(file: Any, place: str) -> Any:
    """Return the dataset at a place in the file.

    Raises
    ------
    FileError
        If there is none, a link or its data lead out of the file's folder, or its size cannot be.
    """
    path, group = Path(file.filename), file
    parts = [part for part in place.split("/") if part]
    for number, part in enumerate(parts):
        _require_inside(path, group, part, place)
        try:
            group = group[part]
        except (KeyError, OSError, ValueError, TypeError):
            inside = ", ".join(sorted(map(str, group))[:12]) if hasattr(group, "keys") else "no group"
            where = "/" + "/".join(parts[:number])
            raise FileError(path, f"a dataset {place!r}", f"in {where}: {inside or 'nothing'}") from None
    if not hasattr(group, "shape") or group.shape is None:
        raise FileError(path, f"a dataset {place!r}", "a group", remedy="name the array in it")
    _require_own_data(path, group, place)
    _require_possible(path, group, place)
    return group


def numbers(file: Any, place: str, dims: int) -> tuple[NDArray[np.float64], str]:
    """Return a dataset as floats, and its unit as the file states it ("" if not).

    Raises
    ------
    FileError
        If it is no array of numbers of that many dims, or is too long.
    """
    path, array = Path(file.filename), dataset(file, place)
    single = dims == 0 and array.size == 1
    if array.dtype.kind not in "uif" or not (single or array.ndim == dims):
        raise FileError(path, f"numbers, {dims} dims", f"shape {array.shape}, {array.dtype}", place=place)
    if array.size > MOST_FRAMES:
        raise FileError(path, f"at most {MOST_FRAMES} values", str(array.size), place=place)
    return np.asarray(array[()], float), _text(array.attrs.get("units", ""))


def attribute(file: Any, place: str) -> str:
    """Return the text of a dataset, or of an attribute (``/entry@start_time``).

    Raises
    ------
    FileError
        If there is none.
    """
    where, at, name = place.partition("@")
    if not at:
        return _text(dataset(file, where)[()])
    group = file if not where.strip("/") else file.get(where)
    if group is None or name not in group.attrs:
        raise FileError(file.filename, f"an attribute {place!r}", "none")
    return _text(group.attrs[name])


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _name(item: Any) -> str:
    return str(item.name).rsplit("/", 1)[-1].lower()


def _is_stack(one: Any) -> bool:
    return one.ndim == 3 and one.dtype.kind in "uif" and min(one.shape[1:]) >= _SMALLEST_EDGE and one.shape[0] > 1


def _fits(stack: Any, energy: Any) -> bool:
    """Whether energies can be those of a stack, of which some frames may be missing or a few too many."""
    return bool(0.5 * energy.size <= stack.shape[0] <= 1.5 * energy.size)


def _has_form(one: Any, name: str, count: int, shape: tuple[int, ...]) -> bool:
    if name in ("flat", "dark"):
        return bool(one.ndim in (2, 3) and one.shape[-2:] == shape)
    if name in ("pixel_size", "start"):
        return bool(one.size == 1)
    return bool(one.shape == (count,))


def _require_inside(path: Path, group: Any, part: str, place: str) -> None:
    """Refuse a link to a file that does not lie in the folder of this one or below."""
    import h5py

    link = group.get(part, getlink=True) if isinstance(group, h5py.Group) and part in group else None
    if isinstance(link, h5py.ExternalLink):
        _require_below(path, str(link.filename), place)


def _require_own_data(path: Path, array: Any, place: str) -> None:
    for name, *_ in array.external or ():
        _require_below(path, str(name), place)
    if array.is_virtual:
        for source in array.virtual_sources():
            if source.file_name != ".":
                _require_below(path, str(source.file_name), place)


def _require_below(path: Path, name: str, place: str) -> None:
    folder = path.parent.resolve()
    if not (folder / name).resolve().is_relative_to(folder):
        remedy = "copy that file beside this one and link to it there"
        raise FileError(path, "data in the file's own folder", f"a link to {name!r}", place=place, remedy=remedy)


def _require_possible(path: Path, array: Any, place: str) -> None:
    """Refuse an array of more frames than any stack has, or far larger than what its file can hold."""
    if array.ndim == 3 and array.shape[0] > MOST_FRAMES:
        raise FileError(path, f"at most {MOST_FRAMES} frames", str(array.shape[0]), place=place)
    stored = path.stat().st_size
    if array.nbytes > _LARGEST_RATIO * stored and not array.is_virtual:
        got = f"{array.shape} declared in a file of {stored} bytes"
        raise FileError(path, "as much data as the file can hold", got, place=place)
