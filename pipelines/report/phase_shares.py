"""Volume fractions of the phases of a series against potential and time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando.kind_colors import SIGNS, kind_colors, kind_of

from .parts import Part, Plot, counted, text
from .scan_lines import Line, draw_lines
from .series import LocalTime, Series
from .void_volumes import key, measured

if TYPE_CHECKING:
    import xarray as xr


def draw_shares(series: Series, ds: xr.Dataset, local: LocalTime) -> Iterator[Part]:
    """Yield the volume fraction of every phase, with its uncertainty."""
    if "fraction" not in ds or "phase" not in ds["fraction"].dims:
        return
    names = [str(name) for name in ds["phase"].values]
    value = ds["fraction"].transpose("scan", "phase").values.astype(float)
    error = next((one for one in ("fraction_uncertainty", "fraction_std") if one in ds), None)
    std = value * np.nan if error is None else ds[error].transpose("scan", "phase").values.astype(float)
    colors = kind_colors(names)
    lines = [
        Line(name.replace("_", " "), color, SIGNS.get(kind_of(name), "circle"), value[:, at], std[:, at])
        for at, (name, color) in enumerate(zip(names, colors, strict=True))
    ]
    if series.count == 1:
        said = "; ".join(f"{text(line.name)} {measured(line.value[0], std[0, at])}" for at, line in enumerate(lines))
        yield Plot((), f"Volume fractions of {text(series.name)}: {said}.")
        return
    said = f"Volume fractions of the phases in {counted(series.count, 'scan')} of {text(series.name)}."
    said += " Error bars are one standard uncertainty" + (
        ": of the volume that was looked at, and of the thresholds." if error == "fraction_uncertainty" else "."
    )
    yield Plot(draw_lines(series, lines, "volume fraction", local), said, key(lines), beside=True)
