"""Colors of what a volume holds and of what mixtures consist of: the same in the report and in the viewer.

The color-blind can tell them apart, too (Okabe and Ito, 2008; the darker ones were chosen to lie far from theirs under
protanopia and deuteranopia). Species and references have colors of their own in ``species_colors``.
"""

from __future__ import annotations

import re

COLORS = {
    "void": "#56B4E9",
    "crack": "#D55E00",
    "contact loss": "#CC79A7",
    "particle": "#009E73",
    "electrolyte": "#E69F00",
}

SIGNS = {"void": "circle", "crack": "square", "contact loss": "triangle", "particle": "diamond", "electrolyte": "hex"}
"""The marker of each kind: its shape repeats what the color says."""

AXIS_COLORS = {"z": "#0072B2", "y": "#8C3B00", "x": "#7F7F7F"}
"""Colors of directions in a volume, which no kind of void or phase has."""

# fmt: off
SUBSTANCES = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#582F05", "#882255", "#332288", "#944746",
    "#44AA99", "#999933", "#117733", "#AA4499", "#7F7F7F", "#6699CC",
)
# fmt: on
"""Colors of components, and of references and lines that have none of their own; the first ten lie apart."""

_FURTHER = ("#0072B2", "#582F05", "#882255", "#332288")
_MEANINGS = {
    "void": r"voids?|pores?|air|gas|empty|vacuum",
    "crack": r"cracks?",
    "contact loss": r"contact.?loss(es)?|gaps?|delamination",
    "particle": r"particles?|active.*|cam|nc[ma]\d*|nmc\d*|lco|lfp|lno|cathode|anode|grains?",
    "electrolyte": r"(solid.?)?electrolyte|matrix|binder.*|se|lps|li3ps4|li6ps5cl|lpscl",
}


def kind_of(name: str) -> str:
    """Return the kind that a phase of this name is, such as ``particle`` for ``ncm811``; else the name itself."""
    plain = re.sub(r"[_\W]+", " ", name).strip().lower()
    return next((kind for kind, words in _MEANINGS.items() if re.fullmatch(words, plain)), plain)


def kind_colors(names: list[str]) -> list[str]:
    """Return a color for each name; names of no known kind take further colors in their order."""
    further = iter(_FURTHER)
    return [COLORS.get(kind_of(name)) or next(further, _FURTHER[-1]) for name in names]
