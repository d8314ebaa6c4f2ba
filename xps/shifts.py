"""Rigid shifts: one number per phase and scan that moves all its core levels, apart from chemistry and charging."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.flags import attrs as flag_attrs
from operando.history import recorded

from .layout import RIGID_SHIFT, labelled
from .line_departures import Departure, departure
from .line_positions import Phases, Positions, line_positions
from .shift_solver import Solution, solve

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Lines = Sequence[tuple[str, str]]
Reference = Literal["mean", "first"] | Sequence[int] | xr.DataArray
_STEP = "rigid_shift"
RIGID, DEPARTS, DECLARED, TIED, UNSEEN = "rigid", "departs", "declared chemical", "tied to another", "not seen"
UNDECIDED = "one of two that disagree"


def rigid_shift(
    fits: Mapping[str, xr.Dataset],
    phases: Phases,
    *,
    electrode: str | None = None,
    chemical: Lines = (),
    reference: Reference = "mean",
    threshold: float = 5.0,
    covariance: bool = True,
) -> xr.Dataset:
    """Return the shift that all core levels of a phase share, scan by scan, and the lines that do not share it.

    c_i(t) = c_i0 + charging(t) + delta_phase(i)(t) + chem_i(t): generalized least squares over all lines and scans,
    with chem = 0 but for lines that are declared or found to depart, which are left out. Lines of the ``electrode``
    (the working electrode is grounded) have no delta: they show charging alone.

    Parameters
    ----------
    fits
        Core level -> fit of the same scans with ``position`` and ``position_std`` (eV; scan, peak), and
        ``position_covariance`` (also ``other_peak``) if known. Scans flagged as not converged, without beam or with a
        dead detector are not used, nor are NaN. Lines whose distance the fit has fixed count once.
    phases
        Phase -> core level -> peaks, or ``"all"``: ``{"electrolyte": {"S 2p": ["PS4 3-"], "P 2p": "all"},
        "electrode": {"C 1s": ["C-C"]}}``.
    electrode
        The phase whose lines carry charging only. Without it charging is part of every shift.
    chemical
        Lines, as (level, peak), that may shift chemically: they are left out from the start.
    reference
        Where the shifts are zero: their mean over all scans, the first scan, or the mean over scans by number or by a
        mask over ``scan``. A phase that shows in none of these is zero on average over the scans in which it shows.
    threshold
        Standard deviations beyond which a line counts as departing.
    covariance
        Whether the covariance between all scans is returned (8 B per pair of shifts).

    Returns
    -------
    xarray.Dataset
        ``shift`` (eV; scan, phase) with ``_std`` and ``_covariance``, ``charging`` (scan) with ``_std``,
        ``line_energy`` (line) with ``_std``, ``chemical_shift`` (scan, line) with ``_std``: what a line departs from
        the others of its phase, zero where it does not; ``departure`` (standard deviations) and ``chemical`` (line),
        and ``reduced_chi_square``. NaN where no line of the phase, or of the electrode, shows.

    Raises
    ------
    OperandoError
        If levels, peaks or phases do not fit together, no line of a phase is left, or no reference scan exists.

    Warns
    -----
    OperandoWarning
        If a line departs from its phase, which is a chemical shift; if a phase has but two lines and these disagree,
        nobody can tell which of them does: both are kept, and marked.

    Notes
    -----
    A line departs if the chi squared of its distance from the others over all scans, against the usual one of the
    other lines if that exceeds 1, lies beyond the threshold; the worst goes first, then all are tested again. Levels
    that are measured one after the other see a changing potential at different times.

    Generalized least squares: A. C. Aitken, Proc. R. Soc. Edinb. 55, 42 (1936).
    """
    positions = line_positions(fits, phases, _STEP)
    if electrode is not None and electrode not in positions.phases:
        raise OperandoError(f"{_STEP}: expected an electrode among {', '.join(positions.phases)}, got {electrode!r}")
    chosen = _reference(reference, len(positions.position))
    roles = _roles(positions, chemical)
    found = _sorted_out(positions, roles, chosen, threshold)
    fitted = np.isin(roles, (RIGID, UNDECIDED))
    solution = solve(positions.only(fitted), chosen)
    _warn(positions, roles, found, threshold)
    ds = _shifts(positions, solution, electrode, covariance=covariance)
    ds = ds.merge(_lines(positions, solution, roles, found, threshold))
    ds = ds.assign(reduced_chi_square=((), solution.chi2 / solution.freedom if solution.freedom > 0 else np.nan))
    ds = labelled(ds, RIGID_SHIFT).assign_coords(_coordinates(fits, positions))
    if electrode is None:
        ds["shift"].attrs["long_name"] += ", charging included"
    said = {phase: {level: _plain(peaks) for level, peaks in levels.items()} for phase, levels in phases.items()}
    parameters: dict[str, object] = {
        "phases": said,
        "electrode": electrode,
        "chemical": [list(line) for line in chemical],
    }
    parameters |= {"reference": np.flatnonzero(chosen) if not chosen.all() else "mean", "threshold": threshold}
    first = fits[positions.lines[0].level]
    return recorded(ds, "xps.rigid_shift", parameters, after=first).assign_attrs(electrode=electrode or "none")


def _plain(peaks: str | Sequence[str]) -> str | list[str]:
    return peaks if isinstance(peaks, str) else list(peaks)


def _reference(reference: Reference, scans: int) -> Booleans:
    """Return which scans make the zero."""
    if isinstance(reference, str):
        if reference not in ("mean", "first"):
            raise OperandoError(f"{_STEP}: expected a reference 'mean', 'first' or scans, got {reference!r}")
        return np.ones(scans, dtype=bool) if reference == "mean" else np.arange(scans) == 0
    given = np.asarray(reference)
    if given.dtype == bool and given.shape == (scans,) and given.any():
        return given
    if given.dtype.kind == "i" and given.size and given.min() >= 0 and given.max() < scans:
        return np.isin(np.arange(scans), given)
    raise OperandoError(f"{_STEP}: expected reference scans among 0 to {scans - 1} or a mask of all scans, got {given}")


def _roles(positions: Positions, chemical: Lines) -> NDArray[np.object_]:
    """Return what each line does before any is tested."""
    names = [(line.level, line.peak) for line in positions.lines]
    unknown = [" ".join(line) for line in chemical if tuple(line) not in names]
    if unknown:
        raise OperandoError(f"{_STEP}: expected chemical lines among those of the phases, got {', '.join(unknown)}")
    roles = np.full(len(names), RIGID, dtype=object)
    roles[positions.tied()] = TIED
    roles[[name in {tuple(line) for line in chemical} for name in names]] = DECLARED
    roles[~positions.usable.any(axis=0)] = UNSEEN
    for index, phase in enumerate(positions.phases):
        if not (positions.member[:, index] * (roles == RIGID)).any():
            raise OperandoError(
                f"{_STEP}: expected at least one usable line of {phase!r} that shifts rigidly, got none"
            )
    return roles


def _sorted_out(
    positions: Positions, roles: NDArray[np.object_], reference: Booleans, threshold: float
) -> list[tuple[Departure, float]]:
    """Mark in ``roles`` the lines that depart, the worst first; return how each departs, and how surely."""
    while True:
        found = _departures(positions, roles, reference)
        candidates = [index for index in np.flatnonzero(roles == RIGID) if found[index][1] > threshold]
        if not candidates:
            return _restored(positions, roles, reference, threshold, found)
        worst = max(candidates, key=lambda index: found[index][1])
        phase = int(np.argmax(positions.member[worst]))
        together = np.flatnonzero((positions.member[:, phase] > 0) & np.isin(roles, (RIGID, UNDECIDED)))
        if len(together) <= 2:
            roles[together] = UNDECIDED
        else:
            roles[worst] = DEPARTS


def _restored(
    positions: Positions,
    roles: NDArray[np.object_],
    reference: Booleans,
    threshold: float,
    found: list[tuple[Departure, float]],
) -> list[tuple[Departure, float]]:
    """Take lines back that only seemed to depart while others, out by now, were in."""
    mistaken = [index for index in np.flatnonzero(roles == DEPARTS) if not found[index][1] > threshold]
    if not mistaken:
        return found
    roles[mistaken] = RIGID
    return _departures(positions, roles, reference)


def _departures(positions: Positions, roles: NDArray[np.object_], reference: Booleans) -> list[tuple[Departure, float]]:
    """Return how each line departs from its phase, and the significance of that."""
    fitted = np.isin(roles, (RIGID, UNDECIDED))
    tested = ~np.isin(roles, (TIED, UNSEEN))
    nothing = np.full(len(positions.position), np.nan)
    none = Departure(nothing, nothing, np.nan, np.nan, np.nan, 0)
    each = [
        departure(positions, index, fitted, reference) if tested[index] else none
        for index in range(len(positions.lines))
    ]
    usual = np.array([one.chi2 / one.freedom if one.freedom > 0 else np.nan for one in each])
    significances = []
    for index, one in enumerate(each):
        others = usual[fitted & (np.arange(len(each)) != index) & np.isfinite(usual)]
        scale = max(1.0, float(np.median(others))) if others.size > 1 else 1.0
        significances.append(one.significance(float(np.sqrt(scale))))
    return list(zip(each, significances, strict=True))


def _warn(
    positions: Positions, roles: NDArray[np.object_], found: list[tuple[Departure, float]], threshold: float
) -> None:
    """Say which lines depart."""
    for line, role, (one, sure) in zip(positions.lines, roles, found, strict=True):
        if role == DEPARTS:
            most = float(np.nanmax(np.abs(one.shift)))
            said = (
                f"{line.name} departs from the other lines of {line.phase!r} by up to {most:.3f} eV ({sure:.0f} sigma)"
            )
            warnings.warn(
                f"{_STEP}: {said}: a chemical shift; it is left out of the rigid shift", OperandoWarning, stacklevel=3
            )
    for phase in dict.fromkeys(line.phase for line in positions.lines):
        pair = [
            (line.name, sure)
            for line, role, (_, sure) in zip(positions.lines, roles, found, strict=True)
            if role == UNDECIDED and line.phase == phase
        ]
        if pair:
            names, most = " and ".join(name for name, _ in pair), max(sure for _, sure in pair)
            warnings.warn(
                f"{_STEP}: {names} of {phase!r} disagree ({most:.0f} sigma, above {threshold:g}); two lines cannot "
                "tell which of them shifts chemically: name it in chemical=, or add a line of the phase",
                OperandoWarning,
                stacklevel=3,
            )


def _shifts(positions: Positions, solution: Solution, electrode: str | None, *, covariance: bool) -> xr.Dataset:
    """Return the shifts of the phases against the electrode, and charging."""
    moving = [phase for phase in positions.phases if phase != electrode]
    turn = np.array([[float(phase == other) for other in positions.phases] for phase in moving])
    turn = turn.reshape(len(moving), len(positions.phases))
    within = solution.within()
    ds = xr.Dataset()
    if electrode is not None:
        at = positions.phases.index(electrode)
        turn[:, at] -= 1
        ds["charging"] = ("scan", solution.shift[:, at])
        known = np.isfinite(solution.shift[:, at])
        ds["charging_std"] = ("scan", np.where(known, np.sqrt(np.maximum(within[:, at, at], 0.0)), np.nan))
    shift = (
        np.stack([_combined(solution.shift, row) for row in turn], axis=-1) if moving else np.empty((len(within), 0))
    )
    variance = np.einsum("kq,tqp,kp->tk", turn, within, turn)
    ds["shift"] = (("scan", "phase"), shift)
    ds["shift_std"] = (("scan", "phase"), np.where(np.isfinite(shift), np.sqrt(np.maximum(variance, 0.0)), np.nan))
    if covariance:
        dense = solution.between(turn)
        known = np.isfinite(shift)
        dense = np.where(known[:, :, np.newaxis, np.newaxis] & known[np.newaxis, np.newaxis], dense, np.nan)
        ds["shift_covariance"] = (("scan", "phase", "other_scan", "other_phase"), dense)
        ds = ds.assign_coords(other_phase=("other_phase", np.array(moving, dtype=object)))
    return ds.assign_coords(phase=("phase", np.array(moving, dtype=object)))


def _combined(shift: Floats, row: Floats) -> Floats:
    """Return a combination of shifts; NaN only where one that takes part is."""
    part = row != 0
    return np.asarray(shift[:, part] @ row[part])


def _lines(
    positions: Positions,
    solution: Solution,
    roles: NDArray[np.object_],
    found: list[tuple[Departure, float]],
    threshold: float,
) -> xr.Dataset:
    """Return what is known of each line."""
    fitted = np.isin(roles, (RIGID, UNDECIDED))
    energy = np.array([one.energy for one, _ in found])
    std = np.array([one.energy_std for one, _ in found])
    energy[fitted] = solution.energy
    mean_gain = np.einsum("tq,tql->ql", solution.part, solution.gain)
    member = positions.member[fitted]
    turned = np.eye(len(solution.energy)) + member @ -mean_gain
    inner = np.einsum("tq,tqp,tp->qp", solution.part, solution.own, solution.part)
    covariance = turned @ solution.common @ turned.T + member @ inner @ member.T
    std[fitted] = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    sure = np.array([value for _, value in found])
    return xr.Dataset(
        {
            "line_energy": ("line", energy),
            "line_energy_std": ("line", std),
            "chemical_shift": (("scan", "line"), np.stack([one.shift for one, _ in found], axis=-1)),
            "chemical_shift_std": (("scan", "line"), np.stack([one.std for one, _ in found], axis=-1)),
            "departure": ("line", sure),
            "chemical": ("line", np.isin(roles, (DEPARTS, UNDECIDED)) | ((roles == DECLARED) & (sure > threshold))),
        },
        coords={"role": ("line", roles)},
    )


def _coordinates(fits: Mapping[str, xr.Dataset], positions: Positions) -> dict[str, object]:
    """Return the coordinates of the lines, and those of the scans of the first level with the flags of all levels."""
    levels = list(dict.fromkeys(line.level for line in positions.lines))
    first = fits[levels[0]]
    coords: dict[str, object] = {
        str(name): coord.variable for name, coord in first.coords.items() if set(coord.dims) <= {"scan"}
    }
    flags = [fits[level]["flag"].to_numpy() for level in levels if "flag" in fits[level].variables]
    if flags:
        coords["flag"] = ("scan", np.bitwise_or.reduce(flags).astype(np.int32), flag_attrs())
    texts = {
        "line": [line.name for line in positions.lines],
        "level": [line.level for line in positions.lines],
        "line_phase": [line.phase for line in positions.lines],
    }
    return coords | {name: ("line", np.array(values, dtype=object)) for name, values in texts.items()}
