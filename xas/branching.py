"""The branching ratio: what part of the white lines of a split edge belongs to the first of the two."""

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
from .white_line_kernels import Lines, area, found_lines

Floats = NDArray[np.float64]


def branching_ratio(
    normalized: xr.DataArray | xr.Dataset,
    element: str,
    edge: str = "L3",
    *,
    step_width: float | tuple[float, float] | None = None,
    resolution: float = 0.0,
    shape: Literal["arctan", "fermi"] = "arctan",
    offset: float = 0.0,
    search: tuple[float, float] = (0.0, 15.0),
    reach: float | None = None,
    smoothing: float = 1.25,
    e0: float | xr.DataArray | None = None,
    window: tuple[float, float] = (-20.0, 30.0),
    noise: float | xr.DataArray | None = None,
) -> xr.Dataset:
    """Return the area of the first white line over that of both, A3/(A3 + A2), the steps of the edges subtracted.

    A3 reaches from ``reach`` before the first line to half way to the second, A2 from there to ``reach`` behind the
    second. The statistical value is 2/3 for L3 and L2, 3/5 for M5 and M4.

    Parameters
    ----------
    normalized
        Normalized absorption against ``energy`` (eV), the step of both edges together one, or the Dataset that
        :func:`~operando.xas.normalize` returns: only with it is the noise of pre-edge and edge step part of the
        uncertainty. The post-edge must lie behind the second line.
    element, edge
        Such as ``"Co"`` and ``"L3"``, or ``"Ce"`` and ``"M5"``.
    reach
        How far beyond the lines the areas reach (eV); half their tabulated distance by default.
    step_width, resolution, shape, offset, search, smoothing, e0, window, noise
        As in :func:`~operando.xas.white_line`, which explains the steps.

    Returns
    -------
    xarray.Dataset
        ``branching_ratio`` and ``branching_ratio_std`` (1); NaN where one of the lines is not found or the energies do
        not reach far enough.

    Raises
    ------
    OperandoError
        If element or edge are unknown, or the edge is none of a pair.

    Notes
    -----
    B. T. Thole, G. van der Laan, Phys. Rev. B 38, 3158 (1988), doi:10.1103/PhysRevB.38.3158. Uncertainties are those
    of independent noise; where the steps stand and where the lines are parted is a convention, the same for a series.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> energy = xr.DataArray(np.arange(840.0, 890.0, 0.1), dims="energy", attrs={"units": "eV"})
    >>> lines = 6 * np.exp(-(((energy - 853) / 1.0) ** 2)) + 3 * np.exp(-(((energy - 870.3) / 1.0) ** 2))
    >>> edges = 2 / 3 * (energy > 853) + 1 / 3 * (energy > 870.3)
    >>> normalized = (lines + edges).assign_coords(energy=energy)
    >>> found = xas.branching_ratio(normalized, "Ni")
    >>> print(round(float(found["branching_ratio"]), 2))
    0.66
    """
    if len(pair_of(edge)[0]) < 2:
        raise OperandoError(f"branching_ratio: expected one of the edges L3, L2, M5, M4, got {edge!r}")
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
    beyond = law.splitting / 2 if reach is None else float(reach)
    work = partial(_ratio, law=law, window=window, reach=beyond)
    spectra = normalized["normalized"] if isinstance(normalized, xr.Dataset) else normalized
    require_points("branching_ratio", along_energy(spectra, "branching_ratio")[ALONG].to_numpy(), smoothing)
    ds = measured(normalized, "branching_ratio", work, ["branching_ratio"], e0=e0, noise=noise)
    parameters = {"element": element, "edge": edge, **vars(law), "reach": beyond, "window": window}
    parameters |= {"e0": one_or_many(e0), "noise": one_or_many(noise)}
    after = normalized if isinstance(normalized, xr.Dataset) else xr.Dataset(attrs=normalized.attrs)
    return recorded(ds, "xas.branching_ratio", parameters, after=after)


def _ratio(
    x: Floats, y: Floats, center: Floats, *, law: Lines, window: tuple[float, float], reach: float
) -> tuple[Located]:
    """Return the ratio of each row."""
    half = rises(x, y, center + window[0], center + window[1], 0.5).value
    found = found_lines(x, y, half, law, second=True)
    middle = (0.5, 0.5, 0.0)
    first = area(x, y, found, law, ((1.0, 0.0, -reach), middle))
    second = area(x, y, found, law, (middle, (0.0, 1.0, reach)))
    whole = first.value + second.value
    whole[whole <= 0] = np.nan
    slopes = second.value[:, None] * first.slopes - first.value[:, None] * second.slopes
    return (Located(first.value / whole, slopes / whole[:, None] ** 2),)
