"""Shortest ways through a mask: the eikonal equation on the 26 neighbors of every voxel, solved from near to far."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operando.errors import OperandoError
from operando.kernels import compiled

WALL, OPEN, QUEUED, AROUND, AROUND_QUEUED = range(5)
"""States of voxels: ways lead through open ones; of those around a block the distance is known and stays."""

_PER_STEP, _LAYERS = math.sqrt(3.0), 6
"""Layers per edge of a voxel: a distance exceeds those it follows from by one or more, by three and a bit at most."""

_MOST = 100
"""Times that a voxel may be settled on average."""

_HERE = 13
_FARTHEST = math.sqrt(3.0) + 1e-9

Field = NDArray[np.float64]
Flat = NDArray[np.int64]
States = NDArray[np.uint8]


def spread(away: Field, states: States) -> int:
    """Lower distances, in place, to those of the shortest ways from what is queued; nothing is queued after it.

    Return how often voxels were settled: once or twice each, unless distances known around them lie far apart.

    Parameters
    ----------
    away
        Distances, dims (z, y, x), contiguous; inf where none is known, and in walls. What is not a wall lies a voxel or
        more within.
    states
        Of the same shape. Whatever is not queued agrees with its neighbors that are not.

    Raises
    ------
    OperandoError
        If voxels are settled so often that distances cannot have been found in order.
    """
    flat, state = away.reshape(-1), states.reshape(-1)
    seeds = np.flatnonzero((state == QUEUED) | (state == AROUND_QUEUED))
    seeds = seeds[np.argsort(flat[seeds], kind="stable")]
    z, y, x = np.indices((3, 3, 3)) - 1
    most = _MOST * (flat.size + seeds.size)
    settled: int = _spread(flat, state, seeds, ((z * away.shape[1] + y) * away.shape[2] + x).ravel(), most)
    if settled > most:
        raise OperandoError(
            f"tomo.geodesic_distance: expected every voxel to be settled a few times, got {settled} for {flat.size}; "
            "use larger chunks"
        )
    return settled


@compiled
def _spread(away: Field, states: States, seeds: Flat, offsets: Flat, limit: int) -> int:
    """Settle voxels in layers so thin that none depends on another of its layer.

    ``heads`` begin the lists of the layers to come, ``links`` lead on within a list of ``items``; ``links[0]`` begins
    that of entries to use again, ``links[1]`` counts those used. It ends beyond a ``limit`` of voxels settled.
    """
    heads, items, links = np.zeros(_LAYERS, np.int64), np.zeros(1024, np.int64), np.zeros(1024, np.int64)
    links[1], taken, level, most, settled = 2, 0, 0, 0, 0
    lowered, before, near = np.empty(26, np.int64), np.empty(26), np.empty(27)
    while (level <= most or taken < seeds.size) and settled <= limit:
        if level > most:
            level = max(level, int(away[seeds[taken]] * _PER_STEP))
        while settled <= limit:
            if heads[level % _LAYERS] > 0:
                place = _pop(heads, items, links, level)
            elif taken < seeds.size and int(away[seeds[taken]] * _PER_STEP) <= level:
                place, taken = seeds[taken], taken + 1
            else:
                break
            if states[place] not in (QUEUED, AROUND_QUEUED):
                continue
            states[place] -= 1
            settled += 1
            for n in range(_lower_neighbors(away, states, place, offsets, near, lowered, before)):
                later = min(max(int(away[lowered[n]] * _PER_STEP), level), level + _LAYERS - 1)
                if states[lowered[n]] == QUEUED and int(before[n] * _PER_STEP) == later:
                    continue
                states[lowered[n]], most = QUEUED, max(most, later)
                if links[0] == 0 and links[1] == items.size:
                    items, links = _doubled(items), _doubled(links)
                _push(heads, items, links, later, lowered[n])
        level += 1
    return settled


@compiled
def _pop(heads: Flat, items: Flat, links: Flat, level: int) -> int:
    entry = heads[level % _LAYERS]
    heads[level % _LAYERS], links[entry], links[0] = links[entry], links[0], entry
    place: int = items[entry]
    return place


@compiled
def _push(heads: Flat, items: Flat, links: Flat, level: int, place: int) -> None:
    entry = links[0]
    if entry:
        links[0] = links[entry]
    else:
        entry = links[1]
        links[1] += 1
    items[entry], links[entry], heads[level % _LAYERS] = place, heads[level % _LAYERS], entry


@compiled
def _doubled(values: Flat) -> Flat:
    larger = np.zeros(2 * values.size, np.int64)
    for number in range(values.size):
        larger[number] = values[number]
    return larger


@compiled
def _lower_neighbors(  # noqa: PLR0917
    away: Field, states: States, place: int, offsets: Flat, near: Field, lowered: Flat, before: Field
) -> int:
    """Lower the distances of the neighbors of a voxel that has just been settled; return how many were lowered.

    Their places go to ``lowered``, what they were to ``before``, and the distances around that are settled to ``near``.
    Those around the block count from the start, as openings too, where blocks beside have not yet found shorter ways;
    what follows from them alone waits for their turn, so that nothing is done in disorder.
    """
    for n in range(27):
        near[n] = np.inf if states[place + offsets[n]] == QUEUED else away[place + offsets[n]]
    number, here = 0, near[_HERE]
    for n in range(27):
        target = place + offsets[n]
        old = away[target]
        if old > here and states[target] in (OPEN, QUEUED):
            best = _from_here(near, (n // 9 - 1) * 9, (n // 3 % 3 - 1) * 3, n % 3 - 1)
            if best < old and best <= here + _FARTHEST:
                away[target] = best
                lowered[number], before[number] = target, old
                number += 1
    return number


@compiled
def _from_here(near: Field, z: int, y: int, x: int) -> float:
    """Return the least distance of a voxel next to the middle of ``near`` by way of triangles with that as a corner."""
    zero = (z == 0) + (y == 0) + (x == 0)
    if zero == 2:
        return _from_face(near, 3 if z else 9, 3 if x else 1)
    if z == 0:
        return _from_edge(near, y, x, 9)
    if y == 0:
        return _from_edge(near, z, x, 3)
    if x == 0:
        return _from_edge(near, z, y, 1)
    return _from_corner(near, z, y, x)


@compiled
def _from_face(near: Field, across: int, along: int) -> float:
    """Return the least distance of the voxels a step away by way of triangles of which the middle of ``near`` is a."""
    a = near[_HERE]
    best: float = a + 1
    for s in range(-1, 2, 2):
        b, other = near[_HERE + s * across], near[_HERE + s * along]
        best = _by_edge(_by_edge(best, a, b), a, other)
        for t in range(-1, 2, 2):
            c = near[_HERE + s * across + t * along]
            if c < a:
                best = _by_triangle(_by_triangle(best, a, b, c), a, near[_HERE + t * along], c)
    return best


@compiled
def _from_edge(near: Field, one: int, other: int, along: int) -> float:
    """Return the least distance of a voxel two steps away by way of triangles of which the middle of ``near`` is b."""
    best, b = np.inf, near[_HERE]
    for step in (one, other):
        a = near[_HERE + step]
        if a < np.inf:
            best = _by_edge(min(best, a + 1), a, b)
            for t in range(-1, 2, 2):
                c = near[_HERE + t * along]
                if c < a:
                    best = _by_triangle(best, a, b, c)
    return best


@compiled
def _from_corner(near: Field, z: int, y: int, x: int) -> float:
    """Return the least distance of a voxel three steps away by way of triangles of which the middle is c."""
    best, c = np.inf, near[_HERE]
    for one, other in ((z, y), (y, z), (z, x), (x, z), (y, x), (x, y)):
        a = near[_HERE + one + other]
        if c < a < np.inf:
            best = _by_triangle(best, a, near[_HERE + one], c)
    return best


@compiled
def _by_edge(best: float, a: float, b: float) -> float:
    """Return the lesser of a distance and that by way of the edge between a, a step away, and b, a step further."""
    p, left = a - b, best - a
    if p <= 0 or left <= 0:
        return best
    if 2 * p * p >= 1:
        return min(best, b + math.sqrt(2.0))
    return min(best, a + math.sqrt(1 - p * p)) if 1 - p * p < left * left else best


@compiled
def _by_triangle(best: float, a: float, b: float, c: float) -> float:
    """Return the lesser of a distance and that by way of the triangle between a, b and c, its edge ab left out.

    a, b and c lie a step further each, at right angles. The way leads to the point (1, s, t), 0 <= t <= s <= 1, whose
    distance is a - s (a - b) - t (b - c), and crosses no other voxel. Roots are taken only of what is less.
    """
    p, q, both, left = a - b, b - c, a - c, best - a
    if b == np.inf or left <= 0:
        return best
    rest = 1 - p * p - q * q
    if 0 < q <= p and p * p < rest:
        return min(best, a + math.sqrt(rest)) if rest < left * left else best
    if both <= 0:
        return best
    along = 1 - both * both / 2
    if 3 * along > 1 and along < left * left:
        best = min(best, a + math.sqrt(along))
    if q > 0 and 3 * q * q < 1 and (best < b or 2 - 2 * q * q < (best - b) * (best - b)):
        best = min(best, b + math.sqrt(2 - 2 * q * q))
    return min(best, c + math.sqrt(3.0))
