"""The largest cracks through a series: volume, aperture and area of each, when it begins, merges, splits and heals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from bokeh.palettes import Viridis256

from operando.plot import unit_label

from .figures import Figure, models
from .parts import Part, Plot, counted, text
from .scan_lines import EVENTS, Line, draw_lines
from .series import LocalTime, Series
from .void_volumes import key, limit_of, limit_words, volumes_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

CRACK = "crack"
_MOST = 8
_MARKERS = ("circle", "square", "triangle", "diamond")
_HAPPENS = {"birth": "begins", "splitting_off": "begins", "absorption": "takes in another", "split": "splits"}
_ENDS = {"merger": "merges into another", "healing": "heals or is lost"}
"""What is marked at the scan that shows it, and what at the last one that shows the crack."""


@dataclass(frozen=True)
class Cracks:
    """What is known of each crack in each scan, dims (scan, crack), NaN where it is not there.

    ``volume`` in um^3, ``aperture`` in um, ``area`` = volume / aperture, um^2, each with its standard uncertainty;
    ``row`` is the object's row in the table of all objects, -1 where there is none; ``kind`` says of each crack what
    it is in the scan in which it is largest, empty where kinds were not told apart. ``noun`` is what they are called.
    """

    table: xr.Dataset
    volume: NDArray[np.float64]
    volume_std: NDArray[np.float64]
    aperture: NDArray[np.float64]
    aperture_std: NDArray[np.float64]
    row: NDArray[np.intp]
    kind: list[str]
    noun: str = CRACK

    @property
    def area(self) -> NDArray[np.float64]:
        """Area of the crack's middle, of one side."""
        return self.volume / self.aperture

    @property
    def area_std(self) -> NDArray[np.float64]:
        """Standard uncertainty of the area, those of volume and aperture in quadrature."""
        parts = np.hypot(np.nan_to_num(self.volume_std) / self.volume, self.aperture_std / self.aperture)
        return self.area * parts

    def ordered(self) -> NDArray[np.intp]:
        """Return the places of all that was followed, the largest first."""
        return np.argsort(-np.nan_to_num(self.volume).max(axis=0, initial=0.0), kind="stable")

    def true_cracks(self) -> NDArray[np.intp]:
        """Return the places of what is a crack, the largest first: all, where kinds were not told apart."""
        return np.array([at for at in self.ordered() if self.kind[at] in ("", CRACK)], np.intp)


def cracks_of(table: xr.Dataset, objects: xr.Dataset | None, noun: str = CRACK) -> Cracks:
    """Return the cracks that were followed, with what was measured of their objects."""
    counted_volume = table["volume"].transpose("scan", "crack").values.astype(float)
    shape = counted_volume.shape
    row = _rows(table, objects)
    nothing = np.full(shape, np.nan)
    volume, volume_std = np.where(counted_volume > 0, counted_volume, np.nan), nothing
    aperture, aperture_std = nothing, nothing
    if objects is not None and (row >= 0).any():
        measured, volume_std = (_taken(one, row) for one in volumes_of(objects))
        volume = np.where(row >= 0, measured, volume)
        if "aperture_mean" in objects:
            aperture = _taken(objects["aperture_mean"].values, row)
            aperture_std = _taken(objects["aperture_mean_std"].values, row)
    return Cracks(table, volume, volume_std, aperture, aperture_std, row, _kinds(volume, row, objects), noun)


def _rows(table: xr.Dataset, objects: xr.Dataset | None) -> NDArray[np.intp]:
    """Return the row of each crack's object in each scan, dims (scan, crack); -1 where there is none."""
    shape = table.sizes["scan"], table.sizes["crack"]
    if objects is None or "object" not in table or "scan" not in objects.variables or not objects.sizes["object"]:
        return np.full(shape, -1, np.intp)
    number = table["object"].transpose("scan", "crack").values.astype(np.int64)
    most = max(int(number.max(initial=0)), int(objects["number"].max())) + 1
    known = objects["scan"].values.astype(np.int64) * most + objects["number"].values
    order = np.argsort(known)
    wanted = np.arange(shape[0])[:, np.newaxis] * most + number
    place = order[np.minimum(np.searchsorted(known, wanted, sorter=order), known.size - 1)]
    return np.where((number > 0) & (known[place] == wanted), place, -1)


def _kinds(volume: NDArray[np.float64], row: NDArray[np.intp], objects: xr.Dataset | None) -> list[str]:
    if objects is None or "kind" not in objects:
        return [""] * row.shape[1]
    attrs = objects["kind"].attrs
    words = dict(zip(np.ravel(attrs["flag_values"]), str(attrs["flag_meanings"]).split(), strict=True))
    largest = row[np.where(row >= 0, np.nan_to_num(volume), -1.0).argmax(axis=0), np.arange(row.shape[1])]
    kind = objects["kind"].values
    return [str(words.get(kind[at], "")) if at >= 0 else "" for at in largest]


def _taken(values: NDArray[np.floating], row: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.where(row >= 0, values.astype(float)[np.maximum(row, 0)], np.nan)


def draw_history(series: Series, ds: xr.Dataset, cracks: Cracks, local: LocalTime) -> Iterator[Part]:
    """Yield volume, aperture and area of the largest cracks."""
    largest = cracks.true_cracks()[:_MOST]
    if series.count < 2 or not largest.size:
        return
    unit = unit_label(str(cracks.table["volume"].attrs.get("units", "")))
    lines = _lines(cracks, largest, cracks.volume, cracks.volume_std)
    figures = draw_lines(series, lines, f"volume ({unit})", local)
    known = np.isfinite(cracks.aperture[:, largest]).any()
    yield Plot(figures, _caption(series, cracks, lines), f"{key(lines)} {_signs(lines)}", beside=True)
    if known:
        openings = _lines(cracks, largest, cracks.aperture, cracks.aperture_std)
        areas = _lines(cracks, largest, cracks.area, cracks.area_std)
        apart = draw_lines(series, openings, "mean aperture (µm)", local, ("time",))
        _draw_limit(apart, limit_of(ds)[0])
        apart += draw_lines(series, areas, "area (µm²)", local, ("time",))
        said = (
            f"Mean aperture of the same cracks, and their area: volume over mean aperture, one side. {limit_words(ds)}"
        )
        yield Plot(apart, f"{said} The range below it is grey.", key(lines), beside=True)


def _lines(
    cracks: Cracks, largest: NDArray[np.intp], value: NDArray[np.float64], std: NDArray[np.float64]
) -> list[Line]:
    colors = [Viridis256[at] for at in np.linspace(0, 215, max(largest.size, 1)).astype(int)]
    return [
        Line(
            f"{cracks.noun.split(' ')[0]} {int(cracks.table['crack'].values[at])}",
            color,
            _MARKERS[place % len(_MARKERS)],
            value[:, at],
            std[:, at],
            None,
            events(cracks.table, int(at)),
        )
        for place, (at, color) in enumerate(zip(largest, colors, strict=False))
    ]


def events(table: xr.Dataset, at: int) -> list[tuple[int, str]]:
    """Return the scans at which something happened to a crack, and what; its end is marked where it is last seen."""
    if "event" not in table:
        return []
    attrs = table["event"].attrs
    masks = dict(zip(str(attrs.get("flag_meanings", "")).split(), np.ravel(attrs.get("flag_masks", [])), strict=False))
    event = table["event"].transpose("scan", "crack").values[:, at]
    found = []
    for name, what in {**_HAPPENS, **_ENDS}.items():
        scans = np.flatnonzero(event & int(masks.get(name, 0))) - (name in _ENDS)
        found += [(int(scan), what) for scan in scans]
    return sorted(set(found))


def _draw_limit(figures: list[Figure], limit: float) -> None:
    for fig in figures:
        if np.isfinite(limit):
            fig.add_layout(models.BoxAnnotation(top=limit, fill_color="#777777", fill_alpha=0.18, line_color="#777777"))
            fig.y_range.start = 0


def _signs(lines: list[Line]) -> str:
    happened = {what for line in lines for _, what in line.events}
    return " ".join(
        f'<span class="key">{sign} {text(what)}</span>' for what, (_, sign) in EVENTS.items() if what in happened
    )


def _caption(series: Series, cracks: Cracks, lines: list[Line]) -> str:
    total = cracks.true_cracks().size
    which = counted(total, cracks.noun)
    which = f"The {len(lines)} largest of {which}" if total > len(lines) else which
    said = [f"{text(which)} in {text(series.name)}, followed through {counted(series.count, 'scan')}."]
    if any(line.std is not None and np.isfinite(line.std).any() for line in lines):
        said.append(
            "The volume of each includes the shares of void around it, as far as the blur carries them."
            " Error bars are one standard uncertainty of noise."
        )
    if any(line.events for line in lines):
        said.append("How one ends is marked where it was last seen.")
    return " ".join(said)
