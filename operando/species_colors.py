"""One color for each chemical species, the same in every figure: lines of photoemission, references of absorption.

Products of reduction are blue, those of oxidation red, an electrolyte and the active material have the colors that they
have in volumes. Species that lie in one core level differ, as color-blind people see them, too.
"""

from __future__ import annotations

import re

from .kind_colors import COLORS, SUBSTANCES, kind_of

_BLUE, _VERMILION, _GREEN, _PINK, _ORANGE, _SKY, _BROWN, _WINE, _INDIGO, _BRICK = SUBSTANCES[:10]
_LEVEL = re.compile(r"^[A-Z][a-z]? ?[1-7][spdf](?: ?[1357]/2)?\b[ ,:]*")
_SPECIES = {
    r"ps4.*|li3ps4|lps|llzo.*": COLORS["electrolyte"],
    r"argyrodite.*|li6ps5.*|lixpfy|lipf6": _BROWN,
    r"(lithiated )?(ncm|nmc|nca|lco|lno)\d*( lattice oxygen)?": COLORS["particle"],
    r"delithiated .*": _VERMILION,
    r"reduced ni|nio|ni2|rock.?salt.*": _BLUE,
    r"li2s|li2o": _BLUE,
    r"li3p|lif|tfsi.*": _SKY,
    r"lixp|polysulfide terminal|li0|cf3": _INDIGO,
    r"s0|s8|p2s5.*|o c=o": _VERMILION,
    r"p s p.*|licl|lioh|c=o": _PINK,
    r"polysulfide central|li3po4": _WINE,
    r"sulfate|lixpoyfz|li2co3": _BRICK,
    r"sulfite": _GREEN,
    r"c c.*": _BLUE,
    r"c o": _SKY,
}
"""Patterns of plain names and their colors."""


def species_of(name: str) -> str:
    """Return the plain name of a species: that of ``S 2p Li2S`` and of ``Li2S`` is ``li2s``."""
    return re.sub(r"[^\w=]+|_+", " ", _LEVEL.sub("", name.strip(), count=1)).strip().lower()


def species_colors(names: list[str]) -> list[str]:
    """Return a color for each species of a figure: its own one, else the next that nobody there has.

    Lines of one species share its color; two species of one figure never do, while there are 16 or fewer.
    """
    species = [species_of(name) for name in names]
    taken: dict[str, str] = {}
    for one in dict.fromkeys(species):
        color = _own_color(one)
        if color is not None and color not in taken.values():
            taken[one] = color
    for at, one in enumerate(dict.fromkeys(species)):
        if one not in taken:
            free = [color for color in SUBSTANCES if color not in taken.values()]
            taken[one] = free[0] if free else SUBSTANCES[at % len(SUBSTANCES)]
    return [taken[one] for one in species]


def _own_color(species: str) -> str | None:
    """Return the color of a species, or of the phase that this is a name of."""
    own = next((color for pattern, color in _SPECIES.items() if re.fullmatch(pattern, species)), None)
    return own or COLORS.get(kind_of(species))
