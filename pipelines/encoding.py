"""How variables are laid down in Zarr: times, text, fill values, chunks; no file is touched here."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from operando.errors import StoreError
from operando.store import SCAN

TIME_UNITS = "nanoseconds since 1970-01-01"
NAT = int(np.iinfo("int64").min)
CHUNK_BYTES = 2**20
IMAGE_CHUNK_BYTES = 2**23
MOST_SCANS = 256
IMAGE_DIMS = ("z", "y", "x")
TEXT_BYTES = 64
TEXT = np.dtypes.StringDType()
NUMBERS = frozenset({"bool", "float16", "float32", "float64", "complex64", "complex128"}) | frozenset(
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
)


@dataclass(frozen=True)
class Stored:
    """A variable as it is stored: plain numbers or text, dims with ``scan`` first, JSON attributes."""

    dims: tuple[str, ...]
    data: Any
    attributes: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dims."""
        return tuple(self.data.shape)

    @property
    def grows(self) -> bool:
        """Whether it has a row for every scan."""
        return self.dims[:1] == (SCAN,)

    @property
    def kind(self) -> str:
        """The data type as Zarr names it."""
        return "string" if self.data.dtype == TEXT else str(self.data.dtype.name)

    @property
    def row_bytes(self) -> int:
        """Bytes of one scan."""
        size = TEXT_BYTES if self.kind == "string" else self.data.dtype.itemsize
        return max(1, math.prod(self.shape[self.grows :]) * size)

    @property
    def fill(self) -> Any:
        """What stands for a missing value: NaN, NaT or empty text; 0 and false say nothing."""
        if self.kind == "string":
            return ""
        if "_FillValue" in self.attributes:
            return NAT
        return np.nan if self.data.dtype.kind in "fc" else np.zeros((), self.data.dtype)[()]


def encode(ds: xr.Dataset, where: str) -> dict[str, Stored]:
    """Return the variables of ``ds`` as they are stored.

    Times become int64 nanoseconds since 1970 (NaT its smallest number), text becomes variable-length
    strings, numbers keep their type; times and text are computed, numbers may stay lazy.

    Raises
    ------
    StoreError
        For what no store can hold; ``where`` names the place in it.
    """
    return {_name(name, where): _encoded(ds[name].variable, f"{where}/{name}") for name in ds.variables}


def node_attributes(ds: xr.Dataset, where: str) -> dict[str, Any]:
    """Return the attributes of a node, with the names of its coordinates as CF puts them."""
    names = [_name(name, where) for name in ds.coords if name not in ds.dims]
    spaced = [name for name in names if " " in name]
    if spaced:
        raise mismatch(where, "names of coordinates without spaces", repr(spaced[0]), "rename it")
    attributes = plain_attributes(ds.attrs, where)
    return {**attributes, "coordinates": " ".join(names)} if names else attributes


def plain_attributes(attributes: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """Return attributes as JSON holds them.

    Raises
    ------
    StoreError
        For NaN, infinity, times and other values that JSON has no word for.
    """
    plain = {str(key): _plain(value) for key, value in attributes.items()}
    for key, value in plain.items():
        if key in ("coordinates", "_FillValue"):
            raise mismatch(where, "attributes of your own", repr(key), "the store sets this one itself")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise mismatch(
                f"{where}, attribute {key!r}", "text, finite numbers or lists of them", repr(value), "leave it out"
            ) from None
    return plain


def mismatch(where: str, expected: str, got: str, remedy: str) -> StoreError:
    """Return the one-line error of something that does not fit the store."""
    return StoreError(" ".join(f"{where}: expected {expected}, got {got}; {remedy}".split()))


def chunk_shapes(variables: Mapping[str, Stored]) -> dict[str, tuple[int, ...]]:
    """Return the chunks of a new node's arrays.

    All spectra and numbers of a node share one number of scans per chunk, so that the largest of them
    makes chunks of about 1 MiB, at most 256 scans; other dims are whole. Images are cut along ``z, y, x``
    into squares or cubes of at most 8 MiB, volumes one scan at a time.
    """
    flat = [var.row_bytes for var in variables.values() if var.grows and not _is_image(var)]
    scans = _scans_per_chunk(max(flat, default=1))
    return {name: _chunk_shape(var, scans) for name, var in variables.items()}


def array_metadata(var: Stored, chunks: tuple[int, ...], generation: str) -> dict[str, Any]:
    """Return the Zarr v3 metadata of a new array as JSON; ``generation`` sets the names of its chunk files."""
    document: dict[str, Any] = {}
    zarr.create_array(
        document,
        shape=var.shape,
        dtype=var.data.dtype,
        chunks=chunks,
        fill_value=var.fill,
        compressors=BloscCodec(cname="zstd", clevel=1, shuffle="noshuffle" if var.kind == "string" else "bitshuffle"),
        dimension_names=var.dims,
        attributes=var.attributes,
        chunk_key_encoding={"name": generation, "separator": "/"},
    )
    metadata: dict[str, Any] = json.loads(document["zarr.json"].to_bytes())
    return metadata


def aligned(data: da.Array, start: int, chunks: tuple[int, ...]) -> da.Array:
    """Return ``data`` cut so that no two tasks write one chunk, when its first row becomes row ``start``."""
    starts = (start, *(0 for _ in data.shape[1:])) if data.shape else ()
    cut: da.Array = data.rechunk(  # type: ignore[no-untyped-call]
        tuple(_cuts(*axis) for axis in zip(data.shape, chunks, starts, strict=True))
    )
    return cut


def _cuts(size: int, chunk: int, start: int) -> tuple[int, ...]:
    edges = [start, *range((start // chunk + 1) * chunk, start + size, chunk), start + size]
    return tuple(int(cut) for cut in np.diff(edges))


def _name(name: Hashable, where: str) -> str:
    if not isinstance(name, str) or not name or "/" in name or name.startswith((".", "__")) or name == "zarr.json":
        raise mismatch(where, "a variable name without '/' or a leading dot", repr(name), "rename it")
    return name


def _encoded(variable: xr.Variable, where: str) -> Stored:
    attributes = plain_attributes(variable.attrs, where)
    if SCAN in variable.dims:
        variable = variable.transpose(SCAN, ...)
    dims = tuple(str(dim) for dim in variable.dims)
    kind = variable.dtype.kind
    if kind == "M":
        if "units" in attributes or "calendar" in attributes:
            raise mismatch(where, "a time without units or calendar", "a time with them", "remove these attributes")
        attributes |= {"units": TIME_UNITS, "calendar": "proleptic_gregorian", "_FillValue": NAT}
        return Stored(dims, variable.to_numpy().astype("datetime64[ns]").astype("int64"), attributes)
    if kind in "TOU":
        return Stored(dims, _text(variable.to_numpy(), where), attributes)
    if variable.dtype.name not in NUMBERS:
        raise mismatch(where, "numbers, times or text", f"dtype {variable.dtype}", "convert it")
    native = variable.dtype.newbyteorder("=")
    data = variable.to_numpy() if variable.chunks is None else variable.data
    return Stored(dims, data.astype(native, copy=False), attributes)


def _text(values: np.ndarray, where: str) -> np.ndarray:
    objects = values.astype(object)
    foreign = [value for value in objects.flat if not isinstance(value, str)]
    if foreign:
        raise mismatch(where, "text", repr(foreign[0]), "convert it to text")
    return objects.astype(TEXT)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return (
        _plain(value.tolist()) if isinstance(value, np.ndarray | np.generic) and value.dtype.kind not in "mM" else value
    )


def _is_image(var: Stored) -> bool:
    return sum(dim in IMAGE_DIMS for dim in var.dims) >= 2


def _scans_per_chunk(row_bytes: int) -> int:
    """Return a power of two, so that the chunks of different nodes nest."""
    return min(MOST_SCANS, _power_of_two(CHUNK_BYTES // row_bytes))


def _chunk_shape(var: Stored, scans: int) -> tuple[int, ...]:
    sizes = dict(zip(var.dims, var.shape, strict=True))
    sizes.pop(SCAN, None)
    itemsize = TEXT_BYTES if var.kind == "string" else var.data.dtype.itemsize
    images = [dim for dim in sizes if dim in IMAGE_DIMS] if _is_image(var) else []
    for cut in (images, list(sizes)):
        _cut(sizes, cut, IMAGE_CHUNK_BYTES // itemsize)
    if images:
        scans = 1 if len(images) == 3 else _scans_per_chunk(math.prod(sizes.values()) * itemsize)
    shape = tuple(max(1, size) for size in sizes.values())
    return (scans, *shape) if var.grows else shape


def _cut(sizes: dict[str, int], dims: list[str], most: int) -> None:
    """Halve the longest of ``dims``, from a power of two down, until the product of ``sizes`` fits."""
    while dims and math.prod(sizes.values()) > most and max(sizes[dim] for dim in dims) > 1:
        longest = max(dims, key=lambda dim: sizes[dim])
        sizes[longest] = _power_of_two(sizes[longest] - 1)


def _power_of_two(most: int) -> int:
    """Return the largest power of two up to ``most``, at least 1."""
    return 1 << max(0, most.bit_length() - 1)
