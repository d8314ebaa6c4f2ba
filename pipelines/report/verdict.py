"""The first lines of the report: how much there is, how good it is, and what to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import flags

from .cycling import each, moment, onsets_of
from .cycling import said as said_onset
from .damage import damages, said
from .parts import counted, not_done, text
from .series import Series, all_series, failed, json_list, local_time
from .void_volumes import in_short, limit_of

if TYPE_CHECKING:
    import xarray as xr

METHODS = {
    "assumed": "assumed to agree, not measured",
    "ntp": "synchronized over the network (NTP)",
    "shared_channel": "measured from a channel that both recorded",
    "trigger": "measured from a trigger",
    "event": "measured from an event that both recorded",
    "manual": "set by hand",
}
"""How two clocks were brought together, in words."""


@dataclass(frozen=True)
class Fact:
    """A line of the verdict: what about, what is so, and whether it asks for attention."""

    about: str
    words: str
    attention: bool = False


def verdict(tree: xr.DataTree) -> str:
    """Return the verdict as HTML: one sentence, then a line for each of its grounds."""
    facts = list(_facts(tree))
    lines = "".join(
        f'<li class="{"look" if fact.attention else "good"}"><b>{text(fact.about)}:</b> {text(fact.words)}</li>'
        for fact in facts
    )
    return f'<p class="verdict">{text(_sentence(tree))}</p><ul class="facts">{lines}</ul>'


def _sentence(tree: xr.DataTree) -> str:
    series, lost = all_series(tree), failed(tree)
    total = sum(one.count for one in series)
    if not total:
        return f"No scan was read; {not_done(lost)}." if lost else "There are no scans."
    flagged = sum(int(np.count_nonzero(one.flags())) for one in series)
    said = f"{counted(total, 'scan')} in {counted(len(series), 'series')}, "
    said += f"{flagged:,} flagged".replace(",", "\u202f") if flagged else "none flagged"
    return said + (f"; {not_done(lost)}." if lost else "; every file was read.")


def _facts(tree: xr.DataTree) -> Iterator[Fact]:
    local = local_time(tree)
    for series in all_series(tree):
        known = series.times()[~np.isnat(series.times())]
        when = f", {local.text(known.min())} to {local.text(known.max())} ({local.name})" if known.size else ""
        yield Fact(series.name, f"{counted(series.count, 'scan')}{when}{_flagged(series)}", bool(series.flags().any()))
        if known.size < series.count and not (series.flags() & int(flags.Flag.no_time)).any():
            yield Fact("times", f"{counted(series.count - known.size, 'scan')} of {series.name} without a time", True)
        yield from _edge_facts(series)
    yield from (Fact("beam damage", f"{one.series.name}: {said(one)}", not one.reassuring) for one in damages(tree))
    yield from _echem_facts(tree)
    yield from _onset_facts(tree)
    yield from (_clock_fact(clock) for clock in json_list(tree.attrs.get("clocks")))
    if not json_list(tree.attrs.get("clocks")):
        yield Fact("clocks", "none is stated: times are taken as the files give them", "echem" in tree.children)
    lost = failed(tree)
    if lost:
        names = ", ".join(str(item.get("source") or item.get("reason", "?")) for item in lost[:3])
        yield Fact("failed", f"{not_done(lost)}: {names}{' …' if len(lost) > 3 else ''}", True)


def _flagged(series: Series) -> str:
    flag = series.flags()
    counts = [(int(np.count_nonzero(flag & int(reason))), words) for reason, words in flags.MEANINGS.items()]
    worst = sorted((item for item in counts if item[0]), reverse=True)
    said = "; ".join(f"{words} ({count})" for count, words in worst[:3])
    return f"; flagged {np.count_nonzero(flag)}: {said}{' …' if len(worst) > 3 else ''}" if worst else "; none flagged"


def _edge_facts(series: Series) -> Iterator[Fact]:
    if series.processed is None:
        yield Fact("processing", f"{series.name} is not processed", True)
    elif "edge_energy" in series.processed.variables:
        lost = int(np.count_nonzero(np.isnan(np.asarray(series.processed["edge_energy"].values, float))))
        if lost:
            yield Fact("edge energy", f"{counted(lost, 'value')} of {series.name} could not be found", True)
    elif in_short(series.processed):
        yield Fact(
            "cracks", f"{series.name}: {in_short(series.processed)}", not np.isfinite(limit_of(series.processed)[0])
        )


def _echem_facts(tree: xr.DataTree) -> Iterator[Fact]:
    if "echem" not in tree.children:
        yield Fact("electrochemistry", "none was given: no potential, no state of charge", True)
        return
    time = tree["echem"].to_dataset()["time"].values
    hours = (time[-1] - time[0]) / np.timedelta64(1, "h") if time.size else 0.0
    series = all_series(tree)
    total = sum(one.count for one in series)
    linked = sum(int(np.isfinite(one.column("voltage")).sum()) for one in series)
    words = f"{hours:.1f} h of log; {linked} of {counted(total, 'scan')} linked to it"
    yield Fact("electrochemistry", words, linked < total)


def _onset_facts(tree: xr.DataTree) -> Iterator[Fact]:
    onsets = onsets_of(tree)
    if onsets is None:
        return
    local, kinds = local_time(tree), dict[str, list[str]]()
    for one in each(onsets):
        kinds.setdefault(said_onset(one), []).append(local.text(moment(one)))
    words = [
        f"{kind}, at {times[0]}" if len(times) == 1 else f"{kind}, {len(times)} times, first at {times[0]}"
        for kind, times in kinds.items()
    ]
    yield Fact("onsets", "; ".join(words) or "none of the potentials that the recipe names is crossed")


def _clock_fact(clock: dict[str, Any]) -> Fact:
    method = str(clock.get("method", "assumed"))
    reference = clock.get("reference") or "the reference"
    words = f"{METHODS.get(method, method)}; offset {_value(clock, 'offset')} s to {reference}"
    words += f", drift {_value(clock, 'drift', 1e6)} ppm, uncertainty {_value(clock, 'sigma')} s"
    return Fact(f"clock {clock.get('name', '')}".strip(), words, method == "assumed")


def _value(clock: dict[str, Any], name: str, factor: float = 1.0) -> str:
    value = clock.get(name)
    return f"{value * factor:.4g}" if isinstance(value, int | float) else "unknown"
