"""Normalize by matching a spectrum to the tabulated absorption of its element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from scipy.special import erfc

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded

from . import atomic_data
from .background_matching import Matched, Table, match_line, match_polynomial
from .edge_finding import completed_edges, finite_grids, picked, separated
from .fit_ranges import Settings, fit_offsets
from .labels import flagged, labelled
from .layout import ALONG, along_energy
from .normalization_kernels import Floats

Method = Literal["mback", "mback_norm"]
_HIGHEST_ORDER = 6
_NEXT_EDGE = {"L3": "L2", "L2": "L1"}


def mback(
    mu: xr.DataArray,
    element: str,
    edge: str = "K",
    e0: float | xr.DataArray | None = None,
    *,
    method: Method = "mback",
    pre1: float | None = None,
    pre2: float | None = None,
    norm1: float | None = None,
    norm2: float | None = None,
    order: int = 3,
    nnorm: int | None = None,
    nvict: int = 1,
    erfc_width: float | None = None,
) -> xr.Dataset:
    """Return spectra normalized by the match of their background to tabulated f''.

    ``"mback"`` minimizes sum_i [f''(E_i) + sum_k c_k (E_i - e0)^k - s mu_i]^2/n_i over the scale s and the c_k, with
    n_i the number of points of the region, below or above the edge, that E_i lies in; pre-edge and edge step are
    those of f'' + polynomial. ``"mback_norm"`` subtracts the pre-edge line first and minimizes
    sum_i w_i^2 [(f''(E_i) + c_0 + c_1 E_i)/s - mu_i]^2, w_i = 1 below the edge and rising from 0.1 to 1 above it; only
    the edge step is that of the match.

    Parameters
    ----------
    mu
        Absorption against ``energy`` (eV), with any other dims in any order, in memory or dask.
    element, edge
        The absorber (``"Ni"``) and its edge (``"K"``, ``"L3"``).
    e0
        Edge energy in eV, one number or one a spectrum; found from the data where it is None, NaN or outside.
        ``"mback"`` takes the grid energy nearest to it.
    method
        ``"mback"`` or ``"mback_norm"``.
    pre1, pre2, norm1, norm2
        Ends of both regions in eV relative to e0: by default from the first point to -50 and from 100 to the last for
        ``"mback"``, those of :func:`~operando.xas.normalize` for ``"mback_norm"``, whose post-edge stops before the
        next L edge.
    order
        Degree of the polynomial of ``"mback"``, 0 to 6.
    nnorm, nvict
        Degree of the post-edge and power of the energy that weights the pre-edge line, for ``"mback_norm"``.
    erfc_width
        Adds a erfc((E - E_line)/width) to the background, the amplitude a fitted, for the tail of the strongest
        emission line in the detector; in eV. By default left out.

    Returns
    -------
    xarray.Dataset
        ``normalized`` (1) = (mu - ``pre_edge``)/``edge_step``, both in units of mu; ``e0`` (eV); ``f2``, the table at
        these energies, ``f2_matched``, the spectrum on its scale, and ``f2_scale``, s, in electrons (per unit of mu).
        Where nothing can be fitted, or the match is upside down, all are NaN and ``Flag.no_edge`` is raised in the
        coordinate ``flag``, if there is one.

    Raises
    ------
    OperandoError
        If the element or edge is unknown, a setting is out of range, ``mu`` has no dim ``energy`` with a coordinate
        in eV, or the next L edge leaves no post-edge.

    Notes
    -----
    The numbers are those of ``larch.xafs.mback`` and ``mback_norm`` (xraylarch 2026.3) without their error function,
    solved in closed form. T. C. Weng, G. S. Waldo, J. E. Penner-Hahn, J. Synchrotron Rad. 12, 506 (2005),
    doi:10.1107/S0909049504034193; tables of C. T. Chantler, J. Phys. Chem. Ref. Data 29, 597 (2000),
    doi:10.1063/1.1321055.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(8250.0, 8500.0, 0.5), dims="energy", attrs={"units": "eV"})
    >>> rise = 0.5 + np.arctan((energy - 8333.2) / 2) / np.pi
    >>> mu = (0.3 + 1.2 * rise).assign_coords(energy=energy)
    >>> found = xas.mback(mu, "Ni", "K")
    >>> print(sorted(found.data_vars)[:4])
    ['e0', 'edge_step', 'f2', 'f2_matched']
    """
    mu = along_energy(mu, "mback")
    given = Settings(pre1, pre2, norm1, norm2, nnorm, nvict)
    energy = mu[ALONG].to_numpy()
    matching = _Matching(element, edge, method, given, order, erfc_width)
    matching.check(energy)
    found = xr.apply_ufunc(
        _matched,
        mu,
        np.nan if e0 is None else e0,
        kwargs={"energy": energy, "matching": matching},
        input_core_dims=[[ALONG], []],
        output_core_dims=[[ALONG]] * 3 + [[]] * 3,
        join="exact",
        dask="parallelized",
        output_dtypes=[np.float64] * 6,
        keep_attrs=False,
    )
    ordered = [values.transpose(..., *mu.dims, missing_dims="ignore") for values in found]
    ds = xr.Dataset(dict(zip(Matched._fields, ordered, strict=True)))
    ds["f2"] = (ALONG, f2(element, energy))
    units = str(mu.attrs.get("units", "1"))
    ds = labelled(ds, mu, {"pre_edge": units, "edge_step": units, "f2_scale": f"1/({units})" if units != "1" else "1"})
    ds = flagged(ds, Flag.no_edge, ds["edge_step"].isnull())
    settings = {"element": element, "edge": edge, "method": method, "order": order, "erfc_width": erfc_width}
    given_e0 = "one a spectrum" if isinstance(e0, xr.DataArray) else e0
    parameters = {**settings, "e0": given_e0, **{key: value for key, value in vars(given).items() if key != "step"}}
    return recorded(ds, "xas.mback", parameters, after=xr.Dataset(attrs=mu.attrs))


def f2(element: str, energy: Floats) -> Floats:
    """Return f'' at energies of which some may be missing."""
    values = np.full(energy.shape, np.nan)
    known = np.isfinite(energy)
    values[known] = atomic_data.scattering_f2(element, energy[known])
    return values


@dataclass(frozen=True)
class _Matching:
    """How spectra are matched, and to what."""

    element: str
    edge: str
    method: Method
    given: Settings
    order: int
    erfc_width: float | None

    def check(self, energy: Floats) -> None:
        """Raise an error where a setting cannot work."""
        atomic_data.edge(self.element, self.edge)
        if self.method not in ("mback", "mback_norm"):
            raise OperandoError(f"mback: expected the method 'mback' or 'mback_norm', got {self.method!r}")
        if self.order not in range(_HIGHEST_ORDER + 1):
            raise OperandoError(f"mback: expected an order from 0 to {_HIGHEST_ORDER}, got {self.order}")
        if self.given.nnorm is not None and self.given.nnorm not in range(_HIGHEST_ORDER):
            raise OperandoError(f"mback: expected nnorm from 0 to 5, got {self.given.nnorm}")
        if self.erfc_width is not None and not self.erfc_width > 0:
            raise OperandoError(f"mback: expected a width of the error function above 0 eV, got {self.erfc_width}")
        if self.method == "mback_norm" and self.edge.title() in _NEXT_EDGE:
            self._check_room(energy)

    def _check_room(self, energy: Floats) -> None:
        e0, finite = atomic_data.edge(self.element, self.edge).energy, np.sort(energy[np.isfinite(energy)])
        start = fit_offsets(finite, e0, self.given)[2] if finite.size > 1 else 0.0
        if start >= self.next_edge() - e0:
            raise OperandoError(
                f"mback: expected a post-edge that begins before the {_NEXT_EDGE[self.edge.title()]} edge "
                f"{self.next_edge() - e0:g} eV above, got norm1 = {start:g} eV; give norm1, or use method='mback'"
            )

    def table(self, energy: Floats) -> Table:
        """Return f'' and the tail of the emission line."""
        if self.erfc_width is None:
            return Table(f2(self.element, energy), np.empty((0, energy.size)))
        line = atomic_data.strongest_line(self.element, self.edge).energy
        return Table(f2(self.element, energy), erfc((energy - line) / self.erfc_width)[None])

    def next_edge(self) -> float:
        """Return the energy (eV) that the post-edge must not reach."""
        above = _NEXT_EDGE.get(self.edge.title())
        return atomic_data.edge(self.element, above).energy if above else np.inf

    def solve(self, energy: Floats, mu: Floats, e0: float, table: Table) -> Matched:
        """Match spectra that share their finite, ascending energies and e0."""
        if self.method == "mback":
            return match_polynomial(energy, mu, e0, self.given, table, order=self.order)
        return match_line(energy, mu, e0, self.given, table, next_edge=self.next_edge())


def _matched(mu: Floats, e0: Floats, *, energy: Floats, matching: _Matching) -> tuple[Floats, ...]:
    """Match an array of spectra along its last axis; ``e0`` is NaN where it is to be found."""
    shape = mu.shape
    rows = np.ascontiguousarray(mu, dtype=np.float64).reshape(-1, shape[-1])
    wanted = np.broadcast_to(e0, shape[:-1]).reshape(-1).astype(np.float64)
    spectra, numbers = np.full((3, *rows.shape), np.nan), np.full((3, len(rows)), np.nan)
    for chosen, points in finite_grids(energy, rows):
        if points.size < 2:
            continue
        x, y = separated(separated(energy[points])), picked(rows, chosen, points)
        centers, table = completed_edges(x, y, wanted[chosen]), matching.table(x)
        for center in np.unique(centers[np.isfinite(centers)]):
            same = np.flatnonzero(centers == center)
            found = matching.solve(x, y[same], float(center), table)
            spectra[np.ix_(np.arange(3), chosen[same], points)] = found[:3]
            numbers[:, chosen[same]] = found[3:]
    lost = ~(numbers[:2] > 0).all(axis=0)
    spectra[:, lost], numbers[:, lost] = np.nan, np.nan
    return (*spectra.reshape(3, *shape), *numbers.reshape(3, *shape[:-1]))
