"""What the phases of a series are like: surface per volume against potential and time, and a table of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.kind_colors import SIGNS, kind_colors, kind_of
from operando.plot import unit_label

from .figures import new_figure
from .parts import Html, Part, Plot, counted, table, text
from .scan_lines import Line, draw_lines
from .series import LocalTime, Series
from .void_volumes import key, measured

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_SURFACE = "specific_surface_area"
_ROWS = {
    _SURFACE: "surface per volume",
    "chord_length_mean": "mean chord",
    "tau_geodesic": "geodesic tortuosity",
    "constrictivity": "constrictivity",
    "bottleneck_radius": "radius of bottlenecks",
    "opening_radius": "radius of openings",
    "representative_size": "edge of a representative cube",
}
_TRIPLE = "triple_phase_density"


def draw_structure(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield the surface of every phase scan by scan, and what else is known of the phases in the first and last."""
    if _SURFACE in ds and series.count > 1:
        yield _surfaces(series, ds, local)
    rows = list(_rows(_known(ds)))
    if rows:
        names = [str(name).replace("_", " ") for name in _known(ds)["phase"].values]
        ends = "" if series.count == 1 else " in its first and last scan"
        said = f"Phases of {text(series.name)}{ends}, with one standard uncertainty: of the volume that was looked at"
        said += f" and of the thresholds.{_lines_said(ds)}"
        yield Html(f"<p>{said}</p>{table(('', *names), rows)}")
    elif _TRIPLE in ds:
        yield Html(f"<p>{_lines_said(ds).strip()}</p>")
    if "two_point" in ds and "lag" in ds.coords:
        yield _correlation(series, ds)


def _known(ds: xr.Dataset) -> xr.Dataset:
    """Return the numbers of phases of which any is known."""
    found = ds[[name for name in _ROWS if name in ds and "phase" in ds[name].dims]]
    held = [found[name].notnull().any([dim for dim in found[name].dims if dim != "phase"]) for name in found.data_vars]
    errors = [str(name) for name in ds.data_vars if str(name).rpartition("_")[0] in found.data_vars]
    return ds[[*found.data_vars, *errors]].sel(phase=sum(held) > 0) if held else found


def _surfaces(series: Series, ds: xr.Dataset, local: LocalTime) -> Plot:
    names = [str(name) for name in ds["phase"].values]
    value, std = numbers(ds, _SURFACE)
    lines = [
        Line(name.replace("_", " "), color, SIGNS.get(kind_of(name), "circle"), value[:, at], std[:, at])
        for at, (name, color) in enumerate(zip(names, kind_colors(names), strict=True))
        if np.isfinite(value[:, at]).any()
    ]
    said = (
        f"Surface of the phases per volume in {counted(series.count, 'scan')} of {text(series.name)}. Error bars are"
        " one standard uncertainty: of the volume that was looked at, and of the thresholds."
    )
    return Plot(draw_lines(series, lines, f"surface ({_unit(ds, _SURFACE)})", local), said, key(lines), beside=True)


def _correlation(series: Series, ds: xr.Dataset) -> Plot:
    """Return how likely two points both lie in a phase by their distance, mean over the axes, in the last scan."""
    names = [str(name) for name in ds["phase"].values]
    curves = ds["two_point"].isel(scan=-1).mean("axis").transpose("phase", "lag").values
    fig = new_figure(f"distance ({_unit(ds, 'lag')})", "both in the phase")
    lines = [
        Line(name.replace("_", " "), color, SIGNS.get(kind_of(name), "circle"), curve)
        for name, color, curve in zip(names, kind_colors(names), curves, strict=True)
        if np.isfinite(curve).any()
    ]
    for line in lines:
        fig.line(ds["lag"].values, line.value, color=line.color, line_width=1.5)
        fig.scatter(ds["lag"].values, line.value, color=line.color, marker=line.marker, size=4)
    which = "" if series.count == 1 else ", last scan"
    said = f"How likely two points both lie in a phase, mean over the axes; {text(series.name)}{which}."
    return Plot([fig], said, key(lines))


def numbers(ds: xr.Dataset, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a number, dims (scan, ...) with the phase last, and the uncertainty that holds most."""
    dims = [dim for dim in ("scan", "axis", "phase") if dim in ds[name].dims]
    value = ds[name].transpose(*dims).values.astype(float)
    error = next((one for one in (f"{name}_uncertainty", f"{name}_std") if one in ds), None)
    std = value * np.nan if error is None else ds[error].transpose(*dims).values.astype(float)
    return value, std


def _rows(ds: xr.Dataset) -> Iterator[tuple[str, ...]]:
    """Yield quantity by quantity, axis by axis, the numbers of every phase."""
    for name, said in _ROWS.items():
        if name not in ds or "phase" not in ds[name].dims:
            continue
        value, std = numbers(ds, name)
        unit = _unit(ds, name)
        ending = f" ({unit})" if unit else ""
        axes = [f" along {axis}" for axis in ds["axis"].values] if value.ndim == 3 else [""]
        shape = (value.shape[0], len(axes), value.shape[-1])
        value, std = value.reshape(shape), std.reshape(shape)
        for at, along in enumerate(axes):
            if not np.isnan(value[:, at]).all():
                yield f"{said}{along}{ending}", *(_ends(value[:, at, k], std[:, at, k]) for k in range(shape[-1]))


def _ends(value: NDArray[np.float64], std: NDArray[np.float64]) -> str:
    """Return the first and the last of some numbers."""
    said = [_one(value[at], std[at]) for at in (0, -1)]
    return said[0] if value.size == 1 or said[0] == said[1] else " → ".join(said)


def _one(value: float, std: float) -> str:
    return "no way" if np.isinf(value) else measured(value, std)


def _unit(ds: xr.Dataset, name: str) -> str:
    units = str(ds[name].attrs.get("units", ""))
    return "" if units in ("", "1") else unit_label(units)


def _lines_said(ds: xr.Dataset) -> str:
    """Return how long the lines are where three phases meet, in words."""
    if _TRIPLE not in ds:
        return ""
    phases = str(ds["triple_phase_length"].attrs.get("phases", "three phases")) if "triple_phase_length" in ds else ""
    value, std = numbers(ds, _TRIPLE)
    where = text(phases.replace("_", " ")) or "three phases"
    return f" Where {where} meet there are lines of {_ends(value, std)} {_unit(ds, _TRIPLE)}, length per volume."
