"""Saturation of the electron yield where light is absorbed as fast as electrons can leave, and its inverse."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.units import with_units

Floats = NDArray[np.float64]
_STEPS, _CLOSE = 60, 1e-15


def tey_saturation(
    mu: xr.DataArray, escape_depth: float, *, angle: float = 0.0, thickness: float | None = None
) -> xr.DataArray:
    """Return the total electron yield of a sample, C = 1.

    Y = mu L/(cos a + mu L) [1 - exp(-t (1/L + mu/cos a))]: electrons leave with the escape depth L what the light,
    attenuated by mu along its slanted way, has set free.

    Parameters
    ----------
    mu
        Attenuation coefficient (1/nm), any dims.
    escape_depth
        Effective attenuation length L of the yield (nm).
    angle
        Angle a between the beam and the surface's normal (degrees).
    thickness
        Thickness t of the sample (nm); thick by default.

    Returns
    -------
    xarray.DataArray
        The yield (1), between 0 and 1.

    Raises
    ------
    OperandoError
        If a length is not positive or the angle not within 0 to 90 degrees.

    Notes
    -----
    R. Nakajima, J. Stohr, Y. U. Idzerda, Phys. Rev. B 59, 6421 (1999), doi:10.1103/PhysRevB.59.6421.
    """
    per_length, layers = _scales(escape_depth, angle, thickness)
    out = xr.apply_ufunc(_yield, mu / per_length, kwargs={"layers": layers}, dask="parallelized", output_dtypes=[float])
    return _labelled(out, mu, "tey", "1", "total electron yield, saturation included")


def correct_tey_saturation(
    tey: xr.DataArray, escape_depth: float, *, angle: float = 0.0, thickness: float | None = None
) -> xr.DataArray:
    """Return the attenuation coefficient (1/nm) from an electron yield on the scale of :func:`tey_saturation`.

    mu = (cos a/L) y/(1 - y) for a thick sample; by Newton's method for a thin one. NaN where the yield is more than
    any attenuation can give. The parameters, errors and source are those of :func:`tey_saturation`.
    """
    per_length, layers = _scales(escape_depth, angle, thickness)
    out = xr.apply_ufunc(_inverse, tey, kwargs={"layers": layers}, dask="parallelized", output_dtypes=[float])
    return _labelled(out * per_length, tey, "mu", "1/nm", "attenuation coefficient")


def _scales(escape_depth: float, angle: float, thickness: float | None) -> tuple[float, float]:
    """Return cos a/L, which mu is measured in, and t/L."""
    if not escape_depth > 0 or (thickness is not None and not thickness > 0):
        raise OperandoError(f"expected lengths above 0 nm, got escape depth {escape_depth}, thickness {thickness}")
    if not 0 <= angle < 90:
        raise OperandoError(f"expected an angle from the normal of 0 to 90 degrees, got {angle}")
    return float(np.cos(np.deg2rad(angle))) / escape_depth, np.inf if thickness is None else thickness / escape_depth


def _yield(m: Floats, *, layers: float) -> Floats:
    thick: Floats = m / (1 + m)
    return thick if np.isinf(layers) else thick * -np.expm1(-layers * (1 + m))


def _inverse(y: Floats, *, layers: float) -> Floats:
    """Return m from the yield; from the left Newton's steps never pass the root, since the yield is concave in m."""
    with np.errstate(invalid="ignore", divide="ignore"):
        m: Floats = np.where(y < 1, y / (1 - y), np.nan)
        for _ in range(0 if np.isinf(layers) else _STEPS):
            lost = np.exp(-layers * (1 + m))
            slope = (1 - lost) / (1 + m) ** 2 + layers * lost * m / (1 + m)
            step = (y - m / (1 + m) * (1 - lost)) / slope
            m = m + step
            if not np.any(np.abs(step) > _CLOSE * np.abs(m)):
                break
    return m


def _labelled(out: xr.DataArray, like: xr.DataArray, name: str, units: str, meaning: str) -> xr.DataArray:
    """Return the result with its unit; the coordinates keep their attributes."""
    ds = with_units(out.drop_attrs(deep=False).to_dataset(name=name), {name: units}, {name: meaning})
    for coord in ds.coords:
        ds[coord].attrs = dict(like[coord].attrs)
    return ds[name]
