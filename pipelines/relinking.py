"""Stored scans on an electrochemistry that has grown or changed: only what links them is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from operando.linking import CLOCK, link
from operando.schema import LINKED, RECORDED

if TYPE_CHECKING:
    from .electrochemistry import Electrochemistry

_TIMES = ("time_start", "time", "time_end")
_NAMES = (*_TIMES, "flag", *(var.name for var in (*LINKED, *RECORDED)))


def can_link_anew(stored: xr.Dataset, echem: Electrochemistry, clock: str | None) -> bool:
    """Return whether linking stored scans changes values alone: which coordinates they have does not change."""
    if "echem" not in echem.tables:
        return LINKED[-1].name not in stored.coords
    return set(_linked(stored, echem, clock).coords) == {name for name in _NAMES if name in stored.coords}


def linked_anew(stored: xr.Dataset, echem: Electrochemistry, clock: str | None) -> xr.Dataset:
    """Return the coordinates of stored scans that link them, and the attributes that tell of it.

    Results of steps that take scans one by one do not depend on them; those over all scans are made anew.
    """
    again = _linked(stored, echem, clock)
    attrs = {name: again.attrs.get(name, "") for name in ("history", CLOCK) if name in {*stored.attrs, *again.attrs}}
    return again.drop_attrs(deep=False).assign_attrs(attrs)


def _linked(stored: xr.Dataset, echem: Electrochemistry, clock: str | None) -> xr.Dataset:
    own = [name for name in (*_TIMES, "flag", *(var.name for var in RECORDED)) if name in stored.coords]
    scans = xr.Dataset(coords={name: stored[name].variable.load() for name in own}, attrs=stored.attrs)
    return link(scans, echem.tables["echem"], echem.clocks.get(clock or ""))
