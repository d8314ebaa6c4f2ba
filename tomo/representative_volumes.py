"""How large a volume must be to speak for the material, and how far off what was measured may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .box_means import box_statistics, quantity_statistics
from .each_volume import Columns, dataset, of_each_volume
from .layout import PLACES
from .variance_model import VarianceModel, fit_variances
from .voxels import as_volume, voxel

_STEP = "tomo.rev"
_CELLS = 64
"""Cells along the shortest side that boxes are put together from, at most."""
_CELL = 4
"""Least edge of a cell, voxels."""
_APART = 0.15
"""Share of the variance of points below which boxes are large enough for the model."""

Quantity = Callable[[xr.DataArray], float]
Floats = NDArray[np.float64]


def rev(
    volume: xr.DataArray | NDArray[np.generic],
    quantity: Quantity | None = None,
    sizes: Sequence[float] | None = None,
    relative_error: float = 0.05,
) -> xr.Dataset:
    """Return how much a quantity differs between boxes of growing size, and what follows for the whole volume.

    Parameters
    ----------
    volume
        Dims (..., z, y, x), lazy or in memory; cubic voxels.
    quantity
        Function of a box (a DataArray in memory, with its coordinates) that returns a number; by default the mean, of
        a mask its volume fraction. What is not finite, such as the tortuosity of a box without a way through, is left
        out and counted.
    sizes
        Edges of the cubic boxes, um (px without coordinates). By default all sizes from 4 voxels (a 64th of large
        volumes) to half of the shortest side, in steps of a half or less; with ``quantity``, an eighth to a half of
        it. Boxes do not overlap; what is left over at the upper faces is left out.
    relative_error
        For which the representative volume is stated.

    Returns
    -------
    xarray.Dataset
        Dims (...) and ``size``, the edge of the boxes. ``boxes`` (size) that gave a number and ``boxes_left_out``;
        ``box_spread`` (size): standard deviation between boxes, and ``box_spread_std``; ``box_spread_model``: that of
        the model in an endless material. ``value``: mean over the whole volume or, with ``quantity``, over the largest
        boxes; ``value_std``: the model's standard deviation of volumes like this one, by which ``value`` may differ
        from the material's; ``value_std_std`` the uncertainty of that. ``variance_volume`` = K below;
        ``integral_range`` A3 = K/(D (1 - D)), for masks. ``representative_volume`` = K/(relative_error value)^2 and
        ``representative_size``, its cube root.

    Raises
    ------
    OperandoError
        If voxels are not cubes, there are fewer than two sizes with eight boxes, or the error is not positive.

    Notes
    -----
    Var = K/V, K = D (1 - D) A3 for volume fractions, holds for volumes far larger than the integral range A3 (C.
    Lantuéjoul, J. Microsc. 161, 387 (1991), doi:10.1111/j.1365-2818.1991.tb03099.x; T. Kanit et al., Int. J. Solids
    Struct. 40, 3647 (2003), doi:10.1016/S0020-7683(03)00143-4). Boxes of edge L fall short of it by a part that goes as
    face to volume: Var = (K - B/L)/L^3 is fitted. Boxes of one volume differ by less than boxes of the material: the
    expectation of their variance is n/(n - 1) [Var(L) - Var(all n together)]. Each size weighs by the relative variance
    2/(n - 1) of a variance of n boxes. Of masks only sizes count at which Var is below 0.15 D (1 - D), if two are. The
    boxes of different sizes are the same voxels, so that the uncertainties of the fit are a lower limit. Structure that
    is longer than the largest boxes, and trends through the volume, are not seen.

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> mask = np.random.default_rng(1).random((32, 32, 32)) < 0.3
    >>> print(round(float(tomo.rev(mask)["value"]), 2))
    0.3
    """
    array = as_volume(volume, _STEP)
    size = voxel(array, _STEP)
    edge = size.cube(_STEP)
    if not 0 < relative_error < np.inf:
        raise OperandoError(f"{_STEP}: expected a relative_error above 0, got {relative_error:g}")
    edges = _edges(array, quantity is not None, None if sizes is None else [one / edge for one in sizes])
    work = partial(_of_volume, quantity=quantity, edges=edges, error=relative_error, edge=edge, units=size.units)
    named = getattr(quantity, "__name__", None if quantity is None else str(quantity))
    parameters = {"quantity": named, "sizes": [edge * one for one in edges], "relative_error": relative_error}
    return recorded(of_each_volume(work, array), _STEP, parameters, after=xr.Dataset(attrs=array.attrs))


def _edges(volume: xr.DataArray, costly: bool, asked: list[float] | None) -> list[int]:
    """Return the edges of boxes, voxels: those of which the volume holds eight or more."""
    shortest = min(volume.sizes[name] for name in PLACES)
    if asked is not None:
        wanted = [round(one) for one in asked]
    elif costly:
        wanted = [shortest // parts for parts in (8, 6, 4, 3, 2)]
    else:
        cell = max(_CELL, shortest // _CELLS)
        wanted = [cell * (2**power + extra * 2**power // 2) for power in range(1, 8) for extra in (0, 1)]
        wanted = [cell, *wanted]
    held = [one for one in sorted(set(wanted)) if one > 0 and _boxes(volume, one) >= 8]
    if len(held) < 2:
        raise OperandoError(
            f"{_STEP}: expected two sizes or more of which the volume holds eight boxes, got {len(held)} for "
            f"{dict(volume.sizes)} voxels; give smaller sizes or a larger volume"
        )
    return held


def _boxes(volume: xr.DataArray, edge: int) -> int:
    return int(np.prod([volume.sizes[name] // edge for name in PLACES]))


def _of_volume(  # noqa: PLR0917
    volume: xr.DataArray, quantity: Quantity | None, edges: list[int], error: float, edge: float, units: str
) -> xr.Dataset:
    if quantity is None:
        value, variance, boxes, left_out = box_statistics(volume, edges)
    else:
        value, variance, boxes, left_out = quantity_statistics(volume, edges, quantity)
    length = edge * np.array(edges)
    fraction = quantity is None and volume.dtype == np.bool_
    usable = (boxes >= 2) & (variance > 0)
    if fraction and (far := usable & (variance < _APART * value * (1 - value))).sum() >= 2:
        usable = far
    model = (
        fit_variances(length[usable], variance[usable], boxes[usable]) if usable.sum() >= 2 else VarianceModel.none()
    )
    whole = edge**3 * float(np.prod(volume.shape))
    std, std_error = model.std(whole ** (1 / 3))
    cube, unit = f"{units}^3", str(volume.attrs.get("units", "1")) if quantity is None else ""
    needed = model.k / (error * value) ** 2 if value else np.nan
    doubt = model.k_std / model.k if model.k > 0 else np.nan
    at = ("size",)
    columns: Columns = {
        "boxes": (at, boxes, "1", "boxes that gave a number"),
        "boxes_left_out": (at, left_out, "1", "boxes that gave none"),
        "box_spread": (at, np.sqrt(variance), unit, "standard deviation between boxes"),
        "box_spread_std": (at, np.sqrt(variance / (2 * np.maximum(boxes - 1, 1))), unit, "its uncertainty"),
        "box_spread_model": (at, np.array([model.std(one)[0] for one in length]), unit, "the model's in the material"),
        "value": ((), value, unit, "value of the volume"),
        "value_std": ((), std, unit, "standard deviation of volumes of the material that are as large"),
        "value_std_std": ((), std_error, unit, "uncertainty of that standard deviation"),
        "variance_volume": ((), model.k, f"({unit or '1'})^2 {cube}", "variance times volume, of large volumes"),
        "variance_volume_std": ((), model.k_std, f"({unit or '1'})^2 {cube}", "its uncertainty"),
        "representative_volume": ((), needed, cube, f"volume with a relative error of {error:g}"),
        "representative_volume_std": ((), needed * doubt, cube, "its uncertainty"),
        "representative_size": ((), needed ** (1 / 3), units, f"edge of a cube with a relative error of {error:g}"),
        "representative_size_std": ((), needed ** (1 / 3) * doubt / 3, units, "its uncertainty"),
    }
    if fraction:
        points = value * (1 - value) if 0 < value < 1 else np.nan
        columns["integral_range"] = ((), model.k / points, cube, "integral range of the phase")
        columns["integral_range_std"] = ((), model.k_std / points, cube, "its uncertainty")
    return dataset(columns, {"size": (at, length, units, "edge of the boxes")})
