"""TOML read with care: what takes no room on disk takes none in memory."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from .errors import FileError

LARGEST = 2**24
_DEEP = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){64}")
"""A key of so many parts: the parser's memory grows with the square of their number."""


def parsed(path: Path, text: str) -> dict[str, Any]:
    """Return the tables of a text.

    Raises
    ------
    FileError
        If it is no TOML, or larger, deeper or with longer numbers than anything written by hand.
    """
    if len(text) > LARGEST:
        raise FileError(path, f"at most {LARGEST >> 20} MiB of TOML", f"{len(text) >> 20} MiB")
    deep = _DEEP.search(text)
    if deep:
        place = f"line {text.count(chr(10), 0, deep.start()) + 1}"
        raise FileError(path, "keys of fewer than 64 parts", "more", place=place)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(path, "TOML", str(error)) from None
