"""Mistakes in a recipe in the words of its reader."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


def sentences(error: ValidationError, known_keys: Callable[[tuple[int | str, ...]], list[str]]) -> Iterator[str]:
    """Yield what is wrong in a recipe; ``known_keys`` gives the keys of the section at a place."""
    for item in error.errors():
        *where, last = [str(part) for part in item["loc"]] or [""]
        key = ".".join([*where, last])
        if item["type"] == "extra_forbidden":
            yield f"{key}: unknown key{suggestion(last, known_keys(item['loc'][:-1]))}"
        elif item["type"] == "missing":
            yield f"{key}: required, but missing"
        else:
            yield f"{key}: expected {_wanted(item)}, got {_short(item['input'])}"


_WANTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g}",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number up to {le:g}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text in quotes",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "too_short": "at least one",
    "literal_error": "one of {expected}",
    "string_pattern_mismatch": "letters, digits and underscores, such as Ni_K",
}


def _wanted(item: ErrorDetails) -> str:
    """Return what pydantic expected in the words of a recipe's reader."""
    known = _WANTED.get(item["type"])
    return known.format_map(item.get("ctx", {})) if known else item["msg"].removeprefix("Value error, ")


def _short(value: object) -> str:
    return f"a table with {', '.join(value)}" if isinstance(value, Mapping) else repr(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the known word that was meant, as the end of a sentence."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def step_sentences(error: ValidationError, keys: list[str]) -> Iterator[str]:
    """Yield what is wrong with a step's parameters, of which ``keys`` are known."""
    for item in error.errors():
        last = str(item["loc"][0]) if item["loc"] else ""
        if item["type"] == "extra_forbidden":
            yield f"{last}: unknown parameter{suggestion(last, keys)}"
        elif item["type"] == "missing":
            yield f"{last}: required, but missing"
        else:
            yield f"{last}: expected {_wanted(item)}, got {_short(item['input'])}"
