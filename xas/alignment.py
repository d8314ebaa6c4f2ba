"""Bring scans to one energy scale by a reference measured with each of them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .combination import REFERENCE, lcf
from .edge import edge_energy
from .layout import ALONG, along_energy
from .normalization import normalize
from .signals import signal

Floats = NDArray[np.float64]
_FINE = 2.0
_POOR_FIT, _POOR_STD = 0.05, 0.1


def align(
    scans: xr.Dataset,
    *,
    standard: xr.DataArray | int = 0,
    reference: str = "reference",
    method: Literal["fit", "e0"] = "fit",
    window: tuple[float, float] = (-20.0, 40.0),
) -> xr.Dataset:
    """Return scans whose reference edges coincide.

    The shift s of a scan is what fits mu_ref(E) = c S(E - s) + a + b E best within the window, S the standard; all
    that was measured is moved by it, y(E) -> y(E + s), by cubic splines.

    Parameters
    ----------
    scans
        A series with the dim ``scan``.
    standard
        The reference spectrum that all are brought to, mu against ``energy`` (eV), or the number of the scan whose
        own reference is it.
    reference
        The detector that shows the reference, as :func:`~operando.xas.signal` names it.
    method
        ``"fit"``, or ``"e0"`` for references so poor that nothing but their steepest rise can be trusted: s is then the
        difference of their e0, good to the energy step.
    window
        Where the edges are compared, in eV relative to the standard's edge.

    Returns
    -------
    xarray.Dataset
        The scans on the same energies, NaN where they were not measured, with ``energy_shift`` and
        ``energy_shift_std`` (eV, what the scan showed too much). A scan whose reference is too poor (more than 5 % of
        it unexplained, a shift uncertain by more than 0.1 eV, or no edge) gets
        ``Flag.poor_reference`` in the coordinate ``flag``, if there is one; unless by ``"e0"`` it is left where it is,
        its shift NaN.

    Raises
    ------
    OperandoError
        If the scans have no such reference, or the standard has no edge.

    Notes
    -----
    The fit is linear least squares in c, a and b at each s; the method is operando's own.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> scans = xr.Dataset({"mu": xr.concat([mu, mu.shift(energy=2, fill_value=0.3)], "scan")})
    >>> scans["reference"] = scans["mu"]
    >>> found = xas.align(scans)
    >>> print(round(float(found["energy_shift"][1]), 1))
    1.0
    """
    if method not in ("fit", "e0"):
        raise OperandoError(f"align: expected the method 'fit' or 'e0', got {method!r}")
    shown = along_energy(signal(scans, reference), "align")
    known = shown.isel(scan=standard) if isinstance(standard, int) else along_energy(standard, "align: standard")
    target = _with_edge(known)
    if not np.isfinite(target["edge_energy"]):
        raise OperandoError("align: expected a standard with an edge, found none; give another one")
    found = _with_edge(shown)
    coarse = (found["edge_energy"] - target["edge_energy"]).fillna(0.0)
    curve = target["normalized"].drop_vars(["scan", "flag"], errors="ignore").reset_coords(drop=True)
    middle = float(target["edge_energy"])
    near = _moved(found["normalized"].reset_coords(drop=True), coarse.reset_coords(drop=True))
    fit = lcf(
        near,
        curve.expand_dims(REFERENCE),
        scale=True,
        background="linear",
        bounds=(0.0, np.inf),
        shift=(-_FINE, _FINE),
        window=(middle + window[0], middle + window[1]),
        residual=False,
    )
    shift, std = coarse.reset_coords(drop=True) + fit["energy_shift"], fit["energy_shift_std"]
    contrast = fit["r_factor"] ** 0.5
    sound = (contrast < _POOR_FIT) & (std < _POOR_STD) & (abs(fit["energy_shift"]) < _FINE)
    if method == "e0":
        shift = (found["e0"] - target["e0"]).reset_coords(drop=True)
        std = xr.zeros_like(shift) + _grid_std(shown[ALONG].to_numpy(), float(target["e0"]))
    known_shift = np.isfinite(shift) if method == "e0" else sound
    moved = _scans_moved(scans, shift.where(known_shift, 0.0))
    meanings = {"energy_shift": "shift of the energies", "energy_shift_std": "standard uncertainty of the shift"}
    shifts = xr.Dataset({"energy_shift": shift.where(known_shift), "energy_shift_std": std.where(known_shift)})
    out = moved.assign(with_units(shifts, dict.fromkeys(meanings, "eV"), meanings).data_vars)
    if "flag" in out.coords:
        out = out.assign_coords(flag=raised(out["flag"], Flag.poor_reference, ~sound))
    parameters = {
        "reference": reference,
        "method": method,
        "standard": standard if isinstance(standard, int) else "given",
    }
    return recorded(out, "xas.align", {**parameters, "window": window}, after=scans)


def _with_edge(mu: xr.DataArray) -> xr.Dataset:
    normalized = normalize(mu)
    return normalized.assign(edge_energy(normalized).data_vars)


def _grid_std(energy: Floats, e0: float) -> float:
    """Return the uncertainty of the difference of two energies of a grid (eV): of two even distributions."""
    at = int(np.clip(np.abs(energy - e0).argmin(), 1, energy.size - 2))
    return float((energy[at + 1] - energy[at - 1]) / 2 / np.sqrt(6))


def _scans_moved(scans: xr.Dataset, shift: xr.DataArray) -> xr.Dataset:
    """Return scans with everything along the energy moved down by their shifts."""
    along = [name for name in scans.data_vars if ALONG in scans[name].dims]
    moved = {
        name: _moved(scans[name], shift).transpose(*scans[name].dims).assign_attrs(scans[name].attrs) for name in along
    }
    return scans.assign(moved)


def _moved(array: xr.DataArray, shift: xr.DataArray) -> xr.DataArray:
    array = along_energy(array, "align")
    moved: xr.DataArray = xr.apply_ufunc(
        _rows_moved,
        array,
        shift,
        kwargs={"energy": array[ALONG].to_numpy()},
        input_core_dims=[[ALONG], []],
        output_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=True,
    )
    return moved


def _rows_moved(values: Floats, shift: Floats, *, energy: Floats) -> Floats:
    """Return each row at energies higher by its shift; NaN outside of what it holds."""
    out = np.array(values, dtype=np.float64).reshape(-1, values.shape[-1])
    shifts = np.broadcast_to(shift, values.shape[:-1]).reshape(-1)
    for row, by in zip(out, shifts, strict=True):
        known = np.isfinite(row)
        if by != 0 and known.sum() > 3:
            at = energy + by
            first, last = energy[known][[0, -1]]
            inside = (at >= first) & (at <= last)
            row[:] = np.where(inside, CubicSpline(energy[known], row[known])(at), np.nan)
    return out.reshape(values.shape)
