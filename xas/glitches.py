"""Find points that stand out of a scan by themselves, and replace them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.kernels import compiled

from .layout import ALONG, along_energy

Floats = NDArray[np.float64]
Spectra = TypeVar("Spectra", xr.DataArray, xr.Dataset)
_WINDOW, _LONGEST = 7, 3
_NORMAL = 1.4826
_STEEPER, _STEP = 4.0, 0.5


def deglitch(
    spectra: Spectra,
    *,
    energies: Sequence[float] | None = None,
    threshold: float | None = None,
    width: float = 0.5,
) -> Spectra:
    """Return spectra without glitches: the points named, or those that stand out, interpolated linearly.

    Parameters
    ----------
    spectra
        Absorption against ``energy`` (eV), any other dims, in memory or dask; of a Dataset everything along
        ``energy``, by the same points of the scan.
    energies
        Energies (eV) at which the monochromator is known to glitch: points within ``width`` of them are replaced.
        Without them the glitches are sought.
    threshold
        How far a point must stand out to be one, in standard deviations of the noise; 8 by default. Where several
        detectors are given, one is enough.
    width
        Half width of a known glitch (eV).

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        As given; a Dataset also gets ``glitches``, how many points of each scan were replaced. ``Flag.glitch`` is
        raised in the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If there is no dim ``energy`` in eV, or nothing runs along it.

    Notes
    -----
    A glitch is one to three neighboring points on one side of the line through the points beside them, by more than
    the threshold times the noise (1.4826 times the median of the same number within seven points to either side), and
    entered and left by steps four times steeper than any other of the three steps to either side: so a white line is
    none as long as its flanks hold points, and so is a step. The first and last seven points are never glitches.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> mu[200] += 0.5
    >>> cleaned = xas.deglitch(mu, threshold=8.0)
    >>> print(bool(mu[200] > 1.9), round(float(cleaned[200]), 1))
    True 1.5
    """
    names: list[str] = []
    if isinstance(spectra, xr.Dataset):
        names = [str(name) for name in spectra.data_vars if ALONG in spectra[name].dims]
        arrays = [along_energy(spectra[name], "deglitch") for name in names]
    else:
        arrays = [along_energy(spectra, "deglitch")]
    if not arrays:
        raise OperandoError("deglitch: expected something along the dim 'energy', got nothing")
    energy = arrays[0][ALONG].to_numpy()
    limit = 8.0 if threshold is None else threshold
    if energies is None:
        masks = [_marked(array, limit) for array in arrays]
        bad = masks[0].any([dim for dim in masks[0].dims if dim not in ("scan", ALONG)])
        for mask in masks[1:]:
            bad = bad | mask.any([dim for dim in mask.dims if dim not in ("scan", ALONG)])
    else:
        near = np.any([np.abs(energy - one) <= width for one in energies], axis=0)
        bad = xr.DataArray(near, dims=ALONG)
    cured = [_cured(array, bad, energy) for array in arrays]
    parameters = {"energies": energies, "threshold": None if energies else limit, "width": width}
    if isinstance(spectra, xr.DataArray):
        before = xr.Dataset(attrs=spectra.attrs)
        history = recorded(before, "xas.deglitch", parameters).attrs["history"]
        out = cured[0].transpose(*spectra.dims).assign_attrs({**spectra.attrs, "history": history})
        return _flagged(out, bad)
    ds = spectra.assign({name: one.transpose(*spectra[name].dims) for name, one in zip(names, cured, strict=True)})
    count = bad.sum(ALONG).astype(np.float64).drop_vars("flag", errors="ignore")
    meaning = "points replaced as glitches"
    ds = ds.assign(glitches=count.assign_attrs(units="1", long_name=meaning))
    return recorded(_flagged(ds, bad), "xas.deglitch", parameters, after=spectra)


def _flagged(spectra: Spectra, bad: xr.DataArray) -> Spectra:
    if "flag" not in spectra.coords:
        return spectra
    where = bad.any(ALONG).drop_vars("flag", errors="ignore")
    flag = raised(spectra["flag"], Flag.glitch, where)
    return spectra.assign_coords(flag=flag)


def _marked(array: xr.DataArray, threshold: float) -> xr.DataArray:
    marked: xr.DataArray = xr.apply_ufunc(
        _rows_marked,
        array,
        kwargs={"energy": array[ALONG].to_numpy(), "threshold": threshold},
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[bool],
        keep_attrs=False,
    )
    return marked


def _rows_marked(values: Floats, *, energy: Floats, threshold: float) -> NDArray[np.bool_]:
    rows = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, values.shape[-1])
    out = np.zeros(rows.shape, dtype=np.bool_)
    for row, marks in zip(rows, out, strict=True):
        known = np.flatnonzero(np.isfinite(row))
        if known.size > 2 * _WINDOW + _LONGEST:
            marks[known] = standing_out(energy[known], row[known], threshold)
    return out.reshape(values.shape)


@compiled
def standing_out(x: Floats, y: Floats, threshold: float) -> NDArray[np.bool_]:
    """Return which points stand out of finite values ``y`` at ascending ``x``: runs of one to three points."""
    n = y.size
    out, away, around = np.zeros(n, np.bool_), np.zeros(n), np.empty(2 * _WINDOW)
    for length in range(1, _LONGEST + 1):
        away[:] = 0.0
        for i in range(1, n - length):
            away[i] = _least_distance(x, y, i, i + length)
        for i in range(_WINDOW, n - length - _WINDOW):
            for j in range(_WINDOW):
                around[j] = away[max(i - length - j, 0)]
                around[_WINDOW + j] = away[min(i + length + j, n - 1)]
            noise = _NORMAL * np.median(np.abs(around))
            step = min(abs(y[i] - y[i - 1]), abs(y[i + length] - y[i + length - 1]))
            if away[i] > threshold * noise and step > _STEP * away[i] and _jumps(x, y, i, i + length):
                for j in range(i, i + length):
                    out[j] = True
    return out


@compiled
def _least_distance(x: Floats, y: Floats, start: int, stop: int) -> float:
    """Return how far all points of a run lie on one side of the line through its neighbors; 0 if on both."""
    left = start - 1
    slope = (y[stop] - y[left]) / (x[stop] - x[left])
    low, high = np.inf, -np.inf
    for j in range(start, stop):
        off = y[j] - y[left] - slope * (x[j] - x[left])
        low, high = min(low, off), max(high, off)
    return max(low, -high, 0.0)


@compiled
def _jumps(x: Floats, y: Floats, start: int, stop: int) -> bool:
    """Whether a run is entered and left by steps far steeper than those of the three points to either side."""
    into = abs(y[start] - y[start - 1]) / (x[start] - x[start - 1])
    out_of = abs(y[stop] - y[stop - 1]) / (x[stop] - x[stop - 1])
    usual = 0.0
    for j in range(3):
        before, behind = start - 1 - j, stop + j
        usual = max(usual, abs(y[before] - y[before - 1]) / (x[before] - x[before - 1]))
        usual = max(usual, abs(y[behind + 1] - y[behind]) / (x[behind + 1] - x[behind]))
    return bool(min(into, out_of) > _STEEPER * usual)


def _cured(array: xr.DataArray, bad: xr.DataArray, energy: Floats) -> xr.DataArray:
    """Return an array with its bad points on the line through the good ones beside them."""
    cured: xr.DataArray = xr.apply_ufunc(
        _rows_cured,
        array,
        bad.drop_vars([name for name in bad.coords if name not in bad.dims]),
        kwargs={"energy": energy},
        input_core_dims=[[ALONG], [ALONG]],
        output_core_dims=[[ALONG]],
        join="override",
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=True,
    )
    return cured


def _rows_cured(values: Floats, bad: NDArray[np.bool_], *, energy: Floats) -> Floats:
    out = np.array(values, dtype=np.float64).reshape(-1, values.shape[-1])
    marks = np.broadcast_to(bad, values.shape).reshape(out.shape)
    for row, mark in zip(out, marks, strict=True):
        good = ~mark & np.isfinite(row)
        cure = mark & np.isfinite(row)
        if good.sum() > 1 and cure.any():
            row[cure] = np.interp(energy[cure], energy[good], row[good])
    return out.reshape(values.shape)
