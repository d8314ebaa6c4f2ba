"""The table of species as a file holds it, checked as a whole before anything of it is used."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from operando.errors import FileError, OperandoError, bounded, one_line
from operando.toml_file import parsed

Row = Mapping[str, Any]

PHASES = ("electrolyte", "product", "electrode", "contamination")
KINDS = ("level", "auger")
_HIGHEST, _WIDEST = 1500.0, 10.0
_COMMON = {"source": str, "verified": bool}
_NEEDED: Mapping[str, Mapping[str, type]] = {
    "sources": {"text": str},
    "levels": _COMMON,
    "species": {"name": str, "energy": float, "spread": float, "phase": str, **_COMMON},
    "overlaps": {"name": str, "kind": str, "spread": float, **_COMMON},
    "satellites": {"name": str, "shift": float, "height": float, **_COMMON},
}
_ALLOWED: Mapping[str, Mapping[str, type]] = {
    "sources": {"doi": str},
    "levels": {"splitting": float, "ratio": float, "shared_width": bool, "note": str},
    "species": {"note": str, "reduced_below": float, "oxidized_above": float, "window_source": str},
    "overlaps": {"energy": float, "kinetic_energy": float},
    "satellites": {},
}
_WORDS = {str: "text", float: "a number", bool: "true or false"}


def entries(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the sections of a table of species.

    Raises
    ------
    FileError
        If the file is missing or no TOML.
    OperandoError
        If entries are incomplete or impossible; all of them are named.
    """
    try:
        raw = parsed(path, path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(path, "a table of species", error.strerror or "nothing") from None
    except UnicodeDecodeError as error:
        raise FileError(path, "TOML", str(error)) from None
    found = bounded(problems(raw))
    if found:
        raise OperandoError(f"{path.name}: " + "; ".join(found))
    return {section: raw.get(section, {}) for section in _NEEDED}


def problems(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a table, as plain sentences."""
    yield from (f"unknown section {name!r}" for name in raw if name not in _NEEDED and name != "reference")
    if not str(raw.get("reference", "")).strip():
        yield "'reference' must say what the energies are referenced to"
    sources = raw.get("sources", {})
    for section in _NEEDED:
        rows = raw.get(section, {})
        if not isinstance(rows, Mapping):
            yield f"{section} must be a section, got {rows!r}"
            continue
        for place, row in _rows(section, rows):
            wrong = list(_form(section, row))
            if not wrong and section != "sources":
                wrong = list(_sense(section, row, sources if isinstance(sources, Mapping) else {}))
            yield from (f"{place}: {text}" for text in wrong)


def _rows(section: str, groups: Row) -> Iterator[tuple[str, Any]]:
    """Yield each entry, a table or not, with its place."""
    for group, rows in groups.items():
        place = one_line(f"{section} {group}")
        for k, row in enumerate(rows if isinstance(rows, list) else [rows]):
            if isinstance(row, Mapping):
                name = row.get("name", "" if section in ("sources", "levels") else f"entry {k + 1}")
                yield one_line(f"{place} {name}"), row
            else:
                yield place, row


def _form(section: str, row: Any) -> Iterator[str]:
    """Yield missing, unknown and wrongly typed keys."""
    if not isinstance(row, Mapping):
        yield f"an entry must be a table with {', '.join(_NEEDED[section])}, got {row!r}"
        return
    known = {**_NEEDED[section], **_ALLOWED[section]}
    for key in _NEEDED[section]:
        if key not in row:
            yield f"{key!r} is missing"
    for key, value in row.items():
        if key not in known:
            yield f"{key!r} is not known here; known are {', '.join(known)}"
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        if not (number if known[key] is float else isinstance(value, known[key])):
            yield f"{key!r} must be {_WORDS[known[key]]}, got {value!r}"
        elif value == "" and key in _NEEDED[section]:
            yield f"{key!r} is empty"


def _sense(section: str, row: Row, sources: Row) -> Iterator[str]:
    """Yield values that cannot be."""
    for key in ("source", "window_source"):
        if key in row and row[key] not in sources:
            yield f"{key} {row[key]!r} is not among the sources"
    for key, most in (("energy", _HIGHEST), ("kinetic_energy", _HIGHEST), ("spread", _WIDEST)):
        if key in row and not 0 < row[key] <= most:
            yield f"{key!r} must lie between 0 and {most:g} eV, got {row[key]:g}"
    yield from {"levels": _level, "species": _species, "overlaps": _overlap, "satellites": _satellite}[section](row)


def _level(row: Row) -> Iterator[str]:
    if row.get("splitting", 0) < 0 or not 0 <= row.get("ratio", 0) <= 1:
        yield "a splitting must be at least 0 and a ratio between 0 and 1"
    if bool(row.get("splitting")) != bool(row.get("ratio")):
        yield "a splitting and a ratio belong together"


def _species(row: Row) -> Iterator[str]:
    if row["phase"] not in PHASES:
        yield f"phase must be one of {', '.join(PHASES)}, got {row['phase']!r}"
    if row.get("reduced_below", -math.inf) >= row.get("oxidized_above", math.inf):
        yield "reduced_below must lie below oxidized_above"
    if ("window_source" in row) != ("reduced_below" in row or "oxidized_above" in row):
        yield "potentials and 'window_source' belong together"


def _overlap(row: Row) -> Iterator[str]:
    if row["kind"] not in KINDS:
        yield f"kind must be one of {', '.join(KINDS)}, got {row['kind']!r}"
    wanted = "kinetic_energy" if row["kind"] == "auger" else "energy"
    if {"energy", "kinetic_energy"} & set(row) != {wanted}:
        yield "an Auger line has a 'kinetic_energy', a level an 'energy'"


def _satellite(row: Row) -> Iterator[str]:
    if not (row["shift"] > 0 and 0 < row["height"] < 1):
        yield "a satellite has a shift above 0 and a height between 0 and 1"
