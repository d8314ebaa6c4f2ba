"""A series of a store: its scans and when they were measured; nothing is read before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr

import operando
from operando.plot import experiment_zone


@dataclass(frozen=True)
class StoredSeries:
    """A series of a store.

    Parameters
    ----------
    store
        The folder of the store.
    node
        Such as ``xps/electrolyte``.
    """

    store: Path
    node: str

    @classmethod
    def within(cls, tree: xr.DataTree, store: Path, node: str) -> Self:
        """Return a series of a store that is open, so that it need not be opened again."""
        found = cls(store, node)
        vars(found)["tree"] = tree
        return found

    @property
    def title(self) -> str:
        """What it is called in a choice."""
        return f"{self.node} ({self.store.name})"

    @cached_property
    def tree(self) -> xr.DataTree:
        """The store."""
        return operando.open(self.store)

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which times are shown."""
        return experiment_zone(self.tree)

    @cached_property
    def raw(self) -> xr.Dataset:
        """The scans as measured, lazily."""
        return self.tree[f"{self.node}/raw"].to_dataset()

    @property
    def scans(self) -> int:
        """How many scans there are."""
        return int(self.raw.sizes["scan"])

    @cached_property
    def times(self) -> Any:
        """When each scan was measured."""
        return self.raw["time"].to_numpy()


def nearest(times: Any, time: np.datetime64) -> int | None:
    """Return the scan that is nearest to a time; None where no time is known."""
    known = np.flatnonzero(~np.isnat(times))
    if not known.size or np.isnat(time):
        return None
    return int(known[np.abs(times[known] - time).argmin()])
