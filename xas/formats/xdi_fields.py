"""What the XDI dictionary of metadata requires of a header's fields."""

from __future__ import annotations

from collections.abc import Mapping

from operando.errors import OperandoError
from operando.units import parse, registry

ABSCISSAE = {"energy": "eV", "angle": "degrees"}

NAMES = {
    "i0": "i0",
    "itrans": "transmission",
    "ifluor": "fluorescence",
    "irefer": "reference",
    "mutrans": "mu",
    "mufluor": "mu",
    "normtrans": "mu",
    "normfluor": "mu",
}
"""The labels that XDI defines for measured columns, and what we call them; of several ``mu`` the first counts."""

_ELEMENTS = frozenset(
    """H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb
    Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg
    Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
    Uut Uup Uus Uuo""".lower().split()
)
_SUBSHELLS = {"l": 3, "m": 5, "n": 7, "o": 7}
_EDGES = frozenset(
    {"k", *_SUBSHELLS, *(f"{shell}{n}" for shell, last in _SUBSHELLS.items() for n in range(1, last + 1))}
)
_QUANTITIES = {"facility.energy": "GeV", "facility.current": "mA", "sample.temperature": "K"}


def doubts(fields: Mapping[str, str]) -> list[str]:
    """Return what is missing or wrong in the fields that the dictionary defines, as plain phrases."""
    found = []
    for key, known in (("element.symbol", _ELEMENTS), ("element.edge", _EDGES)):
        if key not in fields:
            found.append(f"the required field {key} is missing")
        elif fields[key].lower() not in known:
            found.append(f"{key} is unknown: {fields[key]}")
    if "mono.d_spacing" in fields and not _is_quantity(fields["mono.d_spacing"], None):
        found.append(f"mono.d_spacing is no number: {fields['mono.d_spacing']}")
    for key, unit in _QUANTITIES.items():
        if key in fields and not _is_quantity(fields[key], unit):
            found.append(f"{key} is no number with a unit such as {unit}: {fields[key]}")
    return found


def _is_quantity(text: str, unit: str | None) -> bool:
    """Whether the text is a number, with a unit compatible with ``unit`` if one is expected."""
    number, _, rest = text.strip().partition(" ")
    try:
        float(number)
        return unit is None or bool(parse(rest).is_compatible_with(registry().parse_units(unit)))
    except (ValueError, OperandoError):
        return False
