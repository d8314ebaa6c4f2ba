"""When the frames of a stack were taken, as its log says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from operando.clock import to_ns
from operando.errors import OperandoError
from operando.header_times import NOT_A_TIME, Span, moment, seconds
from operando.log_table import LogTable

from .frames import require_positive
from .stack import Times

TIME_KEYS = ("marks", "duration", "format")
_TO_MIDDLE = {"start": 0.5, "middle": 0.0, "end": -0.5}


def times(
    path: Path, table: LogTable, column: int | None, settings: Mapping[str, Any], timezone: str | None
) -> tuple[Times | None, Span]:
    """Return the middle of every frame, UTC, and the span of the stack; None and no span where no time is known.

    Raises
    ------
    FileError
        If a time cannot be read.
    OperandoError
        If a setting is wrong.
    """
    if column is None:
        return None, Span()
    texts = [row[column] for row in table.rows]
    moments = [moment(path, text, timezone, settings.get("format")) for text in texts]
    if any(one is None for one in moments):
        return None, Span(local=texts[0], note="local time without a zone: not used")
    return spanned(path, np.array(moments, "datetime64[ns]"), settings)


def spanned(path: Path, stated: Times, settings: Mapping[str, Any]) -> tuple[Times, Span]:
    """Return the middle of every frame and the span of the stack from the times that its frames are marked by.

    Raises
    ------
    OperandoError
        If a setting is wrong.
    """
    marks, duration = settings.get("marks", "start"), settings.get("duration")
    require_positive(path, "time.duration", duration)
    if marks not in _TO_MIDDLE:
        raise OperandoError(f"{path}: time.marks: expected one of {', '.join(_TO_MIDDLE)}, got {marks!r}")
    known = np.sort(stated[~np.isnat(stated)])
    if not known.size:
        return stated, Span()
    step = np.median(np.diff(known)) if known.size > 1 else np.timedelta64(0, "ns")
    length = seconds(duration) if duration is not None else step
    middles = stated + seconds(_TO_MIDDLE[marks] * float(length / np.timedelta64(1, "s")))
    first, last = middles[~np.isnat(middles)].min(), middles[~np.isnat(middles)].max()
    start, end = first - length // 2, last + length // 2
    taken = f"times of the frames, marked at their {marks}"
    return middles, Span(start, start + (end - start) // 2, end, note=taken)


def after(start: np.datetime64 | None, elapsed: np.ndarray) -> Times:
    """Return the times ``elapsed`` (s) after ``start``; NaT where either is unknown."""
    begun = NOT_A_TIME if start is None else start
    return begun + to_ns(np.asarray(elapsed, np.float64))
