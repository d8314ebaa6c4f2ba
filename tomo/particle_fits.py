"""The map of every particle, from its own edge: what lies beside it and what opens there is left out."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from .correlation_kernels import AT, HIGH, INNER, LABEL, LOW, MOVED_AT
from .grids import three
from .node_fits import ISOTROPIC, Fits, Pieces, column_basis, fitted
from .spline_rows import LANES, WORK, sample_box

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Integers = NDArray[np.int64]
Box = tuple[slice, slice, slice]

_APART = 2.0
"""Voxels from another particle, or its rim, up to which a rim is left out: the other's blurred edge moves, too."""
_WINDOW = 2.0
"""Standard deviation, voxels, of the means of differences that tell what has changed beside the particle."""
_UNLIKE = 2.5
"""Robust standard deviations from which on such a mean is no noise."""
_BESIDE = 3.0
"""Voxels around what has changed that its blur reaches."""
_ROUNDS = 6
_LEAST_KEPT = 0.5
"""Share of the voxels of a particle and its rim that is kept in any case."""
_UNSURE = 0.2
"""Share of what leaving parts out has changed that joins the uncertainty: simulated gaps keep as much of their pull."""
_TO_SIGMA = 1.4826
_SLOPE = np.array([1, -8, 0, 8, -1]) / 12
_BEND = np.array([-1, 16, -30, 16, -1]) / 12


def fitted_particles(pieces: Pieces, nodes: Integers, start: Floats, free: int, blur: float) -> Fits:
    """Return the map of each particle, found again without the parts where differences are no noise, until none is.

    Parameters
    ----------
    pieces
        ``labels`` reach as far as the rims do.
    nodes, start, free
        As in :func:`~operando.tomo.node_fits.fitted`.
    blur
        Standard deviation of all blur of both volumes, voxels. It does not stretch with the material: the map is that
        of what was blurred.
    """
    alone = replace(pieces, labels=_apart(pieces.labels, nodes))
    first = fits = fitted(alone, nodes, start, free)
    going = np.flatnonzero(fits.found)
    least = _LEAST_KEPT * first.share * np.prod(nodes[:, HIGH : HIGH + 3] - nodes[:, LOW : LOW + 3], axis=1)
    for _ in range(_ROUNDS):
        changed = [_left_out(alone, nodes[n], fits.motion[n], least[n]) for n in going]
        going = going[np.array(changed, bool)]
        if not going.size:
            break
        again = fitted(alone, nodes[going], fits.motion[going], free)
        going = going[again.found]
        fits = _renewed(fits, going, again)
    moved = np.where(fits.found[:, np.newaxis], _UNSURE * (fits.motion - first.motion), 0)
    covariance = fits.covariance + moved[:, :, np.newaxis] * moved[:, np.newaxis, :]
    grown = _grown(alone, nodes, fits)
    motion, even = _all_unblurred(alone, nodes, (fits, grown), blur, (free, ISOTROPIC))
    growth = _growth(grown, even, _volume(first.motion))
    return replace(fits, motion=motion, covariance=covariance, wanted=first.wanted, growth=growth)


def _grown(pieces: Pieces, nodes: Integers, fits: Fits) -> Fits:
    """Return the map of particles that grow alike in all directions, beginning with the change of volume found.

    What one side alone shows of a particle tells its size, but hardly its shape.
    """
    left, _, right = np.linalg.svd(np.nan_to_num(fits.motion[:, 3:]).reshape(-1, 3, 3))
    begin = fits.motion.copy()
    begin[:, 3:] = (left @ right).reshape(-1, 9) * np.cbrt(_volume(fits.motion))[:, np.newaxis]
    which = np.flatnonzero(fits.found)
    found = fitted(pieces, nodes[which], begin[which], ISOTROPIC)
    return _renewed(replace(fits, found=np.zeros(len(nodes), bool)), which[found.found], found)


def _growth(grown: Fits, motion: Floats, alone: Floats) -> Floats:
    """Return the change of volume of particles that grow alike in all directions, and its uncertainty.

    ``motion``: their maps without what is due to the blur. ``alone``: ratio of volumes before parts were left out.
    """
    which = np.flatnonzero(grown.found)
    matrix = motion[which, 3:].reshape(-1, 3, 3)
    ratio = np.linalg.det(matrix)
    slope = ratio[:, np.newaxis] * np.swapaxes(np.linalg.inv(matrix), 1, 2).reshape(-1, 9)
    noise = np.einsum("ni,nij,nj->n", slope, grown.covariance[which, 3:, 3:], slope)
    std = np.hypot(np.sqrt(np.maximum(noise, 0)), _UNSURE * (ratio - alone[which]))
    growth = np.full((len(motion), 2), np.nan)
    growth[which] = np.column_stack([ratio - 1, std])
    return growth


def _volume(motion: Floats) -> Floats:
    found: Floats = np.linalg.det(motion[:, 3:].reshape(-1, 3, 3))
    return found


def _all_unblurred(
    pieces: Pieces, nodes: Integers, found: tuple[Fits, Fits], blur: float, free: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return the maps of particles that were found in two ways without what is due to the blur."""
    one, other = (fits.motion.copy() for fits in found)
    bases = column_basis(free[0]), column_basis(free[1])
    for n in np.flatnonzero(found[0].found):
        products = _products(pieces, nodes[n])
        one[n] = _unblurred(products, one[n], blur, bases[0])
        if found[1].found[n]:
            other[n] = _unblurred(products, other[n], blur, bases[1])
    return one, other


def _renewed(fits: Fits, which: Integers, again: Fits) -> Fits:
    merged = {}
    for field in fields(Fits):
        values = getattr(fits, field.name).copy()
        values[which] = getattr(again, field.name)[again.found]
        merged[field.name] = values
    return Fits(**merged)


def _box(node: Integers) -> Box:
    z, y, x = (slice(int(a), int(b)) for a, b in zip(node[LOW : LOW + 3], node[HIGH : HIGH + 3], strict=True))
    return z, y, x


def _apart(labels: NDArray[np.int32], nodes: Integers) -> NDArray[np.int32]:
    """Return labels without what lies near another one."""
    from scipy import ndimage

    found, more = labels.copy(), int(np.ceil(_APART))
    for node in nodes:
        box = _box(node)
        wide = tuple(slice(max(0, one.start - more), one.stop + more) for one in box)
        around = labels[wide]
        others = (around != 0) & (around != node[LABEL])
        if others.any():
            inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, wide, strict=True))
            near = ndimage.distance_transform_edt(~others)[inner] <= _APART
            found[box][near & (labels[box] == node[LABEL])] = 0
    return found


def _left_out(pieces: Pieces, node: Integers, motion: Floats, least: float) -> bool:
    """Leave out of a particle's label where the difference of the volumes is no noise; return whether any is.

    Nothing more is where fewer than ``least`` voxels would be kept.
    """
    from scipy import ndimage

    box = _box(node)
    own = pieces.labels[box]
    counts = own == node[LABEL]
    place = np.argwhere(counts) + node[LOW : LOW + 3] - node[AT : AT + 3]
    there = place @ motion[3:].reshape(3, 3).T + motion[:3] + node[MOVED_AT : MOVED_AT + 3]
    counts[counts] = _seen(pieces, there)
    values = _sampled(pieces, node, motion, counts)
    level = pieces.reference[box][counts].astype(np.float64)
    middle = level.mean()
    slope = np.sum((level - middle) * values) / np.sum((level - middle) ** 2)
    offset = values.mean() - slope * middle
    rest, weight = np.zeros(counts.shape), counts.astype(np.float64)
    rest[counts] = values - offset - slope * level
    smooth, shares = (ndimage.gaussian_filter(one, _WINDOW, mode="constant")[counts] for one in (rest, weight))
    smooth /= np.sqrt(shares)
    unlike = np.zeros(counts.shape, bool)
    unlike[counts] = np.abs(smooth) > _UNLIKE * _TO_SIGMA * np.median(np.abs(smooth))
    if not unlike.any():
        return False
    near = counts & (ndimage.distance_transform_edt(~unlike) <= _BESIDE)
    if counts.sum() - near.sum() < least:
        return False
    own[near] = 0
    return True


def _sampled(pieces: Pieces, node: Integers, motion: Floats, counts: Bools) -> Floats:
    """Return the moved volume at those voxels of a node's box that count."""
    stride = counts.size + LANES
    lines = np.empty(5 * stride, np.float32)
    lines[: counts.size] = counts.ravel()
    begin, cell = three(node[LOW : LOW + 3] - node[AT : AT + 3]), three(node[MOVED_AT : MOVED_AT + 3])
    sizes, work = three(counts.shape), np.empty(WORK, np.float32)
    sample_box(pieces.coefficients, pieces.shape, begin, sizes, cell, motion, lines, stride, 0, 1, work, False)
    found: Floats = lines[4 * stride : 4 * stride + counts.size][counts.ravel()].astype(np.float64)
    return found


def _seen(pieces: Pieces, there: Floats) -> Bools:
    """Return which places lie where the moved volume is known."""
    size = np.array(pieces.shape)
    within = ((there >= 1 + INNER) & (there < size - 2 - INNER)).all(axis=1)
    at = np.clip(there.astype(np.int64), 0, size - 1)
    found: Bools = np.asarray(within)
    return found & (pieces.known[tuple(at.T)] != 0) if pieces.known.size else found


def _products(pieces: Pieces, node: Integers) -> tuple[Floats, Floats]:
    """Return the products of a particle's columns with each other, and with second derivatives of grey values.

    Of these there are six: zz, yy, xx, yz, xz, xy.
    """
    from scipy import ndimage

    box = _box(node)
    counts = pieces.labels[box] == node[LABEL]
    wide = tuple(slice(max(0, one.start - 2), one.stop + 2) for one in box)
    inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, wide, strict=True))
    grey = pieces.reference[wide].astype(np.float64)
    sloping = [ndimage.correlate1d(grey, _SLOPE, axis=axis, mode="mirror") for axis in (1, 2)]
    bent = [ndimage.correlate1d(grey, _BEND, axis=axis, mode="mirror") for axis in range(3)]
    bent += [
        ndimage.correlate1d(sloping[one], _SLOPE, axis=other, mode="mirror") for one, other in ((0, 0), (1, 0), (1, 1))
    ]
    place = np.argwhere(counts) + node[LOW : LOW + 3] - node[AT : AT + 3]
    slopes = pieces.slopes[(slice(None), *box)][:, counts].astype(np.float64)
    columns = np.concatenate(
        [
            slopes,
            *(slopes[k] * place.T for k in range(3)),
            grey[inner][counts][np.newaxis],
            np.ones((1, len(place))),
        ]
    )
    return columns @ columns.T, columns @ np.array([one[inner][counts] for one in bent]).T


def _unblurred(products: tuple[Floats, Floats], motion: Floats, blur: float, basis: Floats) -> Floats:
    """Return the map of a particle without what is due to a blur that has not stretched with it.

    Under the map F the moved volume shows the reference blurred by s^2 (F^-1 F^-T - 1) more: to first order it is
    larger by half of that times the second derivatives, which the least squares have taken for a change of the map.
    """
    matrix = motion[3:].reshape(3, 3)
    back = np.linalg.inv(matrix)
    wider = blur**2 / 2 * (back @ back.T - np.eye(3))
    more = np.r_[np.diag(wider), 2 * wider[[1, 2, 2], [0, 0, 1]]]
    among, bent = products
    taken = basis @ np.linalg.lstsq(basis.T @ among @ basis, basis.T @ (bent @ more), rcond=None)[0]
    shift, small = taken[:3], np.eye(3) + taken[3:12].reshape(3, 3)
    return np.concatenate([motion[:3] + matrix @ shift, (matrix @ small).ravel()])
