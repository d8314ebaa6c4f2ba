"""Readers of cycler logs. Each returns voltage, current and the cycler's counters over UTC ``time``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from operando.reading import read_as

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
        If no reader knows the file, a setting that its reader needs is lacking, or the file cannot be read.
    OperandoError
        If a setting is not the reader's.
    """
    return read_as(FORMATS, path, reader, timezone, settings)
