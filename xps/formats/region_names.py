"""Names of regions: those of core levels are written alike, whoever wrote them; others stay as they are."""

from __future__ import annotations

import re

_LEVEL = re.compile(
    r"([A-Z][a-z]?)[\s_]*(1s|2[sp]|3[spd]|[4-7][spdf])(?:[\s_]*([1357])/2|([1357])2|((?<=p)[13]|(?<=d)[35]|(?<=f)[57]))?(?![A-Za-z0-9])"
)
_ANY_CASE = re.compile(_LEVEL.pattern, re.IGNORECASE)
_AUGER = re.compile(r"[A-Z][a-z]?[\s_]*[KLMNO]{3}(?![A-Za-z])")
_SURVEY = re.compile(r"survey|su[\s_]*\d*+(?:s\d*)?", re.IGNORECASE)


def region_name(text: str) -> str:
    """Return the name of a core level as ``"S 2p"`` or ``"S 2p3/2"``, whatever stands between and behind its parts.

    MultiPak's ``Sn3d5`` is Sn 3d5/2, and its ``Su1s`` is a survey. Names of several lines, such as ``"Fe3p-Mg2p"``,
    and all others stay as they are.
    """
    bare = " ".join(text.split())
    if _SURVEY.fullmatch(bare):
        return "Survey"
    match = _ANY_CASE.fullmatch(bare) or _LEVEL.match(bare)
    if match is None or _LEVEL.search(bare, match.end()) or _AUGER.search(bare, match.end()):
        return bare
    return _named(match)


def region_in(text: str) -> str | None:
    """Return the core level that a longer text, such as the name of a file, has somewhere in it, if it has one."""
    match = next((one for one in _LEVEL.finditer(text) if not text[: one.start()][-1:].isalpha()), None)
    return _named(match) if match else None


def same_region(one: str, other: str) -> bool:
    """Whether two names mean the same region, however they are written."""
    return _letters(one) == _letters(other)


def _letters(name: str) -> str:
    return re.sub(r"[\s_]", "", region_name(name)).casefold()


def _named(match: re.Match[str]) -> str:
    half = match[3] or match[4] or match[5]
    level = f"{match[1].capitalize()} {match[2].lower()}"
    return f"{level}{half}/2" if half else level
