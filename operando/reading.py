"""Read a file with the reader that its content or its name in a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FileError, OperandoError, file_named
from .sniff import Format, choose

if TYPE_CHECKING:
    import xarray as xr


def read_as(
    formats: Sequence[Format], path: str | Path, reader: str | None, timezone: str | None, settings: dict[str, Any]
) -> xr.Dataset:
    """Return what a file holds, as one of ``formats`` reads it: the one named ``reader``, else the one recognized.

    Raises
    ------
    FileError
        If the file cannot be read.
    OperandoError
        If a setting is unknown to the reader, or one is lacking that it needs; every error names the file.
    """
    path = Path(path)
    chosen = choose(path, formats, reader)
    taken = {name: one for name, one in signature(chosen.read).parameters.items() if name not in ("path", "timezone")}
    unknown = [name for name in settings if name not in taken]
    if unknown:
        raise OperandoError(f"{path}: reader {chosen.name!r} has no setting {', '.join(map(repr, unknown))}")
    needed = [one.name for one in taken.values() if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    lacking = [name for name in needed if name not in settings]
    if lacking:
        expected = f"settings {', '.join(needed)} of reader {chosen.name!r}"
        raise FileError(path, expected, f"none for {', '.join(lacking)}", remedy="state them in the recipe")
    with file_named(path):
        return chosen.read(path, timezone=timezone, **settings)
