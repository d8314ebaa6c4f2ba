"""Energies of an absorption edge: e0 on the grid, and the edge energy between the grid points."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from .edge_finding import edge_energies, finite_grids, picked
from .edge_positions import METHODS, Sought, located
from .labels import flagged, labelled
from .layout import ALONG, along_energy
from .local_fits import ENOUGH
from .measures import measured, one_or_many, require_points

Floats = NDArray[np.float64]
_OWNERS: dict[str, tuple[str, Any]] = {
    "levels": ("centroid", (0.2, 0.8)),
    "limits": ("integral", (-15.0, 20.0, 50.0)),
    "smoothing": ("derivative", 2.0),
    "reference": ("cross_correlation", "mean"),
}
"""The method that each of these parameters belongs to, and its default."""


def find_e0(mu: xr.DataArray) -> xr.DataArray:
    """Return e0 (eV), the grid energy of the steepest rise.

    The steepest point of the slope first, then, within 75 points of it, of the slope smoothed by a Lorentzian of
    about the energy step.

    Parameters
    ----------
    mu
        Absorption against ``energy`` (eV), with any other dims in any order, in memory or dask.

    Returns
    -------
    xarray.DataArray
        e0 without the dim ``energy``; NaN where fewer than about 14 points are finite.

    Raises
    ------
    OperandoError
        If ``mu`` has no dim ``energy`` with a coordinate in eV.

    Notes
    -----
    The same numbers as ``larch.xafs.find_e0`` (xraylarch 2026.3) on the same ascending energies, points that are not
    finite left out. Being a grid energy, e0 moves in steps: for trends use :func:`edge_energy`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> print(float(xas.find_e0(mu)))
    8333.0
    """
    mu = along_energy(mu, "find_e0")
    e0 = xr.apply_ufunc(
        _found,
        mu,
        kwargs={"energy": mu[ALONG].to_numpy()},
        input_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    return labelled(e0.to_dataset(name="e0"), mu)["e0"]


def edge_energy(
    normalized: xr.DataArray | xr.Dataset,
    method: str = "half_height",
    level: float = 0.5,
    *,
    e0: float | xr.DataArray | None = None,
    window: tuple[float, float] = (-20.0, 30.0),
    noise: float | xr.DataArray | None = None,
    levels: tuple[float, float] | None = None,
    limits: tuple[float, float, float] | None = None,
    smoothing: float | None = None,
    reference: xr.DataArray | xr.Dataset | str | None = None,
) -> xr.Dataset:
    """Return the edge energy of normalized absorption y(E), between the grid points.

    ``half_height``: where y first rises through ``level``, between two points on a line. ``integral``: where a step as
    high as the post-edge holds the same area, E = E2 - int_E1^E2 y dE / mean of y from Ep to E2. ``centroid``: the mean
    of the energies where y rises through all levels from y1 to y2, E = int_y1^y2 E dy/(y2 - y1), which is the centroid
    of dy/dE between the crossings. ``derivative``: where y rises most steeply, the inflection of the cubic fitted
    around it with weights (1 - u^2)^3, u = (E - E')/``smoothing``. ``cross_correlation``: the half height of a
    reference R plus the shift s at which y and R(E - s) correlate best, y = c R(E - s) + a + b E by least squares.

    Parameters
    ----------
    normalized
        Normalized absorption against ``energy`` (eV), or the Dataset that :func:`~operando.xas.normalize` returns,
        whose ``e0`` then places the window. Only with the Dataset is the noise of pre-edge, post-edge and edge step
        part of the uncertainty.
    method
        One of those above.
    level
        The height sought, in edge steps.
    e0
        Middle of the window in eV, one number or one a spectrum; found from the data where it is None or NaN.
    window
        Where the edge is sought, in eV relative to ``e0`` (of the reference, what is compared, relative to its half
        height). A pre-edge peak above the levels must stay outside.
    noise
        Standard deviation of a point in edge steps: one number, one a spectrum, or along ``energy`` one a point; by
        default taken from the data, see the notes.
    levels
        y1 and y2 of the ``centroid``, by default 0.2 and 0.8.
    limits
        E1, Ep and E2 of the ``integral`` in eV relative to the half height, by default -15, 20 and 50.
    smoothing
        Half width (eV) of the fit around a point, for the ``derivative``; 2 by default.
    reference
        For the ``cross_correlation`` a spectrum against ``energy`` (eV), or which one of the series itself: ``"mean"``
        (the default) or ``"first"``.

    Returns
    -------
    xarray.Dataset
        ``edge_energy`` and ``edge_energy_std`` (eV), without the dim ``energy``; NaN where there is none, and
        ``Flag.no_edge`` is raised there in the coordinate ``flag``, if there is one. Where the energies do not reach as
        far as the method asks there is none.

    Raises
    ------
    OperandoError
        If ``method`` is unknown or given what belongs to another one, limits do not rise, too few points lie within
        the smoothing, the reference has no edge, or ``normalized`` has no dim ``energy`` with a coordinate in eV.

    Notes
    -----
    The uncertainty is sum_i (dE/dy_i)^2 s(y_i)^2 with the noise s of single points, and the same for those of the
    fits (``fit_covariance``, ``post_edge_gain``), which must be others than those the edge is taken from. The noise of
    a point is 1.4826 times the median of what the points within 50 eV below and 100 eV above the middle differ by from
    the quintic through their six neighbors, scaled to one point. It is taken below ``level``, above, and above 1.5
    apart, and its square as linear in the height, as counted quanta have it. The uncertainty is that of independent
    noise alone: it leaves out the energy scale and the noise of the reference, it is too small where neighboring points
    share their noise (interpolated data), and it holds only while the noise is small against the rise from one point to
    the next (rebin finer data; the integral and the centroid bear more).

    A linear background changes ``derivative`` and ``cross_correlation`` not at all, nor does the height of the step.
    The integral after T. W. Capehart et al., Phys. Rev. B 52, 7907 (1995), doi:10.1103/PhysRevB.52.7907, who compare
    areas; the mean over levels after H. Dau, P. Liebisch, M. Haumann, Anal. Bioanal. Chem. 376, 562 (2003),
    doi:10.1007/s00216-003-1982-2. Ep and limits from the half height are choices made here.

    Examples
    --------
    Between the points of the grid:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> normalized = xas.normalize(mu, e0=8333.0, pre1=-80, pre2=-30, norm1=60, norm2=160)["normalized"]
    >>> found = xas.edge_energy(normalized, method="half_height")
    >>> print(round(float(found["edge_energy"]), 1), found["edge_energy"].attrs["units"])
    8333.2 eV
    """
    spectra = along_energy(
        normalized["normalized"] if isinstance(normalized, xr.Dataset) else normalized, "edge_energy"
    )
    asked = _asked(method, levels=levels, limits=limits, smoothing=smoothing, reference=reference)
    named = asked.pop("reference")
    curve = _reference(method, named, spectra)
    sought = Sought(method, float(level), (float(window[0]), float(window[1])), **asked, reference=curve)
    _check(sought, spectra[ALONG].to_numpy())
    work = partial(located, sought=sought)
    ds = measured(normalized, "edge_energy", work, ["edge_energy"], e0=e0, noise=noise, level=level)
    ds = flagged(ds, Flag.no_edge, ds["edge_energy"].isnull())
    own = {name: value for name, value in asked.items() if _OWNERS[name][0] == method}
    own |= {"reference": named if isinstance(named, str) else "given"} if curve is not None else {}
    parameters = {"method": method, "level": level, "window": window, "noise": one_or_many(noise), **own}
    after = normalized if isinstance(normalized, xr.Dataset) else xr.Dataset(attrs=normalized.attrs)
    return recorded(ds, "xas.edge_energy", {**parameters, "e0": one_or_many(e0)}, after=after)


def _asked(method: str, **given: Any) -> dict[str, Any]:
    """Return the parameters that belong to one method alone, with their defaults."""
    if method not in METHODS:
        raise OperandoError(f"edge_energy: expected a method among {', '.join(METHODS)}, got {method!r}")
    for name, value in given.items():
        if value is not None and _OWNERS[name][0] != method:
            raise OperandoError(f"edge_energy: {name} belongs to the method {_OWNERS[name][0]!r}, got {method!r}")
    asked = {name: _OWNERS[name][1] if value is None else value for name, value in given.items()}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()}


def _check(sought: Sought, energy: Floats) -> None:
    """Refuse limits that do not rise and a smoothing over too few points."""
    for name in ("window", "levels", "limits"):
        values = getattr(sought, name)
        if not all(low < high for low, high in pairwise(values)):
            raise OperandoError(f"edge_energy: expected {name} that rise, got {values}")
    if sought.method == "derivative":
        require_points("edge_energy", energy, sought.smoothing)


def _reference(method: str, given: Any, spectra: xr.DataArray) -> tuple[Floats, Floats] | None:
    """Return energies and values of the reference of a cross-correlation."""
    if method != "cross_correlation":
        return None
    others = [dim for dim in spectra.dims if dim != ALONG]
    if given is None or isinstance(given, str):
        if given not in (None, "mean", "first"):
            raise OperandoError(f"edge_energy: expected a spectrum, 'mean' or 'first' as reference, got {given!r}")
        given = spectra.isel(dict.fromkeys(others, 0)) if given == "first" else spectra.mean(others)
    if isinstance(given, xr.Dataset):
        given = given["normalized"]
    curve = along_energy(given, "edge_energy: reference")
    if curve.dims != (ALONG,):
        raise OperandoError(f"edge_energy: expected one spectrum as reference, got the dims {curve.dims}")
    x, y = curve[ALONG].to_numpy().astype(np.float64), curve.to_numpy().astype(np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    x, first = np.unique(x[known], return_index=True)
    if x.size < ENOUGH or not np.isfinite(edge_energies(x, y[known][first][None])).all():
        raise OperandoError("edge_energy: expected a reference with an edge, found none; give another one")
    return x, y[known][first]


def _found(mu: Floats, *, energy: Floats) -> Floats:
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, mu.shape[-1])
    e0 = np.full(len(rows), np.nan)
    for chosen, points in finite_grids(energy, rows):
        e0[chosen] = edge_energies(energy[points], picked(rows, chosen, points))
    return e0.reshape(mu.shape[:-1])
