"""From chi(k) to distances and back: Fourier transforms with windows."""

from __future__ import annotations

from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded
from operando.units import parse

from .labels import flagged, in_parts, inverse_angstroms
from .tapers import checked_window, taper
from .wavenumber import FFT_POINTS, Floats, K, along_k, continued, k_grid

_R, _Q = "r", "q"


def fourier(
    chi: xr.DataArray,
    *,
    kmin: float,
    kmax: float,
    kweight: int = 2,
    dk: float = 1.0,
    dk2: float | None = None,
    window: str = "kaiser",
    rmax: float = 10.0,
) -> xr.Dataset:
    """Return chi(R) = step/sqrt(pi) sum_k k^w chi(k) W(k) exp(-2ikR), up to ``rmax``.

    Parameters
    ----------
    chi
        EXAFS over ``k`` (1/angstrom) in even steps from 0, with any other dims in any order, in memory or dask; it
        may end in NaN.
    kmin, kmax
        Range of the window in 1/angstrom; keep one for a whole series, or its peaks change with the range.
    kweight
        Power w of k.
    dk, dk2
        Widths in 1/angstrom over which the window falls at its low and high end (``dk`` at both by default).
    window
        ``kaiser``, ``hanning``, ``parzen``, ``welch``, ``sine`` or ``gaussian``.
    rmax
        Largest distance in angstrom.

    Returns
    -------
    xarray.Dataset
        ``chi_r_real``, ``chi_r_imag`` and ``chi_r_magnitude`` (1/angstrom^(w+1)) over ``r`` (angstrom). Peaks lie
        about 0.3 to 0.5 angstrom below the distances of atoms: the phase shift is not corrected. Where ``chi`` is
        NaN before its end, all are NaN and ``Flag.not_finite`` is raised in the coordinate ``flag``, if there is one;
        ``Flag.truncated`` is raised where it ends before ``kmax``.

    Raises
    ------
    OperandoError
        If ``chi`` has no evenly spaced ``k`` from 0, or a setting is out of range.

    Notes
    -----
    The numbers are those of ``larch.xafs.xftf`` (xraylarch 2026.3) to 1e-9. The convention is that of IFEFFIT:
    M. Newville, J. Synchrotron Rad. 8, 322 (2001), doi:10.1107/S0909049500016964.

    Examples
    --------
    A wave of half-length 2 angstrom is a peak at 2 angstrom:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> k = xr.DataArray(np.arange(0, 12, 0.05), dims="k", attrs={"units": "1/angstrom"})
    >>> chi = (np.sin(2 * k * 2.0) * np.exp(-0.01 * k**2)).assign_coords(k=k)
    >>> found = xas.fourier(chi, kmin=2, kmax=11)
    >>> print(round(float(found["r"][found["chi_r_magnitude"].argmax("r")]), 1))
    2.0
    """
    chi, step = along_k(chi, "fourier")
    checked_window(window, "fourier")
    if not 0 <= kmin < kmax or kweight < 0 or rmax <= 0:
        raise OperandoError(
            f"fourier: expected 0 <= kmin < kmax, kweight >= 0 and rmax > 0, got {kmin}, {kmax}, {kweight}, {rmax}"
        )
    k = step * np.arange(chi.sizes[K])
    widths = (dk, dk if dk2 is None else dk2)
    whole = k_grid(max(k[-1], kmax + widths[1]), step)
    weight = k**kweight * taper(whole, kmin, kmax, widths, window)[: k.size]
    r_step = np.pi / (step * FFT_POINTS)
    r = r_step * np.arange(int(min(FFT_POINTS / 2, 1.01 + rmax / r_step)))
    chi_r = xr.apply_ufunc(
        _to_distances,
        chi,
        kwargs={"weight": step / np.sqrt(np.pi) * weight, "points": r.size},
        input_core_dims=[[K]],
        output_core_dims=[[_R]],
        dask="parallelized",
        output_dtypes=[np.complex128],
        dask_gufunc_kwargs={"output_sizes": {_R: r.size}},
        keep_attrs=False,
    )
    ds = in_parts(chi_r.assign_coords({_R: r}), "chi_r", chi, inverse_angstroms(kweight + 1))
    ds = flagged(ds, Flag.not_finite, ds["chi_r_real"].isel({_R: 0}, drop=True).isnull())
    end = chi[K].where(chi.notnull(), -np.inf).max(K, skipna=False)
    ds = flagged(ds, Flag.truncated, (end > -np.inf) & (end < kmax - step / 2))
    parameters = {"kmin": kmin, "kmax": kmax, "kweight": kweight, "dk": dk, "dk2": dk2, "window": window, "rmax": rmax}
    return recorded(ds, "xas.fourier", parameters, after=xr.Dataset(attrs=chi.attrs))


def inverse_fourier(
    transform: xr.Dataset,
    *,
    rmin: float,
    rmax: float,
    rweight: int = 0,
    dr: float = 1.0,
    dr2: float | None = None,
    window: str = "kaiser",
    qmax: float = 30.0,
) -> xr.Dataset:
    """Return the part of k^w chi that comes from ``rmin`` to ``rmax``: the transform of chi(R) R^v W(R) back to k.

    Parameters
    ----------
    transform
        ``chi_r_real`` and ``chi_r_imag`` over ``r`` (angstrom), as :func:`fourier` returns them.
    rmin, rmax
        Range of the window in angstrom.
    rweight
        Power v of the distance.
    dr, dr2, window
        Widths (angstrom) and kind of the window, as for :func:`fourier`.
    qmax
        Largest wave number in 1/angstrom.

    Returns
    -------
    xarray.Dataset
        ``chi_q_real``, ``chi_q_imag`` and ``chi_q_magnitude`` (1/angstrom^w) over ``q`` (1/angstrom); the real part
        is what compares with k^w chi W(k). NaN where the transform is.

    Raises
    ------
    OperandoError
        If ``transform`` is not one of :func:`fourier`, or a setting is out of range.

    Notes
    -----
    The numbers are those of ``larch.xafs.xftr`` (xraylarch 2026.3) to 1e-9.
    """
    missing = [name for name in ("chi_r_real", "chi_r_imag", _R) if name not in transform.variables]
    if missing or transform.sizes[_R] < 2:
        raise OperandoError(f"inverse_fourier: expected the result of fourier, {', '.join(missing) or 'r'} is missing")
    checked_window(window, "inverse_fourier")
    if not 0 <= rmin < rmax or qmax <= 0 or rweight < 0:
        raise OperandoError(f"inverse_fourier: expected 0 <= rmin < rmax and qmax > 0, got {rmin}, {rmax}, {qmax}")
    distances = transform[_R].to_numpy()
    r = (distances[1] - distances[0]) * np.arange(FFT_POINTS)
    weight = r**rweight * taper(r, rmin, rmax, (dr, dr if dr2 is None else dr2), window)
    q_step = np.pi / (r[1] * FFT_POINTS)
    q = np.linspace(0, qmax, int(1.05 + qmax / q_step))
    if q.size > FFT_POINTS // 2:
        raise OperandoError(f"inverse_fourier: expected qmax up to {q_step * FFT_POINTS / 2:.0f}, got {qmax}")
    chi_r = transform["chi_r_real"] + 1j * transform["chi_r_imag"]
    chi_r = chi_r.chunk({_R: -1}) if chi_r.chunks else chi_r
    chi_q = xr.apply_ufunc(
        _to_wave_numbers,
        chi_r,
        kwargs={"weight": 2 * np.sqrt(np.pi) / q_step * weight[: distances.size], "points": q.size},
        input_core_dims=[[_R]],
        output_core_dims=[[_Q]],
        dask="parallelized",
        output_dtypes=[np.complex128],
        dask_gufunc_kwargs={"output_sizes": {_Q: q.size}},
        keep_attrs=False,
    )
    source = transform["chi_r_real"]
    length = cast(float, parse(source.attrs.get("units", "1")).dimensionality.get("[length]", 0))
    units = inverse_angstroms(-int(length) - 1 - rweight)
    ds = in_parts(chi_q.assign_coords({_Q: q}), "chi_q", source, units)
    parameters = {"rmin": rmin, "rmax": rmax, "rweight": rweight, "dr": dr, "dr2": dr2, "window": window, "qmax": qmax}
    return recorded(ds, "xas.fourier_transform.inverse_fourier", parameters, after=transform)


def _to_distances(chi: Floats, *, weight: Floats, points: int) -> NDArray[np.complex128]:
    return np.fft.rfft(continued(chi) * weight, FFT_POINTS)[..., :points]


def _to_wave_numbers(chi_r: NDArray[np.complex128], *, weight: Floats, points: int) -> NDArray[np.complex128]:
    return np.fft.ifft(chi_r * weight, FFT_POINTS)[..., :points]
