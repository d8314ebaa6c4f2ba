"""Phases of one volume in memory as they are, and as they would be with a threshold moved either way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import HISTORY
from operando.tomo.phase_counts import MOVED

from .volumes import grey_of

Floats = NDArray[np.float64]
Numbers = Mapping[str, Floats]


@dataclass(frozen=True)
class Phases:
    """Labels of one volume in memory, 0 unknown, the thresholds that gave them, and the levels of the phases."""

    labels: xr.DataArray
    grey: xr.DataArray
    limits: Floats
    levels: Floats
    names: tuple[str, ...]

    def number(self, step: str, name: str) -> int:
        """Return the label of a phase.

        Raises
        ------
        OperandoError
            If there is no such phase.
        """
        if name not in self.names:
            raise OperandoError(f"{step}: expected a phase among {', '.join(self.names)}, got {name!r}")
        return self.names.index(name) + 1

    def moved(self, boundary: int, sign: int) -> Phases:
        """Return the phases with the threshold above the phase ``boundary`` (from 0) moved by 10 % of its contrast."""
        from operando import tomo

        limits = self.limits.copy()
        limits[boundary] += sign * MOVED * (self.levels[boundary + 1] - self.levels[boundary])
        labels = tomo.segment(self.grey, limits.tolist(), list(self.names)).compute().assign_attrs(self.labels.attrs)
        return Phases(labels, self.grey, limits, self.levels, self.names)


def phases_of_each(step: str, raw: xr.Dataset, processed: xr.Dataset) -> Iterator[Phases]:
    """Yield the phases of every volume, one at a time in memory.

    Raises
    ------
    OperandoError
        If phases were not told apart.
    """
    if "phase_label" not in processed:
        raise OperandoError(f"{step}: expected phases, got none; put the step 'segment' before it")
    names = tuple(map(str, processed["phase"].values))
    greys, limits = grey_of(step, raw, processed), processed["threshold"].transpose("scan", "boundary").to_numpy()
    for scan in range(greys.sizes["scan"]):
        one = processed["phase_label"].isel(scan=scan).compute()
        grey = greys.isel(scan=scan)
        labels = grey.copy(deep=False, data=one.data).assign_attrs({**one.attrs, HISTORY: processed.attrs[HISTORY]})
        if "grey_level" in processed:
            levels = processed["grey_level"].isel(scan=scan).to_numpy()
        else:
            levels = _means(grey, one, len(names))
        yield Phases(labels, grey, limits[scan], levels, names)


def systematic(phases: Phases, boundaries: list[int], measure: Callable[[Phases], Numbers]) -> Numbers:
    """Return half of what numbers change when a threshold moves from 10 % below to 10 % above, in quadrature.

    ``boundaries`` are those, from 0, whose thresholds matter: one is moved at a time. Where a number is infinite with
    all of them as they are found, what it changes is not a number.
    """
    squares: dict[str, Floats] = {}
    for boundary in boundaries:
        low, high = (measure(phases.moved(boundary, sign)) for sign in (-1, 1))
        for name in low:
            with np.errstate(invalid="ignore"):
                squares[name] = squares.get(name, np.zeros(())) + ((high[name] - low[name]) / 2) ** 2
    return {name: np.sqrt(one) for name, one in squares.items()}


def _means(grey: xr.DataArray, labels: xr.DataArray, phases: int) -> Floats:
    flat = labels.to_numpy().ravel()
    values = np.nan_to_num(grey.to_numpy().ravel().astype(np.float64))
    counts = np.bincount(flat, minlength=phases + 1)
    with np.errstate(invalid="ignore"):
        found: Floats = (np.bincount(flat, values, minlength=phases + 1) / counts)[1:]
    return np.where(np.isfinite(found), found, 0.0)
