"""Surface of labeled bodies from how often lines in 13 directions cross it (Crofton's formula)."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.kernels import compiled

from .block_results import Place, of_blocks

_MOST_PHASES = 255
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

DIRECTIONS: Integers = np.array([step for step in product((-1, 0, 1), repeat=3) if step > (0, 0, 0)])
"""Steps z, y, x to half of the 26 neighbors of a voxel, one a direction."""


def areas_per_crossing(edges: tuple[float, float, float]) -> Floats:
    """Return the area that each crossing in each of the directions stands for, in the square of the unit of ``edges``.

    Notes
    -----
    Crofton: an isotropic set of lines crosses a surface of area S on average S / 2 times per unit of the area across
    the lines, so S = 2 sum_v c_v N_v V / length(v), with N_v the crossings between voxels a step v apart, V / length(v)
    the area across v that each line through the middles of voxels (of volume V) stands for, and c_v the share of all
    directions that are nearer to +-v than to any other step (the area of its cell in the Voronoi diagram on the
    sphere). G. Lehmann, D. Legland, Insight J. (2012), hal-02811118; J. Ohser, F. Mücklich, Statistical Analysis
    of Microstructures in Materials Science (Wiley, 2000).

    Chords that fall between two voxels are missed: a share length(v)^2 / (12 R^2) of those of a sphere, 0.17 % in all
    at R = 10 voxels. Isotropic surfaces are right else; planes are found too small or too large by their direction, by
    factors from 0.927 (100) over 0.933 (110) and 0.961 (111) to 1.02.
    """
    from scipy.spatial import SphericalVoronoi

    steps = DIRECTIONS * np.array(edges)
    length = np.linalg.norm(steps, axis=1)
    toward = steps / length[:, np.newaxis]
    share = SphericalVoronoi(np.concatenate([toward, -toward])).calculate_areas().reshape(2, -1).sum(axis=0)
    found: Floats = 2 * share / share.sum() * np.prod(edges) / length
    return found


def crossings(labels: xr.DataArray, phases: xr.DataArray | None = None) -> tuple[Integers, Integers]:
    """Return how often steps in each direction lead from a body to what is not that body, or back.

    Parameters
    ----------
    labels
        Numbers of bodies, or a mask; 0 is outside. Dims z, y, x, lazy or in memory. Faces of the volume are no surface.
    phases
        Phase of each voxel, whole numbers from 0 to 255, of the same dims: crossings are counted by the phase beyond
        the surface.

    Returns
    -------
    numbers
        The bodies, ascending.
    counts
        Dims body, phase beyond (one if ``phases`` is None), direction, as in ``DIRECTIONS``.

    Raises
    ------
    OperandoError
        If phases are no whole numbers from 0 to 255.
    """
    volumes = [labels] if phases is None else [labels, phases]
    found = of_blocks(_counted, volumes, [(1, 1, 1)] * len(volumes))
    numbers = np.unique(np.concatenate([np.empty(0, np.int64), *(one for one, _ in found)]))
    beyond = max((counts.shape[1] for _, counts in found), default=1)
    total = np.zeros((numbers.size, beyond, len(DIRECTIONS)), np.int64)
    for one, counts in found:
        total[np.searchsorted(numbers, one), : counts.shape[1]] += counts
    return numbers, total


def _counted(place: Place, labels: NDArray[Any], phases: NDArray[Any] | None = None) -> tuple[Integers, Integers]:
    numbers, local = np.unique(labels, return_inverse=True)
    beyond = np.zeros(labels.shape, np.uint8) if phases is None else _phases(phases)
    bodies = local.reshape(labels.shape).astype(np.int32) + np.int32(numbers[0] > 0)
    counts = np.zeros((int(bodies.max()) + 1, int(beyond.max()) + 1, len(DIRECTIONS)), np.int64)
    begin = np.array(place.inset[0], np.int64)
    count(bodies, beyond, begin, begin + np.array(place.shape, np.int64), DIRECTIONS, counts)
    return numbers[numbers > 0].astype(np.int64), counts[1:]


def _phases(phases: NDArray[Any]) -> NDArray[np.uint8]:
    if phases.dtype.kind not in "iub" or phases.min(initial=0) < 0 or phases.max(initial=0) > _MOST_PHASES:
        raise OperandoError(
            f"crossings: expected phases that are whole numbers from 0 to {_MOST_PHASES}, got type {phases.dtype} "
            f"from {phases.min()} to {phases.max()}"
        )
    return np.ascontiguousarray(phases, dtype=np.uint8)


@compiled
def count(  # noqa: PLR0917
    bodies: NDArray[np.int32],
    phases: NDArray[np.uint8],
    begin: Integers,
    end: Integers,
    directions: Integers,
    counts: Integers,
) -> None:
    """Add the crossings of all steps that start within begin to end to counts (body, phase beyond, direction)."""
    nz, ny, nx = bodies.shape
    for i in range(begin[0], end[0]):
        for j in range(begin[1], end[1]):
            for k in range(begin[2], end[2]):
                here = bodies[i, j, k]
                for step in range(directions.shape[0]):
                    p, q, r = i + directions[step, 0], j + directions[step, 1], k + directions[step, 2]
                    if p < nz and 0 <= q < ny and 0 <= r < nx and bodies[p, q, r] != here:
                        there = bodies[p, q, r]
                        counts[here, phases[p, q, r], step] += 1
                        counts[there, phases[i, j, k], step] += 1
