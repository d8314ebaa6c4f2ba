"""Distances, numbers and disorder of neighbors: fits of scattering paths to EXAFS, through larch and FEFF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded
from operando.units import with_units

from .labels import flagged, labelled
from .shell_fits import AT_BOUND, NO_DATA, NOT_CONVERGED, STATISTICS, TOO_SHORT, FitRange, fit_rows, read_paths
from .shell_model import checked
from .tapers import checked_window
from .wavenumber import K, along_k

_NUMBER = "number"
_REASONS = {
    NOT_CONVERGED: Flag.not_converged,
    AT_BOUND: Flag.at_bound,
    NO_DATA: Flag.not_finite,
    TOO_SHORT: Flag.truncated,
}
_UNITS = dict.fromkeys((*STATISTICS, "chi_fit"), "1")
_MEANINGS = {
    "r_factor": "sum of squares of the misfit over that of the data",
    "reduced_chi_square": "reduced chi-square of the shell fit",
    "chi_fit": "EXAFS of the fitted paths",
}


def fit_shells(
    chi: xr.DataArray,
    paths: Sequence[Mapping[str, Any]],
    variables: Mapping[str, float | Mapping[str, float]],
    *,
    kmin: float,
    kmax: float,
    rmin: float,
    rmax: float,
    kweight: int = 2,
    dk: float = 1.0,
    window: str = "kaiser",
) -> xr.Dataset:
    """Fit the EXAFS equation, summed over paths calculated by FEFF, to each spectrum between ``rmin`` and ``rmax``.

    chi = sum N S02 F(k)/(k R^2) exp(-2 R/lambda - 2 k^2 sigma2) sin(2 k R + phase), R = R_eff + delr, with k counted
    from e0 above the zero of the data.

    Parameters
    ----------
    chi
        EXAFS over ``k`` (1/angstrom) in even steps from 0, with any other dims in any order, in memory or dask; it
        may end in NaN.
    paths
        One mapping a path: ``file`` (FEFF's feffNNNN.dat), and for each of ``s02`` (1 by default), ``e0`` (eV),
        ``delr`` (angstrom), ``sigma2`` (angstrom^2), ``third`` and ``fourth`` (cumulants, angstrom^3 and angstrom^4;
        all 0 by default) a number, which is kept, or the name of a variable, which paths may share;
        ``degeneracy`` instead of the file's.
    variables
        Each name's start: a number, or a mapping with ``value`` and, if there are bounds, ``low`` and ``high``.
    kmin, kmax, rmin, rmax
        What is fitted, in 1/angstrom and angstrom (not corrected for the phase shift).
    kweight, dk, window
        Power of k, width of the ends and kind of the window, as for :func:`~operando.xas.fourier`.

    Returns
    -------
    xarray.Dataset
        Each variable under its name with ``<name>_std`` in its unit, ``r_factor`` and ``reduced_chi_square`` (1)
        and ``chi_fit`` (1) over ``k``. In the coordinate ``flag``, if there is one, ``Flag.not_converged`` is raised
        where a fit failed or found no uncertainty, ``Flag.at_bound`` where a value lies at its bound; spectra with
        holes (``Flag.not_finite``) or that end before ``kmax`` (``Flag.truncated``) are NaN.

    Raises
    ------
    OperandoError
        If xraylarch is not installed, a path or a variable is misspelled, missing, undeclared or unused, the range
        holds fewer independent points than there are variables, or ``chi`` has no evenly spaced ``k`` from 0.
    FileError
        If a file is not a path of FEFF.

    Notes
    -----
    Values and ``r_factor`` are those of ``larch.xafs.feffit``. The uncertainties are what the noise of chi(k), white
    and as large as chi(R) shows it at 15 to 30 angstrom, does to the solution, enlarged by the square root of the
    reduced chi-square where that exceeds 1 (its expectation for noise alone); those of larch, which count independent
    points, are smaller by up to 1.6 for such noise. Names are names: nothing in ``paths`` or ``variables`` is
    evaluated. One fit runs at a time in a process; use processes, not threads, to run several. M. Newville,
    J. Synchrotron Rad. 8, 96 (2001), doi:10.1107/S0909049500016290.
    """
    chi, step = along_k(chi, "fit_shells")
    checked_window(window, "fit_shells")
    within = FitRange(float(kmin), float(kmax), float(rmin), float(rmax), kweight, float(dk), window, step)
    taken = {*STATISTICS, "chi_fit", *map(str, chi.dims), *map(str, chi.coords)}
    shells, guesses, units = checked(paths, variables, taken)
    _check_range(within, len(guesses))
    read_paths(shells)
    numbers, curve = xr.apply_ufunc(
        fit_rows,
        chi,
        kwargs={"shells": shells, "guesses": guesses, "within": within},
        input_core_dims=[[K]],
        output_core_dims=[[_NUMBER], [K]],
        dask="parallelized",
        output_dtypes=[np.float64, np.float64],
        dask_gufunc_kwargs={"output_sizes": {_NUMBER: 2 * len(guesses) + len(STATISTICS) + 1}},
        keep_attrs=False,
    )
    names = [*guesses, *(f"{name}_std" for name in guesses), *STATISTICS]
    ds = xr.Dataset({name: numbers.isel({_NUMBER: i}) for i, name in enumerate(names)}).assign(chi_fit=curve)
    ds = labelled(ds, chi)
    ds = with_units(
        ds, {**_UNITS, **units, **{f"{name}_std": unit for name, unit in units.items()}}, _meanings(guesses)
    )
    outcome = numbers.isel({_NUMBER: -1})
    for code, reason in _REASONS.items():
        ds = flagged(ds, reason, outcome == code)
    given = [{**path, "file": str(path["file"])} for path in paths]
    return recorded(
        ds,
        "xas.fit_shells",
        {"paths": given, "variables": variables, **vars(within)},
        after=xr.Dataset(attrs=chi.attrs),
    )


def _check_range(within: FitRange, variables: int) -> None:
    if not (0 <= within.kmin < within.kmax and 0 <= within.rmin < within.rmax):
        raise OperandoError(
            f"fit_shells: expected 0 <= kmin < kmax and 0 <= rmin < rmax, got {within.kmin}, {within.kmax}, "
            f"{within.rmin}, {within.rmax}"
        )
    if within.independent_points() <= variables:
        raise OperandoError(
            f"fit_shells: {variables} variables cannot be told from {within.independent_points():.1f} independent "
            "points; fix some, or widen the ranges of k and r"
        )


def _meanings(names: Iterable[str]) -> dict[str, str]:
    found = {name: f"{name} of the shell fit" for name in names}
    return {**_MEANINGS, **found, **{f"{name}_std": f"standard uncertainty of {name}" for name in found}}
