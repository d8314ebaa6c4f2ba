"""Which parts of a mask lead through its volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from operando.errors import OperandoError
from operando.kernels import compiled

from .distances import as_mask
from .grids import three
from .layout import PLACES
from .results import described
from .run_kernels import Pieces, connect_runs, find_runs, paint, sides

Boundary = Literal["faces", "periodic_sides", "periodic"]

_STEP = "tomo.percolates"
_ACROSS_FACES = 6
_MOST = int(np.iinfo(np.uint32).max)
_BITS = 32


def percolates(
    mask: xr.DataArray | NDArray[np.bool_], dim: str | Sequence[str] = "z", *, boundary: Boundary = "faces"
) -> xr.DataArray:
    """Return whether a mask leads through its volume: from face to face, across faces of voxels.

    Parameters
    ----------
    mask
        Truth values, dims (..., z, y, x); one volume at a time is held in memory.
    dim
        ``z``, ``y`` or ``x``, several of them, or ``all``.
    boundary
        ``faces``: a path joins the first and the last face along the dim. ``periodic_sides``: it may leave through a
        side and come in again opposite. ``periodic``: the volume repeats itself along z, y and x, and a path leads from
        a voxel to its image further along the dim.

    Returns
    -------
    xarray.DataArray
        Truth values, dims (..., axis); without ``axis`` for a single dim.

    Raises
    ------
    OperandoError
        If the mask is none, or the dim or boundary is unknown.

    Notes
    -----
    In a volume that repeats itself, parts are joined across its faces with how many volumes further they lie, so that
    loops which end in another volume show (J. Machta et al., Phys. Rev. E 54, 1332 (1996),
    doi:10.1103/PhysRevE.54.1332).

    Examples
    --------
    >>> import numpy as np
    >>> from operando import tomo
    >>> wall = np.ones((8, 8, 8), bool)
    >>> wall[4] = False
    >>> print(bool(tomo.percolates(wall, "z")))
    False
    """
    volume = as_mask(mask, _STEP)
    axes = asked_axes(dim, _STEP)
    check_boundary(boundary, _STEP)
    check_voxels(volume, _STEP)
    leading = volume.dims[: -len(PLACES)]
    shape = tuple(volume.sizes[name] for name in leading)
    found = np.empty((*shape, len(axes)), bool)
    for at in np.ndindex(shape):
        parts = Parts(np.asarray(volume.data[at]).view(np.uint8), repeats=boundary == "periodic")
        around = boundary == "periodic_sides"
        found[at] = [bool(parts.through(PLACES.index(name), around=around).any()) for name in axes]
    coords = {name: one for name, one in volume.coords.items() if set(one.dims) <= set(leading)}
    array = xr.DataArray(found, {**coords, "axis": axis_names(axes)}, (*leading, "axis"))
    return described(
        array.isel(axis=0) if isinstance(dim, str) and dim != "all" else array,
        volume,
        name="percolating",
        units="1",
        long_name="whether the phase leads through the volume",
        step=_STEP,
        parameters={"dim": list(axes), "boundary": boundary},
    )


def asked_axes(dim: str | Sequence[str], step: str) -> tuple[str, ...]:
    """Return the names of the axes that are asked for.

    Raises
    ------
    OperandoError
        If there is none, or one that a volume does not have.
    """
    names = (PLACES if dim == "all" else (dim,)) if isinstance(dim, str) else tuple(dim)
    if not names or len(set(names)) != len(names) or not set(names) <= set(PLACES):
        raise OperandoError(f"{step}: expected a dim of z, y and x, several, or 'all', got {dim!r}")
    return names


def check_boundary(boundary: str, step: str) -> None:
    """Raise where a boundary is unknown."""
    if boundary not in get_args(Boundary):
        raise OperandoError(f"{step}: expected a boundary of {', '.join(get_args(Boundary))}, got {boundary!r}")


def check_voxels(volume: xr.DataArray, step: str) -> None:
    """Raise where a volume has no voxel."""
    if volume.size == 0:
        raise OperandoError(f"{step}: expected voxels, got none along some of {dict(volume.sizes)}")


def axis_names(axes: Sequence[str]) -> tuple[str, NDArray[np.object_], dict[str, str]]:
    """Return the coordinate ``axis``."""
    return "axis", np.array(axes, dtype=object), {"long_name": "axis of transport"}


class Parts:
    """The parts of a volume (z, y, x) of bytes that hang together across faces where it is not 0.

    Raises
    ------
    OperandoError
        If the volume has more voxels than their numbers can count.
    """

    def __init__(self, volume: NDArray[np.uint8], *, repeats: bool = False) -> None:
        if volume.size > _MOST:
            raise OperandoError(f"{_STEP}: expected at most {_MOST} voxels, got {volume.size}; cut the volume")
        self.shape = three(volume.shape)
        filled = np.minimum(np.ascontiguousarray(volume), np.uint8(1)) if volume.max(initial=0) > 1 else volume
        runs = find_runs(np.ascontiguousarray(filled).reshape(-1, self.shape[2]))
        piece, self.count = connect_runs(runs, self.shape, _ACROSS_FACES)
        self.runs: Pieces = (runs[0], runs[1], piece)
        self.windings = self._windings() if repeats else None

    def through(self, axis: int, *, around: bool = False) -> NDArray[np.bool_]:
        """Return which parts lead through the volume along an axis, ``around``: out at a side and in again opposite."""
        if self.windings is not None:
            return self.windings[:, axis]
        ends = (self.at(axis, 0), self.at(axis, -1))
        return through_groups(self._beside(axis), *ends) if around else ends[0] & ends[1]

    def paint(self, kept: NDArray[np.bool_], counts: NDArray[np.uint8]) -> None:
        """Write 1 where kept parts lie into zeros that have a border of a voxel."""
        paint_kept(self.runs, kept, self.shape, counts)

    def at(self, axis: int, end: int) -> NDArray[np.bool_]:
        """Return which parts lie at the first (0) or the last (-1) face across an axis."""
        found = np.zeros(self.count, bool)
        pieces = self.faces()[axis][end]
        found[pieces[pieces > 0] - 1] = True
        return found

    def _beside(self, axis: int) -> NDArray[np.int64]:
        """Return a number for each part that those share which hang together across the sides along an axis."""
        touching = [touch(*faces) for side, faces in enumerate(self.faces()) if side != axis]
        return groups(self.count, np.concatenate(touching))

    def faces(self) -> list[tuple[NDArray[np.uint32], NDArray[np.uint32]]]:
        """Return the numbers, from 1, of the parts at both faces across each axis."""
        y_first, y_last, x_first, x_last = sides(self.runs, self.shape)
        return [(self._plane(0), self._plane(self.shape[0] - 1)), (y_first, y_last), (x_first, x_last)]

    def _plane(self, z: int) -> NDArray[np.uint32]:
        start, stop, piece = self.runs
        _, height, width = self.shape
        offset = z * height * width
        first, last = np.searchsorted(start, (offset, offset + height * width))
        block, shift = np.zeros((1, height, width), np.uint32), np.uint32(offset)
        numbers = np.arange(1, self.count + 1, dtype=np.uint32)
        paint(block, (start[first:last] - shift, stop[first:last] - shift, piece[first:last]), numbers)
        plane: NDArray[np.uint32] = block[0]
        return plane

    def _windings(self) -> NDArray[np.bool_]:
        """Return along which axes each part leads to its own image."""
        root, cell = list(range(self.count)), np.zeros((self.count, len(PLACES)), np.int64)
        winds: list[tuple[int, NDArray[np.int64]]] = []
        for axis, (before, after) in enumerate(self.faces()):
            for one, other in touch(after, before).tolist():
                (top, here), (next_top, there) = _find(root, cell, one), _find(root, cell, other)
                step = here - there
                step[axis] += 1
                if top == next_top:
                    winds.append((top, step))
                else:
                    root[next_top], cell[next_top] = top, step
        found = np.zeros((self.count, len(PLACES)), bool)
        for member, step in winds:
            found[_find(root, cell, member)[0]] |= step != 0
        tops = [_find(root, cell, member)[0] for member in range(self.count)] if winds else []
        return found[tops] if tops else found


def touch(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the pairs of parts, from 0, that touch where two planes of their numbers (0: none) meet."""
    both = (one > 0) & (other > 0)
    pairs = np.unique(one[both].astype(np.int64) << _BITS | other[both])
    return np.stack([pairs >> _BITS, pairs & _MOST], axis=-1) - 1


def groups(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each of so many parts that those share which pairs join."""
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    found: NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return found


def through_groups(group: NDArray[np.int64], first: NDArray[np.bool_], last: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which parts belong to a group of which parts lie at the first and at the last face."""
    at_first, at_last = (np.unique(group[end]) for end in (first, last))
    found: NDArray[np.bool_] = np.isin(group, np.intersect1d(at_first, at_last))
    return found


def _find(root: list[int], cell: NDArray[np.int64], member: int) -> tuple[int, NDArray[np.int64]]:
    """Return the first of the parts that one was joined to, and in which repeated volume it lies, seen from there."""
    at, way = np.zeros(len(PLACES), np.int64), []
    top = member
    while root[top] != top:
        way.append(top)
        top = root[top]
    for one in reversed(way):
        at = at + cell[one]
        root[one], cell[one] = top, at
    return top, at


@compiled
def paint_kept(runs: Pieces, kept: NDArray[np.bool_], shape: tuple[int, int, int], counts: NDArray[np.uint8]) -> None:
    """Write 1 where the runs of kept pieces lie."""
    start, stop, piece = runs
    for run in range(start.size):
        if kept[piece[run] - 1]:
            row, x = divmod(np.int64(start[run]), shape[2])
            z, y = divmod(row, shape[1])
            for place in range(x, x + np.int64(stop[run]) - np.int64(start[run])):
                counts[z + 1, y + 1, place + 1] = 1
