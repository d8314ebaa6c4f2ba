"""How far electrons travel in a solid before they lose energy, and how fast their number decays with depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.history import recorded

Floats = NDArray[np.float64]
LOWEST, HIGHEST = 50.0, 2000.0
"""Kinetic energies (eV) for which the TPP-2M equation was made."""
RELATIVE_ERROR = 0.11
"""Its usual deviation from mean free paths that follow from optical data."""

_ALBEDO_WEIGHT = 0.735
_PER_ANGSTROM = 0.1
_PERIODS = ((1, 2), (3, 10), (11, 18), (19, 36), (37, 54), (55, 86))
_LANTHANIDES = range(57, 72)
_LANTHANIDE_ELECTRONS = 9


@dataclass(frozen=True)
class Material:
    """A solid.

    ``formula`` such as ``"Li3PS4"``, ``density`` in g/cm^3, ``band_gap`` in eV, and ``valence_electrons`` per formula
    if they are known; else they are counted from the elements.

    Examples
    --------
    >>> from operando import xps
    >>> print(xps.Material("Li3PS4", density=1.87, band_gap=3.7).formula)
    Li3PS4
    """

    formula: str
    density: float
    band_gap: float = 0.0
    valence_electrons: float | None = None


def imfp_tpp2m(
    energy: ArrayLike | xr.DataArray,
    formula: str,
    density: float,
    band_gap: float = 0.0,
    valence_electrons: float | None = None,
) -> xr.DataArray:
    """Return the inelastic mean free path of electrons by the TPP-2M equation.

    lambda = 0.1 nm E / (Ep^2 [b ln(g E) - C/E + D/E^2]) with Ep = 28.8 sqrt(U), U = Nv rho/M,
    b = -0.10 + 0.944/sqrt(Ep^2 + Eg^2) + 0.069 rho^0.1, g = 0.191/sqrt(rho), C = 1.97 - 0.91 U, D = 53.4 - 20.8 U.

    Parameters
    ----------
    energy
        Kinetic energies of the electrons (eV), 50 to 2000 eV; an array gets the dim ``kinetic_energy``, a DataArray
        keeps its dims.
    formula, density, band_gap
        Such as ``"Li3PS4"``, rho in g/cm^3, Eg in eV.
    valence_electrons
        Nv per formula; by default that of :func:`valence_electrons`.

    Returns
    -------
    xarray.DataArray
        ``mean_free_path`` (nm); its ``relative_uncertainty`` in the attributes. What counts for the thickness of
        layers is shorter, see :func:`effective_attenuation_length`.

    Raises
    ------
    OperandoError
        If an energy lies outside 50 to 2000 eV, the formula cannot be read, or density, band gap or number of
        electrons make no sense.

    Notes
    -----
    S. Tanuma, C. J. Powell, D. R. Penn, Surf. Interface Anal. 21, 165 (1994), doi:10.1002/sia.740210302; deviation
    from optical data 11 % on average: Surf. Interface Anal. 35, 268 (2003), doi:10.1002/sia.1526.

    Examples
    --------
    Of sulfur 2p electrons from Li3PS4 by Al K-alpha:

    >>> from operando import xps
    >>> length = xps.imfp_tpp2m(1486.6 - 161.5, "Li3PS4", 1.87, band_gap=3.7)
    >>> print(round(float(length), 1), length.attrs["units"])
    3.2 nm
    """
    energies = _energies(energy)
    if not (density > 0 and band_gap >= 0):
        raise OperandoError(f"imfp_tpp2m: expected a density above 0 and a band gap, got {density} and {band_gap}")
    electrons = _counted(formula) if valence_electrons is None else float(valence_electrons)
    if not electrons > 0:
        raise OperandoError(f"imfp_tpp2m: expected valence electrons above 0 for {formula}, got {electrons:g}")
    length = energies.copy(data=_tpp2m(energies.to_numpy(), electrons / _mass(formula), density, band_gap))
    parameters = {"formula": formula, "density": density, "band_gap": band_gap, "valence_electrons": electrons}
    history = recorded(xr.Dataset(attrs=energies.attrs), "xps.imfp_tpp2m", parameters).attrs
    length = length.rename("mean_free_path").drop_attrs(deep=False)
    return length.assign_attrs(
        units="nm",
        long_name=f"inelastic mean free path in {formula}",
        relative_uncertainty=RELATIVE_ERROR,
        history=history["history"],
    )


def effective_attenuation_length(mean_free_path: xr.DataArray | ArrayLike, albedo: ArrayLike) -> xr.DataArray:
    """Return the effective attenuation length: the mean free path shortened by elastic scattering.

    L = lambda (1 - 0.735 w), w = lambda/(lambda + lambda_tr) the single-scattering albedo with the transport mean
    free path lambda_tr; for emission angles up to 50 degrees from the surface's normal.

    Parameters
    ----------
    mean_free_path
        Inelastic mean free path (nm), any dims.
    albedo
        w, from 0 to 1: about 0.1 for light elements to 0.3 for heavy ones at Al K-alpha.

    Returns
    -------
    xarray.DataArray
        ``attenuation_length`` (nm).

    Raises
    ------
    OperandoError
        If the albedo lies outside 0 to 1.

    Notes
    -----
    A. Jablonski, C. J. Powell, J. Vac. Sci. Technol. A 27, 253 (2009), doi:10.1116/1.3071947.

    Examples
    --------
    >>> from operando import xps
    >>> found = xps.effective_attenuation_length(3.2, 0.1)
    >>> print(round(float(found), 1))
    3.0
    """
    shares = np.asarray(albedo, dtype=np.float64)
    if not ((shares >= 0) & (shares < 1)).all():
        raise OperandoError(f"effective_attenuation_length: expected an albedo from 0 to 1, got {shares}")
    given = mean_free_path if isinstance(mean_free_path, xr.DataArray) else xr.DataArray(mean_free_path)
    length = (given * (1 - _ALBEDO_WEIGHT * shares)).rename("attenuation_length").drop_attrs(deep=False)
    parameters = {"albedo": shares}
    before = xr.Dataset(attrs=given.attrs)
    history = recorded(before, "xps.effective_attenuation_length", parameters).attrs["history"]
    return length.assign_attrs(units="nm", long_name="effective attenuation length", history=history)


def valence_electrons(formula: str) -> float:
    """Return the number of valence electrons per formula that the TPP-2M equation wants.

    Those of the s, p and partly filled d shells: the group's number for groups 1 to 12, ten less for 13 to 18 (whose
    d shells are full), and 9 for the lanthanides (5p6 and three more; the 4f electrons are not counted).

    Raises
    ------
    OperandoError
        If the formula cannot be read or holds an element without a rule (the actinides).

    Notes
    -----
    S. Tanuma, C. J. Powell, D. R. Penn, Surf. Interface Anal. 17, 911 (1991), doi:10.1002/sia.740171304, and 35, 268
    (2003), doi:10.1002/sia.1526. Closed outer p shells of heavy alkali ions (K, Rb, Cs) are left out, as there.
    """
    return _counted(formula)


@cache
def _counted(formula: str) -> float:
    return float(sum(count * _of_element(element) for element, count in _atoms(formula).items()))


def _of_element(element: str) -> int:
    import xraydb

    number = int(xraydb.atomic_number(element))
    if number in _LANTHANIDES:
        return _LANTHANIDE_ELECTRONS
    for first, last in _PERIODS:
        if first <= number <= last:
            return _of_group(number, first, last)
    raise OperandoError(f"valence_electrons: no rule for {element}; pass the number per formula as valence_electrons")


def _of_group(number: int, first: int, last: int) -> int:
    """Return the valence electrons from the place in the period, which ends with a noble gas."""
    from_end = last - number
    if number == 2:
        return 2
    if from_end <= 5 and last > 2:
        return 8 - from_end
    place = number - first + 1
    return place if first < 55 or place <= 2 else place - 14


@cache
def _atoms(formula: str) -> dict[str, float]:
    import xraydb

    try:
        found = {str(element): float(count) for element, count in xraydb.chemparse(formula).items()}
    except ValueError as error:
        reason = str(error).splitlines()[0].rstrip(" :")
        raise OperandoError(f"expected a formula such as 'Li3PS4', got {formula!r}: {reason}") from None
    if not sum(found.values()) > 0:
        raise OperandoError(f"expected a formula such as 'Li3PS4', got {formula!r}: it holds no element")
    return found


@cache
def _mass(formula: str) -> float:
    import xraydb

    return float(sum(count * xraydb.atomic_mass(element) for element, count in _atoms(formula).items()))


def _energies(energy: ArrayLike | xr.DataArray) -> xr.DataArray:
    if isinstance(energy, xr.DataArray):
        energies = energy.astype(np.float64)
    else:
        values = np.asarray(energy, dtype=np.float64)
        dims = ("kinetic_energy",) if values.ndim else ()
        energies = xr.DataArray(values, dims=dims, coords={"kinetic_energy": (dims, values)})
        energies["kinetic_energy"].attrs = {"units": "eV", "long_name": "kinetic energy"}
    low, high = float(energies.min()), float(energies.max())
    if not (low >= LOWEST and high <= HIGHEST):
        raise OperandoError(
            f"imfp_tpp2m: expected kinetic energies of {LOWEST:g} to {HIGHEST:g} eV, got {low:g} to {high:g} eV"
        )
    return energies


def _tpp2m(energy: Floats, electrons_per_mass: float, density: float, band_gap: float) -> Floats:
    u = electrons_per_mass * density
    plasmon = 28.8 * np.sqrt(u)
    beta = -0.10 + 0.944 / np.hypot(plasmon, band_gap) + 0.069 * density**0.1
    bethe = beta * np.log(0.191 / np.sqrt(density) * energy) - (1.97 - 0.91 * u) / energy
    loss = plasmon**2 * (bethe + (53.4 - 20.8 * u) / energy**2)
    return np.asarray(_PER_ANGSTROM * energy / loss, dtype=np.float64)
