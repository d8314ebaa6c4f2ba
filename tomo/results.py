"""Give arrays that a step made their name, unit, meaning and history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from operando.history import HISTORY, recorded


def described(
    array: xr.DataArray,
    source: xr.DataArray | xr.Dataset,
    *,
    name: str,
    units: str,
    long_name: str,
    step: str,
    parameters: Mapping[str, Any],
) -> xr.DataArray:
    """Return ``array`` with its attributes; its history is that of ``source`` and one step more.

    How the source was encoded in its file is forgotten: a result has another type.
    """
    before = xr.Dataset(attrs={HISTORY: source.attrs[HISTORY]} if HISTORY in source.attrs else {})
    history = recorded(before, step, parameters).attrs[HISTORY]
    return array.rename(name).drop_encoding().assign_attrs({"units": units, "long_name": long_name, HISTORY: history})
