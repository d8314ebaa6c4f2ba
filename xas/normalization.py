"""Subtract the pre-edge, divide by the edge step: spectra on a common scale."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .edge_finding import completed_edges, finite_grids, picked, separated
from .fit_ranges import Ranges, Settings, fit_ranges, polynomial_fit
from .layout import ALONG, PROCESSED, along_energy
from .normalization_kernels import APART, Fit, Floats, normalize_rows

_OUTPUTS = (
    "normalized",
    "flattened",
    "pre_edge",
    "post_edge",
    "edge_step",
    "e0",
    "step_noise",
    "post_edge_gain",
    "fit_covariance",
)
FITTED, OTHER_FITTED = "fitted", "other_fitted"
_NAMES = ("pre_edge at e0", f"pre_edge at e0 + {APART:g} eV", "edge_step")
_LEAST_STEP = 1e-12
_LEAST_CONTRAST = 5.0
_HALF = 0.5


def normalize(
    mu: xr.DataArray,
    e0: float | xr.DataArray | None = None,
    *,
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    nnorm: int | None = None,
    nvict: int = 0,
    step: float | None = None,
) -> xr.Dataset:
    """Return spectra without their pre-edge and divided by their edge step.

    A line is fitted to mu E^nvict from e0 + pre1 to e0 + pre2, then a polynomial of degree nnorm to what remains
    from e0 + norm1 to e0 + norm2; the edge step is the polynomial at e0.

    Parameters
    ----------
    mu
        Absorption against ``energy`` (eV), with any other dims in any order, in memory or dask.
    e0
        Edge energy in eV, one number or one a spectrum; found from the data (:func:`~operando.xas.find_e0`) where it
        is None, NaN, or not inside the scan.
    pre1, pre2, norm1, norm2
        Ends of the two fits in eV relative to e0. By default from the second point to half way, and from 25 eV (less
        in short scans) to the end; a negative ``norm2`` is measured beyond the end of the scan.
    nnorm
        Degree of the post-edge polynomial, 0 to 5: by default 2 over 300 eV and more, 1 over 30 eV and more, else 0.
    nvict
        Power of the energy that weights the pre-edge line.
    step
        Edge step in units of mu, if it is known.

    Returns
    -------
    xarray.Dataset
        ``normalized`` and ``flattened`` (1), ``pre_edge``, ``post_edge`` and ``edge_step`` (units of mu), ``e0``
        (eV); and what noise of one point does through the fits: ``post_edge_gain`` (1), by how much a post-edge point
        moves the normalized absorption at half height, and ``fit_covariance`` (1; dims ``fitted`` and
        ``other_fitted``), the covariance of the pre-edge at e0 and 10 eV above and of the edge step per variance of a
        pre-edge point. Where nothing can be fitted all are NaN. If ``mu`` has the coordinate ``flag``,
        ``Flag.no_edge`` is raised in it there, and also where the edge step is less than 5 times its own standard
        deviation, the scatter of the pre-edge taken as noise.

    Raises
    ------
    OperandoError
        If ``mu`` has no dim ``energy`` with a coordinate in eV, or ``nnorm`` is out of range.

    Notes
    -----
    The numbers are those of ``larch.xafs.pre_edge`` (xraylarch 2026.3) to 1e-9, point for point in the order in which
    ``mu`` gives its energies; larch leaves out points that are not finite, here they stay as NaN. The edge step has no
    sign, and an edge step below 1e-12 counts as none. M. Newville, J. Phys. Conf. Ser. 430, 012007 (2013),
    doi:10.1088/1742-6596/430/1/012007.

    Examples
    --------
    An edge of height 1.2 at 8333.2 eV:

    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> found = xas.normalize(mu)
    >>> print(float(found["e0"]), round(float(found["edge_step"]), 2))
    8333.0 1.15
    """
    mu = along_energy(mu, "normalize")
    if nnorm is not None and nnorm not in range(6):
        raise OperandoError(f"normalize: expected nnorm from 0 to 5, got {nnorm}")
    given = Settings(pre1, pre2, norm1, norm2, nnorm, nvict, step)
    results = xr.apply_ufunc(
        _normalized,
        mu,
        np.nan if e0 is None else e0,
        kwargs={"energy": mu[ALONG].to_numpy(), "given": given},
        input_core_dims=[[ALONG], []],
        output_core_dims=[*[[ALONG]] * 4, *[[]] * 4, [FITTED, OTHER_FITTED]],
        join="exact",
        dask="parallelized",
        dask_gufunc_kwargs={"output_sizes": dict.fromkeys((FITTED, OTHER_FITTED), len(_NAMES))},
        output_dtypes=[np.float64] * len(_OUTPUTS),
        keep_attrs=False,
    )
    spectra = dict(zip(_OUTPUTS, results, strict=True))
    noise = spectra.pop("step_noise")
    ds = xr.Dataset({name: values.transpose(*_order(mu, values)) for name, values in spectra.items()})
    names = np.array(_NAMES, dtype=object)
    ds = _labelled(ds.assign_coords({FITTED: (FITTED, names), OTHER_FITTED: (OTHER_FITTED, names)}), mu)
    if "flag" in ds.coords:
        doubtful = ~(ds["edge_step"] > _LEAST_CONTRAST * noise).drop_vars("flag")
        doubtful = doubtful.any([dim for dim in doubtful.dims if dim not in ds["flag"].dims])
        ds = ds.assign_coords(flag=raised(ds["flag"], Flag.no_edge, doubtful))
    given_e0 = e0 if isinstance(e0, int | float) or e0 is None else "one a spectrum"
    return recorded(ds, "xas.normalize", {"e0": given_e0, **vars(given)}, after=xr.Dataset(attrs=mu.attrs))


def _order(mu: xr.DataArray, values: xr.DataArray) -> list[str]:
    """Return the dims of a result in the order they have in ``mu``."""
    known = [str(dim) for dim in mu.dims if dim in values.dims]
    last = [dim for dim in (FITTED, OTHER_FITTED) if dim in values.dims]
    return [*(str(dim) for dim in values.dims if dim not in [*known, *last]), *known, *last]


def _labelled(ds: xr.Dataset, mu: xr.DataArray) -> xr.Dataset:
    units = str(mu.attrs.get("units", "1"))
    for name in ds.coords:
        if name in mu.coords:
            ds[name].attrs = dict(mu[name].attrs)
    mine = {name: unit or units for name, unit in PROCESSED.units().items() if name in ds.data_vars}
    mine.update(dict.fromkeys(("pre_edge", "post_edge", "edge_step"), units))
    return with_units(ds, mine, {name: text for name, text in PROCESSED.long_names().items() if name in ds.data_vars})


def _normalized(mu: Floats, e0: Floats, *, energy: Floats, given: Settings) -> tuple[Floats, ...]:
    """Normalize an array of spectra along its last axis; ``e0`` is NaN where it is to be found."""
    shape = mu.shape
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, shape[-1])
    wanted = np.broadcast_to(e0, shape[:-1]).reshape(-1).astype(np.float64)
    size = len(_NAMES)
    spectra, scalars = np.empty((4, *rows.shape)), np.full((4, len(rows)), np.nan)
    covariance = np.full((len(rows), size, size), np.nan)
    for chosen, points in finite_grids(energy, rows):
        if len(chosen) == len(rows) and np.array_equal(points, np.arange(shape[-1])):
            _normalize_grid(energy, rows, wanted, given, (spectra, scalars, covariance))
        else:
            part, numbers = np.empty((4, len(chosen), points.size)), np.full((4, len(chosen)), np.nan)
            own = np.full((len(chosen), size, size), np.nan)
            _normalize_grid(energy[points], picked(rows, chosen, points), wanted[chosen], given, (part, numbers, own))
            spectra[:, chosen] = np.nan
            spectra[np.ix_(np.arange(4), chosen, points)] = part
            scalars[:, chosen], covariance[chosen] = numbers, own
    whole = covariance.reshape(*shape[:-1], size, size)
    return (*spectra.reshape(4, *shape), *scalars.reshape(4, *shape[:-1]), whole)


def _normalize_grid(
    energy: Floats, mu: Floats, wanted: Floats, given: Settings, out: tuple[Floats, Floats, Floats]
) -> None:
    """Fill the outputs for spectra that are finite at the same ascending energies."""
    energy = separated(separated(energy))
    spectra, scalars, covariance = out
    e0 = completed_edges(energy, mu, wanted)
    groups: dict[Ranges | None, list[int]] = {}
    values, which = np.unique(e0, return_inverse=True)
    for k, value in enumerate(values):
        ranges = fit_ranges(energy, float(value), given) if np.isfinite(value) else None
        groups.setdefault(ranges, []).append(k)
    for ranges, members in groups.items():
        rows = np.flatnonzero(np.isin(which, members))
        if ranges is not None:
            known = np.nan if given.step is None else float(given.step)
            fits = _fits(energy, ranges)
            normalize_rows(mu, rows, fits, (ranges.center, known), (spectra, scalars))
            scalars[3, rows], covariance[rows], step = _noise(energy, fits, ranges, measured=given.step is None)
            scalars[2, rows] *= step
    lost = ~(scalars[0] > _LEAST_STEP)
    spectra[:, lost] = np.nan
    scalars[:, lost], covariance[lost] = np.nan, np.nan
    scalars[1] = np.where(lost, np.nan, e0)


def _fits(energy: Floats, ranges: Ranges) -> tuple[Fit, Fit, Floats]:
    """Return the fits of one group of spectra as the kernel takes them."""
    pre = polynomial_fit(energy[slice(*ranges.pre)], energy, ranges.pre_degree)
    post = polynomial_fit(energy[slice(*ranges.post)], energy, ranges.post_degree)
    weight = energy**ranges.nvict if ranges.nvict else np.ones_like(energy)
    return (*ranges.pre, *pre), (*ranges.post, *post), weight


def _noise(
    energy: Floats, fits: tuple[Fit, Fit, Floats], ranges: Ranges, *, measured: bool
) -> tuple[float, Floats, float]:
    """Return what unit noise of each point does: half height by the post-edge, the covariance, the edge step.

    Both fits are linear in mu: their values are sums of mu with the weights found here.
    """
    (p1, p2, pre_fit, pre_curves), (q1, q2, post_fit, post_curves), weight = fits
    center, size = ranges.center, weight.size
    other = int(np.abs(energy - energy[center] - APART).argmin())
    other = other if other != center else center - 1
    through = (pre_fit * weight[p1:p2]).T
    at, there = (through @ pre_curves[:, k] / weight[k] for k in (center, other))
    above = at + (there - at) * APART / (energy[other] - energy[center])
    step = np.zeros(size)
    if measured:
        rise = post_curves[:, center] @ post_fit
        step[q1:q2] = rise
        step[p1:p2] -= through @ (pre_curves[:, q1:q2] / weight[q1:q2]) @ rise
    half = _HALF * step
    half[p1:p2] += at
    before = np.stack([at, above, step[p1:p2]])
    return float(np.linalg.norm(half[q1:q2])), before @ before.T, float(np.linalg.norm(step))
