"""How strongly a core level shows: photoionization cross sections at any photon energy, and where electrons go."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .core_levels import CoreLevel, core_level

Floats = NDArray[np.float64]
Light = Literal["unpolarized", "linear"]
MAGIC_ANGLE = float(np.rad2deg(np.arccos(np.sqrt(1 / 3))))
"""Angle (deg) at which the asymmetry does not matter."""


def sensitivity_factor(
    level: str,
    photon_energy: ArrayLike,
    *,
    relative_to: str | None = "C 1s",
    angle: float | None = None,
    asymmetry: Mapping[str, float] | None = None,
    light: Light = "unpolarized",
) -> xr.DataArray:
    """Return the photoionization cross section of a core level, as a rule against that of C 1s.

    sigma = sum over the subshells of (cross section per electron) x (electrons), times W of
    :func:`angular_factor` if there is an ``angle``.

    Parameters
    ----------
    level
        ``"S 2p"``, or one line of the pair: ``"Ni 2p3/2"``.
    photon_energy
        Photon energies (eV), one or many (then dim ``photon_energy``).
    relative_to
        The level whose factor is 1; None for the cross section itself (barn per atom).
    angle
        Angle (deg) of :func:`angular_factor`; without it W = 1, as at the magic angle of 54.7 degrees.
    asymmetry
        The dipole asymmetry parameter beta of levels that are no s levels, at this photon energy, such as
        ``{"S 2p": 1.2}``; for s levels it is 2.
    light
        ``"unpolarized"`` or ``"linear"``.

    Returns
    -------
    xarray.DataArray
        ``sensitivity`` (1), or the cross section (barn).

    Raises
    ------
    OperandoError
        If the level is unknown, the photons do not reach it, beta is missing, or ``xraylib`` is not installed.

    Notes
    -----
    Cross sections of free atoms by L. Kissel, tabulated in xraylib (T. Schoonjans et al., Spectrochim. Acta B 66,
    776 (2011), doi:10.1016/j.sab.2011.09.011), per electron, so they are multiplied by the occupation of the free
    atom. At Al K-alpha they are within 0.5 % of J. H. Scofield, J. Electron Spectrosc. 8, 129 (1976),
    doi:10.1016/0368-2048(76)80015-1. Theory itself is good to 5 to 10 %, and part of the electrons go into
    satellites (up to 20 %), which no table knows.

    Examples
    --------
    Of S 2p for Al K-alpha, against C 1s:

    >>> from operando import xps
    >>> print(round(float(xps.sensitivity_factor("S 2p", 1486.6)), 2))
    1.68
    """
    energies = np.asarray(photon_energy, dtype=np.float64)
    values = _seen(level, energies, angle, asymmetry or {}, light)
    if relative_to is not None:
        values = values / _seen(relative_to, energies, angle, asymmetry or {}, light)
    unit, text = ("barn", "photoionization cross section") if relative_to is None else ("1", "sensitivity factor")
    dims = ("photon_energy",) if energies.ndim else ()
    out = xr.DataArray(values, dims=dims, coords={"photon_energy": (dims, energies)}, name="sensitivity")
    out["photon_energy"].attrs = {"units": "eV", "long_name": "photon energy"}
    asked = {"relative_to": relative_to, "angle": angle, "asymmetry": dict(asymmetry or {}), "light": light}
    parameters: dict[str, object] = {"level": level, "photon_energy": energies, **asked}
    history = recorded(xr.Dataset(), "xps.sensitivity_factor", parameters).attrs
    return out.assign_attrs(units=unit, long_name=f"{text} of {level}", **history)


def angular_factor(beta: ArrayLike, angle: float, light: Light = "unpolarized") -> Floats:
    """Return W, the intensity in a direction against the mean over all directions (1), in the dipole approximation.

    Parameters
    ----------
    beta
        Asymmetry parameter, from -1 to 2; a number or an array of any dims.
    angle
        Unpolarized light (laboratory sources): between photons and electrons (deg), W = 1 + beta/2 (3/2 sin^2 - 1).
        Linearly polarized light (beamlines): between its electric field and the electrons,
        W = 1 + beta (3/2 cos^2 - 1/2).
    light
        ``"unpolarized"`` or ``"linear"``.

    Returns
    -------
    array
        W (1), of the shape of ``beta``.

    Raises
    ------
    OperandoError
        If beta lies outside its range or the kind of light is unknown.

    Notes
    -----
    R. F. Reilman, A. Msezane, S. T. Manson, J. Electron Spectrosc. 8, 389 (1976),
    doi:10.1016/0368-2048(76)80025-4. Elastic scattering in the solid makes W less uneven than this.

    Examples
    --------
    None at the magic angle:

    >>> from operando import xps
    >>> print(round(float(xps.angular_factor(1.2, 54.7356)), 4))
    1.0
    """
    values = np.asarray(beta, dtype=np.float64)
    if not ((values >= -1) & (values <= 2)).all():
        raise OperandoError(f"angular_factor: expected an asymmetry parameter from -1 to 2, got {values}")
    turned = np.deg2rad(angle)
    if light == "unpolarized":
        return np.asarray(1 + values / 2 * (1.5 * np.sin(turned) ** 2 - 1), dtype=np.float64)
    if light == "linear":
        return np.asarray(1 + values * (1.5 * np.cos(turned) ** 2 - 0.5), dtype=np.float64)
    raise OperandoError(f"angular_factor: expected light 'unpolarized' or 'linear', got {light!r}")


def _seen(level: str, energies: Floats, angle: float | None, asymmetry: Mapping[str, float], light: Light) -> Floats:
    """Return the cross section (barn) times the angular factor."""
    known = core_level(level)
    values = np.array([_cross_section(known, float(energy)) for energy in energies.flat]).reshape(energies.shape)
    if angle is None:
        return values
    given = {core_level(name).name: value for name, value in asymmetry.items()}
    beta = 2.0 if known.orbital == "s" else given.get(known.name)
    if beta is None:
        raise OperandoError(
            f"sensitivity_factor: the angle of {angle:g} deg needs the asymmetry of {level} at this photon energy, got "
            f"none; pass asymmetry={{{known.name!r}: beta}}"
        )
    return values * angular_factor(beta, angle, light)


@cache
def _cross_section(level: CoreLevel, photon_energy: float) -> float:
    """Return the cross section of all electrons of a level, barn per atom."""
    tables = _xraylib()
    try:
        number = tables.SymbolToAtomicNumber(level.element)
        shells = [getattr(tables, f"{shell}_SHELL") for shell in level.shells]
        edges = [tables.EdgeEnergy(number, shell) for shell in shells]
        if photon_energy * 1e-3 <= max(edges):
            raise OperandoError(
                f"sensitivity_factor: {level.name} is bound by {1e3 * max(edges):g} eV, which photons of "
                f"{photon_energy:g} eV do not reach"
            )
        return float(
            sum(
                tables.CSb_Photo_Partial(number, shell, photon_energy * 1e-3) * tables.ElectronConfig(number, shell)
                for shell in shells
            )
        )
    except (ValueError, AttributeError) as error:
        raise OperandoError(
            f"sensitivity_factor: no cross section is tabulated for {level.name} at {photon_energy:g} eV ({error})"
        ) from None


def _xraylib() -> ModuleType:
    try:
        return import_module("xraylib")
    except ImportError:
        raise OperandoError(
            "sensitivity_factor: the cross sections are those of xraylib, which is not installed; "
            "install it with: pip install 'operando[xps]', or give the factors yourself"
        ) from None
