"""Colors of what a volume holds and of what mixtures consist of: the same in the report and in the viewer.

The color-blind can tell them apart, too (Okabe and Ito, 2008).
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

SUBSTANCES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colors of references, components and lines, in their order."""

_FURTHER = ("#0072B2", "#8C3B00", "#7F7F7F")
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
