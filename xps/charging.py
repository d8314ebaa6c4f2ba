"""Put binding energies on the scale of one line of known energy, where that is right."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning
from operando.history import recorded

from .layout import REFERENCED, labelled
from .line_departures import deviate
from .line_positions import UNUSABLE

Floats = NDArray[np.float64]
_STEP = "charge_reference"
_LIMIT = 5.0


def charge_reference(
    fits: Mapping[str, xr.Dataset],
    to: Mapping[str, float],
    *,
    peak: str | None = None,
    moves_with: Mapping[str, str],
    energy_std: float = 0.0,
) -> dict[str, xr.Dataset]:
    """Return fits whose positions are referred to one line of known binding energy, scan by scan.

    E = E_measured - s, s = E_reference line, measured - E_reference line, known. One shift serves levels that charge
    alike and shift alike; so each level says what it moves with, and levels that move with something else than the
    reference are refused.

    Parameters
    ----------
    fits
        Core level -> fit of the same scans with ``position`` and ``position_std`` (eV; dims scan, peak), and
        ``position_covariance`` (also ``other_peak``) if known.
    to
        The reference line's level and energy, such as ``{"C 1s": 284.8}``.
    peak
        Its peak in the fit, if there are several.
    moves_with
        Core level -> what its lines move with: ``{"C 1s": "electrode", "Ni 2p": "electrode"}``.
    energy_std
        Standard uncertainty of the reference energy (eV): adventitious carbon is at 284.8 within 0.2 to 0.3 eV.

    Returns
    -------
    dict of str to xarray.Dataset
        What the fits tell of their lines, with referred ``position`` and ``position_std``, and ``charge_shift`` (scan)
        with ``_std`` and ``_systematic`` (from ``energy_std``, the same for all). The reference line itself keeps no
        error. NaN in scans where the reference is missing or its fit failed. Curves and parameters, which stay on the
        measured scale, are left behind.

    Raises
    ------
    OperandoError
        If the reference is not among the fits, a level does not say what it moves with, or moves with something else
        than the reference: in a working cell the electrolyte's lines shift by up to 1 eV per volt against the
        grounded electrode, and C 1s of the electrode knows nothing of that. In lines of the electrolyte alone,
        charging and this shift cannot be told apart; :func:`~operando.xps.rigid_shift` tells them apart with a line
        of the electrode.

    Warns
    -----
    OperandoWarning
        If the distance between the reference and a level that is said to move with it changes from scan to scan.

    Notes
    -----
    G. Greczynski, L. Hultman, Prog. Mater. Sci. 107, 100591 (2020), doi:10.1016/j.pmatsci.2019.100591.
    """
    level, energy = _target(fits, to)
    _refuse(fits, level, moves_with)
    reference = _line(fits[level], level, peak)
    shift = reference["position"] - energy
    std = reference["position_std"]
    parameters: dict[str, object] = {
        "to": dict(to),
        "peak": str(reference["peak"].item()),
        "moves_with": dict(moves_with),
    }
    parameters |= {"energy_std": energy_std}
    out = {}
    for name, fit in fits.items():
        if fit.sizes["scan"] != shift.sizes["scan"]:
            raise OperandoError(
                f"{_STEP}: expected the same scans of all core levels, got {fit.sizes['scan']} of {name} and "
                f"{shift.sizes['scan']} of {level}"
            )
        if name != level:
            _warn_if_apart(fit, name, level, shift, std)
        at = str(reference["peak"].item()) if name == level else None
        beyond = [var for var, array in fit.data_vars.items() if not set(array.dims) <= {"scan", "peak", "other_peak"}]
        ds = fit.drop_vars(beyond).assign(_referred(fit, _bare(shift), _bare(std), at))
        ds["position"].attrs, ds["position_std"].attrs = fit["position"].attrs, fit["position_std"].attrs
        added = xr.Dataset({"charge_shift": _bare(shift), "charge_shift_std": _bare(std)})
        added["charge_shift_systematic"] = ((), float(energy_std))
        ds = ds.assign(labelled(added, REFERENCED).data_vars)
        out[name] = recorded(ds, "xps.charge_reference", parameters, after=fit)
    return out


def _target(fits: Mapping[str, xr.Dataset], to: Mapping[str, float]) -> tuple[str, float]:
    if len(to) != 1 or next(iter(to)) not in fits:
        raise OperandoError(f"{_STEP}: expected one reference level among {', '.join(fits)}, got {dict(to)}")
    level, energy = next(iter(to.items()))
    return level, float(energy)


def _refuse(fits: Mapping[str, xr.Dataset], level: str, moves_with: Mapping[str, str]) -> None:
    """Raise unless all levels move with what the reference moves with."""
    silent = [name for name in fits if name not in moves_with]
    if silent:
        raise OperandoError(
            f"{_STEP}: expected what {', '.join(silent)} moves with, got nothing; pass it as "
            f"moves_with={{'{silent[0]}': 'electrode'}} or the phase whose shift it shares"
        )
    other = [name for name in fits if moves_with[name] != moves_with[level]]
    if other:
        raise OperandoError(
            f"{_STEP}: {', '.join(other)} moves with {moves_with[other[0]]!r}, {level} with {moves_with[level]!r}: "
            f"{level} shows charging but not the shift of {moves_with[other[0]]!r} against it, so its energies would "
            "change with the potential; use rigid_shift to separate the two, or refer it to a line of its own"
        )


def _line(fit: xr.Dataset, level: str, peak: str | None) -> xr.Dataset:
    """Return position and error of the reference line over scan."""
    lacking = [name for name in ("position", "position_std") if name not in fit]
    if lacking:
        raise OperandoError(f"{_STEP}: expected a fit of {level} with {' and '.join(lacking)}, got none")
    known = list(map(str, fit["peak"].values))
    if (peak is None and len(known) > 1) or (peak is not None and peak not in known):
        raise OperandoError(f"{_STEP}: expected one peak of {level} among {', '.join(known)}, got {peak!r}")
    line = fit[["position", "position_std"]].isel(peak=known.index(peak) if peak else 0)
    if "flag" in fit.variables:
        line = line.where((fit["flag"].astype("int64") & int(UNUSABLE)) == 0)
    return line


def _referred(fit: xr.Dataset, shift: xr.DataArray, std: xr.DataArray, peak: str | None) -> dict[str, xr.DataArray]:
    """Return positions, errors and, where known, covariances less the shift; ``peak`` is the reference's own."""
    shared: xr.DataArray | float = 0.0
    if peak is not None:
        at = list(map(str, fit["peak"].values)).index(peak)
        own = xr.DataArray(np.arange(fit.sizes["peak"]) == at, dims="peak")
        given = (
            fit["position_covariance"].isel(other_peak=at).drop_vars("other_peak", errors="ignore")
            if ("position_covariance" in fit)
            else 0.0
        )
        shared = (fit["position_std"] ** 2).where(own, given)
    variance = fit["position_std"] ** 2 + std**2 - 2 * shared
    out = {"position": fit["position"] - shift, "position_std": variance.clip(min=0.0) ** 0.5}
    if "position_covariance" in fit:
        other = shared.rename(peak="other_peak") if isinstance(shared, xr.DataArray) else shared
        covariance = fit["position_covariance"] + std**2 - shared - other
        out["position_covariance"] = covariance.assign_attrs(fit["position_covariance"].attrs)
    return out


def _warn_if_apart(fit: xr.Dataset, name: str, level: str, shift: xr.DataArray, std: xr.DataArray) -> None:
    """Warn if a level that is said to move with the reference moves against it."""
    distance = fit["position"] - _bare(shift)
    weight = 1 / (fit["position_std"] ** 2 + _bare(std) ** 2)
    weight = weight.where(distance.notnull() & (weight > 0) & np.isfinite(weight), 0.0)
    mean = (weight * distance.fillna(0.0)).sum("scan") / weight.sum("scan")
    chi2 = (weight * (distance - mean).fillna(0.0) ** 2).sum("scan")
    freedom = (weight > 0).sum("scan") - 1
    for index, peak in enumerate(map(str, fit["peak"].values)):
        sure = deviate(float(chi2[index]), int(freedom[index]))
        if sure > _LIMIT:
            spread = float(distance.isel(peak=index).std("scan"))
            warnings.warn(
                f"{_STEP}: {name} {peak} is said to move with {level}, but their distance changes by {spread:.3f} eV "
                f"from scan to scan ({sure:.0f} sigma): it shifts on its own or chemically, see rigid_shift",
                OperandoWarning,
                stacklevel=3,
            )


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Return an array with its dims alone."""
    return array.reset_coords(drop=True).drop_attrs(deep=False)
