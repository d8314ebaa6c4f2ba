"""Dates of acquisition as Prodigy writes them."""

from __future__ import annotations

import re
from pathlib import Path

from operando.header_times import Span, parsed_time, span

_ZONED = re.compile(r"(?P<when>.*?\d)\s*(?P<zone>UTC|GMT|Z|(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?)?")
_DATES = ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S")


def acquisition(path: Path, date: str, duration: float, timezone: str | None) -> Span:
    """Return the span from the date of acquisition, such as ``08/24/23 14:19:47 UTC``, and the time counted (s).

    A date of another form is kept as text and not used.

    Raises
    ------
    FileError
        If the zone is unknown, or its clocks repeat or skip that hour.
    """
    text = date.strip()
    match = _ZONED.fullmatch(text)
    if not text or match is None:
        return Span(local=text, note="no time in the file" if not text else "a time of unknown form: not used")
    found = next((when for when in (parsed_time(match["when"], form) for form in (*_DATES, None)) if when), None)
    if found is None:
        return Span(local=text, note="a time of unknown form: not used")
    zone = _offset(match["zone"])
    length = duration if 0 < duration < 1e7 else None
    return span(path, f"{found.isoformat()}{zone}", timezone=timezone, duration=length)


def _offset(zone: str | None) -> str:
    """Return a zone as ISO 8601 writes it after a time; empty for local time."""
    if not zone:
        return ""
    digits = re.sub(r"^(UTC|GMT|Z)", "", zone)
    if not digits:
        return "+00:00"
    numbers = re.findall(r"\d+", digits)
    joined = "".join(numbers)
    hours, minutes = (joined[:-2], joined[-2:]) if len(joined) > 2 else (joined, "00")
    return f"{digits[0]}{int(hours):02d}:{minutes}"
