"""Times on one clock: local time to UTC, and a clock's offset and drift against another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

from .errors import ClockError, FileError, OperandoError

Times = npt.NDArray[np.datetime64]
LocalTime = str | datetime | np.datetime64 | Sequence[str] | npt.NDArray[Any]

METHODS = ("assumed", "ntp", "shared_channel", "trigger", "event", "manual")
"""How a clock's offset and drift were found."""

_SECOND = 1_000_000_000
_MOST_SECONDS = 2.0**62 / 1e9
_YEARS = (1970, 2200)


def to_utc(
    local: LocalTime,
    timezone: str | None,
    *,
    file: str | Path = "",
    place: str = "",
    form: str | None = None,
    elapsed: npt.NDArray[np.float64] | None = None,
) -> Any:
    """Return local times as UTC, ``datetime64[ns]``; a single time gives a scalar.

    A text that carries its own offset (``2022-07-26T22:38:30+02:00``) needs no zone.

    Parameters
    ----------
    local
        Texts (ISO 8601, or ``form``), datetimes or naive ``datetime64``; one or an array.
    timezone
        IANA name of the zone, such as ``"Europe/Paris"``.
    file, place
        Where the times stand, for the error message.
    form
        ``strptime`` format of the texts.
    elapsed
        Seconds since any one instant, one for each time. Where the clocks go back an hour occurs twice; the
        elapsed seconds from an unambiguous time decide which is meant. Without them, a log whose times fall
        back once within that hour is resolved by that fall.

    Returns
    -------
    array of datetime64[ns], or one
        UTC, of the shape of ``local``.

    Raises
    ------
    FileError
        (:class:`ClockError` where no file is named.) If a text is no time, the zone is missing or unknown, or
        the hour is ambiguous or was skipped when the clocks changed.
    """
    try:
        naive, has_offset, scalar = _parsed(local, form)
        utc = naive if has_offset else _localized(naive, zone(timezone), elapsed)
    except _TimeProblemError as problem:
        raise problem.located(file, place) from None
    return utc[0] if scalar else utc


def zone(name: str | None) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises
    ------
    ClockError
        If no name is given or no zone has it; the message suggests one.
    """
    if not name:
        raise _TimeProblemError(
            "the time zone of local times", "none", 'set timezone in the recipe, such as timezone = "Europe/Paris"'
        )
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _TimeProblemError("an IANA time zone", repr(name), _zone_suggestion(name)) from None


class _TimeProblemError(ClockError):
    """A time problem before the file is known."""

    def __init__(self, expected: str, got: str, remedy: str) -> None:
        self.expected, self.got, self.remedy = expected, got, remedy
        super().__init__(f"expected {expected}, got {got}; {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts, so that the error crosses process borders."""
        return _TimeProblemError, (self.expected, self.got, self.remedy)

    def located(self, file: str | Path, place: str) -> OperandoError:
        """Return the error that names the file, or this one if there is none."""
        if not str(file):
            return self
        return FileError(file, self.expected, self.got, place=place, remedy=self.remedy)


@cache
def _zones() -> dict[str, str]:
    """Return every zone under its whole name and its city, in lower case."""
    names = sorted(available_timezones())
    cities = {name.rsplit("/", 1)[-1].lower(): name for name in names}
    return {**cities, **{name.lower(): name for name in names}}


def _zone_suggestion(name: str) -> str:
    known = _zones()
    wanted = name.strip().lower().replace(" ", "_")
    near = get_close_matches(wanted, known, n=1, cutoff=0.6) or get_close_matches(
        wanted.rsplit("/", 1)[-1], known, n=1, cutoff=0.6
    )
    return f"did you mean {known[near[0]]!r}?" if near else "use a name such as 'Europe/Paris' or 'UTC'"


def _parsed(local: LocalTime, form: str | None) -> tuple[Times, bool, bool]:
    """Return times as ``datetime64[ns]``, whether they already are UTC, and whether it was one time."""
    scalar = isinstance(local, str | datetime | np.datetime64)
    items = [local] if scalar else local
    values = np.asarray(items) if isinstance(items, np.ndarray) and items.dtype.kind == "M" else None
    if values is None:
        stamps = [item if isinstance(item, datetime) else _from_text(item, form) for item in items]  # type: ignore[union-attr]
        aware = {stamp.tzinfo is not None for stamp in stamps}
        if len(aware) > 1:
            raise _TimeProblemError("times with or without an offset", "both in one column", "write them all alike")
        if aware == {True}:
            return (
                _in_range(np.array([stamp.astimezone(UTC).replace(tzinfo=None) for stamp in stamps], "M8[us]")),
                True,
                scalar,
            )
        values = np.array(stamps, "M8[us]")
    return _in_range(values), False, scalar


def _from_text(item: Any, form: str | None) -> datetime:
    if isinstance(item, np.datetime64):
        moment: datetime = item.astype("M8[us]").item()
        return moment
    text = str(item).strip()
    try:
        return datetime.strptime(text, form) if form else datetime.fromisoformat(text)
    except ValueError:
        wanted = f"a time as {form!r}" if form else "a time as YYYY-MM-DD hh:mm:ss"
        raise _TimeProblemError(wanted, repr(text[:60]), "give its strptime format in the reader's settings") from None


def _in_range(values: Times) -> Times:
    """Return ``values`` in ns; years that ns cannot hold, or that no instrument writes, are errors."""
    years = values.astype("M8[Y]").astype(np.int64) + 1970
    odd = ~np.isnat(values) & ((years < _YEARS[0]) | (years > _YEARS[1]))
    if odd.any():
        raise _TimeProblemError(
            f"a year from {_YEARS[0]} to {_YEARS[1]}", str(values[odd][0]), "check the time's format"
        )
    return values.astype("M8[ns]")


def _localized(naive: Times, where: ZoneInfo, elapsed: npt.NDArray[np.float64] | None) -> Times:
    index = pd.DatetimeIndex(naive)
    first = _as_utc(index, where, np.ones(naive.size, bool))
    second = _as_utc(index, where, np.zeros(naive.size, bool))
    skipped = np.isnat(first) & ~np.isnat(naive)
    if skipped.any():
        raise _TimeProblemError(
            f"a time that exists in {where.key}",
            f"{naive[skipped][0]} in the hour that the clocks skip",
            "check the time zone and the instrument's clock",
        )
    twice = (first != second) & ~np.isnat(first)
    if not twice.any():
        return first
    late = _is_second(naive, first, second, twice, elapsed)
    if late is None:
        raise _TimeProblemError(
            f"a time that occurs once in {where.key}",
            f"{naive[twice][0]} in the hour that occurs twice",
            "write it with its offset, such as +01:00, or in UTC",
        )
    return np.where(twice & late, second, first)


def _as_utc(index: pd.DatetimeIndex, where: ZoneInfo, summer: npt.NDArray[np.bool_]) -> Times:
    aware = index.tz_localize(where, ambiguous=summer, nonexistent="NaT")
    utc: Times = aware.tz_convert("UTC").tz_localize(None).to_numpy().astype("M8[ns]")
    return utc


def _is_second(
    naive: Times, first: Times, second: Times, twice: npt.NDArray[np.bool_], elapsed: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.bool_] | None:
    """Tell which ambiguous times are of the second pass; None if nothing decides."""
    sure = np.flatnonzero(~twice & ~np.isnat(first))
    if elapsed is not None and sure.size:
        anchor = sure[0]
        expected = first[anchor] + to_ns(np.asarray(elapsed, float) - float(elapsed[anchor]))
        return np.array(abs(second - expected) < abs(first - expected), dtype=np.bool_)
    falls = np.flatnonzero((np.diff(naive) < np.timedelta64(0, "ns")) & twice[:-1] & twice[1:])
    run = np.flatnonzero(twice)
    if falls.size == 1 and run[-1] - run[0] + 1 == run.size:
        later: npt.NDArray[np.bool_] = np.arange(naive.size) > int(falls[0])
        return later
    return None


def to_ns(seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.timedelta64]:
    """Return seconds as ``timedelta64[ns]``, exact to 1 ns; NaN, and what lies beyond 146 years, gives NaT."""
    within = np.abs(seconds) < _MOST_SECONDS
    finite = np.where(within, seconds, 0.0)
    whole = np.floor(finite)
    ns = whole.astype(np.int64) * _SECOND + np.rint((finite - whole) * _SECOND).astype(np.int64)
    return np.where(within, ns.astype("m8[ns]"), np.timedelta64("NaT", "ns"))


def _shifted(times: Times, seconds: npt.NDArray[np.float64]) -> Times:
    ns = times.astype("M8[ns]").astype(np.int64) + to_ns(seconds).astype(np.int64)
    return np.where(np.isnat(times), np.datetime64("NaT", "ns"), ns.astype("M8[ns]"))


def seconds_since(times: Times, start: np.datetime64) -> npt.NDArray[np.float64]:
    """Return the seconds from ``start`` to ``times`` as floats; NaT gives NaN."""
    ns = times.astype("M8[ns]") - start
    return np.where(np.isnat(ns), np.nan, ns.astype(np.int64) / _SECOND)


@dataclass(frozen=True)
class Clock:
    """A clock that runs beside the reference clock.

    ``t_utc = t_ref + (t_raw - t_ref - offset) / (1 + drift)``: at ``t_ref`` this clock shows ``offset`` seconds
    more than the reference, and it gains ``drift`` seconds every second.

    Parameters
    ----------
    name, reference
        This clock and the one it is brought to.
    t_ref
        UTC instant at which ``offset`` holds, usually the start of the experiment.
    offset, drift
        Seconds, and seconds per second.
    sigma
        Standard uncertainty of a corrected time, in seconds.
    method
        How the numbers were found: one of :data:`METHODS`.
    """

    name: str
    reference: str
    t_ref: np.datetime64
    offset: float = 0.0
    drift: float = 0.0
    sigma: float = 0.0
    method: str = "assumed"

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ClockError(f"clock {self.name!r}: {problem}")
        object.__setattr__(self, "t_ref", self.t_ref.astype("M8[ns]"))

    def _problem(self) -> str:
        if self.method not in METHODS:
            near = get_close_matches(str(self.method), METHODS, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"expected a method among {', '.join(METHODS)}, got {self.method!r}{hint}"
        if not (np.isfinite(self.offset) and np.isfinite(self.drift) and np.isfinite(self.sigma)):
            return "expected finite offset, drift and sigma"
        if abs(self.drift) > 0.01:
            return f"expected a drift of at most 0.01 s/s, got {self.drift}; write ppm as 25e-6"
        if self.sigma < 0:
            return f"expected sigma >= 0 s, got {self.sigma}"
        return "expected a time t_ref, got NaT" if np.isnat(np.datetime64(self.t_ref)) else ""

    def to_reference(self, times: Times) -> Times:
        """Return this clock's times on the reference clock, to the nanosecond; NaT stays NaT."""
        since = seconds_since(times, self.t_ref)
        shift = (self.offset + self.drift * since) / (1.0 + self.drift)
        return _shifted(times, -shift)

    def from_reference(self, times: Times) -> Times:
        """Return what this clock showed at times of the reference clock."""
        shift = self.offset + self.drift * seconds_since(times, self.t_ref)
        return _shifted(times, shift)

    def to_dict(self) -> dict[str, Any]:
        """Return the clock in JSON's own types."""
        return {**asdict(self), "t_ref": f"{self.t_ref}Z"}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Clock:
        """Return the clock that :meth:`to_dict` wrote."""
        return cls(**{**values, "t_ref": np.datetime64(str(values["t_ref"]).removesuffix("Z"), "ns")})

    def to_json(self) -> str:
        """Return the clock as JSON text."""
        return json.dumps(self.to_dict())
