"""Void and crack volumes of a series against potential and time, and how much of the cracks is missed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.kind_colors import COLORS, SIGNS
from operando.plot import unit_label

from .parts import Part, Plot, counted, text
from .scan_lines import Line, draw_lines
from .series import LocalTime, Series

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_LINES = {"all voids": ("void_volume", "void"), "cracks": ("crack_volume", "crack")}
_SIGNS = {"circle": "●", "square": "■", "triangle": "▲", "diamond": "◆"}
_CURVE, _LIMIT = "crack_volume_bias", "detection_limit"
_GAP_LIMIT = "gap_detection_limit"
_LEAST_FOUND = 0.5
"""Of a crack that is below the detection limit at least so much is taken to be found: no factor beyond 2."""


def draw_volumes(series: Series, ds: xr.Dataset, objects: xr.Dataset | None, local: LocalTime) -> Iterator[Part]:
    """Yield the volumes of cracks, lost contact and all voids, with what is missed of the cracks if that is known."""
    lines = [_line(ds, objects, name, *about) for name, about in _LINES.items() if about[0] in ds]
    if not lines:
        return
    lines += _contact_lost(series, objects)
    unit = next(unit_label(str(ds[about[0]].attrs.get("units", ""))) for about in _LINES.values() if about[0] in ds)
    if series.count == 1:
        said = "; ".join(
            f"{line.name} {measured(line.value[0], np.nan if line.std is None else line.std[0])} {unit}"
            for line in lines
        )
        yield Plot((), f"Volumes of {text(series.name)}: {said}. {limit_words(ds)}")
        return
    yield Plot(
        draw_lines(series, lines, f"volume ({unit})", local), _caption(series, ds, lines), key(lines), beside=True
    )


def _line(ds: xr.Dataset, objects: xr.Dataset | None, name: str, variable: str, kind: str) -> Line:
    value = np.asarray(ds[variable].values, float)
    std = next((np.asarray(ds[one].values, float) for one in _errors(variable) if one in ds), None)
    return Line(name, COLORS[kind], SIGNS[kind], value, std, missed(ds, objects, value) if kind == "crack" else None)


def _errors(variable: str) -> tuple[str, str]:
    """Return the names of the uncertainty of a number, all of it before that from noise alone."""
    return f"{variable}_uncertainty", f"{variable}_std"


def _contact_lost(series: Series, objects: xr.Dataset | None) -> list[Line]:
    """Return the volume of lost contact, where objects were told apart by kind and there is any."""
    number = _kind_number(objects, "contact_loss")
    if objects is None or number is None:
        return []
    own = objects["kind"].values == number
    volume, std = volumes_of(objects)
    scan = objects["scan"].values[own]
    value = np.bincount(scan, volume[own], series.count)[: series.count].astype(float)
    error = np.sqrt(np.bincount(scan, std[own] ** 2, series.count))[: series.count]
    return [Line("lost contact", COLORS["contact loss"], SIGNS["contact loss"], value, error)] if own.any() else []


def volumes_of(objects: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return volume and standard uncertainty of each object: by share of void, else by voxels and not known."""
    if "void_volume" in objects:
        return objects["void_volume"].values.astype(float), objects["void_volume_std"].values.astype(float)
    return objects["volume"].values.astype(float), np.full(objects.sizes["object"], np.nan)


def _kind_number(objects: xr.Dataset | None, kind: str) -> int | None:
    if objects is None or "kind" not in objects or "scan" not in objects.variables:
        return None
    words = str(objects["kind"].attrs.get("flag_meanings", "")).split()
    values = np.ravel(objects["kind"].attrs.get("flag_values", []))
    return next((int(value) for value, word in zip(values, words, strict=False) if word == kind), None)


def missed(ds: xr.Dataset, objects: xr.Dataset | None, value: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the crack volume of every scan corrected by the bias of cracks of their apertures; None if not known.

    V = Sum v / (1 + bias(a)) over the cracks, scaled to the volume of all; each counts by its share of the volume.
    """
    if objects is None or _CURVE not in ds or not {"aperture_median", "scan"} <= set(objects.variables):
        return None
    curve, place = ds[_CURVE].transpose("scan", "aperture").values, ds["aperture"].values
    own, opening, number = volumes_of(objects)[0], objects["aperture_median"].values, _kind_number(objects, "crack")
    counts = np.isfinite(opening) & (own > 0)
    if number is not None:
        counts &= objects["kind"].values == number
    whole = np.full(value.size, np.nan)
    for at in range(value.size):
        rows = counts & (objects["scan"].values == at)
        if rows.any() and np.isfinite(curve[at]).all():
            kept = np.maximum(1 + np.interp(opening[rows], place, curve[at]), _LEAST_FOUND)
            whole[at] = value[at] * (own[rows] / kept).sum() / own[rows].sum()
    return whole


def key(lines: list[Line]) -> str:
    """Return the legend of lines as HTML."""
    keys = ((line.color, _SIGNS.get(line.marker, "●"), text(line.name)) for line in lines)
    return " ".join(
        f'<span class="key"><span style="color:{color}">{sign}</span> {name}</span>' for color, sign, name in keys
    )


def measured(value: float, std: float) -> str:
    """Return a value and its uncertainty with as many digits as the uncertainty allows."""
    if not np.isfinite(value):
        return "–"
    if not (np.isfinite(std) and std > 0):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    digits = min(max(1 - int(np.floor(np.log10(std))), 0), 6)
    return f"{value:.{digits}f} ± {std:.{digits}f}"


def in_short(ds: xr.Dataset) -> str:
    """Return the first and the last crack volume of a series and the detection limit in words; empty without cracks."""
    if "crack_volume" not in ds or not ds.sizes.get("scan"):
        return ""
    line = _line(ds, None, "", *_LINES["cracks"])
    std = line.std if line.std is not None else line.value * np.nan
    ends = dict.fromkeys((0, line.value.size - 1))
    unit = unit_label(str(ds["crack_volume"].attrs.get("units", "")))
    return " to ".join(f"{measured(line.value[at], std[at])} {unit}" for at in ends) + f" of cracks. {limit_words(ds)}"


def limit_of(ds: xr.Dataset, name: str = _LIMIT) -> tuple[float, float]:
    """Return the detection limit of the series and its standard uncertainty, um: the largest of all scans."""
    if name not in ds:
        return np.nan, np.nan
    values = np.atleast_1d(np.asarray(ds[name].values, float))
    if not np.isfinite(values).any():
        return np.nan, np.nan
    at = int(np.nanargmax(values))
    std = np.atleast_1d(ds[f"{name}_std"].values) if f"{name}_std" in ds else values * np.nan
    return float(values[at]), float(std[at])


def limit_words(ds: xr.Dataset) -> str:
    """Return in words how thin a crack may be to be found."""
    limit, std = limit_of(ds)
    if not np.isfinite(limit):
        return f"No detection limit was determined: thin cracks may be missing from the numbers.{_gap_words(ds)}"
    opening = f"{measured(limit, std)} µm (detection limit)"
    return f"Of cracks open by less than {opening} more than half of the volume is missed.{_gap_words(ds)}"


def _gap_words(ds: xr.Dataset) -> str:
    """Return in words how thin gaps beside particles may be to be found."""
    limit, std = limit_of(ds, _GAP_LIMIT)
    if not np.isfinite(limit):
        return ""
    return f" Of gaps beside particles more than half is missed below {measured(limit, std)} µm."


def _caption(series: Series, ds: xr.Dataset, lines: list[Line]) -> str:
    said = [
        f"Volumes in {counted(series.count, 'scan')} of {text(series.name)}.",
        "Those of all voids include cracks and lost contact.",
    ]
    if any(_errors(variable)[0] in ds for variable, _ in _LINES.values()):
        said.append("Error bars are one standard uncertainty: of noise, and of what may be lost beside particles.")
    elif any(line.std is not None for line in lines):
        said.append("Error bars are one standard uncertainty, that of noise.")
    else:
        said.append("Their uncertainties are not known.")
    for line in lines:
        if line.whole is not None and np.isfinite(line.whole[line.value > 0]).any():
            there = line.value > 0
            change = np.nanmax(np.abs(line.whole[there] / line.value[there] - 1))
            said.append(
                f"Wide bars reach to the volume of {line.name} corrected for what simulated cracks of the same"
                f" apertures lose or gain, at most {change:.1%}."
            )
    said.append(limit_words(ds))
    if series.flags().any():
        said.append("Flagged scans are hollow.")
    return " ".join(said)
