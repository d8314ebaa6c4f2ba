"""Lazy arrays one after another along a new first dim, so that a part of the whole still costs that part alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import dask.array as da
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StackedRows:
    """Arrays in files, all of one shape and type, as one with a dim more: an array for dask."""

    rows: tuple[Any, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows, and their shape."""
        return (len(self.rows), *self.rows[0].shape)

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def __getitem__(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Return a part; of each row no more is read."""
        first, *rest = key
        if isinstance(first, int | np.integer):
            return np.asarray(self.rows[int(first)][tuple(rest)])
        numbers = range(len(self.rows))[first] if isinstance(first, slice) else first
        return np.stack([np.asarray(self.rows[int(number)][tuple(rest)]) for number in numbers])


def stacked_rows(rows: Sequence[Any]) -> da.Array:
    """Return arrays along a new first axis, lazily.

    Where each is lazy and merely read (:func:`dask.array.from_array`), so is the whole. :func:`dask.array.stack` gives
    each a dim more first, behind which dask reads whole chunks for the smallest part.
    """
    import dask.array as da

    origins = [origin_of(row) for row in rows]
    alike = {(getattr(row, "chunks", None), np.dtype(row.dtype)) for row in rows}
    if any(origin is None for origin in origins) or len(alike) != 1:
        return da.stack(rows)  # type: ignore[no-untyped-call,no-any-return]
    whole = StackedRows(tuple(origins), np.dtype(rows[0].dtype))
    chunks, meta = ((1,) * len(rows), *rows[0].chunks), np.empty((0,) * whole.ndim, whole.dtype)
    return da.from_array(whole, chunks=chunks, name=False, meta=meta)  # type: ignore[no-untyped-call,no-any-return]


def origin_of(row: Any) -> Any:
    """Return the array in a file that a lazy one merely reads; None if more is done, or it is not lazy."""
    layers = getattr(getattr(row, "dask", None), "layers", {})
    key = f"original-{row.name}" if hasattr(row, "name") else ""
    if set(layers) != {getattr(row, "name", None), key}:
        return None
    found = layers[key][key]
    origin = getattr(found, "value", found)
    return origin if getattr(origin, "shape", None) == row.shape and origin.dtype == row.dtype else None
