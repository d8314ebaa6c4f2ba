"""Nodes fitted block by block: each reads the part of the volumes that it needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from .block_results import Place, of_blocks
from .correlation_kernels import AT, COLUMNS, HIGH, LABEL, LOW, MOVED_AT
from .grids import three
from .node_fits import SLACK, Fits, Pieces, fitted
from .particle_fits import fitted_particles
from .rims import with_rim
from .spline_filters import REACH, coefficients, slopes, smoothed
from .spline_rows import LANES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Singles = NDArray[np.float32]

EDGES = (64, 128, 128)
"""Edges of the blocks that volumes in memory are worked on in, voxels along z, y, x."""
_TRUNCATE = 4.0
_TAPS = 3
"""Voxels around a place that its interpolation looks at, and one more."""


@dataclass(frozen=True)
class Nodes:
    """Where nodes are, in coarse voxels: theirs (node, 3), the first of their box and the one after its last; label."""

    at: Integers
    low: Integers
    high: Integers
    label: Integers

    def part(self, which: Integers) -> Nodes:
        """Return some of them."""
        return Nodes(self.at[which], self.low[which], self.high[which], self.label[which])


def windows(at: Integers, half: int) -> Nodes:
    """Return nodes in the middle of cubes."""
    return Nodes(at, at - half, at + half + 1, np.ones(len(at), np.int64))


def fit_all(
    volumes: tuple[xr.DataArray, xr.DataArray, xr.DataArray | None],
    nodes: Nodes,
    start: Floats,
    *,
    free: int,
    least_share: float = 0.0,
    smooth: float = 0.0,
    apart: int = 0,
    rim: float = 0.0,
    blur: float | None = None,
) -> Fits:
    """Return the maps of nodes from a reference to a moved volume.

    Parameters
    ----------
    volumes
        The reference, the moved one, and labels (or a mask) of the reference; dims z, y, x, lazy or in memory.
    nodes, start
        In voxels.
    free, least_share
        As in :func:`~operando.tomo.node_fits.fitted`.
    smooth
        Standard deviation of the smoothing of both volumes, voxels.
    apart
        Voxels to all sides within which all have to count for one to be compared.
    rim
        Voxels beyond its label's that a node sees as well, where no other label is.
    blur
        If given, nodes are particles: as in :func:`~operando.tomo.particle_fits.fitted_particles`.
    """
    if not len(nodes.at):
        return _empty()
    wide = np.maximum(nodes.at - nodes.low, nodes.high - nodes.at).max(axis=0) + _reach(smooth) + 2
    low, high = _reached(nodes, start, smooth)
    # Nodes belong to the block that holds their voxel.
    far = np.maximum(nodes.at - low, high - nodes.at).max(axis=0)
    margins = [three(wide), three(far)]
    given = [one for one in volumes if one is not None]
    margins += [margins[0]] * (len(given) - 2)
    found = of_blocks(
        _block,
        given,
        margins,
        block_edges=EDGES,
        wanted=partial(_holds, owner=nodes.at),
        table=delayed((nodes, start)),
        size=three(given[0].shape),
        free=free,
        least_share=least_share,
        smooth=smooth,
        apart=apart,
        rim=rim,
        blur=blur,
    )
    which = np.concatenate([numbers for numbers, _ in found])
    order = np.argsort(which)
    parts = [fits for _, fits in found]
    return Fits(*(np.concatenate([getattr(one, field.name) for one in parts])[order] for field in fields(Fits)))


def _empty() -> Fits:
    none = np.empty(0)
    return Fits(
        np.empty((0, 12)), np.empty((0, 12, 12)), *(none,) * 4, none.astype(np.int64), none > 0, np.empty((0, 2))
    )


def _holds(place: Place, owner: Integers) -> bool:
    return bool(_inside(place, owner).any())


def _inside(place: Place, owner: Integers) -> NDArray[np.bool_]:
    begin = np.array(place.begin)
    found: NDArray[np.bool_] = np.all((owner >= begin) & (owner < begin + place.shape), axis=1)
    return found


def _reach(smooth: float) -> int:
    """Return how far from a voxel those lie that its spline depends on."""
    return REACH + _blurred(smooth)


def _blurred(smooth: float) -> int:
    """Return how far smoothing reaches."""
    return int(_TRUNCATE * smooth + 0.5)


def _reached(nodes: Nodes, start: Floats, smooth: float) -> tuple[Integers, Integers]:
    """Return the first voxel that a node may need of the moved volume, and the one after the last."""
    matrix = start[:, 3:].reshape(-1, 3, 3)
    corners = np.array(list(product((0, 1), repeat=3)))[:, np.newaxis]
    away = np.where(corners == 0, nodes.low - nodes.at, nodes.high - 1 - nodes.at)
    places = np.einsum("nij,cnj->cni", matrix, away) + start[:, :3] + nodes.at
    more = SLACK + _TAPS + _reach(smooth)
    return np.floor(places.min(axis=0) - more).astype(np.int64), np.ceil(places.max(axis=0) + more).astype(np.int64) + 1


def _block(
    place: Place,
    reference: NDArray[Any],
    moved: NDArray[Any],
    labels: NDArray[Any] | None = None,
    *,
    table: tuple[Nodes, Floats],
    size: tuple[int, int, int],
    free: int,
    least_share: float,
    smooth: float,
    apart: int,
    rim: float,
    blur: float | None,
) -> tuple[Integers, Fits]:
    """Return the numbers of the nodes in a block, and their maps."""
    from scipy.ndimage import minimum_filter

    every, start = table
    which = np.flatnonzero(_inside(place, every.at))
    nodes, start = every.part(which), start[which]
    begins = [np.array(place.begin, np.int64) - np.array(inset, np.int64) for inset in place.inset]
    wide = _reach(smooth) + 1
    low, high = _cut(nodes.low.min(axis=0) - wide, nodes.high.max(axis=0) + wide, size)
    here, there_is = _part(reference, begins[0], (low, high), smooth)
    counts = (
        np.ones(here.shape, np.int32)
        if labels is None
        else np.array(labels[_cut_of(begins[2], (low, high))], dtype=np.int32)
    )
    if rim > 0:
        counts = with_rim(counts, rim)
    if apart > 0 and labels is not None:
        counts = minimum_filter(counts, 2 * apart + 1, mode="nearest")
    if there_is is not None:
        counts[~there_is] = 0
    reached = _reached(nodes, start, smooth)
    moved_low, moved_high = _cut(reached[0].min(axis=0), reached[1].max(axis=0), size)
    there, known = _part(moved, begins[1], (moved_low, moved_high), smooth)
    pieces = Pieces(
        here,
        slopes(here),
        counts,
        np.concatenate([coefficients(there).ravel(), np.zeros(LANES, np.float32)]),
        three(there.shape),
        np.empty((0, 0, 0), np.uint8) if known is None else known.astype(np.uint8),
    )
    rows = np.empty((len(which), COLUMNS), np.int64)
    rows[:, AT : AT + 3], rows[:, MOVED_AT : MOVED_AT + 3] = nodes.at - low, nodes.at - moved_low
    rows[:, LOW : LOW + 3], rows[:, HIGH : HIGH + 3], rows[:, LABEL] = nodes.low - low, nodes.high - low, nodes.label
    if blur is not None:
        return which, fitted_particles(pieces, rows, start, free, float(np.hypot(blur, smooth)))
    return which, fitted(pieces, rows, start, free, least_share)


def _cut(low: Integers, high: Integers, size: tuple[int, int, int]) -> tuple[Integers, Integers]:
    first = np.clip(low, 0, np.array(size) - 1)
    return first, np.clip(high, first + 1, size)


def _part(
    piece: NDArray[Any], begin: Integers, box: tuple[Integers, Integers], smooth: float
) -> tuple[Singles, NDArray[np.bool_] | None]:
    """Return the voxels in a box, smoothed, and where they are sound if not all; the piece begins at a voxel."""
    from scipy import ndimage

    values = np.ascontiguousarray(piece[_cut_of(begin, box)], dtype=np.float32)
    known = np.isfinite(values)
    if known.all():
        return smoothed(values, smooth, _blurred(smooth)), None
    if known.any():
        nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
        values = values[tuple(nearest)]
    else:
        values = np.zeros_like(values)
    sound = ndimage.binary_erosion(known, np.ones((5, 5, 5)), border_value=1)
    return smoothed(values, smooth, _blurred(smooth)), sound


def _cut_of(begin: Integers, box: tuple[Integers, Integers]) -> tuple[slice, ...]:
    """Return where a box lies in a piece that begins at a voxel."""
    return tuple(slice(int(a - c), int(b - c)) for a, b, c in zip(*box, begin, strict=True))
