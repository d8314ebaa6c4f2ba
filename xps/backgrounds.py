"""Backgrounds that are computed from the spectrum itself, before any fit: Shirley, Tougaard, lines and polynomials.

They are for looking, for integrating and for comparison with other programs. Subtracted before a fit they bias its
areas and hide their own noise from its errors; a fit takes the background into its model instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded

from .background_kernels import loss_matrix, shirley_rows
from .energy_axis import along_binding_energy, region
from .layout import ALONG
from .loss_functions import loss_function

Floats = NDArray[np.float64]

_FEWEST = 3


def shirley(
    spectra: xr.DataArray, *, low: float | None = None, high: float | None = None, average: int = 1
) -> xr.Dataset:
    """Return Shirley's background: it rises with the area of the lines at lower binding energy.

    S(E) = I_lo + (I_hi - I_lo) Int_lo^E (I - S) / Int_lo^hi (I - S), iterated from S = I_lo until it changes by less
    than 1e-8 of its height.

    Parameters
    ----------
    spectra
        Counts, a rate or an intensity against ``binding_energy`` (eV, ascending), any other dims, in memory or dask.
    low, high
        Ends of the region (eV); those of the spectra by default.
    average
        How many points at each end make its level.

    Returns
    -------
    xarray.Dataset
        ``background`` (units of the spectra), NaN outside the region, and ``iterations`` (1). Where there is no such
        background, as without any area above it, the background is NaN and there are 0 iterations, and
        ``Flag.not_converged`` is raised in the coordinate ``flag`` if there is one.

    Raises
    ------
    OperandoError
        If the energies do not ascend, or the region has too few points.

    Notes
    -----
    Subtracted before a fit of simulated S 2p spectra it biased the areas by -7 to +11 %, and the errors of one standard
    deviation covered 27 % of the truth. A fit should take the step into its model.

    D. A. Shirley, Phys. Rev. B 5, 4709 (1972), doi:10.1103/PhysRevB.5.4709; A. Proctor, P. M. A. Sherwood,
    Anal. Chem. 54, 13 (1982), doi:10.1021/ac00238a008.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> found = xps.shirley(counts + 200 * (energy > 162))["background"]
    >>> print(bool(found[0] < found[60] < found[-1]))
    True
    """
    spectra, part = _checked(spectra, low, high, average, "shirley")
    energy = np.ascontiguousarray(spectra[ALONG].to_numpy()[part], dtype=np.float64)
    background, iterations = xr.apply_ufunc(
        _shirley,
        spectra,
        kwargs={"energy": energy, "part": part, "average": average},
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG], []],
        dask="parallelized",
        output_dtypes=[np.float64, np.int64],
        keep_attrs=False,
    )
    ds = _labelled(background, spectra, "shirley", {"low": low, "high": high, "average": average}, "Shirley")
    ds["iterations"] = iterations.assign_attrs(units="1", long_name="iterations, 0 where there is no background")
    if "flag" in ds.coords:
        vain = (ds["iterations"] == 0).drop_vars("flag")
        vain = vain.any([dim for dim in vain.dims if dim not in ds["flag"].dims])
        ds = ds.assign_coords(flag=raised(ds["flag"], Flag.not_converged, vain))
    return ds


def tougaard(
    spectra: xr.DataArray,
    kind: str = "universal",
    *,
    b: float | None = None,
    c: float | None = None,
    d: float | None = None,
    c_prime: float | None = None,
    gap: float | None = None,
    low: float | None = None,
    high: float | None = None,
    average: int = 1,
) -> xr.Dataset:
    """Return Tougaard's background: the electrons that lost energy on their way out.

    B(E) = J_lo + Int_lo^E K(E - E') [J(E') - J_lo] dE', K(T) = B T / ((C + C' T^2)^2 + D T^2): U2 for C' = 1 and
    D = 0, U3 for C' = -1, U4 otherwise.

    Parameters
    ----------
    spectra
        Counts, a rate or an intensity against ``binding_energy`` (eV, ascending), any other dims, in memory or dask.
    kind
        A name in :data:`~operando.xps.loss_functions.LOSS_FUNCTIONS`; the following parameters replace its own.
    b
        B (eV^2); by default such that the background meets each spectrum at the high end.
    c, d
        C and D (eV^2).
    c_prime
        C' (1).
    gap
        Least energy loss (eV).
    low, high
        Ends of the region (eV); those of the spectra by default.
    average
        How many points at each end make its level.

    Returns
    -------
    xarray.Dataset
        ``background`` (units of the spectra), NaN outside the region, and ``b`` (eV^2), NaN where the spectrum has no
        area whose loss could meet its high end.

    Raises
    ------
    OperandoError
        If the energies do not ascend, the region has too few points, or there is no such loss function.

    Notes
    -----
    S. Tougaard, Surf. Interface Anal. 11, 453 (1988), doi:10.1002/sia.740110902, and 25, 137 (1997),
    doi:10.1002/(SICI)1096-9918(199703)25:3<137::AID-SIA230>3.0.CO;2-L.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> found = xps.tougaard(counts)
    >>> print(found["background"].dims, round(float(found["background"][0])))
    ('binding_energy',) 100
    """
    chosen = loss_function(kind, "tougaard", b=b, c=c, d=d, c_prime=c_prime, gap=gap)
    spectra, part = _checked(spectra, low, high, average, "tougaard")
    energy = np.ascontiguousarray(spectra[ALONG].to_numpy()[part], dtype=np.float64)
    background, strength = xr.apply_ufunc(
        _tougaard,
        spectra,
        kwargs={"operator": loss_matrix(energy, chosen.parameters), "part": part, "average": average, "b": b},
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG], []],
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        keep_attrs=False,
    )
    numbers = {"b": b, "c": chosen.c, "d": chosen.d, "c_prime": chosen.c_prime, "gap": chosen.gap}
    parameters = {"kind": kind, **numbers, "low": low, "high": high, "average": average}
    ds = _labelled(background, spectra, "tougaard", parameters, "Tougaard")
    return ds.assign(b=strength.assign_attrs(units="eV^2", long_name="strength of the loss function"))


def linear(
    spectra: xr.DataArray, *, low: float | None = None, high: float | None = None, average: int = 1
) -> xr.Dataset:
    """Return the straight line between the levels at both ends.

    Parameters
    ----------
    spectra
        Counts, a rate or an intensity against ``binding_energy`` (eV, ascending), any other dims, in memory or dask.
    low, high
        Ends of the region (eV); those of the spectra by default.
    average
        How many points at each end make its level, at their mean energy.

    Returns
    -------
    xarray.Dataset
        ``background`` (units of the spectra), NaN outside the region.

    Raises
    ------
    OperandoError
        If the energies do not ascend, or the region has too few points.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> found = xps.linear(counts)
    >>> print(float(found["background"].mean().round(1)))
    100.0
    """
    spectra, part = _checked(spectra, low, high, average, "linear")
    energy = spectra[ALONG].to_numpy()[part].astype(np.float64)
    ends = np.zeros((2, energy.size))
    ends[0, :average] = ends[1, energy.size - average :] = 1 / average
    first, last = ends @ energy
    way = (energy - first) / (last - first)
    background = _combined(spectra, (np.stack([1 - way, way]).T @ ends, part))
    return _labelled(background, spectra, "linear", {"low": low, "high": high, "average": average}, "linear")


def polynomial(spectra: xr.DataArray, ranges: Sequence[tuple[float, float]], *, degree: int = 1) -> xr.Dataset:
    """Return the polynomial that fits the spectra in ranges without lines, by least squares.

    Parameters
    ----------
    spectra
        Counts, a rate or an intensity against ``binding_energy`` (eV, ascending), any other dims, in memory or dask.
    ranges
        Where there are no lines: pairs of binding energies (eV).
    degree
        Degree of the polynomial, 0 to 5.

    Returns
    -------
    xarray.Dataset
        ``background`` (units of the spectra) at all energies.

    Raises
    ------
    OperandoError
        If the energies do not ascend, the degree is out of range, or the ranges hold too few points.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xps
    >>> energy = xr.DataArray(np.arange(157.0, 168.0, 0.1), dims="binding_energy", attrs={"units": "eV"})
    >>> line = 900 * np.exp(-(((energy - 161.5) / 0.6) ** 2)) + 460 * np.exp(-(((energy - 162.68) / 0.6) ** 2))
    >>> counts = (100 + line).assign_coords(binding_energy=energy).assign_attrs(units="count")
    >>> found = xps.polynomial(counts, [(157.0, 159.0), (166.0, 168.0)])
    >>> print(round(float(found["background"].mean())))
    100
    """
    if degree not in range(6):
        raise OperandoError(f"polynomial: expected a degree from 0 to 5, got {degree}")
    spectra = along_binding_energy(spectra, "polynomial")
    energy = spectra[ALONG].to_numpy().astype(np.float64)
    chosen = np.zeros(energy.size, dtype=bool)
    for low, high in ranges:
        chosen[region(spectra, low, high, 1, "polynomial")] = True
    if chosen.sum() <= degree:
        raise OperandoError(f"polynomial: expected more than {degree} points in the ranges, got {chosen.sum()}")
    middle, half = (energy[0] + energy[-1]) / 2, (energy[-1] - energy[0]) / 2
    powers = np.polynomial.legendre.legvander((energy - middle) / half, degree)
    operator = np.zeros((energy.size, energy.size))
    operator[:, chosen] = powers @ np.linalg.pinv(powers[chosen])
    background = _combined(spectra, (operator, slice(0, energy.size)))
    return _labelled(background, spectra, "polynomial", {"ranges": ranges, "degree": degree}, "polynomial")


def _checked(
    spectra: xr.DataArray, low: float | None, high: float | None, average: int, step: str
) -> tuple[xr.DataArray, slice]:
    """Return spectra on one axis and the points of the region."""
    if average < 1:
        raise OperandoError(f"{step}: expected an average over at least 1 point, got {average}")
    spectra = along_binding_energy(spectra, step)
    return spectra, region(spectra, low, high, max(_FEWEST, 2 * average), step)


def _combined(spectra: xr.DataArray, how: tuple[Floats, slice]) -> xr.DataArray:
    """Return a background that is a linear combination of the points of the region."""
    operator, part = how
    background: xr.DataArray = xr.apply_ufunc(
        _within,
        spectra,
        kwargs={"operator": operator, "part": part},
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    return background


def _within(values: Floats, *, operator: Floats, part: slice) -> Floats:
    out = np.full(values.shape, np.nan)
    out[..., part] = values[..., part].astype(np.float64) @ operator.T
    return out


def _shirley(values: Floats, *, energy: Floats, part: slice, average: int) -> tuple[Floats, NDArray[np.int64]]:
    rows = np.ascontiguousarray(values[..., part], dtype=np.float64).reshape(-1, energy.size)
    out, iterations = np.empty_like(rows), np.empty(len(rows), dtype=np.int64)
    shirley_rows(energy, rows, average, out, iterations)
    whole = np.full(values.shape, np.nan)
    whole[..., part] = out.reshape(*values.shape[:-1], energy.size)
    return whole, iterations.reshape(values.shape[:-1])


def _tougaard(values: Floats, *, operator: Floats, part: slice, average: int, b: float | None) -> tuple[Floats, Floats]:
    within = values[..., part].astype(np.float64)
    start = within[..., :average].mean(axis=-1, keepdims=True)
    unit = (within - start) @ operator.T
    if b is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            strength = (within[..., -average:].mean(axis=-1) - start[..., 0]) / unit[..., -average:].mean(axis=-1)
        strength = np.where(strength >= 0, strength, np.nan)
    else:
        strength = np.full(values.shape[:-1], float(b))
    whole = np.full(values.shape, np.nan)
    whole[..., part] = start + strength[..., None] * unit
    return whole, strength


def _labelled(
    background: xr.DataArray, spectra: xr.DataArray, step: str, parameters: Mapping[str, Any], name: str
) -> xr.Dataset:
    """Return a background with its name, units and history, its dims as in the spectra."""
    background = background.transpose(*spectra.dims)
    background.attrs = {"units": str(spectra.attrs.get("units", "1")), "long_name": f"{name} background"}
    ds = background.to_dataset(name="background")
    for coord in ds.coords:
        ds[coord].attrs = dict(spectra[coord].attrs)
    return recorded(ds, f"xps.{step}", parameters, after=xr.Dataset(attrs=spectra.attrs))
