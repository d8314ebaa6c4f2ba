"""The table of cracks, the largest first, to be read and to be copied into a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .crack_history import Cracks, events
from .parts import Html, Part, copied, counted, table, text, unbroken
from .series import LocalTime, Series
from .void_volumes import measured

if TYPE_CHECKING:
    import xarray as xr

_ROWS, _OPEN = 200, 12
_HEAD = (
    "number",
    "kind",
    "first scan",
    "last scan",
    "first seen",
    "largest volume (µm³)",
    "aperture there (µm)",
    "area there (µm²)",
    "normal (z, y, x)",
    "tilt of the normal from z (°)",
    "how it begins and ends",
)


def draw_list(series: Series, cracks: Cracks, objects: xr.Dataset | None, local: LocalTime) -> Iterator[Part]:
    """Yield what was found of each crack."""
    total = cracks.table.sizes["crack"]
    if not total:
        yield Html(
            f"<p>No {text(cracks.noun)} was found in {counted(series.count, 'scan')} of {text(series.name)}.</p>"
        )
        return
    rows = [_row(series, cracks, objects, local, int(at)) for at in cracks.ordered()[:_ROWS]]
    what = text(counted(total, cracks.noun)) + (" and other voids" if any(cracks.kind) else "")
    kept = f" The {len(rows)} largest are listed." if len(rows) < total else ""
    said = f"Sizes are those of the scan in which each is largest. Times are in {text(local.name)}.{kept}"
    yield Html(
        f"<details{' open' if total <= _OPEN else ''}><summary>{what} in {text(series.name)}, "
        f"one by one</summary><p>{said}</p>{copied('table', 'the table', table(_HEAD, rows))}</details>"
    )


def _row(series: Series, cracks: Cracks, objects: xr.Dataset | None, local: LocalTime, at: int) -> tuple[object, ...]:
    one = cracks.table.isel(crack=at)
    first, last = int(one["first_scan"]), int(one["last_scan"])
    volume = cracks.volume[:, at]
    largest = int(np.nanargmax(volume)) if np.isfinite(volume).any() else first
    normal = _normal(cracks, objects, largest, at)
    return (
        int(one["crack"]),
        cracks.kind[at].replace("_", " ") or cracks.noun,
        first,
        last,
        unbroken(local.text(series.times()[first])),
        measured(volume[largest], cracks.volume_std[largest, at]),
        measured(cracks.aperture[largest, at], cracks.aperture_std[largest, at]),
        measured(cracks.area[largest, at], cracks.area_std[largest, at]),
        "–" if normal is None else unbroken(", ".join(f"{part:.2f}" for part in normal)),
        "–" if normal is None else f"{np.rad2deg(np.arccos(min(abs(normal[0]), 1.0))):.0f}",
        _story(cracks.table, at),
    )


def _normal(cracks: Cracks, objects: xr.Dataset | None, scan: int, at: int) -> np.ndarray | None:
    """Return the direction of the shortest principal axis of the crack, a unit vector (z, y, x)."""
    row = int(cracks.row[scan, at])
    if objects is None or row < 0 or "principal_axis" not in objects:
        return None
    found: np.ndarray = objects["principal_axis"].isel(object=row, principal=-1).transpose("axis").values
    return found if np.isfinite(found).all() else None


def _story(known: xr.Dataset, at: int) -> str:
    """Return in words how a crack begins and ends."""
    one = known.isel(crack=at)
    parent, into, first = int(one["parent"]), int(one["merged_into"]), int(one["first_scan"])
    begins = "there from the start" if first == 0 else "begins"
    said = [f"splits off {parent}" if parent else begins]
    if into:
        said.append(f"merges into {into}")
    elif any(what == "heals or is lost" for _, what in events(known, at)):
        said.append("heals or is lost")
    return ", ".join(said)
