"""The one writer of a store: every change becomes visible at once, and a killed run spoils nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from zarr.core.metadata import ArrayV3Metadata
from zarr.core.sync import sync
from zarr.storage import LocalStore, StorePath

from operando.errors import StoreError
from operando.history import software_version
from operando.schema import SCHEMA_VERSION
from operando.store import SCAN, Root, dims_of, read_root

from .batch import check_equal, check_fits, filled, slug
from .commit import clean, create, drop_chunks, free_generation, one_line_errors, publish, sync_folder, write_documents
from .encoding import (
    Stored,
    aligned,
    array_metadata,
    chunk_shapes,
    encode,
    mismatch,
    node_attributes,
    plain_attributes,
)
from .lock import Lock
from .migrations import migrated
from .row_chunks import RowChunks, are_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EMPTY_GROUP: dict[str, Any] = {
    "attributes": {},
    "zarr_format": 3,
    "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}},
    "node_type": "group",
}


@dataclass
class _Change:
    """A next state of the store and the rows to write before it may be published."""

    root: Root
    rows: list[tuple[str, Stored, int]] = field(default_factory=list)


class Writer:
    """The only way to change a store; holds its lock from entering to leaving the context.

    The root document with its consolidated metadata says what is committed. Chunks are written first, each
    renamed into place whole, where no published state looks; then the document is replaced. So every plain
    reader (``xr.open_datatree(path, engine="zarr")``) sees a whole state, killed runs included, and the next
    writer goes on from there. Not promised: readers with ``consolidated=False``; a dataset opened lazily
    before one of its nodes was replaced, once that node is replaced again or another writer starts; the
    last commits before a power failure, since chunks are not fsynced.

    Parameters
    ----------
    path
        The folder of the store; created if there is none.
    attrs
        Attributes of a new store; an existing one keeps its own (see :meth:`set_attrs`).

    Raises
    ------
    StoreError
        On entering: another run holds the lock, the folder is no store, it is of a version of the schema that
        cannot be brought up to date, or it cannot be written. Every method raises it with the last committed
        state kept.
    """

    def __init__(self, path: str | PathLike[str], attrs: Mapping[str, Any] | None = None) -> None:
        self.path = Path(path)
        self._attrs = dict(attrs or {})
        self._folder = self.path.resolve()
        self._lock = Lock(self._folder)
        self._entered: Root | None = None
        self._behind: set[str] = set()
        self._rows = RowChunks()
        self._same: dict[str, NDArray[Any]] = {}
        self.commits = 0
        """How many states it has published."""

    def __enter__(self) -> Writer:
        """Take the lock, create or open the store, clear what a killed run has left."""
        self._lock.__enter__()
        try:
            with one_line_errors(self.path):
                self._entered = self._opened()
                clean(self._entered)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Bring the copies of the metadata in step and give the lock back."""
        if self._entered is not None:
            # They can be made again from the root document, which the next writer does.
            with suppress(OSError):
                write_documents(self._entered, self._behind & self._entered.metadata.keys())
        self._entered, self._behind = None, set()
        self._lock.__exit__(kind, error, trace)

    @property
    def _root(self) -> Root:
        if self._entered is None:
            raise StoreError(f"{self.path}: this writer is closed; use it as 'with Writer(path) as store:'")
        return self._entered

    def committed(self) -> dict[str, int]:
        """Return ``{node: committed number of scans}``; 0 for nodes without a ``scan`` dimension."""
        return self._root.committed()

    def attrs(self) -> dict[str, Any]:
        """Return the attributes of the store."""
        return dict(self._root.attributes)

    def node_attrs(self, node: str) -> dict[str, Any]:
        """Return the attributes of a node, as :meth:`dataset` has them."""
        known = self._root.metadata[self._published(node)]["attributes"]
        return {name: value for name, value in known.items() if name != "coordinates"}

    def variables(self, node: str) -> set[str]:
        """Return the names of a node's variables; none if it is not there."""
        return set(self._root.arrays(node))

    def dataset(self, node: str, *, chunked: bool = True) -> xr.Dataset:
        """Return the committed state of one node, lazily; what is not ``chunked`` is read at once when asked for."""
        group = self._published(node)
        chunks: dict[str, int] | None = {} if chunked else None
        ds: xr.Dataset = xr.open_zarr(self._root.path, group=group, consolidated=True, chunks=chunks)
        return ds

    def append(self, datasets: Mapping[str, xr.Dataset]) -> None:
        """Add scans to several nodes in one commit, all by the same number; nodes that are new are created.

        Along ``scan`` the values are added, in any order of dims; everything else (energies, scalars) must
        equal what is stored, exactly. A floating-point, time or text variable that a later batch lacks is
        filled with NaN, NaT or empty text. Attributes of a dataset update those of its node, attributes of
        a variable are those of its first batch.

        Raises
        ------
        StoreError
            If a dataset does not fit its node: new variables, or other dtypes, units, dims or energies.
        """
        added = {slug(node, str(self.path)): ds for node, ds in datasets.items()}
        lengths = {node: ds.sizes.get(SCAN) for node, ds in added.items()}
        if None in lengths.values() or len(set(lengths.values())) > 1:
            raise mismatch(str(self.path), "datasets with equally many scans", str(lengths), "use replace() otherwise")
        change = _Change(self._root)
        for node, ds in added.items():
            if node in self.committed():
                self._grow(change, node, ds)
            else:
                self._add(change, node, ds)
        self._commit(change)

    def replace(self, datasets: Mapping[str, xr.Dataset]) -> None:
        """Replace whole nodes (or create them), several in one commit.

        The new chunks are written beside the old ones, under the other of Zarr's two key encodings, so that
        the replaced state stays readable until the commit, and after it for those who have it open.
        """
        change = _Change(self._root)
        for name, ds in datasets.items():
            node = slug(name, str(self.path))
            change.root = _without(change.root, node)
            self._add(change, node, ds)
        self._commit(change)

    def update(self, datasets: Mapping[str, xr.Dataset]) -> None:
        """Replace variables of nodes, all rows of them, and add or change attributes of the nodes, in one commit.

        The new chunks are written beside the old ones as by :meth:`replace`; all other variables stay.

        Raises
        ------
        StoreError
            If a node has no such variable, or one of another shape, dtype or unit.
        """
        change = _Change(self._root)
        for name, ds in datasets.items():
            node = self._published(name)
            change.root = _with_attributes(change.root, node, plain_attributes(ds.attrs, self._where(node)))
            self._exchange(change, node, encode(ds, self._where(node)))
        self._commit(change)

    def remove(self, nodes: Iterable[str]) -> None:
        """Withdraw nodes in one commit; their files go when the next writer starts."""
        root = self._root
        for node in nodes:
            root = _without(root, self._published(node))
        self._commit(_Change(root))

    def set_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Add or change attributes of the store."""
        plain = plain_attributes(attrs, str(self.path))
        self._commit(_Change(replace(self._root, attributes={**self._root.attributes, **plain})))

    def set_node_attrs(self, node: str, attrs: Mapping[str, Any]) -> None:
        """Add or change attributes of a node."""
        key = self._published(node)
        self._commit(_Change(_with_attributes(self._root, key, plain_attributes(attrs, self._where(key)))))

    def _opened(self) -> Root:
        if not self._folder.exists() or (self._folder.is_dir() and not any(self._folder.iterdir())):
            created = datetime.now(UTC).isoformat(timespec="seconds")
            given = plain_attributes(self._attrs, str(self.path))
            own = {"schema_version": SCHEMA_VERSION, "created": created, "software": f"operando {software_version()}"}
            create(Root(self._folder, {**own, **given}, {}))
        return migrated(read_root(self._folder, older=True))

    def _where(self, node: str) -> str:
        return f"{self.path}, {node}"

    def _published(self, node: str) -> str:
        key = slug(node, str(self.path))
        if key not in self.committed():
            known = ", ".join(self.committed()) or "an empty store"
            raise mismatch(str(self.path), f"a node among {known}", repr(node), "check its name")
        return key

    def _add(self, change: _Change, node: str, ds: xr.Dataset) -> None:
        variables = encode(ds, self._where(node))
        if not variables:
            raise mismatch(self._where(node), "a dataset with variables", "none", "put attributes on the store instead")
        metadata = _with_groups(change.root.metadata, node, self._where(node))
        metadata[node] = {**_EMPTY_GROUP, "attributes": node_attributes(ds, self._where(node))}
        chunks = chunk_shapes(variables)
        for name, var in variables.items():
            key = f"{node}/{name}"
            metadata[key] = array_metadata(var, chunks[name], free_generation(self._root, key))
            change.rows.append((key, var, 0))
        change.root = replace(change.root, metadata=metadata)

    def _exchange(self, change: _Change, node: str, variables: Mapping[str, Stored]) -> None:
        arrays, metadata = self._root.arrays(node), dict(change.root.metadata)
        for name, given in variables.items():
            key, where = f"{node}/{name}", self._where(f"{node}/{name}")
            if name not in arrays:
                raise mismatch(where, f"a variable among {', '.join(arrays)}", repr(name), "replace the node")
            var = check_fits(given, arrays[name], where)
            if list(var.shape) != list(arrays[name]["shape"]):
                raise mismatch(where, f"the shape {arrays[name]['shape']}", f"{list(var.shape)}", "replace the node")
            encoding = {**arrays[name]["chunk_key_encoding"], "name": free_generation(self._root, key)}
            metadata[key] = {**arrays[name], "chunk_key_encoding": encoding, "attributes": var.attributes}
            change.rows.append((key, var, 0))
        change.root = replace(change.root, metadata=metadata)

    def _grow(self, change: _Change, node: str, ds: xr.Dataset) -> None:
        start, arrays = self.committed()[node], self._root.arrays(node)
        batch = encode(ds, self._where(node))
        new = sorted(batch.keys() - arrays.keys())
        if new:
            raise mismatch(
                self._where(node), f"the variables {', '.join(arrays)}", f"also {new[0]!r}", "replace the node"
            )
        attributes = plain_attributes(ds.attrs, self._where(node))
        change.root = _with_attributes(change.root, node, attributes)
        metadata = dict(change.root.metadata)
        for name, array in sorted(arrays.items(), key=lambda item: SCAN in dims_of(item[1])):
            key = f"{node}/{name}"
            var = batch.get(name) or filled(array, ds.sizes[SCAN], self._where(key))
            var = check_fits(var, array, self._where(key))
            if var.grows:
                metadata[key] = {**array, "shape": [start + var.shape[0], *array["shape"][1:]]}
                change.rows.append((key, var, start))
            else:
                check_equal(var, self._constant(key, array), self._where(key))
        change.root = replace(change.root, metadata=metadata)

    def _commit(self, change: _Change) -> None:
        """Write the rows, publish, then bring the copies of the metadata in step."""
        self._lock.require()
        root, before = change.root, self._root.metadata
        changed = [key for key, value in root.metadata.items() if before.get(key) != value]
        try:
            with one_line_errors(self.path):
                write_documents(root, [key for key in changed if key not in before])
                self._write(change)
                publish(root)
        except BaseException:
            self._rows.forget()
            raise
        self._entered, self.commits = root, self.commits + 1
        sync_folder(root.path)
        self._behind.update(changed)
        for key in changed:
            self._same.pop(key, None)

    def _write(self, change: _Change) -> None:
        lazy: list[tuple[da.Array, zarr.Array[Any], tuple[slice, ...]]] = []
        known: list[tuple[NDArray[Any], zarr.Array[Any], tuple[slice, ...]]] = []
        for key, var, start in change.rows:
            metadata = change.root.metadata[key]
            if start == 0:
                drop_chunks(self._root.path / key, metadata)
            if var.grows and are_plain(metadata) and not isinstance(var.data, da.Array):
                self._rows.write(self._root.path, key, metadata, start, var.data)
                continue
            self._rows.forget(key)
            array = self._array(key, metadata)
            region = tuple(slice(0, size) for size in var.shape)
            region = (slice(start, start + var.shape[0]), *region[1:]) if start else region
            if isinstance(var.data, da.Array):
                lazy.append((aligned(var.data, start, array.chunks), array, region))
            elif var.data.size:
                known.append((var.data, array, region))
        if known:
            sync(_written(known))
        if lazy:
            sources, targets, regions = map(list, zip(*lazy, strict=True))
            da.store(sources, targets, regions=regions, lock=False)

    def _constant(self, key: str, metadata: dict[str, Any]) -> NDArray[Any]:
        """Return an array that does not grow, which every batch is held against."""
        if key not in self._same:
            self._same[key] = np.asarray(self._array(key, metadata)[...])
        return self._same[key]

    def _array(self, key: str, metadata: dict[str, Any]) -> zarr.Array[Any]:
        """Return an array as ``metadata`` has it, whatever its own file says; empty chunks are written too."""
        path = StorePath(LocalStore(self._root.path), key)
        known = ArrayV3Metadata.from_dict(metadata)
        return zarr.Array(zarr.AsyncArray(known, path, config={"write_empty_chunks": True}))


async def _written(rows: Iterable[tuple[NDArray[Any], zarr.Array[Any], tuple[slice, ...]]]) -> None:
    """Write values into regions of arrays, side by side: a commit has many small ones.

    All are waited for, also when one fails, so that nothing is still being written once that is told.
    """
    writes = (array.async_array.setitem(region, values) for values, array, region in rows)
    for error in await asyncio.gather(*writes, return_exceptions=True):
        if error is not None:
            raise error


def _with_groups(metadata: Mapping[str, dict[str, Any]], node: str, where: str) -> dict[str, dict[str, Any]]:
    """Return ``metadata`` with the groups above ``node``; variables live on leaves only."""
    groups = dict(metadata)
    parts = node.split("/")
    parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    leaves = Root(Path(), {}, groups).committed()
    if node in groups or any(parent in leaves for parent in parents):
        raise mismatch(where, "a node with no variables above it and no nodes below it", repr(node), "rename it")
    for parent in parents:
        groups.setdefault(parent, _EMPTY_GROUP)
    return groups


def _without(root: Root, node: str) -> Root:
    """Return ``root`` without a node, its variables, and the groups that it alone had kept."""
    metadata = dict(root.metadata)
    for name in root.arrays(node):
        del metadata[f"{node}/{name}"]
    while node and not any(key.startswith(f"{node}/") for key in metadata):
        metadata.pop(node, None)
        node = node.rpartition("/")[0]
    return replace(root, metadata=metadata)


def _with_attributes(root: Root, node: str, attributes: Mapping[str, Any]) -> Root:
    group = root.metadata[node]
    changed = {**group, "attributes": {**group["attributes"], **attributes}}
    return replace(root, metadata={**root.metadata, node: changed})
