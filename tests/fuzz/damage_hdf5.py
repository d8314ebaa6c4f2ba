"""Damage to HDF5 files through HDF5 itself: sizes, types, links and attributes that no instrument writes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

Change = Callable[[h5py.File, list[str], Random], None]
TEXTS = (
    "",
    "nan",
    "nm",
    "é\u2028",
    "a" * 70_000,
    "</script>",
    "-5",
    "2026-02-30T25:00:00",
    "1e999",
    "../x",
    "\n\n",
    "keV",
)


def spoil(path: Path, random: Random) -> None:
    """Change a sound file in one to three ways."""
    with h5py.File(path, "r+") as file:
        for _ in range(random.choice((1, 1, 2, 3))):
            names: list[str] = []
            file.visit(names.append)
            random.choice(CHANGES)(file, names or ["/"], random)


def any_of(file: h5py.File, names: list[str], random: Random, *, dataset: bool = False) -> str:
    fit = [name for name in names if isinstance(file.get(name), h5py.Dataset)] if dataset else names
    return random.choice(fit or names)


def values(random: Random) -> Any:
    """Return what a dataset may be made of: shapes and types beyond what readers hope for."""
    shape = random.choice(((), (0,), (1,), (7,), (3, 0, 2), (2, 3), (2, 3, 4), (1, 1, 1, 5), (60,), (6, 12, 10)))
    kind = random.choice(("f8", "f4", "f2", ">f8", "i1", "u8", "i8", "?", "c16", "S5", "V3", "text", "ragged", "table"))
    if kind == "text":
        return np.full(shape, random.choice(TEXTS), dtype=h5py.string_dtype())
    if kind == "ragged":
        made = np.empty(3, dtype=object)
        made[:] = [np.arange(n, dtype="f8") for n in (0, 3, 1)]
        return made
    if kind == "table":
        return np.zeros(shape, dtype=[("a", "f8"), ("b", "S4"), ("value", "i4")])
    made = (
        np.zeros(shape, dtype=kind)
        if kind in ("S5", "V3")
        else np.arange(int(np.prod(shape))).reshape(shape).astype(kind)
    )
    if kind in ("f8", "f4") and made.size:
        made.flat[random.randrange(made.size)] = random.choice((np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0))
    return made


def replaced(file: h5py.File, names: list[str], random: Random) -> None:
    name, new = any_of(file, names, random, dataset=True), values(random)
    del file[name]
    if new.dtype.kind == "O" and new.shape == (3,) and isinstance(new[0], np.ndarray):
        made = file.create_dataset(name, (3,), dtype=h5py.vlen_dtype("f8"))
        for k, one in enumerate(new):
            made[k] = one
    else:
        file[name] = new


def huge(file: h5py.File, names: list[str], random: Random) -> None:
    """Declare a dataset that is never written: it takes a few bytes, whatever its size."""
    name = any_of(file, names, random, dataset=True)
    rank = len(getattr(file[name], "shape", None) or (1,))
    del file[name]
    edge = int(random.choice((2e8, 9e8, 4e9, 1e12)) ** (1 / rank))
    chunks = (random.choice((1, 64, 4096)),) + (min(edge, 64),) * (rank - 1) if random.random() < 0.5 else None
    kind = random.choice(("u1", "f8", "u2", "S1", "S1000"))
    if chunks is None:
        file.create_dataset(name, (edge,) * rank, dtype=kind)
    else:
        file.create_dataset(name, (edge,) * rank, dtype=kind, chunks=chunks, fillvalue=0 if kind[0] != "S" else None)


def packed(file: h5py.File, names: list[str], random: Random) -> None:
    """Put in a dataset of zeros, compressed a thousandfold, in large chunks or one."""
    name = any_of(file, names, random, dataset=True)
    rank = len(getattr(file[name], "shape", None) or (1,))
    del file[name]
    edge = int(random.choice((1e6, 2e7, 6e7)) ** (1 / rank))
    made = file.create_dataset(
        name, (edge,) * rank, dtype="u1", chunks=(edge,) * rank, compression="gzip", shuffle=True
    )
    made[...] = 0


def removed(file: h5py.File, names: list[str], random: Random) -> None:
    del file[any_of(file, names, random)]


def attribute(file: h5py.File, names: list[str], random: Random) -> None:
    item = file[random.choice((any_of(file, names, random), "/"))]
    known = [*item.attrs, "units", "NX_class", "signal", "axes", "default", "definition", "start_time", "scale"]
    key = random.choice(known)
    new = random.choice((*TEXTS, 0, -1, 1e308, float("nan"), [1.0, 2.0], ["a", "b"], h5py.Empty("f8"), True, 2**63))
    if random.random() < 0.3:
        item.attrs.pop(key, None)
    elif isinstance(new, str) and len(new) > 60_000:
        item.attrs[key] = np.bytes_(new[:60_000].encode())
    else:
        item.attrs[key] = new


def link(file: h5py.File, names: list[str], random: Random) -> None:
    """Put a link where something was: in a circle, to nothing, out of the folder."""
    name = any_of(file, names, random)
    del file[name]
    far = random.choice(("/etc/passwd", "../other.h5", "gone.h5", ".", file.filename, "/dev/zero", "x" * 300, "a\nb"))
    inside = random.choice(("/", name, "/" + name, "/a/b", "..", ""))
    if random.random() < 0.5:
        file[name] = h5py.SoftLink(random.choice((name, "/", "/" + name, "nothing", "." * 5)))
    else:
        file[name] = h5py.ExternalLink(far, inside or "/")


def circle(file: h5py.File, names: list[str], random: Random) -> None:
    """Let a group hold itself, or the root, under further names."""
    groups = [name for name in names if isinstance(file.get(name), h5py.Group)]
    inner = file[random.choice(groups)] if groups else file
    for k in range(random.choice((1, 3, 12))):
        inner[f"again{k}"] = random.choice((inner, file))


def outside() -> Path:
    """Return a file outside of the folder: HDF5 writes into the files that it is told to keep values in."""
    path = Path(tempfile.gettempdir()) / "operando-fuzz-outside.bin"
    path.write_bytes(b"not of this folder\n" * 100)
    return path


def elsewhere(file: h5py.File, names: list[str], random: Random) -> None:
    """Let the values of a dataset lie in another file."""
    name = any_of(file, names, random, dataset=True)
    shape = getattr(file[name], "shape", None) or (4,)
    del file[name]
    target = random.choice((str(outside()), "../raw.bin", "raw.bin", "/dev/zero"))
    if random.random() < 0.5:
        file.create_dataset(name, shape, dtype="u1", external=[(target, 0, h5py.h5f.UNLIMITED)])
        return
    layout = h5py.VirtualLayout(shape, dtype="u1")
    layout[...] = h5py.VirtualSource(random.choice((target, ".", file.filename)), "/" + name, shape=shape)
    file.create_virtual_dataset(name, layout)


def crowd(file: h5py.File, names: list[str], random: Random) -> None:
    """Put in many names, or groups within groups."""
    place = file[random.choice(["/", *(name for name in names if isinstance(file.get(name), h5py.Group))])]
    if random.random() < 0.5:
        for k in range(random.choice((300, 5000))):
            place.create_group(f"n{k}")
        return
    for k in range(random.choice((40, 600))):
        place = place.create_group(f"g{k % 7}")
        if k % 20 == 0:
            place.attrs["NX_class"] = random.choice(("NXentry", "NXdata", "NXdetector", "NXinstrument"))


def moved(file: h5py.File, names: list[str], random: Random) -> None:
    one, two = any_of(file, names, random), any_of(file, names, random)
    if one != two and not two.startswith(one) and not one.startswith(two):
        kept = file[one]
        del file[one]
        file[one] = file[two]
        del file[two]
        file[two] = kept


def some_values(file: h5py.File, names: list[str], random: Random) -> None:
    """Write nan, infinities and extremes among the values, or one value over all of them."""
    item = file[any_of(file, names, random, dataset=True)]
    if not isinstance(item, h5py.Dataset) or not item.shape or item.dtype.kind not in "iuf" or item.size > 1e6:
        return
    array = item[()]
    put = (
        random.choice((np.nan, np.inf, -np.inf, 1e308, -1e308, 0, -1))
        if array.dtype.kind == "f"
        else random.choice((0, 1))
    )
    if random.random() < 0.3:
        array[...] = put
    elif array.size:
        for _ in range(random.choice((1, 5))):
            array.flat[random.randrange(array.size)] = put
    item[...] = array[::-1] if random.random() < 0.1 else array


CHANGES: tuple[Change, ...] = (
    replaced, replaced, replaced, huge, huge, packed, removed, attribute, attribute, attribute, link, link, circle,
    elsewhere, crowd, moved, some_values, some_values,
)  # fmt: skip
