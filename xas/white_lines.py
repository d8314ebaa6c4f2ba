"""The white line of an edge: where it stands, how high and wide it is, and its area above the step of the edge."""

from __future__ import annotations

from functools import partial
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .crossing import Located, rises
from .edge_steps import lines_of, pair_of
from .layout import ALONG, along_energy
from .measures import measured, one_or_many, require_points
from .white_line_kernels import Lines, area, found_lines, width

Floats = NDArray[np.float64]
_NAMES = ("white_line_energy", "white_line_height", "white_line_area", "white_line_fwhm")


def white_line(
    normalized: xr.DataArray | xr.Dataset,
    element: str | None = None,
    edge: str = "K",
    *,
    step_width: float | tuple[float, float] | None = None,
    resolution: float = 0.0,
    shape: Literal["arctan", "fermi"] = "arctan",
    offset: float = 0.0,
    search: tuple[float, float] = (0.0, 15.0),
    limits: tuple[float, float] = (-10.0, 10.0),
    smoothing: float = 1.25,
    e0: float | xr.DataArray | None = None,
    window: tuple[float, float] = (-20.0, 30.0),
    noise: float | xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the white line of normalized absorption y(E).

    It stands where the cubic that fits y around each energy, weighted by (1 - u^2)^3 with u = (E - E')/``smoothing``,
    is highest; A = int (y - S) dE is its area above the steps S = sum_k g_k F(E - E_k - ``offset``) of the edges, each
    at its own white line E_k. F = 1/2 + atan(2 E/w)/pi or 1/(1 + exp(-3.53 E/w)), w the full width of its slope.

    Parameters
    ----------
    normalized
        Normalized absorption against ``energy`` (eV), or the Dataset that :func:`~operando.xas.normalize` returns:
        only with it is the noise of pre-edge and edge step part of the uncertainties. At L and M edges the step of
        both edges of the pair together is one.
    element, edge
        Such as ``"Ni"`` and ``"L3"``: the pair L3, L2 has steps of 2/3 and 1/3, M5, M4 of 3/5 and 2/5. The tables give
        the widths of the steps and the distance of a pair. Without an element, there is one step of ``step_width``.
    step_width
        w in eV, one for all or one a step; by default the width of the core level, broadened by the ``resolution``.
    resolution
        Full width at half maximum of the instrument's line (eV).
    shape
        ``"arctan"`` or ``"fermi"``.
    offset
        How far behind its white line a step stands (eV).
    search
        Where the first line is sought, in eV relative to half height.
    limits
        Ends of the area in eV relative to the line.
    smoothing
        Half width (eV) of the fit around a point.
    e0, window, noise
        Where half height is sought, and the noise of a point, as in :func:`~operando.xas.edge_energy`.

    Returns
    -------
    xarray.Dataset
        ``white_line_energy`` (eV), ``white_line_height`` (1, above the pre-edge), ``white_line_area`` (eV) and
        ``white_line_fwhm`` (eV, of y - S) with their ``_std``; NaN where there is no maximum, where the energies do
        not reach as far as the limits, or where the line does not fall to half its height on both sides.

    Raises
    ------
    OperandoError
        If element or edge are unknown, nothing tells the width of the step, or limits do not rise.

    Notes
    -----
    Uncertainties are those of independent noise, as for the edge energy. A smoothing much narrower than the line lets
    the noise choose between maxima, which they do not know of; one as wide as the line lowers it.

    Steps at the white lines with their statistical shares: C. T. Chen et al., Phys. Rev. Lett. 75, 152 (1995),
    doi:10.1103/PhysRevLett.75.152. The width of a Lorentzian broadened by a Gaussian, 0.5346 L + (0.2166 L^2 +
    G^2)^1/2: J. J. Olivero, R. L. Longbothum, J. Quant. Spectrosc. Radiat. Transf. 17, 233 (1977),
    doi:10.1016/0022-4073(77)90161-3.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(840.0, 880.0, 0.1), dims="energy", attrs={"units": "eV"})
    >>> step = 0.5 + np.arctan((energy - 853.0) / 0.5) / np.pi
    >>> normalized = (step + 3.0 * np.exp(-(((energy - 853.5) / 0.8) ** 2))).assign_coords(energy=energy)
    >>> found = xas.white_line(normalized, "Ni", "L3")
    >>> print(round(float(found["white_line_energy"]), 1))
    853.5
    """
    if not limits[0] < limits[1]:
        raise OperandoError(f"white_line: expected limits that rise, got {limits}")
    law = lines_of(
        element,
        edge,
        step_width=step_width,
        resolution=resolution,
        search=search,
        smoothing=smoothing,
        shape=shape,
        offset=offset,
    )
    which = pair_of(edge)[0].index(edge.title()) if element is not None else 0
    work = partial(_lines_read, law=law, which=which, window=window, limits=limits)
    spectra = normalized["normalized"] if isinstance(normalized, xr.Dataset) else normalized
    require_points("white_line", along_energy(spectra, "white_line")[ALONG].to_numpy(), smoothing)
    ds = measured(normalized, "white_line", work, _NAMES, e0=e0, noise=noise)
    parameters = {"element": element, "edge": edge, **vars(law), "limits": limits, "window": window}
    parameters |= {"e0": one_or_many(e0), "noise": one_or_many(noise)}
    after = normalized if isinstance(normalized, xr.Dataset) else xr.Dataset(attrs=normalized.attrs)
    return recorded(ds, "xas.white_line", parameters, after=after)


def _lines_read(
    x: Floats,
    y: Floats,
    center: Floats,
    *,
    law: Lines,
    which: int,
    window: tuple[float, float],
    limits: tuple[float, float],
) -> tuple[Located, ...]:
    """Return place, height, area and width of one line of each row."""
    half = rises(x, y, center + window[0], center + window[1], 0.5).value
    found = found_lines(x, y, half, law, second=which > 0)
    at = tuple(float(k == which) for k in range(len(law.shares)))
    whole = area(x, y, found, law, ((*at, limits[0]), (*at, limits[1])))
    return found.places[which], found.heights[which], whole, width(x, y, found, law, which)
