"""When a block of a VAMAS file was measured: its date and what it says its clock is ahead of GMT."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from datetime import timezone as fixed_zone
from pathlib import Path
from typing import Any

import numpy as np

from operando.errors import OperandoError
from operando.flags import Flag
from operando.header_times import Span, moment, span

from .vamas_lines import number

ZONE = "timezone"
EXACT = "operando: "
"""How comment lines begin that hold, as JSON, what this program wrote of a block: exact times (UTC) and flags."""
_FARTHEST = 15.0
_ZERO = "0 hours ahead of GMT, as many instruments write for any zone,"
_EARLIEST = 1900
_LONGEST = 1e7
_WINTER = "2000-01-01T12:00:00"
"""A time that no zone repeats or skips: only an unknown zone is an error there."""


def block_span(
    path: Path,
    fields: Mapping[str, str],
    duration: float | None,
    *,
    timezone: str | None,
    hours_ahead: float | str | None,
    remarks: list[str],
) -> Span:
    """Return when a block was measured; ``remarks`` gets what is odd about it.

    The hours stated lead to UTC. Instruments write 0 where they do not know them, so that with a ``timezone`` 0
    means local time there; without one it is taken as it stands. ``hours_ahead`` decides otherwise.

    Parameters
    ----------
    duration
        Seconds counted, where known.
    hours_ahead
        A number instead of the hours stated, or ``"timezone"`` for local time in ``timezone`` whatever is stated.

    Raises
    ------
    OperandoError
        If the setting is neither.
    """
    _require_hours(path, hours_ahead)
    local = _local(fields, remarks)
    if local is None:
        return Span()
    stated = number(fields["hours ahead of GMT"])
    if stated is not None and abs(stated) > _FARTHEST:
        remarks.append(f"{stated:g} hours ahead of GMT cannot be and are not used")
        stated = None
    if isinstance(hours_ahead, int | float):
        hours: float | None = float(hours_ahead)
    elif hours_ahead == ZONE or (timezone is not None and not stated):
        hours = None
        if hours_ahead is None and stated == 0:
            remarks.append(f"{_ZERO} are not used: the clock is taken as that of {timezone}")
    else:
        hours = stated
        _remark_on(path, local, stated, timezone, remarks)
    if duration is not None and duration > _LONGEST:
        remarks.append(f"{duration:g} s are not believed to have been counted, so that the end is unknown")
        duration = None
    text = local.isoformat() if hours is None else local.replace(tzinfo=_offset(hours)).isoformat()
    return span(path, text, timezone=timezone, duration=duration)


def exact(comment: Sequence[str]) -> tuple[Span, Flag] | None:
    """Return the times and flags in the comment of a block that this program wrote; None of any other."""
    told: dict[str, Any] = {}
    for line in comment:
        try:
            item = json.loads(line.removeprefix(EXACT)) if line.startswith(EXACT) else None
        except (ValueError, RecursionError):
            continue
        told |= item if isinstance(item, dict) else {}
    if isinstance(flag := told.get("flag"), bool) or not isinstance(flag, int) or not 0 <= flag < 2 * int(max(Flag)):
        return None
    try:
        start, middle, end = (np.datetime64(told.get(name, "NaT"), "ns") for name in ("time_start", "time", "time_end"))
    except ValueError:
        return None
    return Span(start, middle, end, note="exact times in the comment of the block"), Flag(flag)


def _require_hours(path: Path, hours_ahead: float | str | None) -> None:
    number_given = isinstance(hours_ahead, int | float) and not isinstance(hours_ahead, bool)
    if hours_ahead in (None, ZONE) or (number_given and abs(float(hours_ahead)) <= _FARTHEST):
        return
    raise OperandoError(f"{path}: hours_ahead: expected hours from -15 to 15 or {ZONE!r}, got {hours_ahead!r}")


def _remark_on(path: Path, local: datetime, stated: float | None, timezone: str | None, remarks: list[str]) -> None:
    """Say where the hours stated may be wrong: none stated, or others than those of the zone."""
    if timezone is None:
        if stated == 0:
            remarks.append(f"{_ZERO} are taken as UTC; timezone says which it was")
        return
    if stated is None:
        return
    try:
        there = moment(path, local.isoformat(), timezone)
    except OperandoError:
        moment(path, _WINTER, timezone)
        return
    here = moment(path, local.replace(tzinfo=_offset(stated)).isoformat(), None)
    if there is not None and here is not None and there != here:
        zone = float((np.datetime64(local, "ns") - there) / np.timedelta64(1, "h"))
        remarks.append(
            f"the clock is taken as {stated:g} hours ahead of GMT, as stated, where {timezone} was {zone:g}; "
            f"hours_ahead = {ZONE!r} takes the zone"
        )


def _local(fields: Mapping[str, str], remarks: list[str]) -> datetime | None:
    """Return date and time of a block; None where it has none."""
    numbers = [number(fields[name]) for name in ("year", "month", "day", "hours", "minutes", "seconds")]
    year, month, day, hours, minutes, seconds = (-1.0 if value is None else value for value in numbers)
    if year <= 0 or month <= 0 or day <= 0:
        return None
    if hours < 0 or minutes < 0:
        remarks.append(f"the date {year:.0f}-{month:02.0f}-{day:02.0f} has no time of day and is not used")
        return None
    try:
        if year < _EARLIEST:
            raise ValueError
        whole = datetime(int(year), int(month), int(day), int(hours), int(minutes))
        return whole + timedelta(seconds=max(seconds, 0.0))
    except (ValueError, OverflowError):
        shown = "-".join(fields[name] for name in ("year", "month", "day"))
        clock = ":".join(fields[name] for name in ("hours", "minutes", "seconds"))
        remarks.append(f"{shown} {clock} is no date and time")
        return None


def _offset(hours: float) -> fixed_zone:
    return fixed_zone(timedelta(hours=hours))
