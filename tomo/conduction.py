"""How well one volume conducts along an axis."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .conduction_in_masks import MaskSystem
from .conduction_in_phases import PhaseSystem, level_of_blocks, level_of_phases
from .conjugate_gradients import Solved, minimize
from .multigrid import EVERYWHERE, NOWHERE, zeros
from .multigrid_cells import Repeats, Sizes, Vector
from .percolation import Parts
from .slab_threads import SlabThreads

Codes = NDArray[np.uint8]
_EVEN = 1e-6


@dataclass(frozen=True)
class Material:
    """Phases by number, from 0, which conducts nothing: their conductivities, and the edges of a voxel."""

    conductivities: NDArray[np.float64]
    edges: tuple[float, float, float]

    @property
    def weights(self) -> tuple[float, float, float]:
        """Conductance across z, y and x of a voxel of conductivity 1, in that of a cube of the mean edge."""
        volume = math.prod(self.edges)
        z, y, x = (volume ** (2 / 3) / edge**2 for edge in self.edges)
        return z, y, x

    @property
    def uniform(self) -> float | None:
        """The one conductivity of all that conducts, where voxels are cubes."""
        conducting = self.conductivities[self.conductivities > 0]
        alike = conducting.size and np.ptp(conducting) == 0
        cubes = max(self.edges) - min(self.edges) <= _EVEN * max(self.edges)
        return float(conducting[0]) if alike and cubes else None

    def mean(self, codes: Codes) -> float:
        """Return the mean conductivity of a volume."""
        shares = np.bincount(codes.ravel(), minlength=self.conductivities.size) / codes.size
        return float(shares @ self.conductivities)


@dataclass(frozen=True)
class Conducted:
    """Effective conductivity, its upper bound, and how it was found; the potential (z, y, x) where asked for."""

    conductivity: float
    upper: float
    iterations: int = 0
    converged: bool = True
    percolates: bool = True
    potential: Vector | None = None


NOTHING = Conducted(0.0, 0.0, percolates=False)


def conduct(
    codes: Codes,
    material: Material,
    axis: int,
    threads: SlabThreads,
    tolerance: float,
    *,
    around: bool = False,
    keep: bool = False,
) -> Conducted:
    """Return how a volume of phases by number conducts between its two faces across an axis.

    ``around``: it repeats itself along the other axes, which else are closed. Parts that do not lead from one face to
    the other are left out first: they carry nothing.
    """
    parts = Parts(_conducting(codes, material))
    through = parts.through(axis, around=around)
    if not through.any():
        return NOTHING
    sizes = parts.shape
    counts = _bordered(sizes)
    parts.paint(through, counts)
    del parts
    system: MaskSystem | PhaseSystem
    if (alike := material.uniform) is not None and not around:
        system, scale = MaskSystem(counts, sizes, axis, threads, keep=keep), alike / codes.size
    else:
        counts[_inner(sizes)] *= codes
        scale = 1 / (codes.size * material.weights[axis])
        given = (counts, material.conductivities, material.weights, sizes, axis, threads)
        top = level_of_phases(*given, repeats=_sides(axis) if around else NOWHERE)
        system = PhaseSystem(top, axis, threads, keep=keep)
    solved = minimize(system, tolerance)
    potential = _potential(system.kept(), counts, sizes, axis) if keep else None
    return conducted(solved, scale, potential)


def conduct_repeated(
    codes: Codes, material: Material, axes: list[int], threads: SlabThreads, tolerance: float, *, keep: bool = False
) -> tuple[list[Conducted], NDArray[np.float64]]:
    """Return how a volume that repeats itself conducts along axes, and the tensor of its conductivity between them.

    Notes
    -----
    With the deviations e of the potentials that fall straight along a and b, ``D_ab = - <s_b, e_a> - <e_b, r_a>`` for
    a != b, s being what the straight fall leaves to be balanced and r what still is: its error, as that of the energies
    on the diagonal, is the product of those of both potentials.
    """
    parts = Parts(_conducting(codes, material), repeats=True)
    sizes, through = parts.shape, np.array([parts.through(axis) for axis in range(3)])
    tensor = np.zeros((len(axes), len(axes)))
    if not through[axes].any():
        return [NOTHING for _ in axes], tensor
    counts = _bordered(sizes)
    kept: NDArray[np.bool_] = np.logical_or.reduce(through)
    parts.paint(kept, counts)
    counts[_inner(sizes)] *= codes
    weights = material.weights
    given = (counts, material.conductivities, weights, sizes, axes[0], threads)
    system = PhaseSystem(level_of_phases(*given, repeats=EVERYWHERE), axes[0], threads, keep=True)
    known: dict[int, Vector] = {}
    found = []
    for row, axis in enumerate(axes):
        if not through[axis].any():
            found.append(NOTHING)
            continue
        system.turn(axis, keep=True)
        solved, deviation = minimize(system, tolerance), system.kept()
        potential = _potential(deviation, counts, sizes, axis) if keep else None
        found.append(conducted(solved, 1 / (codes.size * weights[axis]), potential))
        tensor[row, row] = found[-1].conductivity
        for other, energy in _shared_energies(system, known).items():
            column = axes.index(other)
            tensor[row, column] = energy / (codes.size * math.sqrt(weights[axis] * weights[other]))
            tensor[column, row] = tensor[row, column]
        known[axis] = deviation
    return found, tensor


def conduct_in_blocks(
    values: Vector, edges: tuple[float, float, float], axis: int, threads: SlabThreads, tolerance: float
) -> Conducted:
    """Return how blocks of any conductivity (z, y, x) conduct between the two faces across an axis."""
    parts = Parts((values > 0).view(np.uint8))
    through = parts.through(axis)
    if not through.any():
        return NOTHING
    counts = _bordered(parts.shape)
    parts.paint(through, counts)
    conductivity = counts.astype(np.float32)
    conductivity[_inner(parts.shape)] *= values
    weights = Material(np.zeros(1), edges).weights
    top = level_of_blocks(conductivity, weights, parts.shape, axis, threads)
    return conducted(minimize(PhaseSystem(top, axis, threads), tolerance), 1 / (values.size * weights[axis]))


def _shared_energies(system: PhaseSystem, known: dict[int, Vector]) -> dict[int, float]:
    """Return the energy that a system's potential shares with those found along other axes."""
    source, left = zeros(system.sizes), system.top.source
    shared = {}
    for other, deviation in known.items():
        system.linear(other, source)
        shared[other] = -system.product(source, system.kept()) - system.product(deviation, left)
    return shared


def _sides(axis: int) -> Repeats:
    """Return that a volume repeats itself along the other axes."""
    z, y, x = (axis != number for number in range(3))
    return z, y, x


def _conducting(codes: Codes, material: Material) -> Codes:
    """Return 1 where a volume conducts."""
    if material.conductivities.size == 2:
        return codes
    return (material.conductivities > 0)[codes].view(np.uint8)


def _bordered(sizes: Sizes) -> Codes:
    z, y, x = (2 * ((size + 1) // 2) + 2 for size in sizes)
    return np.zeros((z, y, x), np.uint8)


def _inner(sizes: Sizes) -> tuple[slice, ...]:
    return tuple(slice(1, size + 1) for size in sizes)


def conducted(solved: Solved, scale: float, potential: Vector | None = None) -> Conducted:
    """Return what a solution tells, its energy times ``scale`` being a conductivity."""
    left = solved.left if math.isfinite(solved.left) and solved.left < solved.energy else 0.0
    return Conducted(
        scale * (solved.energy - left),
        scale * solved.energy,
        solved.iterations,
        solved.converged,
        potential=potential,
    )


def _potential(deviation: Vector, counts: Codes, sizes: Sizes, axis: int) -> Vector:
    """Return the potential from 1 at the first face to 0 at the last, NaN where nothing flows."""
    length = sizes[axis]
    straight = length - (np.arange(length, dtype=np.float32) + np.float32(0.5))
    shape = tuple(length if number == axis else 1 for number in range(3))
    found: Vector = deviation[_inner(sizes)] + straight.reshape(shape)
    found /= np.float32(length)
    found[counts[_inner(sizes)] == 0] = np.nan
    return found
