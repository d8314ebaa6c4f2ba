"""EXAFS over distance and wave number at once, which tells heavy neighbors from light: wavelets."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import gammaln

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from .labels import flagged, in_parts, inverse_angstroms
from .wavenumber import FFT_POINTS, Floats, K, along_k, continued

_R = "wavelet_r"


def wavelet(chi: xr.DataArray, *, kweight: int = 2, rmax: float = 10.0) -> xr.Dataset:
    """Return the Cauchy wavelet transform of k^w chi over distance and wave number.

    At each r the Fourier transform of k^w chi is multiplied by 2 pi/n! (a omega)^n exp(-a omega), a = n/(2 r), and
    taken back to k; n is the number of distances.

    Parameters
    ----------
    chi
        EXAFS over ``k`` (1/angstrom) in even steps from 0, with any other dims in any order, in memory or dask; it
        may end in NaN.
    kweight
        Power w of k.
    rmax
        Largest distance in angstrom; it also sets how sharp in R the wavelets are (n is 32.6 rmax for steps of
        0.05/angstrom).

    Returns
    -------
    xarray.Dataset
        ``wavelet_real``, ``wavelet_imag`` and ``wavelet_magnitude`` (1/angstrom^w) over ``wavelet_r`` (angstrom) and k:
        some 7 MB a spectrum, so chunk a long series. Where ``chi`` is NaN before its end, all are NaN and
        ``Flag.not_finite`` is raised in the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If ``chi`` has no evenly spaced ``k`` from 0, or a setting is out of range.

    Notes
    -----
    The numbers are those of ``larch.xafs.cauchy_wavelet`` (xraylarch 2026.3) to 1e-9. M. Munoz, P. Argoul,
    F. Farges, Am. Mineral. 88, 694 (2003), doi:10.2138/am-2003-0423.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> k = xr.DataArray(np.arange(0, 12, 0.05), dims="k", attrs={"units": "1/angstrom"})
    >>> chi = (np.sin(2 * k * 2.0) * np.exp(-0.01 * k**2)).assign_coords(k=k)
    >>> found = xas.wavelet(chi)
    >>> print(found["wavelet_magnitude"].dims)
    ('wavelet_r', 'k')
    """
    chi, step = along_k(chi, "wavelet")
    count = round((rmax - 1e-7) * step * FFT_POINTS / np.pi)
    if kweight < 0 or count < 2:
        raise OperandoError(f"wavelet: expected kweight >= 0 and rmax > 0.1, got {kweight}, {rmax}")
    r = np.linspace(0, rmax, count)
    k = step * np.arange(chi.sizes[K])
    transform = xr.apply_ufunc(
        _cauchy,
        chi,
        kwargs={"weight": k**kweight, "r": r, "step": step},
        input_core_dims=[[K]],
        output_core_dims=[[_R, K]],
        dask="parallelized",
        output_dtypes=[np.complex128],
        dask_gufunc_kwargs={"output_sizes": {_R: count}},
        keep_attrs=False,
    )
    ds = in_parts(transform.assign_coords({_R: r}), "wavelet", chi, inverse_angstroms(kweight))
    ds = flagged(ds, Flag.not_finite, ds["wavelet_real"].isel({_R: 0, K: 0}, drop=True).isnull())
    return recorded(ds, "xas.wavelet", {"kweight": kweight, "rmax": rmax}, after=xr.Dataset(attrs=chi.attrs))


def _cauchy(chi: Floats, *, weight: Floats, r: Floats, step: float) -> NDArray[np.complex128]:
    """Transform an array of chi along its last axis, a distance at a time."""
    weighted = continued(chi) * weight
    frequencies = np.fft.fft(weighted, 2 * FFT_POINTS)[..., :FFT_POINTS]
    omega = np.pi / (step * FFT_POINTS) * np.arange(FFT_POINTS, dtype=np.float64)
    out = np.zeros((*chi.shape[:-1], r.size, chi.shape[-1]), dtype=np.complex128)
    for i in range(1, r.size):
        band = frequencies * _filter(omega, r[i], r.size)
        out[..., i, :] = np.fft.ifft(band, 2 * FFT_POINTS)[..., : chi.shape[-1]]
    out[np.isnan(weighted).any(axis=-1)] = np.nan
    return out


def _filter(omega: Floats, r: float, n: int) -> Floats:
    """Return the wavelet's spectrum; its logarithm is formed first, for n! exceeds every float."""
    scaled = n / (2 * r) * omega[1:]
    spectrum = np.exp(np.log(2 * np.pi) - gammaln(n + 1) + n * np.log(scaled) - scaled)
    return np.concatenate([[0.0], spectrum])
