"""Open a store and look into it: its root document says what is committed, nothing else does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr
import zarr
from numcodecs import Blosc

from .errors import StoreError, one_line
from .schema import CELL, ECHEM, ONSETS, SCHEMA_VERSION, SERIES, Layout, problems

ROOT_DOCUMENT = "zarr.json"
SCAN = "scan"
_MOST_TEXTS = 2**28
"""Bytes that the texts of a chunk may take."""


@dataclass(frozen=True)
class Root:
    """The root document of a store: its attributes and the metadata of every published group and array.

    ``metadata`` maps the path below the root (``"xas/Ni_K/raw/mu"``) to the Zarr v3 metadata, as JSON.
    """

    path: Path
    attributes: dict[str, Any]
    metadata: dict[str, dict[str, Any]]

    @property
    def version(self) -> int:
        """The version of the schema that the store was written by."""
        return _version(self.attributes["schema_version"])

    def arrays(self, node: str) -> dict[str, dict[str, Any]]:
        """Return ``{variable: metadata}`` of the arrays right below ``node``."""
        return {
            key.rpartition("/")[2]: value
            for key, value in self.metadata.items()
            if value["node_type"] == "array" and key.rpartition("/")[0] == node
        }

    def committed(self) -> dict[str, int]:
        """Return ``{node: number of scans}`` of the nodes that hold variables; 0 without a ``scan``."""
        scans: dict[str, int] = {}
        for key, value in self.metadata.items():
            if value["node_type"] == "array":
                node = key.rpartition("/")[0]
                scans[node] = max(scans.get(node, 0), _scans(value))
        return scans

    def text(self) -> str:
        """Return the document as Zarr reads it."""
        metadata = dict(sorted(self.metadata.items(), key=lambda item: _place(item[0])))
        consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
        document = {
            "attributes": self.attributes,
            "zarr_format": 3,
            "consolidated_metadata": consolidated,
            "node_type": "group",
        }
        return json.dumps(document, ensure_ascii=False, allow_nan=False)


def _version(text: object) -> int:
    """Return the number of a version; raise where it is none."""
    if not (isinstance(text, str) and text.isascii() and text.isdecimal()) and type(text) is not int:
        raise ValueError(text)
    return int(text)


def _place(key: str) -> tuple[int, str, str]:
    """Return what sorts keys as Zarr reads them: by depth, the children of one group side by side."""
    return key.count("/"), key.rpartition("/")[0], key.casefold()


def open(path: str | PathLike[str]) -> xr.DataTree:
    """Open a store; nothing is read but its root document until values are asked for.

    Parameters
    ----------
    path
        The folder of the store, such as ``"cell4.zarr"``.

    Returns
    -------
    xr.DataTree
        The committed state, with its dims (``scan``, ``time``, ``energy`` ...), units and flags, every variable a dask
        array in the chunks of the store. Appends never disturb it; open again to see them, and after a node that it
        reads has been replaced.

    Raises
    ------
    StoreError
        If there is no such folder, it is no store, it is of another version of the schema, or its times are damaged
        (xarray looks at the first and last of them).
    """
    root = read_root(path)
    try:
        _require_labels(root)
        return xr.open_datatree(root.path, engine="zarr", chunks={}, consolidated=True)
    except Exception as error:
        raise StoreError(
            f"{root.path}: expected a whole store, got a damaged one ({_first_line(error)}); "
            "name the damage with operando.store.verify(path, data=True)"
        ) from error


def _require_labels(root: Root) -> None:
    """Refuse damaged labels of a dim: they are read when a store is opened.

    Raises
    ------
    ValueError
        Naming the array.
    """
    for key, array in root.metadata.items():
        if _is_text(array) and dims_of(array) == (key.rpartition("/")[2],):
            # Files of other names are being written.
            for chunk in (one for one in (root.path / key / "c").glob("*") if one.name.isdecimal()):
                try:
                    _require_texts(chunk)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None


def _is_text(array: Mapping[str, Any]) -> bool:
    return [codec.get("name") for codec in array.get("codecs", ())] == ["vlen-utf8", "blosc"]


def _require_texts(chunk: Path) -> None:
    """Refuse a chunk that states more texts than it holds: room is made for all before the first is read.

    Raises
    ------
    ValueError
        Saying how many are stated.
    """
    packed = chunk.read_bytes()
    size = int.from_bytes(packed[4:8], "little")
    if size > _MOST_TEXTS:
        raise ValueError(f"expected at most {_MOST_TEXTS >> 20} MiB of texts, got {size >> 20}")
    count = int.from_bytes(Blosc().decode(packed)[:4], "little")
    if 4 * count > size:
        raise ValueError(f"{count} texts stated, more than there are")


def read_root(path: str | PathLike[str], *, older: bool = False) -> Root:
    """Return the root document of a store.

    Parameters
    ----------
    path
        The folder of the store.
    older
        Whether one of an older version will do, as for who brings it up to date.

    Raises
    ------
    StoreError
        If there is no such folder, it is no store, or it is of another version of the schema.
    """
    folder = Path(path)
    try:
        if (folder / ROOT_DOCUMENT).exists() and not (folder / ROOT_DOCUMENT).is_file():
            raise FileNotFoundError
        document = json.loads((folder / ROOT_DOCUMENT).read_bytes())
        attributes, metadata = document["attributes"], document["consolidated_metadata"]["metadata"]
        version = _version(attributes["schema_version"])
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{folder}: expected a store, got {_what_is_there(folder)}; check the path") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise StoreError(
            f"{folder}: expected a store that operando wrote, got a {ROOT_DOCUMENT} without schema_version or "
            "consolidated metadata; open it with xarray instead"
        ) from None
    except OSError as error:
        raise StoreError(f"{folder}: expected a store, got {error.strerror}; check the path") from None
    if version > int(SCHEMA_VERSION):
        raise StoreError(
            f"{folder}: expected schema version {SCHEMA_VERSION} or older, got {version}; update operando to read it"
        )
    if version < int(SCHEMA_VERSION) and not older:
        raise StoreError(
            f"{folder}: expected schema version {SCHEMA_VERSION}, got {version}; run its recipe again, "
            "which brings the store up to date"
        )
    return Root(folder, attributes, metadata)


def series_nodes(tree: xr.DataTree) -> list[str]:
    """Return the paths of the nodes that hold a series (a ``scan`` dimension), such as ``"xas/Ni_K/raw"``."""
    return [node.path.strip("/") for node in tree.leaves if SCAN in node.dataset.dims]


def dims_of(array: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the dims that an array's metadata names; scalars name none."""
    return tuple(array.get("dimension_names") or ())


def verify(path: str | PathLike[str], *, data: bool = False) -> list[str]:
    """Return what is wrong with a store as plain sentences; empty if all is well.

    Parameters
    ----------
    path
        The folder of the store.
    data
        Also read every chunk of the committed state, which takes as long as reading all the data.

    Returns
    -------
    list of str
        One sentence a damage; empty if there is none.

    Raises
    ------
    StoreError
        If there is no such folder, it is no store, or it is of another version of the schema.
    """
    root = read_root(path)
    found: list[str] = []
    if data:
        try:
            group = zarr.open_group(root.path, mode="r", use_consolidated=True)
        # Damaged metadata end in many kinds of errors.
        except Exception as error:
            return [f"zarr.json: {_first_line(error)}"]
        for key, value in root.metadata.items():
            if value["node_type"] == "array":
                found += _chunk_problems(root.path, key, group[key], text=_is_text(value))
    try:
        tree = open(path)
    except StoreError as error:
        return [*found, str(error)]
    return found + [f"{node}: {text}" for node in root.committed() for text in _layout_problems(tree, node)]


def _layout_problems(tree: xr.DataTree, node: str) -> list[str]:
    ds = tree[node].to_dataset()
    fixed = {"echem": ECHEM, "cell": CELL, "onsets": ONSETS}.get(node)
    if fixed is not None:
        return problems(ds, fixed)
    return problems(ds, Layout("series", "scans", SERIES)) if SCAN in ds.dims else []


def _chunk_problems(folder: Path, key: str, array: Any, *, text: bool) -> Iterator[str]:
    sizes = [range(-(-size // chunk)) for size, chunk in zip(array.shape, array.chunks, strict=True)]
    for index in product(*sizes):
        name = f"{key}/{array.metadata.encode_chunk_key(index)}"
        where = tuple(
            slice(i * chunk, min((i + 1) * chunk, size))
            for i, chunk, size in zip(index, array.chunks, array.shape, strict=True)
        )
        if not (folder / name).is_file():
            yield f"{name}: this chunk is missing; remove the node and run again"
            continue
        try:
            if text:
                _require_texts(folder / name)
            array[where]
        except Exception as error:
            yield f"{name}: this chunk cannot be read ({_first_line(error)}); remove the node and run again"


def _first_line(error: Exception) -> str:
    return one_line((str(error).strip().splitlines() or [type(error).__name__])[0])


def _scans(array: dict[str, Any]) -> int:
    return int(array["shape"][0]) if dims_of(array)[:1] == (SCAN,) else 0


def _what_is_there(folder: Path) -> str:
    if folder.is_dir():
        return f"a folder without {ROOT_DOCUMENT}"
    return "a file" if folder.exists() else "nothing there"
