"""Tortuosity factors and the share of contact of a series against potential and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.kind_colors import COLORS, kind_of

from .parts import Part, Plot, counted, text
from .scan_lines import Line, draw_lines
from .series import LocalTime, Series
from .void_volumes import key, limit_of, measured

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_AXES = {"z": ("#0072B2", "circle"), "y": ("#8C3B00", "square"), "x": ("#7F7F7F", "triangle")}
"""Colors that no kind of void or phase has."""
_NOT_ASKED = "not asked for"
_NO_COLOR = "#7F7F7F"


def draw_transport(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield the tortuosity factor along each axis, and the share of a surface that is in contact."""
    lines = list(factor_lines(ds))
    if lines:
        what, ends = f"Tortuosity factor of {conducting(ds)}", f"{_missing(ds)}{_bars(ds, lines, _FACTOR_BARS)}"
        yield from _drawn(series, lines, "tortuosity factor", local, what=what, ends=ends)
    elif "tortuosity_factor" in ds:
        yield Plot((), f"{text(series.name)} has no finite tortuosity factor of {conducting(ds)}.{_missing(ds)}")
    share = contact_line(ds)
    if share is not None:
        body, toward = (str(ds["contact_share"].attrs.get(name, "?")).replace("_", " ") for name in ("body", "toward"))
        what = f"Share of the surface of {text(body)} that touches {text(toward)}"
        yield from _drawn(
            series, [share], "share in contact", local, what=what, ends=f"{_bars(ds, [share], _SHARE_BARS)}{_gaps(ds)}"
        )


_FACTOR_BARS = " Error bars are one standard uncertainty: of the volume that was looked at, and of the thresholds."
_SHARE_BARS = " Error bars are one standard uncertainty: of thresholds, and of the film that the blur makes."


def factor_lines(ds: xr.Dataset) -> Iterator[Line]:
    """Yield a line for each axis that was asked for; what is infinite is not on it."""
    if "tortuosity_factor" not in ds or "axis" not in ds.coords:
        return
    value, std = _numbers(ds, "tortuosity_factor", ("scan", "axis"))
    for at, axis in enumerate(map(str, ds["axis"].values)):
        if np.isfinite(value[:, at]).any():
            color, sign = _AXES.get(axis, (_NO_COLOR, "circle"))
            finite = np.isfinite(value[:, at])
            yield Line(
                f"along {axis}",
                color,
                sign,
                np.where(finite, value[:, at], np.nan),
                np.where(finite, std[:, at], np.nan),
            )


def contact_line(ds: xr.Dataset) -> Line | None:
    """Return the share of contact of every scan, None where there is none."""
    if "contact_share" not in ds:
        return None
    value, std = _numbers(ds, "contact_share", ("scan",))
    kind = kind_of(str(ds["contact_share"].attrs.get("body", "")))
    return Line("in contact", COLORS.get(kind, _NO_COLOR), "circle", value, std)


def conducting(ds: xr.Dataset) -> str:
    """Return which phases conduct, as HTML."""
    return text(str(ds["tortuosity_factor"].attrs.get("conducting", "what conducts")).replace("_", " "))


def _numbers(ds: xr.Dataset, name: str, dims: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a number and the uncertainty that holds most; NaN where it is not known or without limit."""
    value = ds[name].transpose(*dims).values.astype(float)
    error = next((one for one in (f"{name}_uncertainty", f"{name}_std") if one in ds), None)
    std = value * np.nan if error is None else ds[error].transpose(*dims).values.astype(float)
    return value, np.where(np.isfinite(std), std, np.nan)


def _drawn(series: Series, lines: list[Line], label: str, local: LocalTime, *, what: str, ends: str) -> Iterator[Part]:
    if series.count == 1:
        said = "; ".join(
            f"{line.name} {measured(line.value[0], np.nan if line.std is None else line.std[0])}" for line in lines
        )
        yield Plot((), f"{what}, {text(series.name)}: {said}.{ends}")
        return
    flagged = " Flagged scans are hollow." if series.flags().any() else ""
    said = f"{what} in {counted(series.count, 'scan')} of {text(series.name)}.{ends}{flagged}"
    legend = key(lines) if len(lines) > 1 or lines[0].name.startswith("along") else ""
    yield Plot(draw_lines(series, lines, label, local), said, legend, beside=True)


def _bars(ds: xr.Dataset, lines: list[Line], words: str) -> str:
    """Return in words what the error bars hold, and what of it all scans share."""
    if not any(line.std is not None and np.isfinite(line.std).any() for line in lines):
        return " The uncertainty is not known."
    shared = "threshold" in ds and ds.sizes["scan"] > 1 and bool((ds["threshold"] == ds["threshold"][0]).all())
    return words + (" All scans share the thresholds, whose part moves them alike." if shared else "")


def _gaps(ds: xr.Dataset) -> str:
    """Return in words which gaps are too thin to be told from contact."""
    if "contact_gap_limit" in ds:
        limit, std = limit_of(ds, "contact_gap_limit")
        many = "Of contact lost to gaps of {} µm half is found, of thinner ones less: they count as contact."
        none = "Of contact lost to gaps, less than half is found at any width that was tried."
        return " " + (many.format(measured(limit, std)) if np.isfinite(limit) else none)
    limit, std = limit_of(ds, "gap_detection_limit")
    return f" Gaps thinner than about {measured(limit, std)} µm count as contact." if np.isfinite(limit) else ""


def _missing(ds: xr.Dataset) -> str:
    """Return in words where there is no finite factor, and why."""
    if "tortuosity_reason" not in ds:
        return ""
    each = [dict.fromkeys(map(str, row)) for row in ds["tortuosity_reason"].transpose("scan", "axis").values]
    counts: dict[str, int] = {}
    for reason in (one for row in each for one in row if one not in ("", _NOT_ASKED)):
        counts[reason] = counts.get(reason, 0) + 1
    return "".join(f" None in {counted(number, 'scan')}: {text(one)}." for one, number in counts.items())
