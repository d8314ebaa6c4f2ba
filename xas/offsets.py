"""What a detector shows without light: dark readings, and the cell's own current in the drain current."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import factor

CURRENT = "current"


def subtract_offset(
    scans: xr.Dataset,
    *,
    dark: Mapping[str, float | xr.DataArray] | None = None,
    cell_current: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Return scans without what their detectors show in the dark.

    I = I_shown - I_dark - g I_cell: the electron yield is a current from the sample to ground, and so is part of the
    cell's own current; I0 has none of it.

    Parameters
    ----------
    scans
        Scans as read, linked to the electrochemistry where a cell current is to be subtracted; any dims.
    dark
        ``{detector: reading without light}``, in the detector's own unit: a number, one a scan, or one an energy.
    cell_current
        ``{detector: g}``: the share of the cell's current (A, charge positive) that the detector shows, with its
        sign; 1 if all of it flows through.

    Returns
    -------
    xarray.Dataset
        The scans with their detectors corrected; a detector without a known cell current (the scan lies outside the
        log) becomes NaN there rather than staying uncorrected.

    Raises
    ------
    OperandoError
        If a detector is missing, its unit is no current, or the scans are not linked.
    """
    out = scans
    for name, reading in (dark or {}).items():
        out = out.assign({name: (_found(out, name) - reading).assign_attrs(_found(out, name).attrs)})
    for name, share in (cell_current or {}).items():
        shown = _found(out, name)
        if CURRENT not in scans.coords:
            raise OperandoError("subtract_offset: expected scans linked to the electrochemistry, got no current")
        unit = factor(str(scans[CURRENT].attrs.get("units", "A")), str(shown.attrs.get("units", "")))
        cell = (share * unit) * scans[CURRENT].reset_coords(drop=True)
        out = out.assign({name: (shown - cell).transpose(*shown.dims).assign_attrs(shown.attrs)})
    stated = {name: value if np.isscalar(value) else "an array" for name, value in (dark or {}).items()}
    return recorded(out, "xas.subtract_offset", {"dark": stated, "cell_current": dict(cell_current or {})}, after=scans)


def _found(scans: xr.Dataset, name: str) -> xr.DataArray:
    if name not in scans.data_vars:
        known = ", ".join(map(str, scans.data_vars)) or "nothing"
        raise OperandoError(f"subtract_offset: expected a detector among {known}, got {name!r}")
    return scans[name]
