"""Area between labeled bodies and what lies beyond them: faces between voxels, weighed by the normal of the surface."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.errors import OperandoError

from .block_results import Place, around, of_blocks
from .grids import three
from .surface_kernels import ABSENT, NARROW, REACH, WHOLE, Floats, Integers, faces, grey_shares, reaches, shares, window

ISOTROPIC = 1.0009
"""What the faces of large balls add up to, over their surface: voxels tilt the normals of windows by some degrees."""

FILLED = 2.1, 3.4
"""By how much more a groove loses to a blur of s voxels, times s^2 and s^4."""

BEYOND = 256
_PARTS = 1 << 15
_ROUGH, _RIM, _BODY = 1.8, 0.06, 1000.0
"""Standard error of a body, in faces of voxels; variance of a rim as long as the root of the faces; most faces of one
of the bodies that make up a large surface."""

_ROUND, _FLAT, _MIXED, _BENT = 0.0006, 0.0075, 0.004, 0.2
"""Standard errors, relative: of what is round, of planes along the faces of voxels, of planes in any direction, of what
is put back in grooves."""


@dataclass(frozen=True)
class Areas:
    """Area of each body toward each phase beyond, in the square of the voxel's unit, and the number of faces.

    ``along`` (body, phase beyond, axis), the area that faces across each axis make up; ``faces`` and ``bent``, what of
    the area was lost in grooves and along edges and is put back (body, phase beyond); ``parts`` (z, y, x of subvolumes,
    body, phase beyond) holds the areas of subvolumes, ``known`` (z, y, x) the voxels there; both are empty where none
    were asked for.
    """

    numbers: Integers
    along: Floats
    faces: Integers
    bent: Floats
    parts: Floats
    known: Floats

    @property
    def area(self) -> Floats:
        """Area of each body toward each phase beyond."""
        found: Floats = self.along.sum(axis=-1)
        return found


def standard_error(
    along: Floats, count: NDArray[Any], edges: tuple[float, float, float], whole: NDArray[Any], bent: Floats
) -> Floats:
    """Return the standard error of areas (..., axis) of ``count`` faces each, on bodies of ``whole`` faces.

    Notes
    -----
    Found on balls, caps and planes at random places and in random directions: 1.8 faces of voxels whatever the size
    (balls of 3 to 40 voxels), the rim of a patch, and what normals are off, which does not average out where all are
    alike: 0.06 % of round bodies, 0.75 % of planes along the faces of voxels. A large body may be many, of 1000 faces
    each, with a patch on each of them. Of what grooves and edges were given back (``bent``) 20 % are not known.
    """
    face, area = np.prod(edges) ** (2 / 3), along.sum(axis=-1)
    flat = 1.5 * along.max(axis=-1) / np.where(area > 0, area, 1) - 0.5
    off = (_ROUND + (_FLAT - _ROUND) * flat) * area
    found: Floats = np.sqrt(np.where(area > 0, face**2 * _jagged(count, whole) + off**2 + (_BENT * bent) ** 2, 0))
    return found


def share_error(
    part: Floats, area: Floats, count: NDArray[Any], edges: tuple[float, float, float], whole: NDArray[Any]
) -> Floats:
    """Return the standard error of part over area, of two parts of a surface with ``count`` (body, part) faces.

    Notes
    -----
    What the rim between the parts takes from one it gives to the other, and planes are wrong on both sides alike.
    """
    face = np.prod(edges) ** (2 / 3)
    size = np.where(area > 0, area, np.nan)
    rim = face * np.sqrt(_jagged(count.min(axis=1), whole)) / size
    share = part / size
    found: Floats = np.hypot(rim, _MIXED * share * (1 - share))
    return found


def _jagged(count: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Return the variance of an area that comes from where voxels lie, in faces of voxels squared."""
    bodies, part = np.maximum(whole / _BODY, 1), count / np.maximum(whole, 1)
    found: Floats = bodies * _ROUGH**2 + _RIM * np.sqrt(bodies * count * np.clip(1 - part, 0, 1))
    return found


def interfaces(
    bodies: xr.DataArray,
    phases: xr.DataArray | None = None,
    *,
    edges: tuple[float, float, float],
    known: xr.DataArray | None = None,
    grey: xr.DataArray | None = None,
    threshold: float = 0.0,
    cuts: list[Integers] | None = None,
    blur: float = 0.0,
) -> Areas:
    """Return the areas at which bodies end, by what lies beyond.

    Parameters
    ----------
    bodies
        Numbers from 0 (outside) to 2^31 - 1, or a mask; dims z, y, x, lazy or in memory.
    phases
        Phase of each voxel, whole numbers from 0 to 255; without it, all beyond is phase 0.
    edges
        Of a voxel.
    known
        Voxels that count; what lies between them and others is no surface.
    grey, threshold
        Grey levels that tell the normals in place of the bodies, and the level at which bodies end.
    cuts
        Along z, y, x: where subvolumes begin and end, whose areas are wanted besides.
    blur
        Of what the bodies were cut from, standard deviation in voxels: it fills grooves.

    Notes
    -----
    A plane of area A with the normal n crosses A |n_k| / a_k faces along the axis k, of the area a_k each. Weighed by
    |n_k| they add up to A sum n_k^2 = A: an error d of the normal makes cos d of it, so that normals from the gradient
    within 4 voxels do. Within the box through the middles of the outermost voxels the sum is complete.
    """
    volumes = [bodies, *(one for one in (phases, known, grey) if one is not None)]
    which = tuple(name for name, one in (("phases", phases), ("known", known), ("grey", grey)) if one is not None)
    found = of_blocks(
        _areas,
        volumes,
        [three(one + 1 for one in reaches(edges))] * len(volumes),
        which=which,
        size=tuple(bodies.shape),
        edges=edges,
        threshold=float(threshold),
        cuts=cuts,
        filled=1 + FILLED[0] * blur**2 + FILLED[1] * blur**4,
    )
    rows = np.concatenate([one for one, _ in found])
    keys, at = np.unique(rows[:, 0], return_inverse=True)
    sums = np.zeros((keys.size, 3), np.int64)
    np.add.at(sums, at.ravel(), rows[:, 1:])
    voxels = sum((one for _, one in found[1:]), found[0][1])
    return _gathered(keys, sums, edges, voxels)


def _gathered(keys: Integers, sums: Integers, edges: tuple[float, float, float], voxels: Floats) -> Areas:
    rest, axis = np.divmod(keys, 4)
    rest, part = np.divmod(rest, _PARTS)
    body, beyond = np.divmod(rest, BEYOND)
    numbers, row = np.unique(body, return_inverse=True)
    face = np.prod(edges) / np.array(edges) / (WHOLE * ISOTROPIC)
    shape = (numbers.size, int(beyond.max(initial=0)) + 1)
    count, extra = np.zeros(shape, np.int64), np.zeros(shape)
    np.add.at(count, (row, beyond), sums[:, 2])
    np.add.at(extra, (row, beyond), sums[:, 1] * face[axis])
    whole = np.zeros((*shape, 3), np.int64)
    np.add.at(whole, (row, beyond, axis), sums[:, 0])
    parts = np.zeros((voxels.size, *shape))
    if voxels.size:
        np.add.at(parts, (part, row, beyond), sums[:, 0] * face[axis])
    return Areas(numbers, whole * face, count, extra, parts.reshape(*voxels.shape, *parts.shape[1:]), voxels)


def _areas(
    place: Place,
    *pieces: NDArray[Any],
    which: tuple[str, ...],
    size: tuple[int, ...],
    edges: tuple[float, float, float],
    threshold: float,
    cuts: list[Integers] | None,
    filled: float,
) -> tuple[Integers, Floats]:
    """Return rows (key of body, phase beyond, subvolume and axis; weight; of it put back; faces) and known voxels."""
    bodies, given = pieces[0], dict(zip(which, pieces[1:], strict=True))
    phases = _phases(given.get("phases"), bodies)
    present = given.get("known", np.ones((1, 1, 1), bool))
    reach = reaches(edges)
    far = reach, reach
    codes = around(
        np.where(present, coded(bodies, phases), np.int32(ABSENT)), place, size, reach=far, fill=ABSENT, dtype=np.int32
    )
    begin = np.array(reach, np.int64)
    end = begin + place.shape
    outer = np.stack([begin - place.begin, begin - place.begin + size - 1], axis=1).astype(np.int64)
    flat, along, quarters = faces(codes, begin, end, outer)
    wide = window(REACH, edges)
    weight, lost, even = shares(codes, flat, along, wide, window(NARROW, edges))
    if "grey" in given:
        levels = around(np.where(present, given["grey"], np.nan), place, size, reach=far, fill=np.nan, dtype=np.float32)
        weight[even] = grey_shares(levels, threshold, flat[even], along[even], wide)
    extra = np.rint(weight * lost * filled).astype(np.int64) * quarters // 4
    weight = weight * quarters // 4 + extra
    rows = np.array([codes.shape[1] * codes.shape[2], codes.shape[2], 1])
    voxels, kinds = codes.reshape(-1), around(phases, place, size, reach=far, fill=0, dtype=np.uint8).reshape(-1)
    below, above = flat, flat + rows[along]
    sub = _subvolumes(flat, codes.shape, np.array(place.begin) - reach, cuts)
    found = []
    for own, other in ((below, above), (above, below)):
        counts = voxels[own] > BEYOND
        key = (voxels[own[counts]].astype(np.int64) - BEYOND) * BEYOND + kinds[other[counts]]
        key = (key * _PARTS + (sub if cuts is None else sub[counts])) * 4 + along[counts]
        found.append(_summed(key, weight[counts], extra[counts]))
    return np.concatenate(found), _known(place, present, cuts)


def _summed(keys: Integers, *weights: Integers) -> Integers:
    found, at, count = np.unique(keys, return_inverse=True, return_counts=True)
    total = np.zeros((found.size, len(weights)), np.int64)
    np.add.at(total, at.ravel(), np.stack(weights, axis=1))
    return np.column_stack([found, total, count])


def coded(bodies: NDArray[Any], phases: NDArray[Any]) -> NDArray[np.int32]:
    """Return one number a voxel: that of its body, or one of its phase outside of bodies."""
    if bodies.dtype.kind not in "iub" or bodies.min(initial=0) < 0 or bodies.max(initial=0) >= 2**31 - BEYOND:
        raise OperandoError(
            f"interfaces: expected labels that are whole numbers from 0 to {2**31 - BEYOND - 1}, got {bodies.dtype} "
            f"from {bodies.min()} to {bodies.max()}"
        )
    found = bodies.astype(np.int32)
    found += np.where(found > 0, np.int32(BEYOND), phases)
    return found


def _phases(phases: NDArray[Any] | None, bodies: NDArray[Any]) -> NDArray[np.uint8]:
    if phases is None:
        return np.zeros(bodies.shape, np.uint8)
    if phases.dtype.kind not in "iub" or phases.min(initial=0) < 0 or phases.max(initial=0) >= BEYOND:
        raise OperandoError(
            f"interfaces: expected phases that are whole numbers from 0 to {BEYOND - 1}, got type {phases.dtype} "
            f"from {phases.min()} to {phases.max()}"
        )
    return phases.astype(np.uint8)


def _subvolumes(flat: Integers, shape: tuple[int, ...], origin: NDArray[Any], cuts: list[Integers] | None) -> Integers:
    """Return the subvolume of each voxel, as the one number that it has among all, or 0 where there are none."""
    found = np.zeros(1, np.int64)
    if cuts is not None:
        for axis, at in enumerate(np.unravel_index(flat, shape)):
            owner = np.searchsorted(cuts[axis], np.arange(shape[axis]) + origin[axis], side="right") - 1
            found = found * (cuts[axis].size - 1) + owner[at]
    return found


def _known(place: Place, present: NDArray[np.bool_], cuts: list[Integers] | None) -> Floats:
    """Return how many voxels of each subvolume lie in a block and are known."""
    if cuts is None:
        return np.zeros((0, 0, 0))
    inner = tuple(slice(start, start + length) for start, length in zip(place.inset[0], place.shape, strict=True))
    whole = np.broadcast_to(present, place.shape) if present.size == 1 else present[inner]
    found = np.zeros([cut.size - 1 for cut in cuts])
    bounds = [
        [(max(a - begin, 0), max(min(b - begin, length), 0)) for a, b in pairwise(cut)]
        for cut, begin, length in zip(cuts, place.begin, place.shape, strict=True)
    ]
    for at in np.ndindex(*found.shape):
        part = whole[tuple(slice(*bounds[axis][one]) for axis, one in enumerate(at))]
        found[at] = np.count_nonzero(part)
    return found
