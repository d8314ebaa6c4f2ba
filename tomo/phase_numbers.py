"""Labels of phases that conduct, numbered from 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .conduction import Codes
from .phases import named_phases

_MOST = 255


def conducting_labels(
    labels: xr.DataArray, conductivities: Mapping[int | str, float] | None, step: str
) -> dict[int, float]:
    """Return the conductivity of each label that conducts.

    Raises
    ------
    OperandoError
        If labels have none, or they are no numbers from 0, or too many.
    """
    if labels.dtype == bool and conductivities is None:
        return {1: 1.0}
    if labels.dtype.kind not in "iub" or not conductivities:
        raise OperandoError(
            f"{step}: expected a mask, or labels with conductivities = {{label: value}}, got {labels.dtype} "
            f"with {conductivities}; a mask is such as labels == 1"
        )
    known = {name: label for label, name in (named_phases(labels) or {}).items()}
    lacking = [key for key in conductivities if isinstance(key, str) and key not in known]
    if lacking:
        raise OperandoError(f"{step}: expected phases of {sorted(known)}, got {lacking}")
    table = {known[key] if isinstance(key, str) else int(key): float(value) for key, value in conductivities.items()}
    values = np.array(list(table.values()))
    if not (np.isfinite(values) & (values >= 0)).all() or not (values > 0).any() or len(table) > _MOST:
        raise OperandoError(f"{step}: expected conductivities from 0 on, some above it, got {dict(conductivities)}")
    return {label: value for label, value in table.items() if value > 0}


def numbered(labels: Any, known: list[int]) -> Codes:
    """Return labels (z, y, x) of one volume as the numbers of known ones from 1, 0 elsewhere."""
    array = np.asarray(labels)
    if array.dtype == bool and known == [1]:
        return np.ascontiguousarray(array).view(np.uint8)
    codes = np.zeros(array.shape, np.uint8)
    for number, label in enumerate(known, start=1):
        codes[array == label] = number
    return codes
