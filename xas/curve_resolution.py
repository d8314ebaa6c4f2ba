"""Pure spectra and their shares from the spectra of mixtures alone: multivariate curve resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from .alternating_least_squares import Constraints, Resolved, on_scale, resolve, spectra_of
from .component_matrix import COMPONENT, named, rows_of
from .curve_resolution_kernels import share_variances
from .curve_resolution_start import evolving, purest_columns, purest_rows
from .labels import flagged
from .layout import ALONG, MCR_ALS
from .rotational_ambiguity import Band, band

Floats = NDArray[np.float64]
_SIGNAL, _SCAN, _REFERENCE = "signal", "scan", "reference"
_STARTS = ("spectra", "energies", "efa")


@dataclass(frozen=True)
class _Matrix:
    """The spectra as a matrix: its rows are along ``samples``, its columns along ``columns``, whole rows alone."""

    mu: xr.DataArray
    samples: tuple[str, ...]
    columns: tuple[str, ...]
    whole: NDArray[np.bool_]
    data: Floats

    def along_samples(self, values: Floats, *dims: str) -> tuple[tuple[str, ...], Floats]:
        """Return what was found for the whole rows as a variable, NaN for the others."""
        out = np.full((self.whole.size, *values.shape[1:]), np.nan)
        out[self.whole] = values
        sizes = [self.mu.sizes[dim] for dim in self.samples]
        return (*self.samples, *dims), out.reshape(*sizes, *values.shape[1:])

    def along_columns(self, values: Floats) -> tuple[tuple[str, ...], Floats]:
        """Return spectra as a variable."""
        sizes = [self.mu.sizes[dim] for dim in self.columns]
        return (COMPONENT, *self.columns), values.reshape(len(values), *sizes)

    def runs(self) -> tuple[NDArray[np.intp], ...]:
        """Return the whole rows along ``scan``, one run for each place along the other dims."""
        number = np.where(self.whole, np.cumsum(self.whole) - 1, -1).reshape(-1, self.mu.sizes[_SCAN])
        return tuple(run[run >= 0] for run in number)


def mcr_als(
    spectra: xr.DataArray | xr.Dataset,
    components: int | None = None,
    *,
    initial: Literal["spectra", "energies", "efa"] | xr.DataArray = "spectra",
    known: xr.DataArray | xr.Dataset | None = None,
    window: tuple[float, float] | None = None,
    nonnegative_fractions: bool = True,
    nonnegative_spectra: bool = True,
    sum_to_one: bool = True,
    unimodal: bool | Sequence[str] = False,
    shared: Literal["spectra", "fractions"] = "spectra",
    ambiguity: bool = True,
    tolerance: float = 1e-9,
    max_iterations: int = 5000,
    residual: bool = False,
) -> xr.Dataset:
    """Return the spectra of components, and their shares, of which all spectra are made up.

    mu_i(E) = sum_k f_ik S_k(E), the squares of the differences summed over all spectra; shares and spectra are found
    from one another in turn, each by least squares under its constraints.

    Parameters
    ----------
    spectra
        Normalized absorption against ``energy`` (eV), with any other dims; of a Dataset its ``normalized``. It is taken
        into memory as a whole, at 8 bytes a value; for larger stacks resolve a part and give its spectra to
        :func:`lcf`.
    components
        How many there are; not needed where ``initial`` says so.
    initial
        Where to begin: the spectra that stand farthest apart (``spectra``), the energies at which single components
        stand out (``energies``), what appears and vanishes in turn along ``scan`` (``efa``), or spectra (dims
        ``component``, ``energy``) or shares (``component`` in the place of ``energy``) of one's own.
    known
        Spectra of the first components, dims ``reference`` and ``energy``; they stay as they are.
    window
        The energies to fit (eV); all by default.
    nonnegative_fractions, nonnegative_spectra
        Whether shares or spectra must not be negative.
    sum_to_one
        Whether the shares of each spectrum add up to one. If not, spectra that are not known have a root mean square
        of one.
    unimodal
        Components whose shares rise, then fall, along ``scan``: all, or those named. With ``sum_to_one`` one at least
        must be left free; where unimodal shares would exceed one together they are scaled down.
    shared
        What the dim ``signal`` has in common: the ``spectra``, each signal with shares of its own (layers seen to
        other depths), or the ``fractions``, each signal with spectra of its own.
    ambiguity
        Whether the band of equally good solutions is returned; it needs both non-negativities.
    tolerance, max_iterations
        The iteration has ended when the squares left change by less than ``tolerance`` of themselves; it ends after
        ``max_iterations`` at most.
    residual
        Whether what the fit leaves of the spectra is returned too.

    Returns
    -------
    xarray.Dataset
        ``spectrum`` (component, energy), ``fraction`` and ``fraction_std`` (component in the place of ``energy``),
        their ends ``_lower`` and ``_upper``, ``r_factor`` (squares left over squares of each spectrum), ``residual``,
        ``lack_of_fit`` ([squares left/all squares]^1/2), ``explained_variance``, ``iterations``, ``converged``.
        Components are called after the known spectra or the initial ones; those sought here are numbered in the order
        of the mean energies, weighted by absorption, of the spectra they begin with. A spectrum with missing energies
        is left out: its shares are NaN and ``Flag.not_finite`` is raised in the coordinate ``flag``, if there is one;
        ``Flag.not_converged`` is raised in all if the iteration did not end.

    Raises
    ------
    OperandoError
        If the number of components is not known or too large, or names, dims and constraints do not fit.

    Notes
    -----
    R. Tauler, Chemom. Intell. Lab. Syst. 30, 133 (1995), doi:10.1016/0169-7439(95)00047-X; purest energies: W. Windig,
    J. Guilment, Anal. Chem. 63, 1425 (1991), doi:10.1021/ac00014a016; ``efa``: M. Maeder, Anal. Chem. 59, 527 (1987),
    doi:10.1021/ac00130a035; unimodal shares: R. Bro, N. D. Sidiropoulos, J. Chemometrics 12, 223 (1998). The errors of
    the shares are those of least squares from each spectrum's residuals, *if the spectra found are right*: zero for a
    share at its bound. That the spectra may be others is told by the band: for two components all that is feasible (W.
    H. Lawton, E. A. Sylvestre, Technometrics 13, 617 (1971), doi:10.1080/00401706.1971.10488823), for more the
    solutions in which each component contributes least and most (R. Tauler, J. Chemometrics 15, 627 (2001),
    doi:10.1002/cem.654) and each spectrum lies farthest in a few directions, which may be too narrow. Negative values
    are allowed there as far as noise of the size of the residuals, the same everywhere, would reach once in a thousand
    series. Unimodality does not narrow the band's spectra.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8320.0, 8380.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> first, second = (0.5 + np.arctan((energy - at) / 2) / np.pi for at in (8333.0, 8336.0))
    >>> references = xr.concat([first, second], "reference").assign_coords(energy=energy, reference=["Ni2+", "Ni4+"])
    >>> share = xr.DataArray(np.linspace(0, 1, 12), dims="scan")
    >>> noise = np.random.default_rng(1).normal(0, 1e-3, (12, energy.size))
    >>> series = ((1 - share) * first + share * second + noise).assign_coords(energy=energy)
    >>> found = xas.mcr_als(series, 2)
    >>> print(found["fraction"].dims, bool(found["converged"]))
    ('scan', 'component') True
    """
    matrix = _matrix(spectra, window, shared)
    fixed, names = _known(known, matrix)
    asked = Constraints(nonnegative_fractions, nonnegative_spectra, sum_to_one, fixed)
    if ambiguity and not (nonnegative_fractions and nonnegative_spectra):
        raise OperandoError("mcr_als: the band needs fractions and spectra that are not negative; say ambiguity=False")
    start, names = _start(matrix, components, initial, asked, names)
    asked = replace(asked, **_unimodal(unimodal, names, matrix, sum_to_one=sum_to_one))
    found = resolve(matrix.data, start, asked, tolerance, max_iterations)
    ds = _result(matrix, found, asked, names, residual=residual)
    if ambiguity:
        ds = ds.assign(_ends(matrix, band(matrix.data, found, asked)))
    ds = flagged(named(ds, MCR_ALS, matrix.mu), Flag.not_finite, ds["fraction"].isnull())
    if not found.converged:
        ds = flagged(ds, Flag.not_converged, xr.ones_like(ds["fraction"], dtype=bool))
    chosen = initial if isinstance(initial, str) else "given"
    parameters: dict[str, Any] = {"components": names, "initial": chosen, "known": names[: len(fixed)]}
    parameters |= {"window": window, "nonnegative_fractions": nonnegative_fractions, "unimodal": unimodal}
    parameters |= {"nonnegative_spectra": nonnegative_spectra, "sum_to_one": sum_to_one, "shared": shared}
    parameters |= {"tolerance": tolerance, "max_iterations": max_iterations}
    return recorded(ds, "xas.mcr_als", parameters, after=xr.Dataset(attrs=matrix.mu.attrs))


def _matrix(spectra: xr.DataArray | xr.Dataset, window: tuple[float, float] | None, shared: str) -> _Matrix:
    if shared not in ("spectra", "fractions"):
        raise OperandoError(f"mcr_als: expected shared 'spectra' or 'fractions', got {shared!r}")
    mu = rows_of(spectra, "mcr_als", window)
    columns = (_SIGNAL, ALONG) if shared == "fractions" and _SIGNAL in mu.dims else (ALONG,)
    samples = sorted((str(dim) for dim in mu.dims if dim not in columns), key=lambda dim: dim == _SCAN)
    mu = mu.transpose(*samples, *columns).compute()
    if not samples:
        raise OperandoError("mcr_als: expected several spectra of each signal, got one")
    rows = mu.to_numpy().astype(np.float64).reshape(-1, int(np.prod([mu.sizes[dim] for dim in columns])))
    whole = np.asarray(np.isfinite(rows).all(axis=1))
    return _Matrix(mu, tuple(samples), columns, whole, np.ascontiguousarray(rows[whole]))


def _known(known: xr.DataArray | xr.Dataset | None, matrix: _Matrix) -> tuple[Floats, list[str]]:
    """Return the known spectra on the energies of the others, and their names."""
    if known is None:
        return np.empty((0, matrix.data.shape[1])), []
    if isinstance(known, xr.Dataset) and "normalized" not in known:
        raise OperandoError(
            "mcr_als: expected known spectra with normalized absorption, got none; normalize them first"
        )
    curves = known["normalized"] if isinstance(known, xr.Dataset) else known
    return _curves(curves, _REFERENCE, matrix, "known")


def _curves(curves: xr.DataArray, dim: str, matrix: _Matrix, what: str) -> tuple[Floats, list[str]]:
    """Return spectra as rows of the matrix, interpolated to its energies, and their names."""
    dims = (dim, *matrix.columns)
    if set(curves.dims) != set(dims) or ALONG not in curves.coords:
        raise OperandoError(f"mcr_als: expected {what} spectra with the dims {dims}, got {curves.dims}")
    curves = curves.transpose(*dims).sortby(ALONG).drop_duplicates(ALONG).compute()
    if _SIGNAL in dims:
        curves = curves.reindex({_SIGNAL: matrix.mu[_SIGNAL]})
    energy, wanted, values = curves[ALONG].to_numpy(), matrix.mu[ALONG].to_numpy(), curves.to_numpy()
    if not np.isfinite(values).all() or energy[0] > wanted.min() or energy[-1] < wanted.max():
        raise OperandoError(
            f"mcr_als: expected {what} spectra at all energies and signals to be fitted, got some missing"
        )
    moved = CubicSpline(energy, values, axis=-1)(wanted)
    names = curves[dim].values if dim in curves.coords else np.arange(1, curves.sizes[dim] + 1)
    return moved.reshape(len(moved), -1), [str(name) for name in names]


def _start(
    matrix: _Matrix, components: int | None, initial: str | xr.DataArray, asked: Constraints, names: list[str]
) -> tuple[Floats, list[str]]:
    """Return the spectra to begin with, the known ones first, and the names of all components."""
    if isinstance(initial, xr.DataArray) and ALONG in initial.dims:
        spectra, own = _curves(initial, COMPONENT, matrix, "initial")
        count = _number(components or len(spectra), matrix, len(names))
        if len(spectra) != count:
            raise OperandoError(f"mcr_als: expected {count} initial spectra, got {len(spectra)}")
        spectra[: len(names)] = asked.known
        return on_scale(spectra, asked), names + own[len(names) :]
    if isinstance(initial, xr.DataArray):
        shares = _given_shares(initial, matrix)
        count = _number(components or shares.shape[1], matrix, len(names))
        if shares.shape[1] != count:
            raise OperandoError(f"mcr_als: expected initial shares of {count} components, got {shares.shape[1]}")
        spectra = spectra_of(matrix.data, shares, asked)
    else:
        count = _number(components, matrix, len(names))
        if initial == "spectra":
            spectra = purest_rows(matrix.data, count, asked.known)
        else:
            spectra = spectra_of(matrix.data, _found_shares(matrix, initial, count), asked)
        spectra = _in_order(spectra, len(names), matrix)
    return on_scale(spectra, asked), names + [f"component {at + 1}" for at in range(len(names), count)]


def _number(components: int | None, matrix: _Matrix, known: int) -> int:
    if components is None:
        raise OperandoError("mcr_als: expected the number of components; xas.pca tells how many stand out of the noise")
    most = min(matrix.data.shape)
    if not max(known, 1) <= components <= most:
        raise OperandoError(
            f"mcr_als: expected {max(known, 1)} to {most} components, for {known} known spectra and "
            f"{len(matrix.data)} spectra without missing energies; got {components}"
        )
    return components


def _given_shares(initial: xr.DataArray, matrix: _Matrix) -> Floats:
    dims = (*matrix.samples, COMPONENT)
    sizes = {dim: matrix.mu.sizes[dim] for dim in matrix.samples}
    if set(initial.dims) != set(dims) or any(initial.sizes[dim] != size for dim, size in sizes.items()):
        raise OperandoError(f"mcr_als: expected initial spectra, or shares with the dims {dims}, got {initial.sizes}")
    shares = initial.transpose(*dims).to_numpy().astype(np.float64).reshape(-1, initial.sizes[COMPONENT])
    return np.nan_to_num(shares[matrix.whole])


def _found_shares(matrix: _Matrix, initial: str, count: int) -> Floats:
    if initial not in _STARTS:
        raise OperandoError(f"mcr_als: expected initial {', '.join(_STARTS)}, or an array, got {initial!r}")
    if initial == "efa" and matrix.samples != (_SCAN,):
        raise OperandoError(f"mcr_als: 'efa' follows one series along 'scan', got spectra along {matrix.samples}")
    shares = evolving(matrix.data, count) if initial == "efa" else purest_columns(matrix.data, count)
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.where(total > 0, shares / np.where(total > 0, total, 1.0), 1.0 / count))


def _unimodal(unimodal: bool | Sequence[str], names: list[str], matrix: _Matrix, *, sum_to_one: bool) -> dict[str, Any]:
    """Return which components are unimodal, and along which rows."""
    wanted = names if unimodal is True else [unimodal] if isinstance(unimodal, str) else list(unimodal or ())
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise OperandoError(f"mcr_als: expected unimodal components among {', '.join(names)}, got {unknown[0]!r}")
    if wanted and _SCAN not in matrix.samples:
        raise OperandoError(f"mcr_als: unimodal shares need the dim 'scan', got {matrix.samples}")
    if sum_to_one and len(wanted) == len(names):
        raise OperandoError("mcr_als: with sum_to_one, leave at least one component that is not unimodal")
    at = tuple(names.index(name) for name in wanted)
    return {"unimodal": at, "runs": matrix.runs()} if at else {}


def _in_order(spectra: Floats, known: int, matrix: _Matrix) -> Floats:
    """Return spectra, those not known in the order of their mean energy, weighted by absorption."""
    energy = np.tile(matrix.mu[ALONG].to_numpy(), spectra.shape[1] // matrix.mu.sizes[ALONG])
    weight = np.abs(spectra[known:])
    place = (weight * energy).sum(axis=1) / np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
    return np.concatenate([spectra[:known], spectra[known + np.argsort(place, kind="stable")]])


def _result(matrix: _Matrix, found: Resolved, asked: Constraints, names: list[str], *, residual: bool) -> xr.Dataset:
    """Return the components as variables, with errors and how well they fit."""
    left = matrix.data - found.shares @ found.spectra
    squares, all_squares = np.einsum("ij,ij->i", left, left), np.einsum("ij,ij->i", matrix.data, matrix.data)
    variance = np.empty(found.shares.shape)
    share_variances(matrix.data, found.spectra, found.shares, asked.limits, variance)
    part = squares.sum() / all_squares.sum()
    ds = xr.Dataset(
        {
            "spectrum": matrix.along_columns(found.spectra),
            "fraction": matrix.along_samples(found.shares, COMPONENT),
            "fraction_std": matrix.along_samples(np.sqrt(variance), COMPONENT),
            "r_factor": matrix.along_samples(squares / all_squares),
            "lack_of_fit": ((), np.sqrt(part)),
            "explained_variance": ((), 1.0 - part),
            "iterations": ((), found.iterations),
            "converged": ((), int(found.converged)),
        },
        coords={**matrix.mu.coords, COMPONENT: (COMPONENT, np.array(names, dtype=object))},
    )
    if residual:
        rows = matrix.along_samples(left)[1]
        ds["residual"] = (matrix.mu.dims, rows.reshape(matrix.mu.shape))
    return ds


def _ends(matrix: _Matrix, ends: Band) -> dict[str, Any]:
    """Return the ends of the band as variables."""
    out: dict[str, Any] = {}
    for end, shares, spectra in zip(("lower", "upper"), ends.shares, ends.spectra, strict=True):
        out[f"fraction_{end}"] = matrix.along_samples(shares, COMPONENT)
        out[f"spectrum_{end}"] = matrix.along_columns(spectra)
    return out
