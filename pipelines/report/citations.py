"""The sources that the docstrings of the steps cite, as references."""

from __future__ import annotations

import re
from importlib import import_module

_STEP = re.compile(r"(?:[a-z][a-z0-9_]*\.)*[a-z][a-z0-9_]*")
_DOI = re.compile(r"doi:10\.\d+/[^\s,;]*[^\s,;.)]")
_INITIALS = r"(?:[A-Z]\.[ -]?)+"
_WHOLE = re.compile(
    rf"(?<![,&] )(?<![A-Z]\. )(?<!\w)({_INITIALS}[A-Z][^;()]*?\(\d{{4}}\)), (doi:10\.\d+/[^\s,;]*[^\s,;.)])"
)


def docstring(step: str) -> str:
    """Return the docstring of the function that a step of a history names; empty if there is none."""
    module, _, function = f"operando.{step}".rpartition(".")
    if not _STEP.fullmatch(step):
        return ""
    try:
        found = getattr(import_module(module), function, None)
    except ImportError:
        return ""
    return getattr(found, "__doc__", None) or "" if callable(found) else ""


def dois(step: str) -> list[str]:
    """Return the identifiers of a step's sources, in their order."""
    return list(dict.fromkeys(_DOI.findall(docstring(step))))


def references(step: str) -> list[str]:
    """Return a step's sources: authors, journal and DOI where the docstring has them, else the DOI alone."""
    words = " ".join(docstring(step).split())
    whole = {match[2]: f"{match[1]}, {match[2]}" for match in _WHOLE.finditer(words)}
    return [whole.get(doi, doi) for doi in dois(step)]
