"""Spectra whose binding energies are one ascending axis, and the parts of it that a step works on."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .layout import ALONG


def along_binding_energy(spectra: xr.DataArray, step: str) -> xr.DataArray:
    """Return spectra whose binding energies ascend along one axis in eV and, if lazy, in one chunk.

    Raises
    ------
    OperandoError
        If the axis or its coordinate is missing, in another unit, or not ascending.
    """
    if ALONG not in spectra.dims or ALONG not in spectra.coords:
        raise OperandoError(f"{step}: expected a dim {ALONG!r} with its energies, got dims {tuple(spectra.dims)}")
    units = spectra[ALONG].attrs.get("units", "eV")
    if units != "eV":
        raise OperandoError(f"{step}: expected binding energies in eV, got {units!r}; convert them first")
    if not np.all(np.diff(spectra[ALONG].to_numpy()) > 0):
        raise OperandoError(f"{step}: expected ascending binding energies, got others; use spectra.sortby({ALONG!r})")
    return spectra.chunk({ALONG: -1}) if spectra.chunks else spectra


def region(spectra: xr.DataArray, low: float | None, high: float | None, fewest: int, step: str) -> slice:
    """Return the points from ``low`` to ``high`` (eV), the whole spectrum by default.

    Raises
    ------
    OperandoError
        If there are fewer points than ``fewest``.
    """
    energy = spectra[ALONG].to_numpy()
    first = 0 if low is None else int(np.searchsorted(energy, low - 1e-9))
    end = energy.size if high is None else int(np.searchsorted(energy, high + 1e-9))
    if end - first < fewest:
        ends = f"{energy[0]:g} to {energy[-1]:g} eV" if energy.size else "no energies"
        wanted = " to ".join("the end" if value is None else f"{value:g} eV" for value in (low, high))
        raise OperandoError(
            f"{step}: expected at least {fewest} points from {wanted}, got {max(0, end - first)}; "
            f"the spectra have {energy.size} from {ends}"
        )
    return slice(first, end)
