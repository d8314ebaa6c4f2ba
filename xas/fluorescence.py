"""Self-absorption of fluorescence: how it bends spectra, the way back, and the yield that has none."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr

from operando.errors import IllConditionedWarning, OperandoError
from operando.flags import Flag
from operando.history import recorded

from . import atomic_data
from .damping import Damping
from .edge_scale import edge_scale
from .labels import flagged, labelled
from .layout import ALONG, along_energy
from .normalization import normalize

Spectra = TypeVar("Spectra", xr.DataArray, xr.Dataset)
_LIMIT = 10.0


def self_absorption(
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
) -> Spectra:
    """Return normalized absorption as the fluorescence yield shows it, damped by self-absorption.

    Nm = N L(N) (1 - exp(-d/L(N))), one where N is one above the edge, with 1/L = mu/sin(in) + mu_f/sin(out).

    Parameters
    ----------
    normalized
        Normalized absorption N against ``energy`` (eV), with any other dims.
    material, element, edge, line
        Formula of the sample; what absorbs, at which edge, and the line that is counted, as
        :func:`correct_self_absorption` takes them.
    incidence, takeoff
        Angles of beam and detector to the surface, in degrees.
    density, thickness
        Of the sample, in g/cm^3 and nm; thick by default.

    Returns
    -------
    DataArray or Dataset
        Of the same kind and dims: the normalized yield Nm (1). :func:`correct_self_absorption` undoes it.

    Raises
    ------
    OperandoError
        As :func:`correct_self_absorption`.

    Notes
    -----
    S. Eisebitt et al., Phys. Rev. B 47, 14103 (1993), doi:10.1103/PhysRevB.47.14103.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> normalized = (rise + 0.5 * np.exp(-(((energy - 8338) / 3) ** 2))).assign_coords(energy=energy)
    >>> seen = xas.self_absorption(normalized, "NiO", "Ni", "K")
    >>> print(round(float(seen.max()), 2), "of", round(float(normalized.max()), 2))
    1.08 of 1.37
    """
    spectra = _spectra(normalized, "self_absorption")
    given: dict[str, Any] = {"line": line, "incidence": incidence, "takeoff": takeoff}
    given |= {"density": density, "thickness": thickness}
    known = _damping(spectra, material, element, edge, **given)
    damped = xr.apply_ufunc(
        known.damped,
        spectra,
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    ds = labelled(damped.to_dataset(name="normalized"), spectra)
    parameters = {"material": material, "element": element, "edge": edge, **given}
    return _returned(normalized, ds, "xas.self_absorption", parameters)


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
        ``normalized`` is replaced, all else (``flattened``) stays that of the yield.
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
        As given (1). NaN where no absorption explains the yield. ``Flag.ill_conditioned`` is raised in the
        coordinate ``flag``, if there is one, for spectra with such energies and where a relative error of the yield
        becomes more than 10 times larger, (a + N)/a for a thick sample.

    Raises
    ------
    OperandoError
        If material, element, edge or line are unknown, an angle or a length is out of range, or the density of a
        thin sample is not given.

    Warns
    -----
    IllConditionedWarning
        If spectra in memory are so strongly damped that they are flagged.

    Notes
    -----
    The attenuation is that of Elam's tables; the white line itself is damped by what the spectrum says it absorbs.
    D. Haskel, FLUO (1999); W. T. Elam, B. D. Ravel, J. R. Sieber, Radiat. Phys. Chem. 63, 121 (2002),
    doi:10.1016/S0969-806X(01)00227-4.

    Examples
    --------
    There and back again:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> normalized = (rise + 0.5 * np.exp(-(((energy - 8338) / 3) ** 2))).assign_coords(energy=energy)
    >>> seen = xas.self_absorption(normalized, "NiO", "Ni", "K")
    >>> found = xas.correct_self_absorption(seen, "NiO", "Ni", "K")
    >>> print(round(float(seen.max() / normalized.max()), 2), round(float(abs(found - normalized).max()), 6))
    0.79 0.0
    """
    spectra = _spectra(normalized, "correct_self_absorption")
    if convention == "larch":
        if isinstance(normalized, xr.Dataset):
            raise OperandoError("the convention of larch takes the absorption as measured, a DataArray; got a Dataset")
        return _as_larch(normalized, (material, element, edge, line), (incidence, takeoff), ranges)
    if convention != "exact" or ranges:
        raise OperandoError(f"expected the convention 'exact', or 'larch' with ranges, got {convention!r}, {ranges}")
    given: dict[str, Any] = {"line": line, "incidence": incidence, "takeoff": takeoff}
    given |= {"density": density, "thickness": thickness}
    known = _damping(spectra, material, element, edge, **given)
    found, gain = xr.apply_ufunc(
        known.undamped,
        spectra,
        input_core_dims=[[ALONG]],
        output_core_dims=[[ALONG], []],
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        keep_attrs=False,
    )
    ds = labelled(found.to_dataset(name="normalized"), spectra)
    ds = flagged(ds, Flag.ill_conditioned, gain > _LIMIT)
    if not gain.chunks and bool((gain > _LIMIT).any()):
        said = f"correct_self_absorption: {int((gain > _LIMIT).sum())} of {gain.size} spectra are damped too strongly"
        warnings.warn(
            f"{said} to be undone; check composition, angles and edge step", IllConditionedWarning, stacklevel=2
        )
    parameters = {"material": material, "element": element, "edge": edge, **given}
    return _returned(normalized, ds, "xas.correct_self_absorption", parameters)


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

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = np.arange(530.0, 540.0)
    >>> coords = {"energy": ("energy", energy, {"units": "eV"})}
    >>> oxygen = xr.DataArray(1 / (2.0 + (energy > 535)), coords, dims="energy")
    >>> print(xas.ipfy(oxygen).values.round(1).tolist())
    [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0]
    """
    found = along_energy(pfy, "ipfy")
    out: xr.DataArray = (1 / found.where(found > 0)).rename("mu")
    for name in out.coords:
        out[name].attrs = dict(pfy[name].attrs)
    history = recorded(xr.Dataset(attrs=pfy.attrs), "xas.ipfy", {}).attrs["history"]
    out.attrs = {"units": "1", "long_name": "inverse partial fluorescence yield", "history": history}
    return out


def _spectra(normalized: xr.DataArray | xr.Dataset, step: str) -> xr.DataArray:
    if isinstance(normalized, xr.Dataset):
        if "normalized" not in normalized:
            raise OperandoError(f"{step}: expected normalized absorption, got none; normalize the spectra first")
        normalized = normalized["normalized"]
    return along_energy(normalized, step)


def _damping(
    spectra: xr.DataArray,
    material: str,
    element: str,
    edge: str,
    *,
    line: str | None,
    incidence: float,
    takeoff: float,
    density: float | None,
    thickness: float | None,
) -> Damping:
    """Return what light meets; of a thick sample only ratios count, so any density does."""
    if not (0 < incidence <= 90 and 0 < takeoff <= 90):
        raise OperandoError(f"expected angles to the surface of 0 to 90 degrees, got {incidence} and {takeoff}")
    if thickness is not None and not thickness > 0:
        raise OperandoError(f"expected a thickness above 0 nm, got {thickness}")
    density = 1.0 if thickness is None else density
    into, out_of = np.sin(np.deg2rad([incidence, takeoff]))
    return Damping(
        edge_scale(material, density, element, edge, spectra[ALONG].to_numpy()),
        float(atomic_data.attenuation(material, density, _emitted(element, edge, line)).item()),
        float(into),
        float(out_of),
        np.inf if thickness is None else float(thickness),
    )


def _emitted(element: str, edge: str, line: str | None) -> float:
    """Return the energy (eV) of the line that is seen."""
    found = atomic_data.strongest_line(element, edge) if line is None else atomic_data.fluorescence_line(element, line)
    return found.energy


def _as_larch(
    mu: xr.DataArray, sample: tuple[str, str, str, str | None], angles: tuple[float, float], ranges: dict[str, Any]
) -> xr.DataArray:
    """Return larch's answer: the absorption as measured, damped less, normalized again."""
    material, element, edge, line = sample
    e0 = atomic_data.edge(element, edge).energy
    energies = np.array([_emitted(element, edge, line), e0 - 10.0, e0 + 10.0])
    emitted, below, above = atomic_data.attenuation(material, 1.0, energies)
    into, out_of = np.sin(np.deg2rad(angles))
    alpha = (emitted * into / out_of + below) / (above - below)
    before = normalize(mu, **ranges)["normalized"]
    after = normalize(mu * alpha / (alpha + 1 - before), **ranges)["normalized"]
    parameters = {"material": material, "element": element, "edge": edge, "convention": "larch", **ranges}
    history = recorded(xr.Dataset(attrs=mu.attrs), "xas.correct_self_absorption", parameters).attrs
    return after.assign_attrs(history=history["history"])


def _returned(given: Spectra, ds: xr.Dataset, step: str, parameters: dict[str, Any]) -> Spectra:
    """Return the result in the form of what was given, with its history."""
    if isinstance(given, xr.Dataset):
        out = given.assign(normalized=ds["normalized"].transpose(*given["normalized"].dims))
        return recorded(out.assign_coords(ds.coords), step, parameters)
    history = recorded(xr.Dataset(attrs=given.attrs), step, parameters).attrs["history"]
    return ds["normalized"].transpose(*given.dims).rename(given.name).assign_attrs(history=history)
