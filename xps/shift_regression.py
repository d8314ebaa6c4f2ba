"""How a phase's shift follows the potential: slope, and where the slope changes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .broken_lines import MOST, BrokenLine, broken_line
from .layout import SHIFT_TREND, labelled

Floats = NDArray[np.float64]
_STEP = "regress_on_potential"
_MOST_LOST, _NORMAL = 0.1, 1.4826


@dataclass(frozen=True)
class _Points:
    """What is regressed: shifts (eV), their covariance, potentials (V), their errors, and the scans they are from."""

    shift: Floats
    covariance: Floats
    potential: Floats
    potential_std: Floats
    scans: NDArray[np.int64]

    def without(self, at: int) -> _Points:
        """Return the points without one of them."""
        left = np.delete(np.arange(len(self.scans)), at)
        covariance = self.covariance[np.ix_(left, left)]
        return _Points(self.shift[left], covariance, self.potential[left], self.potential_std[left], self.scans[left])


def regress_on_potential(
    shifts: xr.Dataset,
    potential: xr.DataArray | None = None,
    *,
    potential_std: xr.DataArray | float | None = None,
    breakpoints: int | None = None,
    threshold: float = 6.0,
) -> xr.Dataset:
    """Return the slope of each phase's shift against the potential, with breakpoints where the slope changes.

    delta = a + b U + sum_k g_k (U - U_k) for U above U_k: the slope is b below U_1, b + g_1 from there, and so on.

    Parameters
    ----------
    shifts
        ``shift`` (eV; scan, phase) with ``shift_std``, and the ``shift_covariance`` that
        :func:`~operando.xps.rigid_shift` gives: the scans have errors in common.
    potential
        Against Li+/Li (V; scan); by default the coordinate ``potential`` of the shifts.
    potential_std
        Its errors (V), which count with the slope; by default the coordinate ``potential_std``, else 0.
    breakpoints
        How many, 0 to 3; by default as many as the Bayesian information criterion asks for.
    threshold
        Scans farther from the line than so many standard deviations (or 1.4826 times the median distance, if that is
        more) are left out, the worst first and at most one of ten: a file with a wrong time has a wrong potential.

    Returns
    -------
    xarray.Dataset
        By ``phase``: ``slope`` (eV/V; ``segment``) and ``breakpoint`` (V; ``break``) with ``_std``, ascending in
        potential, NaN beyond the number of ``breakpoints``; ``intercept`` (eV) with ``_std``; ``bic`` (``tried``);
        ``reduced_chi_square``; ``fitted_shift`` (scan), NaN in scans that are left out.

    Raises
    ------
    OperandoError
        If shifts or potentials are missing, or a phase has too few scans for the breakpoints asked for.

    Warns
    -----
    OperandoWarning
        Naming the scans that are left out.

    Notes
    -----
    At least three scans lie between breakpoints. The errors are those of the shifts as given, not scaled by
    ``reduced_chi_square``. The criterion compares n ln(chi2/n) + (2 + 3 k) ln n for k breakpoints, so a common factor
    in all errors does not matter; a breakpoint counts thrice because it is the best of many places. G. Schwarz, Ann.
    Stat. 6, 461 (1978), doi:10.1214/aos/1176344136. Segmented fit after V. M. R. Muggeo, Stat. Med. 22, 3055 (2003),
    doi:10.1002/sim.1545. Hysteresis between charge and discharge is not in the model: regress half-cycles apart.

    Examples
    --------
    Lines of an electrolyte that fall by 0.9 eV per V:

    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> potential = ("scan", np.linspace(2.5, 4.2, 12), {"units": "V"})
    >>> shift = -0.9 * np.linspace(2.5, 4.2, 12) + np.random.default_rng(1).normal(0, 0.01, 12)
    >>> dims, units = ("scan", "phase"), {"units": "eV"}
    >>> variables = {"shift": (dims, shift[:, None], units), "shift_std": (dims, np.full((12, 1), 0.01), units)}
    >>> ds = xr.Dataset(variables, {"potential": potential, "phase": ["electrolyte"]})
    >>> found = xps.regress_on_potential(ds)
    >>> print(found["slope"].values.round(2).tolist())
    [[-0.9]]
    """
    if breakpoints is not None and not 0 <= breakpoints <= MOST:
        raise OperandoError(f"{_STEP}: expected 0 to {MOST} breakpoints, got {breakpoints}")
    lacking = [name for name in ("shift", "shift_std") if name not in shifts]
    if lacking or not {"scan", "phase"} <= set(shifts["shift"].dims):
        raise OperandoError(f"{_STEP}: expected shift and shift_std over scan and phase, as rigid_shift gives them")
    u, u_std = _potential(shifts, potential, potential_std)
    phases = list(map(str, shifts["phase"].values))
    best, tried = [], np.full((len(phases), MOST + 1), np.nan)
    points = [_points(shifts, phase, u, u_std) for phase in range(len(phases))]
    for index, (phase, part) in enumerate(zip(phases, points, strict=True)):
        points[index], lines = _kept(part, phase, breakpoints, threshold)
        for line in lines:
            tried[index, line.breaks] = line.bic
        best.append(min(lines, key=lambda line: line.bic))
    ds = _table(best, points, shifts.sizes["scan"]).assign(bic=(("phase", "tried"), tried))
    coords = {name: coord for name, coord in shifts.coords.items() if set(coord.dims) <= {"scan", "phase"}}
    ds = labelled(ds, SHIFT_TREND).assign_coords(coords).assign_coords(tried=np.arange(MOST + 1))
    ds["tried"].attrs = {"units": "1", "long_name": "number of breakpoints tried"}
    parameters = {"breakpoints": "by BIC" if breakpoints is None else breakpoints, "threshold": threshold}
    return recorded(ds, "xps.regress_on_potential", parameters, after=shifts)


def _potential(
    shifts: xr.Dataset, potential: xr.DataArray | None, std: xr.DataArray | float | None
) -> tuple[Floats, Floats]:
    """Return the potentials of the scans and their errors."""
    if potential is None and "potential" not in shifts.coords:
        raise OperandoError(f"{_STEP}: expected the potentials of the scans; link the series, or pass potential=")
    given = shifts["potential"] if potential is None else potential
    values = np.asarray(given, dtype=np.float64)
    if values.shape != (shifts.sizes["scan"],):
        raise OperandoError(
            f"{_STEP}: expected a potential of each of {shifts.sizes['scan']} scans, got {values.shape}"
        )
    if std is None:
        std = shifts["potential_std"] if "potential_std" in shifts.coords else 0.0
    errors = np.broadcast_to(np.asarray(std, dtype=np.float64), values.shape)
    if not (np.nan_to_num(errors) >= 0).all():
        raise OperandoError(
            f"{_STEP}: expected errors of the potential of 0 V or more, got {float(np.nanmin(errors)):g}"
        )
    return values, np.nan_to_num(errors)


def _points(shifts: xr.Dataset, phase: int, u: Floats, u_std: Floats) -> _Points:
    y = shifts["shift"].transpose("scan", "phase").to_numpy()[:, phase]
    std = shifts["shift_std"].transpose("scan", "phase").to_numpy()[:, phase]
    seen = np.isfinite(y) & np.isfinite(std) & np.isfinite(u)
    if "shift_covariance" in shifts:
        known = np.flatnonzero(seen)
        dims = ("scan", "phase", "other_scan", "other_phase")
        dense = shifts["shift_covariance"].transpose(*dims).to_numpy()[:, phase, :, phase]
        covariance = dense[np.ix_(known, known)]
    else:
        known = np.flatnonzero(seen & (std > 0))
        covariance = np.diag(std[known] ** 2)
    return _Points(y[known], covariance, u[known], u_std[known], known)


def _kept(points: _Points, phase: str, breakpoints: int | None, threshold: float) -> tuple[_Points, list[BrokenLine]]:
    """Return the points without those far from the best line, and the fits to choose from."""
    every, lines = points, _lines(points, phase, breakpoints)
    while len(points.scans) > (1 - _MOST_LOST) * len(every.scans) + 1:
        line = min(lines, key=lambda one: one.bic)
        spread = np.diag(points.covariance) + (line.slope_at(points.potential) * points.potential_std) ** 2
        apart = np.abs(points.shift - line.at(points.potential)) / np.sqrt(np.where(spread > 0, spread, np.inf))
        worst = int(np.argmax(apart))
        if apart[worst] <= threshold * max(1.0, _NORMAL * float(np.median(apart))):
            break
        points = points.without(worst)
        lines = _lines(points, phase, breakpoints)
    lost = sorted(set(every.scans.tolist()) - set(points.scans.tolist()))
    if lost:
        said = f"{_STEP}: {phase!r}: scan {', '.join(map(str, lost))} lies far from the line and is left out"
        warnings.warn(f"{said}; is its time right?", OperandoWarning, stacklevel=3)
    return points, lines


def _lines(points: _Points, phase: str, breakpoints: int | None) -> list[BrokenLine]:
    """Return the fits to choose from: of the number of breakpoints asked for, else of all that the points allow."""
    numbers = range(MOST + 1) if breakpoints is None else [breakpoints]
    given = (points.potential, points.shift, points.covariance, points.potential_std)
    lines = [line for number in numbers if (line := broken_line(*given, number)) is not None]
    if not lines:
        many = f"{numbers[0]} breakpoint{'' if numbers[0] == 1 else 's'}"
        raise OperandoError(
            f"{_STEP}: {phase!r} has {len(points.shift)} scans with shift and potential at "
            f"{len(np.unique(points.potential))} potentials, too few for a line with {many}"
        )
    return lines


def _table(best: list[BrokenLine], points: list[_Points], scans: int) -> xr.Dataset:
    """Return the lines of all phases, filled with NaN to the same number of breakpoints."""
    most = max(line.breaks for line in best)
    names = ("slope", "slope_std", "breakpoint", "breakpoint_std")
    columns = {name: np.full((len(best), most + 1 - name.startswith("break")), np.nan) for name in names}
    fitted = np.full((scans, len(best)), np.nan)
    for row, (line, part) in enumerate(zip(best, points, strict=True)):
        columns["slope"][row, : line.breaks + 1], columns["slope_std"][row, : line.breaks + 1] = line.slopes()
        columns["breakpoint"][row, : line.breaks] = line.parameters[2 + line.breaks :]
        columns["breakpoint_std"][row, : line.breaks] = np.sqrt(np.diag(line.covariance))[2 + line.breaks :]
        fitted[part.scans, row] = line.at(part.potential)
    table = {name: (("phase", "break" if name[0] == "b" else "segment"), values) for name, values in columns.items()}
    return xr.Dataset(table).assign(
        intercept=("phase", [line.parameters[0] for line in best]),
        intercept_std=("phase", [float(np.sqrt(line.covariance[0, 0])) for line in best]),
        breakpoints=("phase", [line.breaks for line in best]),
        reduced_chi_square=("phase", [line.chi2 / line.freedom if line.freedom > 0 else np.nan for line in best]),
        fitted_shift=(("scan", "phase"), fitted),
    )
