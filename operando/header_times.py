"""Times in headers: text to UTC, with the zone of the recipe where the text has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from .clock import to_utc
from .errors import FileError, OperandoError

NOT_A_TIME = np.datetime64("NaT", "ns")
_MOST_SECONDS = 2**33
"""Until the year 2242: times in ns end in 2262."""
_LONGEST = 1e9
"""No scan takes 30 years, s."""
_TIME_KEYS = ("start", "format", "middle", "end", "duration")


@dataclass(frozen=True)
class Span:
    """When a scan was measured, UTC; NaT where unknown.

    ``local`` keeps the text of a local time whose zone nobody gave; ``note`` says what was taken from the header.
    """

    start: np.datetime64 = NOT_A_TIME
    middle: np.datetime64 = NOT_A_TIME
    end: np.datetime64 = NOT_A_TIME
    local: str = ""
    note: str = "no time in the file"

    def attributes(self) -> dict[str, str]:
        """Return what a Dataset says of it: ``time_taken``, and ``local_time_start`` where a zone is lacking."""
        return {"time_taken": self.note, **({"local_time_start": self.local} if self.local else {})}


def span(
    path: Path,
    start: str,
    *,
    timezone: str | None,
    pattern: str | None = None,
    end: str | None = None,
    middle: float | None = None,
    duration: float | None = None,
) -> Span:
    """Return the span of a scan from the texts of its header; ``middle`` and ``duration`` are in s from the start.

    Where neither end, middle nor duration is known, ``middle`` is the start and ``end`` is NaT.
    """
    began = moment(path, start, timezone, pattern)
    if began is None:
        return Span(local=start, note="local time without a zone: not used")
    if middle is not None:
        return Span(
            began, began + seconds(middle), began + seconds(2 * middle), note="start, and seconds to the middle"
        )
    if duration is not None:
        return Span(began, began + seconds(duration / 2), began + seconds(duration), note="start and duration")
    ended = moment(path, end, timezone, pattern) if end else None
    if ended is None:
        return Span(began, began, note="start only: the time is that of the start")
    if ended < began:
        raise FileError(path, "an end after the start", f"{start} to {end}", place="times in the header")
    return Span(began, began + (ended - began) // 2, ended, note="start and end")


def moment(path: Path, text: str, timezone: str | None, pattern: str | None = None) -> np.datetime64 | None:
    """Return a time in UTC; None if the text has no zone and none is given.

    Raises
    ------
    FileError
        If the text is no date and time, the zone is unknown, or its clocks repeat or skip that hour.
    """
    parsed = parsed_time(text, pattern)
    if parsed is None:
        wanted = f"a date and time as {pattern!r}" if pattern else "a date and time in ISO 8601"
        remedy = "state 'format' in the time settings, as strptime takes it"
        raise FileError(path, wanted, repr(text), place="time in the header", remedy=remedy)
    if parsed.tzinfo is None and timezone is None:
        return None
    utc: np.datetime64 = to_utc(parsed, timezone, file=path, place="time in the header")
    return utc


def parsed_time(text: str, pattern: str | None = None) -> datetime | None:
    """Return the date and time that ``text`` states (ISO 8601 or as the Unix ``date`` writes it), else None."""
    try:
        if pattern:
            return datetime.strptime(text.strip(), pattern)
        return datetime.fromisoformat(text.strip()) if len(text.strip()) > 10 else None
    except ValueError:
        if pattern:
            return None
    try:
        return datetime.strptime(" ".join(text.split()), "%a %b %d %H:%M:%S %Y")
    except ValueError:
        return None


def seconds(value: float) -> np.timedelta64:
    """Return seconds as a time difference in ns.

    Raises
    ------
    OperandoError
        If they are more than times in ns can hold, or no number.
    """
    if not abs(value) < _MOST_SECONDS:
        raise OperandoError(f"time: expected seconds within {_MOST_SECONDS:.1e} s, got {value:g} s")
    return np.timedelta64(round(value * 1e9), "ns")


def stated_span(path: Path, header: Sequence[str], time: Mapping[str, str] | None, timezone: str | None) -> Span:
    """Return when a scan was measured, as settings say where the header has it.

    Parameters
    ----------
    time
        ``start``: the text in the header that stands before the start; ``end``, or ``duration`` (s), or ``middle``
        (s from the start) likewise; ``format`` as strptime takes it.

    Raises
    ------
    FileError
        If the header lacks one of the texts, or no time or seconds stand behind it.
    OperandoError
        If a setting is unknown.
    """
    if not time:
        return Span()
    unknown = [key for key in time if key not in _TIME_KEYS]
    if unknown:
        raise OperandoError(f"{path}: time: expected keys among {', '.join(_TIME_KEYS)}, got {unknown[0]!r}")
    if "start" not in time:
        raise OperandoError(f"{path}: time: expected the key 'start', got {', '.join(time)}")
    middle, duration = (_stated_seconds(path, header, time.get(key), key) for key in ("middle", "duration"))
    return span(
        path,
        _after(path, header, time["start"], "start"),
        timezone=timezone,
        pattern=time.get("format"),
        end=_after(path, header, time["end"], "end") if "end" in time else None,
        middle=middle,
        duration=duration,
    )


def _after(path: Path, header: Sequence[str], text: str, key: str) -> str:
    """Return what stands behind ``text`` in the header's first line that has it."""
    for line in header:
        _, found, rest = line.partition(text)
        if found:
            return rest.strip().lstrip("=:").strip()
    raise FileError(path, f"a header line with {text!r}", "none", place=f"time.{key}", remedy="copy the text exactly")


def _stated_seconds(path: Path, header: Sequence[str], text: str | None, key: str) -> float | None:
    if text is None:
        return None
    value = _after(path, header, text, key)
    try:
        seconds = float(value.split()[0])
    except (ValueError, IndexError):
        seconds = np.nan
    if not 0 <= seconds < _LONGEST:
        raise FileError(path, f"seconds behind {text!r}", repr(value), place=f"time.{key}")
    return seconds
