"""Self-absorption: how fluorescence is damped on its way in and out, the way back, and the yield that has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded

from . import atomic_data
from .edge_scale import EdgeScale, edge_scale
from .layout import ALONG, along_energy
from .normalization import normalize

Floats = NDArray[np.float64]
Spectra = TypeVar("Spectra", xr.DataArray, xr.Dataset)
_STEPS, _CLOSE = 60, 1e-15


@dataclass(frozen=True)
class Geometry:
    """What light meets: the tables' scale (1/nm), the attenuation of the emitted line, sines of the angles, thickness.

    With N the normalized absorption, 1/L(N) = mu(N)/sin(in) + mu_f/sin(out) and the yield is N L (1 - exp(-d/L)).
    """

    scale: EdgeScale
    emitted: float
    into: float
    out_of: float
    thickness: float

    def damped(self, normalized: Floats) -> Floats:
        """Return the yield, one where the normalized absorption is one above the edge."""
        return self._yield(normalized, self._per_length(self.scale.below)) / self._above()

    def undamped(self, damped: Floats) -> Floats:
        """Return the normalized absorption from the yield; NaN where no absorption is strong enough for it."""
        base, slope, seen = self._per_length(self.scale.below), self.scale.step / self.into, damped * self._above()
        with np.errstate(invalid="ignore", divide="ignore"):
            left = 1 - seen * slope
            found: Floats = np.where(left > 0, seen * base / left, np.nan)
            for _ in range(0 if np.isinf(self.thickness) else _STEPS):
                step = (seen - self._yield(found, base)) / self._slope(found, base)
                found = found + step
                if not np.any(np.abs(step) > _CLOSE * np.abs(found)):
                    break
        return found

    def _above(self) -> float:
        return float(self._yield(np.ones(1), self._per_length(np.array([self.scale.below_above])))[0])

    def _per_length(self, below: Floats) -> Floats:
        return np.asarray(below / self.into + self.emitted / self.out_of)

    def _yield(self, normalized: Floats, base: Floats) -> Floats:
        inverse = base + normalized * self.scale.step / self.into
        return np.asarray(normalized / inverse * -np.expm1(-self.thickness * inverse))

    def _slope(self, normalized: Floats, base: Floats) -> Floats:
        slope = self.scale.step / self.into
        inverse = base + normalized * slope
        lost = np.exp(-self.thickness * inverse)
        return np.asarray(base * (1 - lost) / inverse**2 + normalized / inverse * slope * self.thickness * lost)


def self_absorption(normalized: Spectra, material: str, element: str, edge: str, **geometry: Any) -> Spectra:
    """Return normalized absorption as the fluorescence yield shows it, damped by self-absorption.

    The forward side of :func:`correct_self_absorption`, which takes the same parameters.
    """
    spectra = _spectra(normalized, "self_absorption")
    known = _geometry(spectra, material, element, edge, **geometry)
    out = xr.apply_ufunc(known.damped, spectra, dask="parallelized", output_dtypes=[float], keep_attrs=True)
    return _returned(normalized, out, "xas.self_absorption", {"material": material, **geometry})


def correct_self_absorption(
    normalized: Spectra,
    material: str,
    element: str,
    edge: str,
    *,
    line: str | None = None,
    incidence: float = 45.0,
    takeoff: float = 45.0,
    density: float | None = None,
    thickness: float | None = None,
    convention: Literal["exact", "larch"] = "exact",
    **ranges: Any,
) -> Spectra:
    """Return normalized absorption freed from self-absorption.

    Thick: N = Nm a(E)/(a + 1 - Nm), with a(E) = (mu_below(E) + g mu_f)/step, g = sin(in)/sin(out), and a its value
    above the edge. Thin, of thickness d: the N whose N L (1 - exp(-d/L)) is the yield, by Newton's method.

    Parameters
    ----------
    normalized
        Normalized fluorescence yield against ``energy`` (eV), any other dims, in memory or dask; of a Dataset its
        ``normalized`` is replaced.
    material
        Formula of what attenuates, such as ``"LiNi0.8Co0.1Mn0.1O2"``.
    element, edge
        What is absorbed, such as ``"Ni"`` and ``"L3"``.
    line
        The emitted line, such as ``"La1"``; the strongest one of the edge by default.
    incidence, takeoff
        Angles of beam and detector to the surface (degrees).
    density
        In g/cm^3; needed for a thin sample only.
    thickness
        Thickness d of the sample (nm); thick by default.
    convention
        ``"exact"``, or ``"larch"``: ``normalized`` is then the absorption as measured, which is multiplied by
        a/(a + 1 - Nm), a from 10 eV below and above the edge, and normalized again, as ``larch.xafs.fluo_corr``
        does; near the edge it departs by some 0.05 from the exact inverse.
    **ranges
        Settings of :func:`~operando.xas.normalize`, for the convention of larch only.

    Returns
    -------
    xarray.DataArray or xarray.Dataset
        As given. NaN where no absorption explains the yield; ``Flag.ill_conditioned`` is raised there in the
        coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If material, element, edge or line are unknown, an angle or a length is out of range, or the density of a
        thin sample is not given.

    Notes
    -----
    The attenuation is that of Elam's tables; the white line itself is damped by what the spectrum says it absorbs.
    D. Haskel, FLUO (1999); W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002),
    doi:10.1016/S0969-806X(01)00227-4.
    """
    spectra = _spectra(normalized, "correct_self_absorption")
    if convention == "larch":
        if isinstance(normalized, xr.Dataset):
            raise OperandoError("the convention of larch takes the absorption as measured, a DataArray; got a Dataset")
        return _as_larch(normalized, (material, element, edge, line), (incidence, takeoff), ranges)
    if convention != "exact" or ranges:
        raise OperandoError(f"expected the convention 'exact', or 'larch' with ranges, got {convention!r}, {ranges}")
    given: dict[str, Any] = {
        "line": line,
        "incidence": incidence,
        "takeoff": takeoff,
        "density": density,
        "thickness": thickness,
    }
    known = _geometry(spectra, material, element, edge, **given)
    out = xr.apply_ufunc(known.undamped, spectra, dask="parallelized", output_dtypes=[float], keep_attrs=True)
    corrected = _returned(normalized, out, "xas.correct_self_absorption", {"material": material, **given})
    if "flag" in corrected.coords:
        lost = (np.isnan(out) & np.isfinite(spectra)).drop_vars("flag")
        lost = lost.any([dim for dim in lost.dims if dim not in corrected["flag"].dims])
        corrected = corrected.assign_coords(flag=raised(corrected["flag"], Flag.ill_conditioned, lost))
    return corrected


def ipfy(pfy: xr.DataArray) -> xr.DataArray:
    """Return the inverse partial fluorescence yield, 1/I = A (mu(E) + g mu_f): absorption without self-absorption.

    Parameters
    ----------
    pfy
        Fluorescence over I0 of *another* element or edge, of constant cross section over the scan, against
        ``energy``; any other dims. The sample must be thick.

    Returns
    -------
    xarray.DataArray
        1/I in arbitrary units (1), a straight line away from the absorption: normalize it. NaN where I is not
        positive.

    Raises
    ------
    OperandoError
        If there is no dim ``energy`` in eV.

    Notes
    -----
    A. J. Achkar et al., Phys. Rev. B 83, 081106 (2011), doi:10.1103/PhysRevB.83.081106.
    """
    found = along_energy(pfy, "ipfy")
    out: xr.DataArray = (1 / found.where(found > 0)).rename("mu")
    history = recorded(xr.Dataset(attrs=pfy.attrs), "xas.ipfy", {}).attrs
    return out.assign_attrs(units="1", long_name="inverse partial fluorescence yield", history=history["history"])


def _spectra(normalized: xr.DataArray | xr.Dataset, step: str) -> xr.DataArray:
    if isinstance(normalized, xr.Dataset):
        if "normalized" not in normalized:
            raise OperandoError(f"{step}: expected normalized absorption, got none; normalize the spectra first")
        normalized = normalized["normalized"]
    return along_energy(normalized, step).transpose(..., ALONG)


def _geometry(
    spectra: xr.DataArray,
    material: str,
    element: str,
    edge: str,
    *,
    line: str | None = None,
    incidence: float = 45.0,
    takeoff: float = 45.0,
    density: float | None = None,
    thickness: float | None = None,
) -> Geometry:
    """Return what light meets; of a thick sample only ratios count, so any density does."""
    if not (0 < incidence <= 90 and 0 < takeoff <= 90):
        raise OperandoError(f"expected angles to the surface of 0 to 90 degrees, got {incidence} and {takeoff}")
    if thickness is not None and not thickness > 0:
        raise OperandoError(f"expected a thickness above 0 nm, got {thickness}")
    density = 1.0 if thickness is None else density
    found = atomic_data.strongest_line(element, edge) if line is None else atomic_data.fluorescence_line(element, line)
    into, out_of = np.sin(np.deg2rad([incidence, takeoff]))
    return Geometry(
        edge_scale(material, density, element, edge, spectra[ALONG].to_numpy()),
        float(atomic_data.attenuation(material, density, found.energy).item()),
        float(into),
        float(out_of),
        np.inf if thickness is None else float(thickness),
    )


def _as_larch(
    mu: xr.DataArray, sample: tuple[str, str, str, str | None], angles: tuple[float, float], ranges: dict[str, Any]
) -> xr.DataArray:
    """Return larch's answer: the absorption as measured, damped less, normalized again."""
    material, element, edge, line = sample
    found = atomic_data.strongest_line(element, edge) if line is None else atomic_data.fluorescence_line(element, line)
    e0 = atomic_data.edge(element, edge).energy
    emitted, below, above = atomic_data.attenuation(material, 1.0, np.array([found.energy, e0 - 10.0, e0 + 10.0]))
    into, out_of = np.sin(np.deg2rad(angles))
    alpha = (emitted * into / out_of + below) / (above - below)
    before = normalize(mu, **ranges)["normalized"]
    after = normalize(mu * alpha / (alpha + 1 - before), **ranges)["normalized"]
    parameters = {"material": material, "element": element, "edge": edge, "convention": "larch", **ranges}
    history = recorded(xr.Dataset(attrs=mu.attrs), "xas.correct_self_absorption", parameters).attrs
    return after.assign_attrs(history=history["history"])


def _returned(given: Spectra, out: xr.DataArray, step: str, parameters: dict[str, Any]) -> Spectra:
    """Return the result in the form of what was given, with its history."""
    if isinstance(given, xr.Dataset):
        order = given["normalized"].dims
        return recorded(given.assign(normalized=out.transpose(*order)), step, parameters)
    history = recorded(xr.Dataset(attrs=given.attrs), step, parameters).attrs["history"]
    return out.transpose(*given.dims).assign_attrs({**given.attrs, "history": history})
