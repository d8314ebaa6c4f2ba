"""Where the axis of rotation falls on the detector."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError, OperandoWarning

from .back_projection import back_projection
from .extras import imported

_PACKAGE = ("algotom.prep.calculation", "to find the axis of rotation, or its pixel as 'center'")
_STEP = 0.25
_FINE = 0.05
_COARSE = 320
"""Pixels that are enough to seek the axis in."""
_ENOUGH = 360
"""Projections that are enough."""
_FEW = 3
"""Rows whose slices are compared."""
_REACH = 3
"""Steps to both sides in which the least negative slices are sought."""
_AIR = 0.05
"""Share of the largest mean attenuation that is left where projections end in air."""
_SPREAD = 2.0
"""Coarse pixels."""
_TURN = 180.0
_MARGIN = 1.5
"""Steps by which a scan of half a turn may end short of it or beyond."""


def require_findable(angles: NDArray[np.float64]) -> None:
    """Refuse projections whose axis of rotation cannot be found.

    Raises
    ------
    OperandoError
        If algotom is not installed, or the angles do not reach over half a turn.
    """
    imported(*_PACKAGE)
    half_turn(angles)


def half_turn(angles: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which projections, in ascending order of angle, make one half turn.

    Raises
    ------
    OperandoError
        If the angles do not reach over half a turn.
    """
    order = np.argsort(angles, kind="stable")
    turned = angles[order] - angles[order[0]]
    step = float(np.median(np.diff(turned))) if turned.size > 1 else np.inf
    if turned[-1] < _TURN - _MARGIN * step:
        raise OperandoError(
            f"reconstruct: expected projections over 180 deg to find the axis of rotation, got {turned[-1]:.4g} deg; "
            "state its pixel as 'center'"
        )
    found: NDArray[np.intp] = order[turned <= _TURN + 1e-6 * _TURN]
    return found


def rotation_center(sinograms: NDArray[np.float32], angles: NDArray[np.float64]) -> float:
    """Return the pixel onto which the axis falls, from sinograms (row, angle, pixel).

    The median over the rows of what algotom finds from the transform of each sinogram joined to its mirror image (N. T.
    Vo et al., Opt. Express 22, 19078 (2014), doi:10.1364/OE.22.019078). Where the projections end in air on both sides
    it is then moved to where the slices are least negative (T. Donath et al., J. Opt. Soc. Am. A 23, 1048 (2006),
    doi:10.1364/JOSAA.23.001048). Rows that disagree are told by a warning.

    Raises
    ------
    OperandoError
        If algotom is not installed, or the angles do not reach over half a turn.
    """
    calculation = imported(*_PACKAGE)
    chosen = half_turn(angles)
    chosen = chosen[:: max(1, chosen.size // _ENOUGH)]
    turn = np.ascontiguousarray(sinograms[:, chosen])
    factor = max(1, turn.shape[-1] // _COARSE)
    found = np.array([_roughly(calculation, one, factor) for one in _binned(turn, factor)])
    center = float(np.median(found))
    spread = float(1.4826 * np.median(np.abs(found - center)))
    if spread > _SPREAD * factor:
        warnings.warn(
            f"reconstruct: the axis of rotation differs between rows by {spread:.2g} px; compare slices for several "
            "values of 'center'",
            OperandoWarning,
            stacklevel=2,
        )
    if _ends_in_air(turn):
        return _least_negative(turn, np.deg2rad(angles[chosen]), center)
    return float(np.median([_finely(calculation, one, center, factor) for one in turn]))


def _roughly(calculation: Any, sinogram: NDArray[np.float32], factor: int) -> float:
    """Return the center of a sinogram of coarse pixels, sought in the middle half of them, in pixels."""
    width = sinogram.shape[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = calculation.coarse_search_cor(sinogram, width // 4, width - width // 4, ncore=1)
    return factor * float(found) + (factor - 1) / 2


def _finely(calculation: Any, sinogram: NDArray[np.float32], center: float, factor: int) -> float:
    """Return the center of a sinogram near a rough one."""
    middle = calculation.fine_search_cor(sinogram, center, 2 * factor, _STEP * factor, ncore=1)
    return float(calculation.fine_search_cor(sinogram, float(middle), _STEP * factor, _FINE * factor, ncore=1))


def _ends_in_air(sinograms: NDArray[np.float32]) -> bool:
    """Return whether hardly anything is absorbed at both ends of all projections."""
    most = np.abs(sinograms).mean(axis=(0, 1))
    ends = max(1, most.size // 50)
    return bool(max(most[:ends].mean(), most[-ends:].mean()) < _AIR * most.max())


def _least_negative(sinograms: NDArray[np.float32], angles: NDArray[np.float64], center: float) -> float:
    """Return the center within ``_REACH`` pixels of the slices whose negative values have the least squares."""
    pixels = sinograms.shape[-1]
    factor = max(1, pixels // _COARSE)
    binned = _binned(sinograms[:: max(1, sinograms.shape[0] // _FEW)], factor)

    def negativity(at: float) -> float:
        slices = back_projection(binned, angles, at, binned.shape[-1], "hann")
        return float(np.square(np.minimum(slices, 0), dtype=np.float64).sum())

    at = (center - (factor - 1) / 2) / factor
    for step in (1.0, 0.25):
        places = at + step * np.arange(-_REACH, _REACH + 1)
        at = _lowest(places, np.array([negativity(place) for place in places]))
    return float(factor * at + (factor - 1) / 2)


def _binned(sinograms: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    whole = sinograms.shape[-1] // factor * factor
    groups = sinograms[..., :whole].reshape(*sinograms.shape[:-1], -1, factor)
    means: NDArray[np.float32] = groups.mean(axis=-1, dtype=np.float32)
    return means


def _lowest(places: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return where a parabola through the lowest value and its neighbors is lowest."""
    lowest = int(np.argmin(values))
    if lowest in (0, places.size - 1):
        return float(places[lowest])
    left, middle, right = values[lowest - 1 : lowest + 2]
    return float(places[lowest] + (places[1] - places[0]) * (left - right) / 2 / (left - 2 * middle + right))
