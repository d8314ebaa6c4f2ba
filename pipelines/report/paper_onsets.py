"""Sentences of a paper on onsets: the levels, the rule by which they count as crossed, and when they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import history
from operando.crossings import CLEAR, LEAST_REACH, REACH
from operando.flags import Flag

from .cycling import each, moment, onsets_of, spread
from .paper_sentences import listed
from .parts import counted
from .series import LocalTime, local_time

if TYPE_CHECKING:
    import xarray as xr

_STEP = "onsets"
_MOST = 12


def onset_sentences(tree: xr.DataTree) -> list[str]:
    """Return what the recipe asked for, the rule, and what was found with its errors; nothing if it asked for none."""
    onsets = onsets_of(tree)
    if onsets is None:
        return []
    asked = [dict(one.get("parameters") or {}) for one in history.entries(onsets) if one.get("step") == _STEP]
    return [*_rule(asked), *_found(onsets, local_time(tree))]


def _rule(asked: list[dict[str, Any]]) -> Iterator[str]:
    levels = [f"{_way(one)} V{_stay(one)}" for one in asked if one.get("change") is None]
    if levels:
        yield (
            f"Onsets are crossings of the potential (vs Li+/Li) {listed(levels)}: one counts where samples stand off"
            f" the level by more than {CLEAR:g} standard deviations of the noise (sqrt(2 ln n) of them for n samples,"
            " if that is more) first on one side, then on the other. The noise is how far samples lie off the cubic"
            " through their neighbors. The time of a crossing follows from a polynomial through the samples within"
            f" {LEAST_REACH:g} to {REACH:g} deviations of the level, or from a monotone cubic between two samples where"
            " there are fewer than four"
        )


def _way(given: Mapping[str, Any]) -> str:
    above = given.get("above")
    return f"to above {above:g}" if above is not None else f"to below {given['below']:g}"


def _stay(given: Mapping[str, Any]) -> str:
    return f" for at least {spread(float(given['hold']))}" if given.get("hold") else ""


def _found(onsets: xr.Dataset, local: LocalTime) -> Iterator[str]:
    """Yield when each level was crossed, with what noise, sampling and clock make of it, and the voltmeter's share."""
    if not onsets.sizes["onset"]:
        yield "No such crossing was found"
        return
    groups: dict[str, list[xr.Dataset]] = {}
    for one in each(onsets):
        groups.setdefault(_what(one), []).append(one)
    for what, own in groups.items():
        times = [f"{_time(one, local)}{_gap(one)}" for one in own[:_MOST]]
        more = f", the first of {counted(len(own), 'onset')}" if len(own) > _MOST else ""
        systematic = max(float(one["time_systematic"]) for one in own)
        common = f"; the voltmeter's error moves them by up to {spread(systematic)}" if systematic > 0 else ""
        yield f"{what} at {listed(times)} ({local.name}{more}{common})"


def _what(onset: xr.Dataset) -> str:
    name, rising = str(onset["name"].item()), int(onset["direction"]) > 0
    way = f"The potential {'rose above' if rising else 'fell below'} {float(onset['level']):g} V"
    return f"{way} ({name})" if name else way


def _time(onset: xr.Dataset, local: LocalTime) -> str:
    """Return when an onset was, to two digits of its error but no finer than milliseconds."""
    std = float(onset["time_std"])
    digits = int(np.clip(1 - np.floor(np.log10(max(std, 1e-3))), 0, 3))
    return f"{local.text(moment(onset), digits)} ± {spread(std)}"


def _gap(onset: xr.Dataset) -> str:
    return " (within a gap of the log)" if int(onset["flag"]) & int(Flag.ec_gap) else ""
