"""Panel: whether the beam changed the sample, run by run of scans of one state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from operando import history
from operando.plot import unit_label

from .parts import Html, Part, counted, heading, table, text
from .series import Series, all_series, slices

if TYPE_CHECKING:
    import xarray as xr

_ROWS = 200
_HEAD = ("scans", "potential (V)", "change with dose", "at no dose", "significance (σ)", "verdict")


@dataclass(frozen=True)
class Damage:
    """What one node says of a number of a series, of one signal."""

    series: Series
    variable: str
    signal: str
    runs: xr.Dataset
    parameters: dict[str, Any]

    @property
    def noun(self) -> str:
        """The number judged, in words."""
        return self.variable.replace("_", " ") + (f" ({self.signal})" if self.signal else "")

    @property
    def threshold(self) -> float:
        """The significance from which a change counts."""
        return float(self.parameters.get("threshold", 3.0))

    def significances(self) -> np.ndarray:
        """Return the significance of every run, NaN where too few scans count."""
        return np.atleast_1d(np.asarray(self.runs["significance"].values, float))

    @property
    def where(self) -> str:
        """What the scans of a run share, in words."""
        return "" if self.parameters.get("by") else " at one potential"

    @property
    def reassuring(self) -> bool:
        """Whether there was something to judge by and nothing was found."""
        return bool(np.isfinite(self.significances()).any()) and not self.changed()

    def changed(self) -> int:
        """Return in how many runs the number changes."""
        return int((self.significances() >= self.threshold).sum())


def damages(tree: xr.DataTree) -> Iterator[Damage]:
    """Yield what the experiment's nodes say of beam damage."""
    for series in all_series(tree):
        for name in tree[series.path].children:
            ds = tree[f"{series.path}/{name}"].to_dataset()
            if {"significance", "rate", "initial"} <= set(ds.data_vars) and "run" in ds.dims:
                steps = [step for step in history.entries(ds) if step.get("step") == "xas.beam_damage"]
                parameters = dict(steps[-1].get("parameters") or {}) if steps else {}
                for signal, one in slices(ds.drop_dims("scan", errors="ignore"), "significance", apart=("run",)):
                    yield Damage(series, str(ds.attrs.get("variable", name)), signal, one, parameters)


def wants(tree: xr.DataTree) -> bool:
    """Return whether beam damage was looked for."""
    return next(damages(tree), None) is not None


def draw(tree: xr.DataTree) -> Iterator[Part]:
    """Yield, for every number judged, a table of its runs and what is said by them."""
    for damage in damages(tree):
        yield heading(f"{damage.series.name}, {damage.noun}")
        yield Html(f"<p>{text(said(damage))}{text(_way(damage))}</p>")
        if damage.runs.sizes["run"]:
            yield Html(table(_HEAD, [_row(damage, at) for at in range(min(damage.runs.sizes["run"], _ROWS))]))
        if damage.runs.sizes["run"] > _ROWS:
            yield Html(f"<p>The first {_ROWS} runs are listed.</p>")


def said(damage: Damage) -> str:
    """Return in one sentence whether the number changes with dose."""
    runs, known = damage.runs.sizes["run"], np.isfinite(damage.significances())
    if not known.any():
        least = damage.parameters.get("least", 4)
        return f"There is no run of {least} scans or more{damage.where} to judge the {damage.noun} by."
    where = f"{counted(int(known.sum()), 'run')} of scans{damage.where}"
    most = f"at most {np.nanmax(damage.significances()):.1f} σ"
    lost = f" {runs - int(known.sum())} more hold too few values." if not known.all() else ""
    if not damage.changed():
        return f"The {damage.noun} changes with dose in none of {where} ({most}, {damage.threshold:g} count).{lost}"
    which = where if known.sum() == 1 else f"{damage.changed()} of {where}"
    return f"The {damage.noun} changes with dose in {which} ({most}).{lost}"


def _way(damage: Damage) -> str:
    by = damage.parameters.get("by")
    way = " All scans are one run." if by == "all" else f" Runs are parted by {str(by).replace('_', ' ')}."
    if by:
        way += " Within a run the state of the cell may change as well."
    else:
        way = f" In a run the potential stays within {damage.parameters.get('tolerance', 0.005) * 1e3:g} mV."
    dose = {"scan": "scans", "time": "hours"}.get(str(damage.parameters.get("dose")), "a dose of its own unit")
    return f"{way} Dose is counted in {dose}. What relaxes by itself looks the same as damage."


def _row(damage: Damage, at: int) -> tuple[str, ...]:
    run = damage.runs.isel(run=at)
    significance = float(run["significance"])
    first, last = (f"{float(run[name]):.0f}" for name in ("first_scan", "last_scan"))
    potential = float(run["run_potential"]) if "run_potential" in run else np.nan
    verdict = "too few values" if not np.isfinite(significance) else "no change seen"
    if significance >= damage.threshold:
        constant = float(run["dose_constant"])
        verdict = "changes" if not np.isfinite(constant) else f"changes, toward a limit (dose constant {constant:.3g})"
    return (
        f"{first}–{last}",
        f"{potential:.3f}" if np.isfinite(potential) else "–",
        _with_error(run, "rate"),
        _with_error(run, "initial"),
        f"{significance:.1f}" if np.isfinite(significance) else "–",
        verdict,
    )


def _with_error(run: xr.Dataset, name: str) -> str:
    """Return a value and its uncertainty with as many digits as the uncertainty allows, and the unit."""
    value, error = float(run[name]), float(run[f"{name}_std"])
    if not np.isfinite(value):
        return "–"
    digits = min(max(1 - int(np.floor(np.log10(error))), 0), 8) if error > 0 else 4
    unit = unit_label(str(run[name].attrs.get("units", "")))
    per = " per scan" if name == "rate" and "/" not in unit and "⁻" not in unit else ""
    return f"{value:.{digits}f} ± {error:.{digits}f} {unit}".rstrip() + per
