"""When the scans of a SpecsLab Prodigy database were measured."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from operando.header_times import Span, moment, seconds

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(rf"(\d{{4}})-({'|'.join(_MONTHS)})-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{{1,6}}))?", re.ASCII)
_MOST_DEAD = 1.6
_NOTE = "ends of the scans, and of those before them"
_COUNTED = "ends of the scans, and times counted"


def stored_date(text: str) -> datetime | None:
    """Return a date such as ``2020-Aug-27 08:34:04.744004``, which has no zone; None if it is none."""
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return None
    year, month, *rest = match.groups()
    day, hour, minute, second = map(int, rest[:4])
    try:
        return datetime(
            int(year), _MONTHS.index(month) + 1, day, hour, minute, second, int((rest[4] or "0").ljust(6, "0"))
        )
    except ValueError:
        return None


def ends_in_order(dates: Iterable[str]) -> list[datetime]:
    """Return the dates that are some, the earliest first."""
    return sorted(date for date in map(stored_date, dates) if date is not None)


def scan_span(path: Path, date: str, counted: float, ends: Sequence[datetime], timezone: str | None) -> Span:
    """Return when a scan was measured.

    Parameters
    ----------
    date
        When it ended, as the file has it.
    counted
        The time counted, s.
    ends
        When the scans of the file ended, the earliest first, this one among them.

    Raises
    ------
    FileError
        If the zone is unknown, or its clocks repeat or skip that hour.
    """
    end = stored_date(date)
    if end is None:
        return Span(
            local=date.strip(), note="a time of unknown form: not used" if date.strip() else "no time in the file"
        )
    taken, note = _taken(end, counted, ends)
    utc = moment(path, end.isoformat(), timezone)
    if utc is None:
        return Span(local=(end - timedelta(seconds=taken)).isoformat(), note="local time without a zone: not used")
    start = utc - seconds(taken)
    return Span(start, utc - seconds(taken / 2), utc, note=note)


def _taken(end: datetime, counted: float, ends: Sequence[datetime]) -> tuple[float, str]:
    """Return how long a scan took: since the one before it ended if that fits to the time counted, else only that."""
    if not 0 < counted < 1e7:
        return 0.0, "end of the scan only"
    place = bisect_left(ends, end)
    since = (end - ends[place - 1]).total_seconds() if place else 0.0
    return (since, _NOTE) if counted <= since <= _MOST_DEAD * counted else (counted, _COUNTED)
