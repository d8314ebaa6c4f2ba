"""Panel: the oscillations behind the edge and the distances they tell of, colored by time or potential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.plot import axis_label

from .colored_lines import colorings, draw_lines
from .figures import layouts, new_figure
from .parts import Part, Plot, counted, heading, text
from .series import LocalTime, Series, all_series, local_time, slices, thinned

if TYPE_CHECKING:
    import xarray as xr

_LINES = 40
_WEIGHT = 2
_ALONG = {"chi": "k", "chi_r_magnitude": "r"}


def wants(tree: xr.DataTree) -> bool:
    """Return whether any series has oscillations."""
    return bool(_with_chi(tree))


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every series and signal, chi against k beside its Fourier transform."""
    local, found = local_time(tree), _with_chi(tree)
    pieces = [(series, title, one) for series, ds in found for title, one in slices(ds, "chi")]
    for series, title, ds in pieces:
        if len(pieces) > 1:
            yield heading(f"{series.name}, {title}" if title else series.name)
        yield _draw(series, ds, local)


def _with_chi(tree: xr.DataTree) -> list[tuple[Series, xr.Dataset]]:
    found = [(series, series.processed) for series in all_series(tree)]
    return [(series, ds) for series, ds in found if ds is not None and "chi" in ds]


def _draw(series: Series, ds: xr.Dataset, local: LocalTime) -> Plot:
    scan = thinned(series.count, _LINES)
    colors, drawn = colorings(series, scan, local), []
    for name, along in _ALONG.items():
        if name not in ds:
            continue
        rows, axis = ds[name].isel(scan=scan).transpose("scan", along), ds[along]
        if name == "chi":
            rows = rows * axis**_WEIGHT
        label = f"k^{_WEIGHT} chi (1/angstrom^{_WEIGHT})" if name == "chi" else axis_label(ds[name])
        fig = new_figure(axis_label(axis), label, height=320)
        values = rows.values.astype(np.float32)
        buttons = draw_lines(fig, axis.values.astype(np.float32), values, scan, colors)
        drawn.append(layouts.column(*buttons, fig, sizing_mode="stretch_width"))
    return Plot(drawn, _caption(series, len(drawn), scan.size), beside=len(drawn) > 1)


def _caption(series: Series, figures: int, lines: int) -> str:
    said = [f"Oscillations of {text(series.name)} behind the edge against the wave number of the photoelectron"]
    said.append(" and, beside them, the magnitude of their Fourier transform." if figures > 1 else ".")
    said.append(" Distances are not corrected for the phase shift: neighbors lie some 0.2 to 0.5 angstrom farther.")
    if lines < series.count:
        said.append(f" {counted(lines, 'line')} of {counted(series.count, 'scan')}, evenly chosen.")
    return "".join(said)
