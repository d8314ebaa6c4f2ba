"""Sums over tall stacks of spectra, block by block: the same whatever the chunks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

# Dask's functions have no types, so its module is taken as it is.
da: Any = import_module("dask.array")
Floats = NDArray[np.float64]
_ROWS = 4096
_POWER_ITERATIONS, _SEED = 4, 0


@dataclass(frozen=True)
class Prepared:
    """How spectra are changed before they are taken apart."""

    mean: Floats
    weight: Floats
    scaled: bool

    def __call__(self, rows: Floats) -> Floats:
        """Return rows without the mean, on the scale asked for, weighted along the energies."""
        rows = rows - self.mean
        if self.scaled:
            rows = rows - rows.mean(axis=-1, keepdims=True)
            spread = rows.std(axis=-1, keepdims=True)
            rows = rows / np.where(spread > 0, spread, 1.0)
        return np.asarray(rows * self.weight)


@dataclass(frozen=True)
class Blocks:
    """All spectra as rows, in blocks of a size that no chunk decides, with the weight of each."""

    rows: Any
    weight: Any

    @classmethod
    def of(cls, mu: xr.DataArray, weight: Floats) -> Blocks:
        """Return the blocks of spectra whose last dim is the energy."""
        points = mu.shape[-1]
        data = mu.data if mu.chunks else da.from_array(mu.to_numpy().reshape(-1, points), chunks=(_ROWS, points))
        rows = data.reshape(-1, points).rechunk((_ROWS, points)).astype(np.float64)
        return cls(rows, da.from_array(weight.reshape(-1, 1), chunks=(_ROWS, 1)))

    def moments(self) -> tuple[int, Floats]:
        """Return how many rows are whole, and their weighted mean."""
        count, weight, *sums = self._summed(_totals, (self.rows.shape[1] + 2,))
        return int(count), np.array(sums) / weight if count else np.full(len(sums), np.nan)

    def products(self, prepared: Prepared) -> Floats:
        """Return the energy-by-energy sums of products over all whole rows."""
        points = self.rows.shape[1]
        return self._summed(_products, (points, points), prepared)

    def whole(self, prepared: Prepared) -> Floats:
        """Return the whole rows, prepared and weighted, in memory."""
        rows = self._changed(prepared).compute()
        return np.asarray(rows[rows.any(axis=1)])

    def randomized(self, prepared: Prepared, count: int) -> tuple[Floats, Floats, float]:
        """Return the largest singular values, their components, and the sum of all squares."""
        rows = self._changed(prepared)
        _, values, components = da.linalg.svd_compressed(
            rows, count, n_power_iter=_POWER_ITERATIONS, n_oversamples=10, seed=_SEED
        )
        values, components, squares = da.compute(values, components, (rows**2).sum())
        return values, components, float(squares)

    def _changed(self, prepared: Prepared) -> Any:
        """Return all rows, prepared and weighted; those that are not whole are zero."""
        return da.map_blocks(_changed, self.rows, self.weight, prepared, dtype=np.float64, chunks=self.rows.chunks)

    def _summed(self, block: Callable[..., Floats], shape: tuple[int, ...], *given: Any) -> Floats:
        """Return the sum over the blocks of what a function returns for each."""
        chunks = ((1,) * self.rows.numblocks[0], *((size,) for size in shape))
        new = list(range(2, 1 + len(shape)))
        parts = da.map_blocks(block, self.rows, self.weight, *given, dtype=np.float64, chunks=chunks, new_axis=new)
        return np.asarray(parts.sum(axis=0).compute())


def _changed(rows: Floats, weight: Floats, prepared: Prepared) -> Floats:
    whole = np.isfinite(rows).all(axis=1, keepdims=True)
    return np.where(whole, prepared(np.where(whole, rows, 0.0)) * weight, 0.0)


def _totals(rows: Floats, weight: Floats) -> Floats:
    whole = np.isfinite(rows).all(axis=1)
    squared = weight[whole] ** 2
    return np.concatenate([[whole.sum()], [squared.sum()], (squared * rows[whole]).sum(axis=0)])[None]


def _products(rows: Floats, weight: Floats, prepared: Prepared) -> Floats:
    changed = _changed(rows, weight, prepared)
    return (changed.T @ changed)[None]
