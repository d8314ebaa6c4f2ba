"""EXAFS: the background under the oscillations, and the oscillations chi(k)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from .edge_finding import finite_grids, separated
from .labels import flagged, labelled
from .layout import ALONG, along_energy
from .normalization import normalize
from .spline_background import SplineSettings, operators, subtracted
from .tapers import checked_window
from .wavenumber import Floats, K, k_grid, wave_number


def autobk(
    mu: xr.DataArray,
    e0: float | xr.DataArray | None = None,
    *,
    edge_step: float | xr.DataArray | None = None,
    rbkg: float = 1.0,
    nknots: int | None = None,
    kmin: float = 0.0,
    kmax: float | None = None,
    kweight: int = 1,
    dk: float = 0.1,
    window: str = "hanning",
    nclamp: int = 3,
    clamp_lo: float = 0.0,
    clamp_hi: float = 1.0,
) -> xr.Dataset:
    """Return chi(k) = (mu - background)/edge step and the background, a spline that takes all below ``rbkg``.

    The spline minimizes sum_{R < rbkg} |FT(k^w chi)|^2 + s^2 sum_ends (clamp chi)^2, with chi in units of mu and
    s = 0.1 + 10 mean |FT|^2. It is the exact minimum: the clamps leave one number a spectrum to be found by
    bisection, all else is linear and shared by the spectra of one e0.

    Parameters
    ----------
    mu
        Absorption against ``energy`` (eV), with any other dims in any order, in memory or dask.
    e0
        Energy of k = 0 in eV, one number or one a spectrum; found as :func:`~operando.xas.normalize` does where it is
        None or, unless ``edge_step`` is given, NaN or not inside the scan.
    edge_step
        Edge step in units of mu, one number or one a spectrum; that of ``normalize`` where it is None.
    rbkg
        Distance in angstrom below which all is background.
    nknots
        Number of the spline's coefficients, 5 to 128; by default 1 + 2 rbkg (kmax - kmin)/pi.
    kmin, kmax
        Range of the spline in 1/angstrom; ``kmax`` is by default the end of each scan, which lets the number of
        knots change where scans end at different k. Fix it in a series.
    kweight, dk, window
        Power of k, width of the ends (1/angstrom) and kind of the window of the Fourier transform.
    nclamp, clamp_lo, clamp_hi
        Number of points at each end at which chi is pulled to 0, and how strongly at the low and the high end.

    Returns
    -------
    xarray.Dataset
        ``chi`` (1) over ``k`` (1/angstrom, steps of 0.05), NaN beyond the end of a scan; ``background`` (units of
        mu) over ``energy``, equal to mu outside the range of the spline; ``e0`` (eV) and ``edge_step`` (units of mu)
        as they were used. Without a given ``kmax``, k reaches as far as the energies do above ``e0``, or above the
        first energy where e0 is not one number. Spectra without an edge, or with too few points behind it, are NaN
        and have ``Flag.no_edge`` or ``Flag.ill_conditioned`` raised in the coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If ``mu`` has no dim ``energy`` with a coordinate in eV, or a setting is out of range.

    Notes
    -----
    The objective is that of ``larch.xafs.autobk`` (xraylarch 2026.3); larch looks for its minimum in steps and stops
    near it: usually within 1e-6 of k^2 chi, within 1e-3 in short scans or with clamps at both ends. Being a fit of
    mu in its own units, it weighs the clamps more the larger mu is. M. Newville et al., Phys. Rev. B 47, 14126
    (1993), doi:10.1103/PhysRevB.47.14126.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> k = np.sqrt((energy - 8333).clip(0) * 0.2625)
    >>> mu = (0.3 + rise + 0.05 * np.sin(4 * k) * np.exp(-0.05 * k**2)).assign_coords(energy=energy)
    >>> found = xas.autobk(mu, rbkg=1.0)
    >>> print(found["chi"].dims, found["k"].attrs["units"], round(float(found["k"][-1]), 2))
    ('k',) 1/angstrom 8.05
    """
    mu = along_energy(mu, "autobk")
    given = SplineSettings(
        rbkg, nknots, kmin, kmax, kweight, dk, checked_window(window, "autobk"), nclamp, clamp_lo, clamp_hi
    )
    _check(given)
    energy = mu[ALONG].to_numpy()
    k = _axis(energy, e0 if isinstance(e0, int | float) else None, kmax)
    known = {"e0": _bare(e0), "edge_step": _bare(edge_step)}
    if e0 is None or edge_step is None:
        normal = normalize(mu, known["e0"])
        known = {"e0": _bare(normal["e0"]), "edge_step": _bare(normal["edge_step"] if edge_step is None else edge_step)}
    chi, background = xr.apply_ufunc(
        _subtracted,
        mu,
        *known.values(),
        kwargs={"energy": energy, "given": given, "points": k.size},
        input_core_dims=[[ALONG], [], []],
        output_core_dims=[[K], [ALONG]],
        join="exact",
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        dask_gufunc_kwargs={"output_sizes": {K: k.size}},
        keep_attrs=False,
    )
    background = background.transpose(..., *mu.dims)
    ds = xr.Dataset({"chi": chi, "background": background, **known}).assign_coords({K: k})
    units = str(mu.attrs.get("units", "1"))
    ds = labelled(ds, mu, {"background": units, "edge_step": units})
    lost, edgeless = ds["chi"].isel({K: 0}, drop=True).isnull(), ds["e0"].isnull()
    ds = flagged(flagged(ds, Flag.no_edge, edgeless), Flag.ill_conditioned, lost & ~edgeless)
    one_or_many = {
        name: value if isinstance(value, int | float | None) else "one a spectrum"
        for name, value in (("e0", e0), ("edge_step", edge_step))
    }
    return recorded(ds, "xas.autobk", {**one_or_many, **vars(given)}, after=xr.Dataset(attrs=mu.attrs))


def _check(given: SplineSettings) -> None:
    if given.rbkg <= 0 or given.kmin < 0 or (given.kmax is not None and given.kmax <= given.kmin):
        raise OperandoError(
            f"autobk: expected rbkg > 0 and 0 <= kmin < kmax, got rbkg {given.rbkg}, kmin {given.kmin}, "
            f"kmax {given.kmax}"
        )
    if given.nclamp < 0 or given.dk < 0 or given.kweight < 0:
        raise OperandoError("autobk: expected nclamp, dk and kweight of 0 or more")


def _axis(energy: Floats, e0: float | None, kmax: float | None) -> Floats:
    """Return the wave numbers of the result, which no value of mu may change."""
    if kmax is not None:
        return k_grid(kmax)
    first, last = np.nanmin(energy), np.nanmax(energy, keepdims=True)
    zero = e0 if e0 is not None and first <= e0 <= last[0] else first
    return k_grid(float(wave_number(last, float(zero))[0]))


def _bare(value: float | xr.DataArray | None) -> float | xr.DataArray | None:
    """Return ``value`` without coordinates that may contradict those of the spectra, such as its flags."""
    return value.reset_coords(drop=True).drop_attrs() if isinstance(value, xr.DataArray) else value


def _subtracted(
    mu: Floats, e0: Floats, edge_step: Floats, *, energy: Floats, given: SplineSettings, points: int
) -> tuple[Floats, Floats]:
    """Subtract the background of an array of spectra along its last axis."""
    shape = mu.shape[:-1]
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, mu.shape[-1])
    centers, steps = (np.broadcast_to(values, shape).reshape(-1) for values in (e0, edge_step))
    chi, background = np.full((len(rows), points), np.nan), np.full(rows.shape, np.nan)
    for chosen, finite in finite_grids(energy, rows):
        ascending = separated(energy[finite])
        for center in np.unique(centers[chosen][np.isfinite(centers[chosen])]):
            shared = operators(ascending, float(center), given)
            if shared is not None:
                group = chosen[centers[chosen] == center]
                spectra = rows[np.ix_(group, finite)]
                oscillations, spectra[:, shared.points] = subtracted(spectra, shared)
                size = min(points, shared.grid.size)
                chi[group, :size] = oscillations[:, :size] / steps[group, None]
                background[np.ix_(group, finite)] = spectra
    return chi.reshape(*shape, points), background.reshape(mu.shape)
