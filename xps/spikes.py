"""Find single points that stand out of a photoemission spectrum, such as those of sparks, and leave them out."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.kernels import compiled

from .layout import ALONG, MEASURED

Floats = NDArray[np.float64]

_NORMAL = 1.4826
_UNEVEN = 1.5
_MOST = 0.05
_FEWEST = 8


def deglitch(spectra: xr.Dataset, *, threshold: float = 8.0) -> xr.Dataset:
    """Return spectra in which single points that stand out are NaN, so that fits leave them out.

    Parameters
    ----------
    spectra
        Raw spectra against ``binding_energy``: ``counts``, ``rate`` or ``intensity``, with any other dims.
    threshold
        How far a point must lie from the cubic through its two neighbors on either side, in standard deviations.

    Returns
    -------
    xarray.Dataset
        As given, with ``glitches`` (1), how many points of each spectrum were left out. ``Flag.glitch`` is raised in
        the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If nothing was measured against ``binding_energy``.

    Notes
    -----
    The deviation is that of Poisson counts, or, where the spectrum scatters more (or is no counts), 1.4826 times the
    median of the same deviations. The worst point goes first, since it makes its neighbors stand out as well. Points
    beside a gap in the energies, at most one of twenty points, and the two points at either end stay as they are.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> counts[50] += 5000
    >>> cleaned = xps.deglitch(counts.to_dataset(name="counts"))
    >>> print(int(counts.max()), int(cleaned["counts"].max()))
    5676 1009
    """
    name = next((name for name in MEASURED if name in spectra), None)
    if name is None or ALONG not in spectra[name].dims:
        raise OperandoError(f"deglitch: expected one of {', '.join(MEASURED)} against {ALONG!r}, got none")
    measured = spectra[name]
    measured = measured.chunk({ALONG: -1}) if measured.chunks else measured
    cured, count = xr.apply_ufunc(
        _rows_cured,
        measured,
        kwargs={"usable": _even(measured[ALONG].to_numpy()), "threshold": threshold, "counts": name == "counts"},
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG], []],
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        keep_attrs=False,
    )
    cured = cured.transpose(*measured.dims).assign_attrs(measured.attrs)
    count = count.assign_attrs(units="1", long_name="single points that were left out")
    ds = spectra.assign({name: cured.variable, "glitches": count.variable})
    if "flag" in ds.coords:
        beyond = [dim for dim in count.dims if dim not in ds["flag"].dims]
        found = (count > 0).any(beyond).reset_coords(drop=True)
        ds = ds.assign_coords(flag=raised(ds["flag"], Flag.glitch, found))
    return recorded(ds, "xps.deglitch", {"threshold": threshold})


def _even(energy: Floats) -> NDArray[np.bool_]:
    """Return which points have two neighbors on either side at about even distances."""
    steps = np.abs(np.diff(energy))
    usable = np.zeros(energy.size, dtype=bool)
    if energy.size >= 5:
        around = np.stack([steps[k : k + energy.size - 4] for k in range(4)])
        usable[2:-2] = around.max(axis=0) <= _UNEVEN * np.maximum(around.min(axis=0), 1e-12)
    return usable


def _rows_cured(values: Floats, *, usable: NDArray[np.bool_], threshold: float, counts: bool) -> tuple[Floats, Floats]:
    rows = np.array(values, dtype=np.float64).reshape(-1, values.shape[-1])
    found = np.zeros(len(rows))
    for at, row in enumerate(rows):
        found[at] = leave_out(row, usable, threshold, counts)
    return rows.reshape(values.shape), found.reshape(values.shape[:-1])


@compiled
def leave_out(values: Floats, usable: NDArray[np.bool_], threshold: float, counts: bool) -> int:
    """Set points that stand out to NaN; return how many."""
    smooth, apart = values.copy(), np.zeros(values.size)
    found, most = 0, int(_MOST * values.size) + 1
    while found < most:
        for i in range(2, values.size - 2):
            beside = cubic(smooth, i)
            good = usable[i] and np.isfinite(beside) and np.isfinite(values[i])
            apart[i] = (values[i] - beside) / (deviation(smooth, i) if counts else 1.0) if good else 0.0
        known = np.abs(apart[apart != 0.0])
        if known.size < _FEWEST:
            break
        scale = _NORMAL * np.median(known)
        scale = max(scale, 1.0) if counts else scale
        worst = int(np.argmax(np.abs(apart)))
        if not 0.0 < threshold * scale < np.abs(apart[worst]):
            break
        smooth[worst] = cubic(smooth, worst)
        values[worst] = np.nan
        found += 1
    return found


@compiled
def cubic(values: Floats, i: int) -> float:
    """Return the cubic through two neighbors of a point on either side, evenly spaced, at the point."""
    found: float = (4.0 * (values[i - 1] + values[i + 1]) - values[i - 2] - values[i + 2]) / 6.0
    return found


@compiled
def deviation(values: Floats, i: int) -> float:
    """Return the standard deviation of counts minus the cubic of their neighbors."""
    beside = 16.0 * (values[i - 1] + values[i + 1]) + values[i - 2] + values[i + 2]
    found: float = np.sqrt(max(cubic(values, i), 1.0) + max(beside, 1.0) / 36.0)
    return found
