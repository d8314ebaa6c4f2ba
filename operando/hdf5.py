"""HDF5 files read with care: of bounded size, inside their own folder, never in circles; each mistake is one line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, OperandoError, printable
from .hdf5_chunks import missing_codec, oversized
from .hdf5_damage import SIGNATURE, is_overlong, is_ragged, require_heaps
from .hdf5_writing import is_being_written
from .sniff import Head

MOST_BYTES = 2**30
"""What a dataset, or one of its chunks, may take in memory. What a file declares costs it nothing."""
MOST_NUMBERS = 50_000_000
"""What is read as numbers at once; images are read in parts."""
MOST_NAMES = 100_000
MOST_LINKS = 16
_TEXT_BYTES = 2**20
_MOST_FIELDS, _LONGEST, _DEPTH = 300, 2000, 3
_PLACES = (0, *(512 * 2**k for k in range(7)))
_NUMBERS = "iufb"


def is_hdf5(start: Head) -> bool:
    """Whether a file begins as HDF5, perhaps behind a block of the user's own."""
    return any(start.data[at : at + len(SIGNATURE)] == SIGNATURE for at in _PLACES)


@contextmanager
def opened(path: str | Path, *, again: bool = False) -> Iterator[Node]:
    """Open a file for reading and yield its root; ``again`` passes over what was checked when it was opened before.

    Raises
    ------
    FileError
        If the file is no HDF5, breaks off, or is being written.
    """
    path = Path(path)
    with ExitStack() as files:
        yield _Tree(path.resolve().parent, files, {}, again).root(path)


@dataclass(frozen=True)
class _Tree:
    """The files that are open, all within one folder."""

    folder: Path
    files: ExitStack
    roots: dict[Path, Node]
    again: bool

    def root(self, path: Path) -> Node:
        import h5py

        real = path.resolve()
        if real not in self.roots:
            if not self.again:
                require_heaps(path)
            with _told(path, "file"):
                shared = is_being_written(path, readably=True)
                self.roots[real] = Node(path, "/", h5py.File(path, "r", locking="best-effort", swmr=shared), self)
                self.files.callback(self.roots[real].item.close)
        return self.roots[real]

    def linked(self, node: Node, name: str) -> Node:
        """Return the root of a file that ``node`` names.

        Raises
        ------
        FileError
            If it is missing, or lies outside the folder.
        """
        said = printable(name)
        try:
            target = (node.file.resolve().parent / name).resolve()
            there = target.is_file()
        except (OSError, ValueError, RuntimeError) as error:
            raise node.error("a link to a file", f"a link to {said} ({error})") from None
        if not target.is_relative_to(self.folder):
            remedy = "copy the file that it names beside this one, and link to that"
            raise node.error("links to files in its own folder", f"a link out of it, to {said}", remedy)
        if not there:
            raise node.error("a link to a file", f"a link to {said}, which is missing", "copy that file here too")
        return self.root(target)


@dataclass(frozen=True)
class Node:
    """A group or a dataset; ``item`` is h5py's object."""

    file: Path
    name: str
    item: Any
    tree: _Tree

    def error(self, expected: str, got: str, remedy: str = "") -> FileError:
        """Return the error that something here is not as expected."""
        return FileError(self.file, expected, got, place=printable(self.name), remedy=remedy)

    def identity(self) -> tuple[int, int]:
        """Return what tells an object from all others, whatever names it goes by."""
        import h5py

        with self._told():
            info = h5py.h5o.get_info(self.item.id)
            return int(info.fileno), int(info.addr)

    @property
    def is_group(self) -> bool:
        """Whether it is a group, else a dataset or a type."""
        return hasattr(self.item, "keys")

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of a dataset; None for a group and for a dataset without values."""
        with self._told():
            return getattr(self.item, "shape", None)

    def names(self) -> list[str]:
        """Return what a group holds."""
        if not self.is_group:
            return []
        with self._told():
            if len(self.item) > MOST_NAMES:
                raise self.error(f"at most {MOST_NAMES} names in a group", str(len(self.item)))
            return [str(name) for name in self.item]

    def children(self, broken: list[str] | None = None) -> list[tuple[str, Node]]:
        """Return what a group holds under which names; what cannot be reached is told in ``broken`` and left out."""
        found = []
        for name in self.names():
            try:
                child = self.get(name)
            except FileError as error:
                if broken is not None:
                    broken.append(str(error))
                continue
            if child is not None:
                found.append((name, child))
        return found

    def get(self, path: str) -> Node | None:
        """Return what lies at a path from here (from the root if it begins with ``/``), or None.

        Raises
        ------
        FileError
            If a link on the way leads to nothing, out of the folder, or in a circle.
        """
        return self._found(path, MOST_LINKS)

    def attribute(self, name: str) -> str | float | list[str] | None:
        """Return a text, a number or a list of texts; None if there is none of them by this name."""
        return _plain(self._attribute(name))

    def attribute_numbers(self, name: str) -> NDArray[np.float64] | None:
        """Return the numbers of an attribute; None if there are none by this name."""
        values = np.asarray(self._attribute(name))
        return values.astype(np.float64) if values.dtype.kind in _NUMBERS else None

    def _attribute(self, name: str) -> Any:
        import h5py

        with self._told():
            if name not in self.item.attrs:
                return None
            found = h5py.h5a.open(self.item.id, name.encode())
            if found.get_storage_size() > _TEXT_BYTES or is_ragged(found):
                return None
            return self.item.attrs[name]

    def scalar(self) -> str | float | None:
        """Return the text or the number of a dataset that holds just one."""
        if self.is_group or self.shape is None or int(np.prod(self.shape)) != 1:
            return None
        value = _plain(self._values())
        return value if isinstance(value, str | float) else None

    def numbers(self, column: str | None = None) -> NDArray[np.float64]:
        """Return all values of a dataset, or one column of a table.

        Raises
        ------
        FileError
            If it holds no numbers, more than :data:`MOST_BYTES`, or a codec, a file or a part of it is missing.
        """
        with self._told():
            kind: np.dtype[Any] = getattr(self.item, "dtype", np.dtype("O"))
        listed = kind.names or ()
        if listed and column is None:
            remedy = f"name one of its columns, such as '{printable(self.name)}/{listed[0]}'"
            raise self.error("numbers", f"a table of {', '.join(listed)}", remedy)
        if column is not None and column not in listed:
            raise self.error(f"a table with {column!r}", f"one of {', '.join(listed)}" if listed else "no table")
        if (kind[column] if column else kind).kind not in _NUMBERS:
            raise self.error("numbers", "a group" if self.is_group else f"values of type {kind}")
        self._require_size(self.shape or ())
        if int(np.prod(self.shape or (), dtype=object)) > MOST_NUMBERS:
            raise self.error(f"at most {MOST_NUMBERS} numbers", f"{self.shape} declared")
        values = self._values()
        return np.asarray(values[column] if column else values, dtype=np.float64)

    def part(self, index: int) -> NDArray[Any]:
        """Return the values at one place along the first dim of a dataset, such as an image of a stack.

        Raises
        ------
        FileError
            If there is no such place, or it holds more than :data:`MOST_BYTES`, or something is missing.
        """
        values: NDArray[Any] = self._values(index)
        return values

    def block(self, *cuts: slice) -> NDArray[Any]:
        """Return the values of a dataset within slices, one a dim.

        Raises
        ------
        FileError
            If the slices hold more than :data:`MOST_BYTES`, or something is missing.
        """
        values: NDArray[Any] = self._values(cuts)
        return values

    def _values(self, index: int | tuple[slice, ...] | None = None) -> Any:
        """Return a dataset's values, all or some, once it is known that they can be read."""
        shape = self.shape or ()
        cuts = index if isinstance(index, tuple) else ()
        kept = tuple(len(range(n)[cut]) for n, cut in zip(shape, cuts, strict=False))
        self._require_size(kept if cuts else shape[0 if index is None else 1 :])
        self._require_here(MOST_LINKS)
        self._require_codecs()
        self._require_bounds(index)
        with self._told():
            return self.item[() if index is None else index]

    def _require_size(self, wanted: tuple[int, ...]) -> None:
        if self.shape is None:
            raise self.error("values", "a dataset without any")
        with self._told():
            if is_ragged(self.item.id):
                raise self.error("values of one size", "lists of different lengths")
            if is_overlong(self.item.id, self.file):
                raise self.error("texts", "one that states to be longer than the file", "copy it again")
            width = max(self.item.dtype.itemsize, 1)
            declared = [wanted, self.item.chunks or ()]
        size = max(width * int(np.prod([int(n) for n in shape], dtype=object)) for shape in declared)
        if size > MOST_BYTES:
            raise self.error(f"at most {MOST_BYTES >> 20} MiB", f"{size >> 20} MiB declared")

    def _require_bounds(self, index: int | tuple[slice, ...] | None) -> None:
        with self._told():
            found = oversized(self.item, index)
        if found:
            raise self.error("chunks of their declared size", found, "it was made to fill memory; do not use it")

    def _require_here(self, depth: int) -> None:
        """Refuse values that lie in files outside the folder, or in missing ones, which HDF5 would read as zeros."""
        if depth == 0:
            raise self.error("values", "virtual datasets that refer to each other in a circle")
        with self._told():
            elsewhere = self.item.external or ()
            sources = self.item.virtual_sources() if self.item.is_virtual else ()
        if elsewhere:
            raise self.error("values in an HDF5 file", f"raw ones in {printable(str(elsewhere[0][0]))}")
        for source in sources:
            root = self if source.file_name == "." else self.tree.linked(self, source.file_name)
            part = root._found(source.dset_name, MOST_LINKS)
            if part is None:
                raise self.error("values", f"a part in {printable(source.dset_name)}, which is missing")
            part._require_here(depth - 1)
            part._require_bounds(None)

    def _require_codecs(self) -> None:
        with self._told():
            missing = missing_codec(self.item)
        if missing:
            raise self.error("values that HDF5 can unpack", missing, 'pip install "operando[hdf5]"')

    def _found(self, path: str, hops: int) -> Node | None:
        here: Node | None = self.tree.root(self.file) if path.startswith("/") else self
        for part in path.split("/"):
            if here is not None and part not in ("", "."):
                here = here._step(part, hops)
        return here

    def _step(self, part: str, hops: int) -> Node | None:
        """Return what a group holds under one name, links followed as far as they may be."""
        import h5py

        if not self.is_group:
            return None
        at = Node(self.file, f"{self.name.rstrip('/')}/{part}", None, self.tree)
        key = part.encode("utf-8", "surrogateescape")
        with at._told():
            if not self.item.id.links.exists(key):
                return None
            kind = self.item.id.links.get_info(key).type
            if kind == h5py.h5l.TYPE_HARD:
                return Node(self.file, at.name, self.item[part], self.tree)
            target = self.item.id.links.get_val(key)
        if hops == 0:
            raise at.error("a link to a dataset or a group", f"more than {MOST_LINKS} links, or a circle of them")
        if kind == h5py.h5l.TYPE_SOFT:
            root, path = self, os.fsdecode(target)
        elif kind == h5py.h5l.TYPE_EXTERNAL:
            root, path = self.tree.linked(at, os.fsdecode(target[0])), os.fsdecode(target[1])
        else:
            raise at.error("a link that HDF5 itself defines", "one of another kind")
        found = root._found(path, hops - 1)
        if found is None:
            raise at.error("a link to a dataset or a group", f"a link to {printable(path)}, which is not there")
        return found

    def _told(self) -> AbstractContextManager[None]:
        return _told(self.file, printable(self.name))


def content(root: Node, most: int = 6) -> str:
    """Return what a file holds in a few words: its first groups and datasets."""
    found: list[str] = []
    waiting = [(root, 0)]
    while waiting and len(found) <= most:
        group, depth = waiting.pop(0)
        for _, child in group.children():
            found.append(_described(child))
            if child.is_group and depth < _DEPTH:
                waiting.append((child, depth + 1))
    more = ", ..." if len(found) > most else ""
    return ", ".join(found[:most]) + more if found else "nothing that can be reached"


def scalars(node: Node, *, passing_over: Sequence[str] = (), broken: list[str] | None = None) -> dict[str, str | float]:
    """Return the texts and numbers below a group as ``{dotted path: value}``, groups of some NeXus classes left out.

    Long texts are left out too, and what lies more than three groups deep; what cannot be read is told in ``broken``.
    """
    found: dict[str, str | float] = {}
    waiting, seen = [(node, "", 0)], {node.identity()}
    while waiting and len(found) < _MOST_FIELDS:
        group, above, depth = waiting.pop(0)
        for name, child in group.children(broken):
            if not child.is_group:
                if (value := _scalar(child, broken)) is not None and len(str(value)) <= _LONGEST:
                    found[printable(f"{above}{name}")] = value
            elif depth < _DEPTH and child.identity() not in seen and child.attribute("NX_class") not in passing_over:
                seen.add(child.identity())
                waiting.append((child, f"{above}{name}.", depth + 1))
    return found


def _scalar(node: Node, broken: list[str] | None) -> str | float | None:
    try:
        return node.scalar()
    except FileError as error:
        if broken is not None:
            broken.append(str(error))
        return None


def _described(node: Node) -> str:
    name = printable(node.name)
    if node.is_group:
        kind = node.attribute("NX_class")
        return f"{name} ({kind})" if isinstance(kind, str) else name
    return f"{name} {node.shape}"


def _plain(value: Any) -> str | float | list[str] | None:
    """Return a value as text, number or list of texts."""
    array = np.asarray(value)
    if array.dtype.kind in "SOU":
        texts = [item.decode("utf-8", "backslashreplace") if isinstance(item, bytes) else item for item in array.flat]
        if not all(isinstance(text, str) for text in texts):
            return None
        return printable(texts[0]) if array.size == 1 else [printable(text) for text in texts]
    return float(array.flat[0]) if array.size == 1 and array.dtype.kind in _NUMBERS else None


@contextmanager
def _told(file: Path, place: str) -> Iterator[None]:
    """Say in a line what HDF5 has against a file; for a broken one it raises nearly every kind of error."""
    try:
        yield
    except OperandoError:
        raise
    except Exception as error:
        said = str(error).partition("(")[2].rpartition(")")[0] or str(error) or type(error).__name__
        locked = "unable to lock" in said or "already open for write" in said
        remedy = "wait until it is written" if locked else "copy it again if its end was lost"
        raise FileError(file, "a sound HDF5 file", printable(said), place=place, remedy=remedy) from None
