"""How deep electron and fluorescence yield see, from the tables, the geometry and the spectrum itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import with_units

from . import atomic_data
from .edge_scale import edge_scale
from .layout import ALONG, along_energy

DEPTHS_SEEN = float(-np.log(0.05))
"""Information depth in units of the escape depth: 95 % of the signal comes from above it."""


def probing_depth(
    signal: Literal["tey", "tfy"],
    material: str,
    element: str,
    edge: str,
    *,
    energy: ArrayLike | None = None,
    spectrum: xr.DataArray | None = None,
    density: float | None = None,
    escape_depth: float | None = None,
    line: str | None = None,
    incidence: float = 45.0,
    takeoff: float = 45.0,
) -> xr.Dataset:
    """Return escape depth and information depth of a yield, energy by energy.

    Electrons: 1/L = 1/l + mu(E)/sin(in), l the effective attenuation length. Fluorescence:
    1/L = mu(E)/sin(in) + mu_f/sin(out). The signal decays with L (1/e, the escape depth); 95 % of it comes from above
    the information depth, 3.0 L. The two are never the same: a comparison of techniques takes one of them for all.

    Parameters
    ----------
    signal
        ``"tey"`` or ``"tfy"``.
    material, density
        Formula and density (g/cm^3) of what attenuates; the tabulated density by default, if there is one.
    element, edge
        What is absorbed, such as ``"Ni"`` and ``"L3"``.
    energy
        Photon energies (eV); those of ``spectrum`` by default.
    spectrum
        Normalized absorption against ``energy`` (eV), scaled to the step of the tables: white lines attenuate up to
        ten times more than the tables know. Without it the tables themselves are taken.
    escape_depth
        Effective attenuation length l of the electrons (nm), for ``"tey"``.
    line
        The emitted line, for ``"tfy"``; the strongest of the edge by default.
    incidence, takeoff
        Angles of beam and detector to the surface (degrees).

    Returns
    -------
    xarray.Dataset
        ``escape_depth`` and ``information_depth`` (nm) over ``energy``, and the other dims of the spectrum.

    Raises
    ------
    OperandoError
        If neither energies nor a spectrum are given, the escape depth of electrons is missing, or the material, its
        density, the edge or the line are unknown.

    Notes
    -----
    Attenuation lengths of electrons are not inelastic mean free paths. B. H. Frazer, B. Gilbert, B. R. Sonderegger,
    G. De Stasio, Surf. Sci. 537, 161 (2003), doi:10.1016/S0039-6028(03)00613-7; tables of W. T. Elam et al.,
    doi:10.1016/S0969-806X(01)00227-4.

    Examples
    --------
    From how deep the electron yield at the Ni L3 edge comes:

    >>> from operando import xas
    >>> found = xas.probing_depth("tey", "NiO", "Ni", "L3", energy=[845.0, 855.0], density=6.67, escape_depth=3.0)
    >>> print(found["escape_depth"].values.round(2).tolist(), found["escape_depth"].attrs["units"])
    [2.97, 2.94] nm
    """
    if not (0 < incidence <= 90 and 0 < takeoff <= 90):
        raise OperandoError(f"expected angles to the surface of 0 to 90 degrees, got {incidence} and {takeoff}")
    mu = _attenuation(material, density, element, edge, energy=energy, spectrum=spectrum)
    into, out_of = np.sin(np.deg2rad([incidence, takeoff]))
    if signal == "tey":
        if escape_depth is None or not escape_depth > 0:
            raise OperandoError(f"probing_depth: electrons need their escape depth (nm), got {escape_depth}")
        leaving = 1 / escape_depth
    elif signal == "tfy":
        found = atomic_data.fluorescence_line(element, line) if line else atomic_data.strongest_line(element, edge)
        leaving = float(atomic_data.attenuation(material, density, found.energy).item()) / out_of
    else:
        raise OperandoError(f"probing_depth: expected the signal 'tey' or 'tfy', got {signal!r}")
    depth = 1 / (mu / into + leaving)
    ds = xr.Dataset({"escape_depth": depth, "information_depth": DEPTHS_SEEN * depth})
    meanings = {
        "escape_depth": f"depth from which {signal} decays to 1/e",
        "information_depth": f"depth above which 95 % of {signal} comes from",
    }
    ds = with_units(ds, dict.fromkeys(meanings, "nm"), meanings)
    ds[ALONG].attrs = {"units": "eV", "long_name": "photon energy"}
    parameters = {"signal": signal, "material": material, "element": element, "edge": edge, "density": density}
    parameters |= {"escape_depth": escape_depth, "line": line, "incidence": incidence, "takeoff": takeoff}
    return recorded(ds, "xas.probing_depth", parameters)


def _attenuation(
    material: str,
    density: float | None,
    element: str,
    edge: str,
    *,
    energy: ArrayLike | None,
    spectrum: xr.DataArray | None,
) -> xr.DataArray:
    """Return mu(E) in 1/nm: of the tables, or of the spectrum on their scale."""
    if spectrum is not None:
        normalized = along_energy(spectrum, "probing_depth")
        scale = edge_scale(material, density, element, edge, normalized[ALONG].to_numpy())
        below = xr.DataArray(scale.below, dims=ALONG, coords={ALONG: normalized[ALONG].to_numpy()})
        return below + scale.step * normalized.drop_attrs(deep=False)
    if energy is None:
        raise OperandoError("probing_depth: expected energies (eV) or a normalized spectrum, got neither")
    atomic_data.edge(element, edge)
    energies = np.atleast_1d(np.asarray(energy, dtype=np.float64))
    values = atomic_data.attenuation(material, density, energies)
    return xr.DataArray(values, dims=ALONG, coords={ALONG: energies})
