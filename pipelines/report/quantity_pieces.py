"""The numbers of spectra that the linked panels ask about: the energy of the edge, signal by signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operando.depth_profiles import SPOILED
from operando.errors import OperandoError
from operando.quantities import quantity

from .series import Series, slices, spectra_series

if TYPE_CHECKING:
    import xarray as xr

_ASKED = {"edge_energy": "edge energy"}
_FEWEST = 10


@dataclass(frozen=True)
class Piece:
    """One number of a series, of one signal, as a quantity."""

    series: Series
    name: str
    noun: str
    quantity: xr.Dataset


def pieces(tree: xr.DataTree) -> Iterator[Piece]:
    """Yield the numbers with at least ten scans that have a time and are not spoiled."""
    for series in spectra_series(tree):
        for variable, noun in _ASKED.items():
            if series.processed is None or variable not in series.processed or "time" not in series.processed.coords:
                continue
            for signal, ds in slices(series.processed, variable):
                try:
                    one = quantity(ds, variable, without=SPOILED)
                except OperandoError:
                    continue
                if one["value"].size >= _FEWEST:
                    yield Piece(series, f"{series.name}, {signal}" if signal else series.name, noun, one)
