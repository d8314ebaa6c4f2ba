"""Panel: when the potential crossed what the recipe names, and the charge of every half-cycle and cycle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from operando import echem
from operando.flags import Flag
from operando.plot import half_cycles as drawn_half_cycles

from .parts import Html, Part, counted, heading, table, unbroken
from .series import LocalTime, local_time

if TYPE_CHECKING:
    import xarray as xr

ONSETS = "onsets"
_ROWS = 200
_MILLISECOND = 1e-3
_SHOWN = 1e-6


def wants(tree: xr.DataTree) -> bool:
    """Return whether there are onsets or half-cycles with a current."""
    return onsets_of(tree) is not None or cycled(tree)


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield the onsets, then the half-cycles and the cycles, with their errors."""
    found = onsets_of(tree)
    if found is not None:
        yield heading("Onsets")
        yield Html(_onset_table(found, local_time(tree)))
    if cycled(tree):
        halves, cycles = echem.half_cycles(tree), echem.cycles(tree)
        yield heading("Charge by half-cycle")
        yield Html(_half_cycle_table(halves, tree))
        yield heading("Cycles")
        yield Html(_cycle_table(cycles))


def onsets_of(tree: xr.DataTree) -> xr.Dataset | None:
    """Return the table of the onsets that the recipe asked for; None if it asked for none."""
    return tree[ONSETS].to_dataset().load() if ONSETS in tree.children else None


def cycled(tree: xr.DataTree) -> bool:
    """Return whether the log has half-cycles with a current."""
    return "echem" in tree.children and bool((tree["echem"]["half_cycle"] > 0).any())


def moment(onset: xr.Dataset) -> np.datetime64:
    """Return the time of an onset."""
    return np.datetime64(onset["time"].item(), "ns")


def said(onset: xr.Dataset) -> str:
    """Return an onset in words: ``oxidation, above 2.3 V``."""
    way = "above" if int(onset["direction"]) > 0 else "below"
    name = str(onset["name"].item())
    return f"{f'{name}, ' if name else ''}{way} {float(onset['level']):g} V"


def each(onsets: xr.Dataset) -> Iterator[xr.Dataset]:
    """Yield the onsets one by one."""
    return (onsets.isel(onset=at) for at in range(onsets.sizes["onset"]))


def spread(seconds: float) -> str:
    """Return an uncertainty in time to two digits: ``0.11 s``, ``3.1 min``."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{max(seconds, _MILLISECOND):.2g} s"


def _onset_table(onsets: xr.Dataset, local: LocalTime) -> str:
    if not onsets.sizes["onset"]:
        return "<p>None of the potentials that the recipe names is crossed.</p>"
    shown = list(each(onsets.isel(onset=slice(0, _ROWS))))
    gaps = [bool(int(one["flag"]) & int(Flag.ec_gap)) for one in shown]
    head = ("onset", f"time ({local.name})", "uncertainty", "systematic", "half-cycle", "lasts", "remark")
    rows = [
        (
            unbroken(said(one)),
            unbroken(local.text(moment(one))),
            spread(float(one["time_std"])),
            spread(float(one["time_systematic"])),
            f"{float(one['half_cycle']):.0f}",
            spread(float(one["held"])),
            "within a gap of the log" if gap else "",
        )
        for one, gap in zip(shown, gaps, strict=True)
    ]
    columns = len(head) if any(gaps) else len(head) - 1
    left = f"<p>The first {counted(_ROWS, 'onset')} are listed.</p>" if onsets.sizes["onset"] > _ROWS else ""
    note = (
        "<p>The uncertainty is that of noise and sampling. The systematic one is that of the voltmeter, which moves all"
        " onsets of a potential together. An onset lasts as long as the potential stays beyond it.</p>"
    )
    return f"{table(head[:columns], [row[:columns] for row in rows])}{left}{note}"


def _half_cycle_table(halves: xr.Dataset, tree: xr.DataTree) -> str:
    known = drawn_half_cycles(tree["echem"].to_dataset())
    shown = halves.sel(half_cycle=halves["half_cycle"] > 0)
    columns = [name for name in ("charge", "capacity", "areal_capacity") if name in shown]
    units = {"charge": "C", "capacity": "mAh/g", "areal_capacity": "mAh/cm²"}
    head = (
        "half-cycle",
        "",
        *(f"{name.replace('_', ' ')} ({units[name]})" for name in columns),
        "mean potential (V)",
        "remark",
    )
    rows = []
    for at in range(min(shown.sizes["half_cycle"], _ROWS)):
        one = shown.isel(half_cycle=at)
        number = int(one["half_cycle"])
        name = known[number].name if number in known else ""
        values = [_with_error(float(one[column]), float(one[f"{column}_std"])) for column in columns]
        rows.append((number, name, *values, f"{float(one['mean_potential']):.4f}", _remark(one)))
    return table(head, rows)


def _remark(half: xr.Dataset) -> str:
    gap = "a gap within" if int(half["flag"]) & int(Flag.ec_gap) else ""
    last = "" if bool(half["complete"]) else "the log's last"
    return "; ".join(words for words in (gap, last) if words)


def _cycle_table(cycles: xr.Dataset) -> str:
    names = ("capacity_loss", "coulombic_efficiency", "retention")
    head = ("cycle", "capacity loss (C)", "coulombic efficiency", "capacity retention", "remark")
    rows = []
    for at in range(min(cycles.sizes["cycle"], _ROWS)):
        one = cycles.isel(cycle=at)
        values = [_with_error(float(one[name]), float(one[f"{name}_std"])) for name in names]
        done = np.isfinite(float(one["coulombic_efficiency"]))
        remark = "" if bool(one["complete"]) else "its second half-cycle is the log's last" if done else "half a cycle"
        rows.append((int(one["cycle"]), *values, remark))
    note = (
        "<p>Loss and efficiency compare the second half-cycle with the first, retention compares it with that of"
        " cycle 1. Errors are those of the current's zero, and of what may have passed in gaps.</p>"
    )
    return f"{table(head, rows)}{note}"


def _with_error(value: float, std: float) -> str | Html:
    """Return a value with its error, both to the error's second digit; an error of nothing is not shown."""
    if not np.isfinite(value):
        return "–"
    if not std > _SHOWN * abs(value):
        return f"{value:.5g}"
    digits = max(0, 1 - int(np.floor(np.log10(std))))
    return unbroken(f"{value:.{digits}f} ± {std:.{digits}f}")
