"""The fitted lines of all core levels side by side, with the phases they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Phases = Mapping[str, Mapping[str, str | Sequence[str]]]
ALL = "all"
UNUSABLE = Flag.not_converged | Flag.dead_detector | Flag.beam_dump
_TIED = 1e-3


@dataclass(frozen=True)
class Line:
    """One line: core level, peak of its fit, and the phase it moves with."""

    level: str
    peak: str
    phase: str

    @property
    def name(self) -> str:
        """Name for labels and messages."""
        return f"{self.level} {self.peak}"


@dataclass(frozen=True)
class Positions:
    """Positions (eV; scan, line) with covariances within a scan (scan, line, line); NaN and 0 where not usable.

    ``member`` (line, phase) is 1 where the line belongs to the phase.
    """

    lines: tuple[Line, ...]
    phases: tuple[str, ...]
    member: Floats
    position: Floats
    covariance: Floats

    @property
    def usable(self) -> Booleans:
        """Whether a line is known in a scan."""
        known: Booleans = np.isfinite(self.position)
        return known

    def only(self, chosen: Booleans) -> Positions:
        """Return these positions without the lines that are not ``chosen``."""
        lines = tuple(line for line, taken in zip(self.lines, chosen, strict=True) if taken)
        inner = self.covariance[:, chosen][:, :, chosen]
        return replace(
            self, lines=lines, member=self.member[chosen], position=self.position[:, chosen], covariance=inner
        )

    def weights(self) -> Floats:
        """Return the inverse covariances (scan, line, line), zero for what is not usable."""
        usable = self.usable
        both = usable[:, :, np.newaxis] & usable[:, np.newaxis, :]
        filled = np.where(both, self.covariance, 0.0)
        index = np.arange(len(self.lines))
        filled[:, index, index] = np.where(usable, filled[:, index, index], 1.0)
        return np.where(both, np.linalg.inv(filled), 0.0)

    def tied(self) -> Booleans:
        """Return which lines keep an exact distance to an earlier one of their level: the fit has tied them."""
        found = np.zeros(len(self.lines), dtype=bool)
        for later, line in enumerate(self.lines):
            for earlier in range(later):
                if self.lines[earlier].level == line.level and not found[earlier]:
                    found[later] |= self._tied(earlier, later)
        return found

    def _tied(self, earlier: int, later: int) -> bool:
        distance = self.position[:, later] - self.position[:, earlier]
        known = np.isfinite(distance)
        if np.count_nonzero(known) < 2:
            return False
        error = np.sqrt(np.median(self.covariance[known, later, later]))
        return bool(np.ptp(distance[known]) < _TIED * error)


def line_positions(fits: Mapping[str, xr.Dataset], phases: Phases, step: str) -> Positions:
    """Return the lines of ``phases`` with their positions in ``fits``.

    Parameters
    ----------
    fits
        Core level -> fit with ``position`` and ``position_std`` (eV; dims ``scan`` and ``peak``), and
        ``position_covariance`` (with ``other_peak``) if it is known.
    phases
        Phase -> core level -> its peaks, by name, or ``"all"``.
    step
        Name of the calling function, for messages.

    Raises
    ------
    OperandoError
        If a level, a peak or a number is missing, a line is in two phases, or the levels have different scans.
    """
    lines = [
        Line(level, peak, phase)
        for phase, levels in phases.items()
        for level, wanted in levels.items()
        for peak in _peaks(fits, level, wanted, step)
    ]
    names = [line.name for line in lines]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not lines or twice:
        raise OperandoError(f"{step}: expected every line in one phase, got {', '.join(twice) or 'no line'}")
    scans = _scans(fits, {line.level for line in lines}, step)
    member = np.array([[line.phase == phase for phase in phases] for line in lines], dtype=np.float64)
    position = np.full((scans, len(lines)), np.nan)
    covariance = np.zeros((scans, len(lines), len(lines)))
    for level in dict.fromkeys(line.level for line in lines):
        at = [index for index, line in enumerate(lines) if line.level == level]
        values, inner = _level(fits[level], [lines[index].peak for index in at])
        position[:, at] = values
        covariance[np.ix_(range(scans), at, at)] = inner
    return Positions(tuple(lines), tuple(phases), member, position, covariance)


def _peaks(fits: Mapping[str, xr.Dataset], level: str, wanted: str | Sequence[str], step: str) -> list[str]:
    if level not in fits:
        raise OperandoError(f"{step}: expected a fit of {level}, got those of {', '.join(fits) or 'nothing'}")
    fit = fits[level]
    lacking = [name for name in ("position", "position_std") if name not in fit]
    if lacking or "peak" not in fit.coords or set(fit["position"].dims) != {"scan", "peak"}:
        said = f"without {', '.join(lacking)}" if lacking else f"with the dims {fit['position'].dims}"
        raise OperandoError(f"{step}: expected 'position' and 'position_std' over scan and peak, got {level} {said}")
    known = list(map(str, fit["peak"].values))
    peaks = known if wanted == ALL else [wanted] if isinstance(wanted, str) else list(wanted)
    missing = [peak for peak in peaks if peak not in known]
    if missing:
        raise OperandoError(f"{step}: expected peaks of {level} among {', '.join(known)}, got {', '.join(missing)}")
    return peaks


def _scans(fits: Mapping[str, xr.Dataset], levels: set[str], step: str) -> int:
    sizes = {level: fits[level].sizes["scan"] for level in fits if level in levels}
    if len(set(sizes.values())) > 1:
        said = ", ".join(f"{size} of {level}" for level, size in sizes.items())
        raise OperandoError(
            f"{step}: expected the same scans of all core levels, got {said}; put NaN where a level was not measured"
        )
    return next(iter(sizes.values()))


def _level(fit: xr.Dataset, peaks: list[str]) -> tuple[Floats, Floats]:
    """Return positions (scan, peak), NaN where not usable, and their covariance, 0 there."""
    at = [list(map(str, fit["peak"].values)).index(peak) for peak in peaks]
    position = fit["position"].transpose("scan", "peak").to_numpy()[:, at].astype(np.float64)
    std = fit["position_std"].transpose("scan", "peak").to_numpy()[:, at].astype(np.float64)
    usable = np.isfinite(position) & np.isfinite(std) & (std > 0)
    if "flag" in fit:
        usable &= ((fit["flag"].to_numpy().astype(np.int64) & int(UNUSABLE)) == 0)[:, np.newaxis]
    spread = np.where(usable, std, 0.0)
    covariance = spread[:, :, np.newaxis] * spread[:, np.newaxis, :] * np.eye(len(at))
    if "position_covariance" in fit:
        given = fit["position_covariance"].transpose("scan", "peak", "other_peak").to_numpy()[:, at][:, :, at]
        both = usable[:, :, np.newaxis] & usable[:, np.newaxis, :] & np.isfinite(given)
        covariance = np.where(both & ~np.eye(len(at), dtype=bool), given, covariance)
    return np.where(usable, position, np.nan), covariance
