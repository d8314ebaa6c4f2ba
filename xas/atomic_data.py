"""What is tabulated of the elements: edges, core widths, lines, and how strongly they absorb; looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError

Floats = NDArray[np.float64]
Kind = Literal["total", "photo"]

LOWEST, HIGHEST = 100.0, 8e5
_PER_NM = 1e-7
_LISTED = 16


class EdgeData(NamedTuple):
    """An absorption edge: energy (eV), fluorescence yield and jump ratio of the photoabsorption (1)."""

    energy: float
    fluorescence_yield: float
    jump: float


class LineData(NamedTuple):
    """An emission line: energy (eV), its share of the photons that fill the hole (1), and the edge of the hole."""

    energy: float
    share: float
    edge: str


@cache
def atomic_number(element: str) -> int:
    """Return the atomic number of an element named by its symbol.

    Raises
    ------
    OperandoError
        If there is no such element.
    """
    import xraydb

    try:
        return int(xraydb.atomic_number(element))
    except ValueError:
        raise OperandoError(f"expected the symbol of an element such as 'Ni', got {element!r}") from None


@cache
def edge(element: str, name: str) -> EdgeData:
    """Return the edge ``name`` (``"K"``, ``"L3"``) of an element.

    Raises
    ------
    OperandoError
        If the element or its edge is unknown.

    Notes
    -----
    W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002), doi:10.1016/S0969-806X(01)00227-4.
    """
    found: EdgeData = _among(_edges(element), name, f"an edge of {element}")
    return found


@cache
def core_width(element: str, name: str) -> float:
    """Return the full width (eV) of the level whose edge is ``name``, from the lifetime of its hole.

    Raises
    ------
    OperandoError
        If the element is unknown or no width is tabulated.

    Notes
    -----
    M. O. Krause, J. H. Oliver, J. Phys. Chem. Ref. Data 8, 329 (1979), doi:10.1063/1.555595.
    """
    import xraydb

    atomic_number(element)
    return float(_among(xraydb.core_width(element), name, f"an edge of {element} with a known width"))


@cache
def fluorescence_line(element: str, line: str) -> LineData:
    """Return an emission line (``"Ka1"``), or the mean of a family (``"Ka"``), weighted by strength.

    Raises
    ------
    OperandoError
        If the element or its line is unknown.
    """
    import xraydb

    atomic_number(element)
    found = xraydb.xray_line(element, line)
    if found is None or found.initial_level is None:
        known = ", ".join(list(xraydb.xray_lines(element))[:_LISTED])
        raise OperandoError(f"expected a line of {element} among {known} or a family such as 'Ka', got {line!r}")
    return LineData(float(found.energy), float(found.intensity), str(found.initial_level))


@cache
def strongest_line(element: str, name: str) -> LineData:
    """Return the strongest emission line that fills a hole of the edge ``name``.

    Raises
    ------
    OperandoError
        If the element or its edge is unknown or no line is tabulated.
    """
    import xraydb

    edge(element, name)
    lines = xraydb.xray_lines(element, initial_level=name.title())
    if not lines:
        raise OperandoError(f"no emission line is tabulated for the {name} edge of {element}")
    best = max(lines.values(), key=lambda line: line.intensity)
    return LineData(float(best.energy), float(best.intensity), str(best.initial_level))


@cache
def mass_fractions(material: str) -> Mapping[str, float]:
    """Return the share of each element in the mass of ``material``, a formula such as ``"LiNi0.8Co0.1Mn0.1O2"``.

    Raises
    ------
    OperandoError
        If the formula cannot be read.
    """
    import xraydb

    try:
        counts = xraydb.chemparse(material)
    except ValueError as error:
        reason = str(error).splitlines()[0].rstrip(" :")
        raise OperandoError(f"expected a formula such as 'Li3PS4', got {material!r}: {reason}") from None
    masses = {element: count * float(xraydb.atomic_mass(element)) for element, count in counts.items()}
    whole = sum(masses.values())
    if not whole > 0:
        raise OperandoError(f"expected a formula such as 'Li3PS4', got {material!r}: it holds no element")
    return MappingProxyType({element: mass / whole for element, mass in masses.items()})


def mass_attenuation(element: str, energy: ArrayLike, kind: Kind = "total") -> Floats:
    """Return the mass attenuation coefficient (cm^2/g) of an element at energies (eV), 100 eV to 800 keV.

    ``"photo"`` counts what is photoabsorbed, ``"total"`` also what is scattered. The array is read-only.

    Raises
    ------
    OperandoError
        If the element is unknown or an energy lies outside the table.

    Notes
    -----
    W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002), doi:10.1016/S0969-806X(01)00227-4.
    """
    atomic_number(element)
    if kind not in ("total", "photo"):
        raise OperandoError(f"expected an attenuation of kind 'total' or 'photo', got {kind!r}")
    energies = _within_tables(energy)
    return _mass_attenuation(element, energies.tobytes(), kind).reshape(energies.shape)


def attenuation(material: str, density: float | None, energy: ArrayLike, kind: Kind = "total") -> Floats:
    """Return the attenuation coefficient (1/nm) of a material: density times the mean of its elements' by mass.

    Parameters
    ----------
    material
        A formula such as ``"Li3PS4"``.
    density
        In g/cm^3; None takes the tabulated one, if there is one.
    energy
        In eV, any shape, 100 eV to 800 keV.
    kind
        ``"photo"`` or ``"total"``, see :func:`mass_attenuation`.

    Raises
    ------
    OperandoError
        If the formula cannot be read, the density is unknown or not positive, or an energy lies outside the table.
    """
    density = known_density(material) if density is None else density
    if not density > 0:
        raise OperandoError(f"expected the density of {material} in g/cm^3 above 0, got {density}")
    parts = [share * mass_attenuation(element, energy, kind) for element, share in mass_fractions(material).items()]
    return np.asarray(density * _PER_NM * sum(parts), dtype=np.float64)


@cache
def known_density(material: str) -> float:
    """Return the tabulated density (g/cm^3) of a formula.

    Raises
    ------
    OperandoError
        If none is tabulated.
    """
    import xraydb

    mass_fractions(material)
    found = xraydb.find_material(material)
    if found is None:
        raise OperandoError(f"the density of {material} is not tabulated; give it in g/cm^3")
    return float(found.density)


def scattering_f2(element: str, energy: ArrayLike) -> Floats:
    """Return f'' (electrons), the imaginary part of the scattering factor, at energies (eV). The array is read-only.

    Raises
    ------
    OperandoError
        If the element is unknown or an energy lies outside the table.

    Notes
    -----
    C. T. Chantler, J. Phys. Chem. Ref. Data 29, 597 (2000), doi:10.1063/1.1321055.
    """
    atomic_number(element)
    energies = _within_tables(energy)
    return _scattering_f2(element, energies.tobytes()).reshape(energies.shape)


@cache
def _edges(element: str) -> dict[str, EdgeData]:
    import xraydb

    atomic_number(element)
    return {name: EdgeData(*(float(part) for part in values)) for name, values in xraydb.xray_edges(element).items()}


def _among(values: Mapping[str, Any], name: str, what: str) -> Any:
    if name.title() not in values:
        raise OperandoError(f"expected {what}, one of {', '.join(list(values)[:_LISTED])}, got {name!r}")
    return values[name.title()]


def _within_tables(energy: ArrayLike) -> Floats:
    energies = np.asarray(energy, dtype=np.float64)
    if not ((energies >= LOWEST) & (energies <= HIGHEST)).all():
        raise OperandoError(
            f"the tables of attenuation hold {LOWEST:g} to {HIGHEST:g} eV, got {energies.min():g} to "
            f"{energies.max():g} eV; are the energies in eV?"
        )
    return energies


@lru_cache(maxsize=256)
def _mass_attenuation(element: str, energies: bytes, kind: str) -> Floats:
    import xraydb

    return _fixed(xraydb.mu_elam(element, np.frombuffer(energies), kind=kind))


@lru_cache(maxsize=64)
def _scattering_f2(element: str, energies: bytes) -> Floats:
    import xraydb

    return _fixed(xraydb.f2_chantler(element, np.frombuffer(energies).copy()))


def _fixed(values: ArrayLike) -> Floats:
    array = np.array(values, dtype=np.float64, ndmin=1)
    array.flags.writeable = False
    return array
