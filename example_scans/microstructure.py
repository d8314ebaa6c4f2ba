"""The composite that the tomograph sees: NCM spheres in Li3PS4 with pores, contact loss and penny cracks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cell import Floats
from .image_parameters import Crack, Tomography
from .noise import stream

NCM, ELECTROLYTE, PORE, GAP, CRACK = 1, 2, 3, 4, 5
PHASES = {NCM: "ncm", ELECTROLYTE: "electrolyte", PORE: "pore", GAP: "contact_loss", CRACK: "crack"}
"""Label of a voxel -> phase; the last three are void."""

SPARE_VOLUME = 2.0
COUNTED_POINTS = 4000
SPACE = 0.6
CANDIDATES = 1000
DIRECTIONS = 60
PROBES = 200


@dataclass(frozen=True)
class Structure:
    """What does not change: lengths in um from the volume's corner, in the order z, y, x.

    ``center``, ``radius`` (at z = 0) of the particles; ``toward`` the direction of the middle of their gap and
    ``angle`` (rad) its final half opening, 0 without a gap; ``pore_center``, ``pore_radius``.
    """

    center: np.ndarray
    radius: Floats
    toward: np.ndarray
    angle: Floats
    pore_center: np.ndarray
    pore_radius: Floats


@dataclass(frozen=True)
class Disc:
    """A penny crack at one time, um: a flat ellipsoid; ``aperture`` is its full opening at the center."""

    center: np.ndarray
    normal: np.ndarray
    radius: float
    aperture: float

    @property
    def volume(self) -> float:
        """The volume, 2/3 pi R^2 aperture, um^3."""
        return 2 / 3 * np.pi * self.radius**2 * self.aperture


@dataclass(frozen=True)
class State:
    """The composite at one time: particle radii, gap width, um, the gaps' half openings, rad, and the cracks.

    ``cracks`` has an entry per declared crack, None before it appears.
    """

    radius: Floats
    gap: float
    angle: Floats
    cracks: tuple[Disc | None, ...]


@dataclass(frozen=True)
class Volume:
    """A volume of voxels, dims (z, y, x).

    ``label`` is the phase at the center of a voxel; ``ncm`` and ``void`` the shares of a voxel they fill.
    """

    label: np.ndarray
    ncm: np.ndarray
    void: np.ndarray


def structure(law: Tomography, seed: int) -> Structure:
    """Return the microstructure of a seed.

    Particles are placed at random, large ones first, at least ``SPACE`` um apart and away from every crack at
    its largest; they may stick out of the volume. Where a gap would reach a neighbour, it opens elsewhere.
    """
    noise = stream(seed, "xtm", "structure")
    edge = law.voxels * law.voxel_size
    center, radius = _spheres(law, edge, noise)
    toward, angle = _gaps(law, center, radius, noise)
    sizes = noise.uniform(*law.pore_radius, 10_000)
    reach = edge + 2 * law.pore_radius[1]
    filled = np.cumsum(4 / 3 * np.pi * sizes**3) / reach**3
    count = int(np.searchsorted(filled, -np.log(1 - law.pore_fraction)))
    pores = noise.uniform(-law.pore_radius[1], edge + law.pore_radius[1], (count, 3))
    return Structure(center, radius, toward, angle, pores, sizes[:count])


def state(law: Tomography, fixed: Structure, z: float, passed: float) -> State:
    """Return the composite when the cathode has lost a share ``z`` of its lithium and a share of all charge has passed.

    R = R0 (1 + change z)^(1/3); gap and opening grow with irreversible passed + (1 - irreversible) z.
    """
    lithium_lost = min(max(z, 0.0), 1.0)
    loss = law.contact_loss
    lost = loss.irreversible * passed + (1 - loss.irreversible) * lithium_lost
    return State(
        radius=fixed.radius * (1 + law.volume_change * lithium_lost) ** (1 / 3),
        gap=loss.gap * lost,
        angle=fixed.angle * lost,
        cracks=tuple(disc(crack, law, passed) for crack in law.cracks),
    )


def disc(crack: Crack, law: Tomography, passed: float) -> Disc | None:
    """Return a crack when a share of all charge has passed; None before its onset."""
    if passed < crack.onset:
        return None
    grown = (passed - crack.onset) / (1 - crack.onset)
    radius, aperture = (first + grown * (last - first) for first, last in (crack.radius, crack.aperture))
    edge = law.voxels * law.voxel_size
    normal = np.array(crack.normal) / np.linalg.norm(crack.normal)
    return Disc(np.array(crack.center) * edge, normal, radius * edge, aperture) if radius > 0 else None


def volume(law: Tomography, fixed: Structure, now: State) -> Volume:
    """Return the composite as voxels.

    A surface cuts a voxel along its normal as if it were flat and a voxel one voxel size thick, so that a crack
    thinner than a voxel keeps its volume, and so does a ball. Where surfaces share a voxel, each fills its share of
    what particles, then gaps at them, leave: right on average for surfaces that lie at random to each other.
    """
    shape = (law.voxels,) * 3
    made = Volume(np.full(shape, ELECTROLYTE, np.uint8), np.zeros(shape), np.zeros(shape))
    for center, radius in zip(fixed.pore_center, fixed.pore_radius, strict=True):
        part, offset = _box(law, center, radius)
        distance = _length(offset)
        _fill(made, part, PORE, distance < radius, _ball(radius, distance, law.voxel_size))
    for crack in now.cracks:
        if crack is not None:
            _add_crack(made, law, crack)
    for center, radius in zip(fixed.center, now.radius, strict=True):
        part, offset = _box(law, center, radius)
        made.ncm[part] += _ball(radius, _length(offset), law.voxel_size)
    np.minimum(made.ncm, 1, out=made.ncm)
    np.multiply(made.void, 1 - made.ncm, out=made.void)
    for center, radius, toward, angle in zip(fixed.center, now.radius, fixed.toward, now.angle, strict=True):
        if angle > 0:
            _add_gap(made, law, center=center, toward=toward, inner=radius, outer=radius + now.gap, angle=angle)
    for center, radius in zip(fixed.center, now.radius, strict=True):
        part, offset = _box(law, center, radius)
        made.label[part][_length(offset) < radius] = NCM
    return made


def gap_volume(inner: np.ndarray, gap: np.ndarray | float, angle: np.ndarray) -> np.ndarray:
    """Return the volume of gaps, 2/3 pi (1 - cos angle) ((R + gap)^3 - R^3), um^3."""
    found: np.ndarray = 2 / 3 * np.pi * (1 - np.cos(angle)) * ((inner + gap) ** 3 - inner**3)
    return found


def contact_lost(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return the area of the particles' surface behind a gap, 2 pi R^2 (1 - cos angle), um^2."""
    area: np.ndarray = 2 * np.pi * radius**2 * (1 - np.cos(angle))
    return area


def sphere_points(count: int) -> np.ndarray:
    """Return directions spread evenly over the sphere (Fibonacci lattice), dims (point, z y x)."""
    index = np.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, np.pi * (1 + np.sqrt(5)) * index
    across = np.sqrt(1 - z**2)
    return np.column_stack([z, across * np.sin(turn), across * np.cos(turn)])


def _spheres(law: Tomography, edge: float, noise: np.random.RandomState) -> tuple[np.ndarray, Floats]:
    """Return centers and radii of particles that keep apart and away from the cracks."""
    sizes = noise.uniform(*law.ncm_radius, 100_000)
    wanted = SPARE_VOLUME * law.ncm_fraction * (edge + 2 * np.mean(law.ncm_radius)) ** 3
    count = int(np.searchsorted(np.cumsum(4 / 3 * np.pi * sizes**3), wanted))
    cracks = [found for crack in law.cracks if (found := disc(crack, law, 1.0)) is not None]
    center, radius = np.empty((0, 3)), np.empty(0)
    outside = noise.uniform(0, edge, (COUNTED_POINTS, 3))
    for size in np.sort(sizes[:count])[::-1]:
        tried = noise.uniform(-size, edge + size, (CANDIDATES, 3))
        apart = [
            np.linalg.norm(tried - at, axis=1) > size + other + SPACE for at, other in zip(center, radius, strict=True)
        ]
        clear = [_from_crack(tried, crack) > size + law.contact_loss.gap + law.voxel_size for crack in cracks]
        free = np.all([np.full(CANDIDATES, True), *apart, *clear], axis=0)
        if free.any():
            at = tried[np.argmax(free)]
            center, radius = np.vstack([center, at]), np.append(radius, size)
            outside = outside[np.linalg.norm(outside - at, axis=1) > size]
        if len(outside) <= (1 - law.ncm_fraction) * COUNTED_POINTS:
            break
    return center, radius


def _gaps(
    law: Tomography, center: np.ndarray, radius: Floats, noise: np.random.RandomState
) -> tuple[np.ndarray, Floats]:
    """Return direction and final half opening of each particle's gap; 0 where it has none."""
    toward, angle = np.zeros((radius.size, 3)), np.zeros(radius.size)
    toward[:, 0] = 1.0
    probes = sphere_points(PROBES)
    for number in range(radius.size):
        wide, has = np.deg2rad(noise.uniform(*law.contact_loss.angle)), noise.uniform() < law.contact_loss.share
        directions = noise.standard_normal((DIRECTIONS, 3))
        if has:
            shell = center[number] + (radius[number] + law.contact_loss.gap) * probes
            others = np.delete(np.arange(radius.size), number)
            depth = np.linalg.norm(shell[:, np.newaxis] - center[others], axis=2) - radius[others]
            blocked = (depth < law.voxel_size / 2).any(axis=1)
            for direction in directions / np.linalg.norm(directions, axis=1, keepdims=True):
                if not (blocked & (probes @ direction > np.cos(wide + 0.1))).any():
                    toward[number], angle[number] = direction, wide
                    break
    return toward, angle


def _from_crack(points: np.ndarray, crack: Disc) -> Floats:
    """Return the distance of points to the box around a crack, um, never too large."""
    along = (points - crack.center) @ crack.normal
    across = np.linalg.norm(points - crack.center - along[:, np.newaxis] * crack.normal, axis=1)
    distance: Floats = np.hypot(np.abs(along), np.maximum(across - crack.radius, 0)) - crack.aperture / 2
    return distance


def _add_gap(
    made: Volume, law: Tomography, *, center: np.ndarray, toward: np.ndarray, inner: float, outer: float, angle: float
) -> None:
    part, offset = _box(law, center, outer)
    distance = np.maximum(_length(offset), 1e-9)
    along = sum(component * float(weight) for component, weight in zip(offset, toward, strict=True))
    from_axis = np.arccos(np.clip(along / distance, -1, 1))
    within = (distance >= inner) & (distance < outer) & (from_axis < angle)
    shell = _ball(outer, distance, law.voxel_size) - _ball(inner, distance, law.voxel_size)
    _fill(made, part, GAP, within, shell * _share((angle - from_axis) * distance, law.voxel_size))


def _add_crack(made: Volume, law: Tomography, crack: Disc) -> None:
    part, offset = _box(law, crack.center, max(crack.radius, crack.aperture))
    along = sum(component * float(weight) for component, weight in zip(offset, crack.normal, strict=True))
    across = np.maximum(_length(offset) ** 2 - along**2, 0)
    half = crack.aperture / 2 * np.sqrt(np.maximum(1 - across / crack.radius**2, 0))
    share = _share(half - along, law.voxel_size) - _share(-half - along, law.voxel_size)
    _fill(made, part, CRACK, np.abs(along) < half, share)


def _fill(made: Volume, part: tuple[slice, ...], phase: int, within: np.ndarray, share: np.ndarray) -> None:
    """Fill a share of voxels, as far as particles leave room, and of what is void there already as large a part."""
    made.label[part][within] = phase
    room = 1 - made.ncm[part]
    share = np.minimum(share, room)
    made.void[part] += share * (1 - made.void[part] / np.where(room > 0, room, 1))


def _share(depth: np.ndarray, voxel: float) -> np.ndarray:
    """Return how much of a voxel lies inside a surface that is ``depth`` outside its center."""
    return np.clip(depth / voxel + 0.5, 0, 1)


def _ball(radius: float, distance: np.ndarray, voxel: float) -> np.ndarray:
    """Return how much of voxels at a distance from its center a ball fills: smaller by v^2/(12 R), by its curvature.

    The flat shares of a ball of radius r add up to 4/3 pi (r^3 + r v^2/4).
    """
    return _share(radius - voxel**2 / (12 * radius) - distance, voxel)


def _box(law: Tomography, center: np.ndarray, reach: float) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """Return the part of the volume within ``reach`` of a center, and the voxels' distances from it along z, y, x."""
    voxel = law.voxel_size
    first = np.clip(np.floor((center - reach) / voxel - 1).astype(int), 0, law.voxels)
    last = np.clip(np.ceil((center + reach) / voxel + 1).astype(int), 0, law.voxels)
    part = tuple(slice(begin, end) for begin, end in zip(first, last, strict=True))
    axes = [(np.arange(begin, end) + 0.5) * voxel - at for begin, end, at in zip(first, last, center, strict=True)]
    return part, np.ix_(*axes)


def _length(offset: tuple[np.ndarray, ...]) -> np.ndarray:
    length: np.ndarray = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2)
    return length
