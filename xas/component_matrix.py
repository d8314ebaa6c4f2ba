"""Spectra as the rows of one matrix, for what is sought in all of them together."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.schema import Layout
from operando.units import with_units

from .layout import ALONG, along_energy

COMPONENT = "component"
Floats = NDArray[np.float64]


def rows_of(spectra: xr.DataArray | xr.Dataset, step: str, window: tuple[float, float] | None) -> xr.DataArray:
    """Return the normalized absorption within a window, ``energy`` last.

    Raises
    ------
    OperandoError
        If there is no such absorption, a single spectrum, or fewer than two energies.
    """
    if isinstance(spectra, xr.Dataset):
        if "normalized" not in spectra:
            raise OperandoError(f"{step}: expected normalized absorption, got none; normalize the spectra first")
        spectra = spectra["normalized"].assign_attrs(spectra.attrs)
    mu = along_energy(spectra, step).transpose(..., ALONG)
    low, high = window or (-np.inf, np.inf)
    inside = np.flatnonzero((mu[ALONG] >= low) & (mu[ALONG] <= high))
    if inside.size < 2:
        raise OperandoError(f"{step}: expected at least 2 energies within the window {low:g} to {high:g} eV, got fewer")
    if mu.size == mu.sizes[ALONG]:
        raise OperandoError(f"{step}: expected several spectra, got one")
    return mu.isel({ALONG: inside})


def named(ds: xr.Dataset, layout: Layout, source: xr.DataArray) -> xr.Dataset:
    """Return results with the units and meanings of their layout, and coordinates labelled as in ``source``."""
    for name in ds.coords:
        if name in source.coords:
            ds[name].attrs = dict(source[name].attrs)
    own = [name for name in ds.variables if name not in source.coords]
    units, names = layout.units(), layout.long_names()
    return with_units(ds, {n: units[n] for n in own if n in units}, {n: names[n] for n in own if n in names})
