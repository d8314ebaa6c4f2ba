"""Docstrings as reStructuredText: DOIs become links, bars stay bars, initials of authors begin no list."""

from __future__ import annotations

import re
from urllib.parse import quote

DOI = re.compile(r"(?<![`/])\bdoi:\s?(10\.\d{4,9}/[^\s,;`]*[^\s,;`.])")
_INITIAL = re.compile(r"^(\s*)(?=[A-Z]\. )", re.MULTILINE)
_QUOTED = re.compile(r"(``[^`]*``|`[^`]*`_{0,2})")


def as_rst(text: str) -> str:
    """Return a docstring's text with links to its sources."""
    pieces = _QUOTED.split(_INITIAL.sub(r"\1\\", text))
    pieces[::2] = [DOI.sub(_link, piece.replace("|", r"\|")) for piece in pieces[::2]]
    return "".join(pieces)


def dois(text: str) -> list[str]:
    """Return the DOIs in a text."""
    return [_split(found)[0] for found in DOI.findall(text)]


def linked(doi: str, text: str) -> str:
    """Return a link to a DOI."""
    shown = re.sub(r"([<>`])", r"\\\1", text)
    return f"`{shown} <https://doi.org/{quote(doi, safe='/():;.-_')}>`__"


def _link(match: re.Match[str]) -> str:
    doi, rest = _split(match[1])
    return linked(doi, f"doi:{doi}") + rest


def _split(found: str) -> tuple[str, str]:
    """Return a DOI and what follows it: a bracket that it did not open belongs to the sentence."""
    doi = found
    while doi.endswith(")") and doi.count(")") > doi.count("("):
        doi = doi[:-1]
    return doi, found[len(doi) :]
