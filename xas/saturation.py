"""Saturation of the electron yield where light is absorbed as fast as electrons can leave, and its inverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .edge_scale import EdgeScale, edge_scale
from .labels import labelled
from .layout import ALONG, along_energy

Floats = NDArray[np.float64]
_STEPS, _CLOSE = 60, 1e-15


def tey_saturation(
    mu: xr.DataArray,
    escape_depth: float,
    *,
    angle: float = 0.0,
    thickness: float | None = None,
    material: str | None = None,
    element: str | None = None,
    edge: str | None = None,
    density: float | None = None,
) -> xr.DataArray:
    """Return the total electron yield of a sample.

    Y = C mu L/(cos a + mu L) [1 - exp(-t (1/L + mu/cos a))]: electrons leave with the escape depth L what the light,
    attenuated by mu along its slanted way, has set free. C = 1 for attenuation coefficients.

    Parameters
    ----------
    mu
        Attenuation coefficient (1/nm), any dims; with ``material`` the normalized absorption against ``energy`` (eV),
        which the tables then scale.
    escape_depth
        Effective attenuation length L of the yield (nm).
    angle
        Angle a between the beam and the surface's normal (degrees).
    thickness
        Thickness t of the sample (nm); thick by default.
    material, density
        Formula and density (g/cm^3) of the sample; the tabulated density by default, if there is one.
    element, edge
        What is absorbed, such as ``"Fe"`` and ``"L3"``.

    Returns
    -------
    xarray.DataArray
        The yield (1), between 0 and 1; of normalized absorption the normalized yield, what comes from below the edge
        subtracted, one where the absorption is one above the edge.

    Raises
    ------
    OperandoError
        If a length is not positive, the angle not within 0 to 90 degrees, or the sample is unknown to the tables.

    Notes
    -----
    R. Nakajima, J. Stohr, Y. U. Idzerda, Phys. Rev. B 59, 6421 (1999), doi:10.1103/PhysRevB.59.6421.

    Examples
    --------
    What 5 nm of escape depth do to absorption within 17 nm:

    >>> import xarray as xr
    >>> from operando import xas
    >>> attenuation = xr.DataArray([0.0, 1 / 17], dims="energy", attrs={"units": "1/nm"})
    >>> print(xas.tey_saturation(attenuation, escape_depth=5.0).values.round(3).tolist())
    [0.0, 0.227]
    """
    given = _Given(escape_depth, angle, thickness, material, element, edge, density)
    sample = _sample(given)
    if material is not None:
        return _applied(_scaled(sample, mu, given).electrons, mu, given, "tey_saturation", ("normalized", "1"))
    return _applied(sample.electrons, mu, given, "tey_saturation", ("tey", "1"))


def correct_tey_saturation(
    tey: xr.DataArray,
    escape_depth: float,
    *,
    angle: float = 0.0,
    thickness: float | None = None,
    material: str | None = None,
    element: str | None = None,
    edge: str | None = None,
    density: float | None = None,
) -> xr.DataArray:
    """Return the attenuation coefficient (1/nm), or with ``material`` the normalized absorption, from the yield.

    mu = (cos a/L) y/(1 - y) for a thick sample; by Newton's method for a thin one. It undoes :func:`tey_saturation`.

    Parameters
    ----------
    tey
        Electron yield over what it would be without saturation, y (1), with any dims; with ``material`` the normalized
        electron yield against ``energy`` (eV).
    escape_depth
        Effective attenuation length L of the electrons, in nm.
    angle
        Between beam and surface normal, in degrees.
    thickness
        Of the sample, in nm; thick by default.
    material, element, edge, density
        See :func:`tey_saturation`.

    Returns
    -------
    xarray.DataArray
        With the dims of ``tey``: the attenuation coefficient (1/nm), or the normalized absorption (1) with
        ``material``. NaN where the yield is more than any attenuation can give.

    Raises
    ------
    OperandoError
        As :func:`tey_saturation`.

    Notes
    -----
    R. Nakajima, J. Stohr, Y. U. Idzerda, Phys. Rev. B 59, 6421 (1999), doi:10.1103/PhysRevB.59.6421.

    Examples
    --------
    >>> import xarray as xr
    >>> from operando import xas
    >>> attenuation = xr.DataArray([0.01, 0.06], dims="energy", attrs={"units": "1/nm"})
    >>> seen = xas.tey_saturation(attenuation, escape_depth=5.0)
    >>> print(xas.correct_tey_saturation(seen, escape_depth=5.0).values.round(3).tolist())
    [0.01, 0.06]
    """
    given = _Given(escape_depth, angle, thickness, material, element, edge, density)
    sample = _sample(given)
    if material is not None:
        return _applied(
            _scaled(sample, tey, given).absorption, tey, given, "correct_tey_saturation", ("normalized", "1")
        )
    return _applied(sample.attenuation, tey, given, "correct_tey_saturation", ("mu", "1/nm"))


@dataclass(frozen=True)
class _Given:
    """What the caller says of the sample."""

    escape_depth: float
    angle: float
    thickness: float | None
    material: str | None
    element: str | None
    edge: str | None
    density: float | None


@dataclass(frozen=True)
class _Sample:
    """A sample's ``cos a/L`` (1/nm) and its thickness in escape depths."""

    per_length: float
    layers: float

    def electrons(self, mu: Floats) -> Floats:
        """Return the yield, with C = 1."""
        m = mu / self.per_length
        thick: Floats = m / (1 + m)
        return thick if np.isinf(self.layers) else thick * -np.expm1(-self.layers * (1 + m))

    def attenuation(self, y: Floats) -> Floats:
        """Return mu; Newton's steps never pass the root from the left, since the yield is concave in mu."""
        with np.errstate(invalid="ignore", divide="ignore"):
            m: Floats = np.where(y < 1, y / (1 - y), np.nan)
            for _ in range(0 if np.isinf(self.layers) else _STEPS):
                lost = np.exp(-self.layers * (1 + m))
                slope = (1 - lost) / (1 + m) ** 2 + self.layers * lost * m / (1 + m)
                step = (y - m / (1 + m) * (1 - lost)) / slope
                m = m + step
                if not np.any(np.abs(step) > _CLOSE * np.abs(m)):
                    break
        return m * self.per_length


@dataclass(frozen=True)
class _Scaled:
    """A sample seen through normalized spectra: the tables' scale, the yield without the edge, and that of a step."""

    sample: _Sample
    scale: EdgeScale
    below: Floats
    rise: float

    def electrons(self, normalized: Floats) -> Floats:
        """Return the normalized yield of normalized absorption."""
        return (self.sample.electrons(self.scale.attenuation(normalized)) - self.below) / self.rise

    def absorption(self, y: Floats) -> Floats:
        """Return the normalized absorption of a normalized yield."""
        return (self.sample.attenuation(y * self.rise + self.below) - self.scale.below) / self.scale.step


def _sample(given: _Given) -> _Sample:
    thickness = np.inf if given.thickness is None else given.thickness
    if not (given.escape_depth > 0 and thickness > 0):
        lengths = f"escape depth {given.escape_depth}, thickness {given.thickness}"
        raise OperandoError(f"expected lengths above 0 nm, got {lengths}")
    if not 0 <= given.angle < 90:
        raise OperandoError(f"expected an angle from the normal of 0 to 90 degrees, got {given.angle}")
    return _Sample(float(np.cos(np.deg2rad(given.angle))) / given.escape_depth, thickness / given.escape_depth)


def _scaled(sample: _Sample, spectra: xr.DataArray, given: _Given) -> _Scaled:
    if given.material is None or given.element is None or given.edge is None:
        raise OperandoError("expected element and edge with the material, such as 'Ni' and 'L3', got none")
    energy = along_energy(spectra, "tey_saturation")[ALONG].to_numpy()
    scale = edge_scale(given.material, given.density, given.element, given.edge, energy)
    without, with_edge = sample.electrons(scale.below_above + scale.step * np.array([0.0, 1.0]))
    return _Scaled(sample, scale, sample.electrons(scale.below), float(with_edge - without))


def _applied(
    work: Callable[[Floats], Floats], spectra: xr.DataArray, given: _Given, step: str, result: tuple[str, str]
) -> xr.DataArray:
    """Return what ``work`` makes of the spectra, with its name, unit and history."""
    name, units = result
    core: list[Any] = [ALONG] if given.material is not None else []
    source = along_energy(spectra, step) if core else spectra
    out = xr.apply_ufunc(
        work,
        source,
        input_core_dims=[core],
        output_core_dims=[core],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    ds = labelled(out.transpose(*spectra.dims).to_dataset(name=name), spectra, {name: units})
    history = recorded(xr.Dataset(attrs=spectra.attrs), f"xas.{step}", vars(given)).attrs["history"]
    meaning = {"tey": "total electron yield, saturation included", "mu": "attenuation coefficient"}
    return ds[name].assign_attrs({"long_name": meaning[name]} if name in meaning else {}, history=history)
