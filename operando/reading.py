"""Read a file with the reader that its content or its name in a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OperandoError
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
        If a setting is unknown to the reader.
    """
    path = Path(path)
    chosen = choose(path, formats, reader)
    unknown = [name for name in settings if name not in signature(chosen.read).parameters]
    if unknown:
        raise OperandoError(f"{path}: reader {chosen.name!r} has no setting {', '.join(map(repr, unknown))}")
    return chosen.read(path, timezone=timezone, **settings)
