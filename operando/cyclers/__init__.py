"""Readers of cycler logs. Each returns voltage, current and the cycler's counters over UTC ``time``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from operando.errors import FileError
from operando.sniff import choose

from . import eclab
from .binary import ARBIN, MPR, NEWARE
from .tables import BDF, COLUMNS, MACCOR

FORMATS = (eclab.FORMAT, MPR, NEWARE, ARBIN, MACCOR, BDF, COLUMNS)
"""Every format, in the order in which they are asked whether a file is theirs."""


def read(path: str | Path, *, timezone: str | None = None, reader: str | None = None, **settings: Any) -> xr.Dataset:
    """Return one file's log as its reader gives it: voltage, current, counters and ``flag`` over ``time``.

    Parameters
    ----------
    path
        The file.
    timezone
        Zone of its local times (IANA), where they name none.
    reader, settings
        Name of the reader (found by content otherwise) and its settings.

    Returns
    -------
    Dataset
        Over ``time`` (UTC): ``voltage`` (V), ``current`` (A, charge positive), the cycler's counters and ``flag``.

    Raises
    ------
    FileError
        If no reader knows the file, a setting is not the reader's, or the file cannot be read.
    """
    chosen = choose(path, FORMATS, reader)
    try:
        return chosen.read(path, timezone=timezone, **settings)
    except TypeError as error:
        problem = str(error).partition("() ")[2]
        if "keyword" not in problem:
            raise
        raise FileError(
            path,
            f"the settings of reader {chosen.name!r}",
            problem,
            remedy="check the recipe's settings of this reader",
        ) from None
