"""Two-point correlation: how likely two points a distance apart both lie in a phase."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.history import recorded
from operando.kernels import compiled

from .distances import as_mask
from .each_volume import Columns, dataset, of_each_volume
from .layout import PLACES
from .line_blocks import PARTS, Lines, std_of_mean, summed_over_lines
from .voxels import voxel

_STEP = "tomo.two_point_correlation"
_MOST = 100
"""Voxels that lags go to unless another number is asked for."""

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


def two_point_correlation(
    mask: xr.DataArray | NDArray[np.bool_],
    max_lag: float | None = None,
    method: Literal["lines", "fft"] = "lines",
) -> xr.Dataset:
    """Return how likely two points both lie in a phase, by how far they are apart.

    Parameters
    ----------
    mask
        The phase, dims (..., z, y, x); cubic voxels.
    max_lag
        Longest distance (um, px without coordinates); by default half of the shortest side, at most 100 voxels.
    method
        ``lines``: along the axes only, lazy or in memory, exact counts whatever the chunks. ``fft``: ``two_point_mean``
        is that over all directions, of a volume in memory; it takes about 30 bytes for each voxel of the volume with a
        margin of ``max_lag`` along each dim.

    Returns
    -------
    xarray.Dataset
        Dims (..., axis) and ``lag`` (um). ``two_point`` (axis, lag): share of the pairs of voxels so far apart along
        the axis of which both belong to the phase. ``two_point_mean`` (lag): mean over the axes or, with ``fft``, over
        all pairs of voxels between lag - 1/2 and lag + 1/2 voxel apart. ``surface_density``: surface per volume, 1/um,
        -4 times the slope of the mean over the axes at 0. ``fraction``: S2(0). All with ``_std``: how far they may lie
        from those of the material, from the differences of parts of the volume
        (:func:`operando.tomo.subvolumes.spread_of_mean`); those of the mean take the axes for one measurement.

    Raises
    ------
    OperandoError
        If the mask is none, voxels are not cubes, ``max_lag`` does not fit, or ``fft`` is asked of a lazy mask.

    Notes
    -----
    S2(r) falls from eps at 0 to eps^2 where nothing is ordered; its slope at 0 is -s_v/4 where the surface has no
    preferred direction (P. Debye, H. R. Anderson, H. Brumberger, J. Appl. Phys. 28, 679 (1957),
    doi:10.1063/1.1722830). Between spheres that overlap at random, S2 = exp(-eta v2(r)/v1) with v2 the volume of two
    spheres r apart. No periodicity is assumed: pairs are those within the volume.

    Examples
    --------
    Voxels filled at random, 30 % of them: two of them both with 9 %:

    >>> import numpy as np
    >>> from operando import tomo
    >>> mask = np.random.default_rng(1).random((32, 32, 32)) < 0.3
    >>> found = tomo.two_point_correlation(mask)
    >>> print(round(float(found["two_point_mean"][0]), 2), round(float(found["two_point_mean"][5]), 2))
    0.3 0.09
    """
    volume = as_mask(mask, _STEP)
    size = voxel(volume, _STEP)
    edge = size.cube(_STEP)
    shortest = min(volume.sizes[name] for name in PLACES)
    lags = min(shortest // 2, _MOST) if max_lag is None else math.floor(max_lag / edge + 1e-9)
    if not 1 <= lags < shortest:
        raise OperandoError(
            f"{_STEP}: expected a max_lag from {edge:g} to less than {shortest * edge:g} {size.units}, "
            f"got {lags * edge if max_lag is None else max_lag:g}"
        )
    if method not in ("lines", "fft") or (method == "fft" and volume.chunks is not None):
        came = "a lazy mask" if method == "fft" else f"{method!r}"
        raise OperandoError(
            f"{_STEP}: expected 'lines', or 'fft' of a mask in memory, got {came}; load it or use 'lines'"
        )
    ds = of_each_volume(partial(_of_volume, lags=lags, edge=edge, units=size.units, method=method), volume)
    return recorded(ds, _STEP, {"max_lag": lags * edge, "method": method}, after=xr.Dataset(attrs=volume.attrs))


def _of_volume(mask: xr.DataArray, lags: int, edge: float, units: str, method: str) -> xr.Dataset:
    value, std = np.empty((2, len(PLACES), lags + 1))
    slope, slope_std = np.empty((2, len(PLACES)))
    for axis, dim in enumerate(PLACES):
        pairs, lines = summed_over_lines(_counted, mask, axis, lags=lags)
        number = mask.sizes[dim] - np.arange(lags + 1)
        value[axis] = pairs.sum(axis=(0, 1)) / (lines.sum() * number)
        std[axis] = std_of_mean(pairs, lines) / number
        first = pairs[..., :1] / number[0] - pairs[..., 1:2] / number[1]
        slope[axis] = value[axis, 0] - value[axis, 1]
        slope_std[axis] = std_of_mean(first, lines)[0]
    mean = value.mean(axis=0) if method == "lines" else _all_directions(mask.to_numpy(), lags)
    text = "its standard deviation over volumes of the material"
    both = ("axis", "lag")
    columns: Columns = {
        "two_point": (both, value, "1", "probability that two points along the axis lie in the phase"),
        "two_point_std": (both, std, "1", text),
        "two_point_mean": (("lag",), mean, "1", "probability that two points lie in the phase"),
        "two_point_mean_std": (("lag",), std.mean(axis=0), "1", text),
        "fraction": ((), value[0, 0], "1", "volume fraction of the phase"),
        "fraction_std": ((), std[:, 0].mean(), "1", text),
        "surface_density": ((), 4 * slope.mean() / edge, f"1/{units}", "surface of the phase per volume"),
        "surface_density_std": ((), 4 * slope_std.mean() / edge, f"1/{units}", text),
    }
    return dataset(
        columns,
        {
            "axis": (("axis",), np.array(PLACES, dtype=object), "", "direction"),
            "lag": (("lag",), edge * np.arange(lags + 1), units, "distance of the points"),
        },
    )


def _counted(lines: Lines, lags: int) -> tuple[Counts, Counts]:
    pairs = np.zeros((PARTS, PARTS, lags + 1), np.int64)
    count_pairs(lines.voxels, lines.row_part, lines.column_part, pairs)
    number = np.zeros((PARTS, PARTS), np.int64)
    np.add.at(number, (lines.row_part[:, np.newaxis], lines.column_part), 1)
    return pairs, number


@compiled
def count_pairs(lines: NDArray[np.uint8], row_part: Counts, column_part: Counts, pairs: Counts) -> None:
    """Add the pairs of voxels of the phase at each lag to those of the part of each line."""
    rows, columns, size = lines.shape
    for row in range(rows):
        for column in range(columns):
            line = lines[row, column]
            for lag in range(pairs.shape[2]):
                found = np.uint32(0)
                for place in range(size - lag):
                    found += np.uint32(line[place] & line[place + lag])
                pairs[row_part[row], column_part[column], lag] += np.int64(found)


def _all_directions(mask: NDArray[np.bool_], lags: int) -> Floats:
    """Return the mean over all pairs within half a voxel of each lag."""
    from scipy import fft

    shape = [fft.next_fast_len(size + lags + 1, real=True) for size in mask.shape]
    spectrum = fft.rfftn(mask.astype(np.float64), shape)
    pairs = fft.irfftn(spectrum.real**2 + spectrum.imag**2, shape)
    shift = np.arange(-lags, lags + 1)
    pairs = np.rint(pairs[np.ix_(shift, shift, shift)])
    z, y, x = (np.abs(shift).reshape([-1 if axis == at else 1 for at in range(3)]) for axis in range(3))
    number = (mask.shape[0] - z) * (mask.shape[1] - y) * (mask.shape[2] - x)
    shell = np.rint(np.sqrt(z**2 + y**2 + x**2)).astype(np.int64).ravel()
    total = np.bincount(shell, pairs.ravel())[: lags + 1]
    found: Floats = total / np.bincount(shell, number.ravel())[: lags + 1]
    return found
