"""Say what an operation on a volume will cost before it starts, and refuse what cannot fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from operando.errors import OperandoError

from .layout import PLACES
from .windows import WAITING, waiting

MOST_TASKS = 5000
"""Tasks of a graph above which the scheduler, and not the work, takes the time."""

DEFAULT_EDGE = 128

_DIMS = len(PLACES)


@dataclass(frozen=True)
class Work:
    """What an operation needs, as measured with its default settings.

    ``speed`` is Mvoxel/s of a core (voxels times angles for a reconstruction), counted with margins where
    ``margin_worked``; ``copies`` how many times a worker holds what is read of a block with its margins; ``bytes`` what
    it holds beside that per voxel, ``fixed`` per worker, ``once`` of all together; ``whole`` bytes per voxel of the
    whole volume, of at most ``whole_most`` voxels; ``tasks`` how many nodes a block has in the graph, two more
    where blocks hand margins to their neighbors.
    """

    speed: float
    copies: float
    bytes: float
    fixed: float = 0.0
    once: float = 0.0
    margin: int = 0
    margin_worked: bool = True
    whole: float = 0.0
    whole_most: float = math.inf
    tasks: float = 1.0


OPERATIONS = {
    "classify": Work(speed=1.45, copies=2, bytes=2, fixed=65e6, margin=25, margin_worked=False, tasks=2),
    "contact_area": Work(speed=3.0, copies=2, bytes=25, fixed=20e6),
    "denoise": Work(speed=2.6, copies=2, bytes=12, margin=1, tasks=2),
    "histogram": Work(speed=150.0, copies=2, bytes=3, once=10e6, tasks=2.1),
    "label": Work(speed=40.0, copies=2, bytes=6, once=40e6),
    "local_thickness": Work(speed=9.3, copies=2, bytes=12.5, fixed=15e6, margin=24, tasks=2),
    "plate_filter": Work(speed=14.0, copies=2, bytes=10, fixed=4e6, margin=14, tasks=2),
    "reconstruct": Work(speed=1.4e3, copies=1, bytes=6, fixed=12e6),
    "regions": Work(speed=115.0, copies=2, bytes=5.5),
    "register": Work(speed=2.1, copies=0, bytes=0, whole=64, whole_most=20e6),
    "segment_cracks": Work(speed=2.0, copies=2, bytes=13, margin=33, tasks=5),
    "surface_area": Work(speed=5.0, copies=2, bytes=40, fixed=10e6),
    "tortuosity": Work(speed=15.0, copies=0, bytes=0, once=10e6, whole=21, tasks=0),
    "tortuosity_coarsened": Work(speed=10.0, copies=0, bytes=0, once=10e6, whole=6.3, tasks=0),
    "tortuosity_in_phases": Work(speed=10.0, copies=0, bytes=0, once=10e6, whole=45, tasks=0),
    "tortuosity_in_slabs": Work(speed=12.0, copies=1, bytes=19, once=10e6, whole=0.7, tasks=0),
}
"""Measured on one core of an x86-64 machine of 2026 with volumes of 256^3 in chunks of 64^3 and 128^3, 1 and 2 workers:
grey levels of uint16, masks of bool, labels of int32; thickness up to a radius of 12 voxels, median filters of 3; a
tortuosity factor along one axis of a volume of cubic voxels, which is held in memory and makes no graph. Blocks of a
volume in slabs are slabs, one a worker."""

_WHOLE_SLICES = ("reconstruct", "tortuosity_in_slabs")


@dataclass(frozen=True)
class Cost:
    """What an operation will cost.

    ``bytes_read`` from the disk, uncompressed; ``peak_memory`` in bytes of all workers together, on top of what they
    hold idle; ``tasks`` of the largest graph; ``seconds`` on as many cores as workers.
    """

    operation: str
    bytes_read: float
    peak_memory: float
    tasks: int
    seconds: float

    def __str__(self) -> str:
        """Return the cost in a line."""
        return (
            f"{self.operation}: reads {_amount(self.bytes_read)}, holds {_amount(self.peak_memory)} at most, "
            f"{self.tasks} tasks, about {self.seconds:.3g} s"
        )


def cost(
    operation: str,
    shape: Sequence[int],
    *,
    dtype: DTypeLike = np.uint16,
    chunks: int | Sequence[int] | None = None,
    workers: int = 2,
    angles: int | None = None,
) -> Cost:
    """Return what an operation with its default settings will cost on a volume from files, whose result is written.

    Parameters
    ----------
    operation
        One of ``OPERATIONS``.
    shape
        Of the volume, (..., z, y, x); of the volume that comes out for ``"reconstruct"``. Further dims are worked on
        one after the other: their tasks count as a graph each.
    dtype
        Type of what is read: grey levels, a mask, labels or projections.
    chunks
        Edge, or edges (z, y, x), of the blocks; by default 128 voxels. Those of a reconstruction and slabs
        have whole slices.
    workers
        Threads that work at once, each on a block.
    angles
        Number of projections of ``"reconstruct"``.

    Returns
    -------
    Cost
        Memory is that of the measured cases within a factor of 1.5; the time is one of a machine to itself.

    Raises
    ------
    OperandoError
        If the operation is none, or a number cannot be.

    Notes
    -----
    With blocks of v voxels, margins among them, and w workers: memory = ``w (fixed + v (copies itemsize + bytes)) +
    once + whole``. Blocks hand margins to their neighbors: about two layers of them, ``2 n_y n_x + 3 n_x + 3`` of the
    n_z n_y n_x blocks, wait in memory, down to half as many with thin margins, in two tasks a block more. Where two
    layers are more than ``windows.WAITING`` bytes, blocks read their margins from the files, and none waits; a block
    is then a task, two with the name that writing gives it. Time = voxels, margins among them, / (speed w), for files
    whose chunks are smaller than the blocks.

    The model is operando's own; its numbers were measured (``benchmarks/bench_costs.py``).

    Examples
    --------
    >>> from operando import tomo
    >>> print(tomo.cost("label", (2160, 2560, 2560), chunks=256))
    label: reads 28.3 GB, holds 376 MB at most, 900 tasks, about 177 s
    """
    if operation not in OPERATIONS:
        raise OperandoError(f"cost: expected one of {', '.join(OPERATIONS)}, got {operation!r}")
    if len(shape) < _DIMS or min(shape) < 1 or workers < 1:
        raise OperandoError(f"cost: expected a shape (..., z, y, x) and workers, got {tuple(shape)} and {workers}")
    if (operation == "reconstruct") != (angles is not None) or (angles is not None and angles < 1):
        raise OperandoError(f"cost: expected angles with 'reconstruct', and only there, got {angles} for {operation!r}")
    work = OPERATIONS[operation]
    sides = tuple(int(edge) for edge in shape[-_DIMS:])
    block = _block(sides, chunks, whole_slices=operation in _WHOLE_SLICES)
    counts = [math.ceil(side / edge) for side, edge in zip(sides, block, strict=True)]
    series, voxels = math.prod(shape[:-_DIMS]), math.prod(sides)
    held = math.prod(min(side, edge + 2 * work.margin) for side, edge in zip(sides, block, strict=True))
    source = np.dtype(dtype).itemsize * (1.0 if angles is None else angles / sides[1])
    at_once = min(workers, math.prod(counts))
    each = work.fixed + held * (work.copies * source + work.bytes)
    held_back = waiting(counts) * math.prod(block) * source if work.margin else 0.0
    handed_on = 0 < held_back <= WAITING
    layers = math.prod(1 + 2 * work.margin / edge for edge in block) - 1
    held_back *= min(1.0, 0.5 + layers) if handed_on else 0.0
    together = work.once + held_back + work.whole * min(voxels, work.whole_most)
    worked = _with_margin(sides, block, work.margin if work.margin_worked else 0) * (angles or 1)
    return Cost(
        operation,
        bytes_read=series * voxels * source,
        peak_memory=at_once * each + together,
        tasks=math.ceil((work.tasks + 2 * handed_on) * math.prod(counts)),
        seconds=series * worked / (work.speed * 1e6 * at_once),
    )


def check_cost(expected: Cost, memory: float) -> Cost:
    """Return a cost that fits into ``memory`` (bytes) and a graph of 5000 tasks.

    Parameters
    ----------
    expected
        What :func:`cost` returned.
    memory
        What there is, in bytes.

    Returns
    -------
    Cost
        ``expected`` itself.

    Raises
    ------
    OperandoError
        If it does not.

    Examples
    --------
    >>> from operando import tomo
    >>> expected = tomo.cost("label", (512, 512, 512), chunks=128)
    >>> print(tomo.check_cost(expected, memory=8e9) is expected)
    True
    """
    if expected.peak_memory > memory:
        raise OperandoError(
            f"{expected.operation}: needs about {_amount(expected.peak_memory)}, got {_amount(memory)} of memory; use "
            "smaller chunks, fewer workers or a coarser level"
        )
    if expected.tasks > MOST_TASKS:
        raise OperandoError(
            f"{expected.operation}: expected {MOST_TASKS} tasks or fewer in a graph, got {expected.tasks}; use larger "
            "chunks, a part of the volume or a coarser level"
        )
    return expected


def _block(sides: tuple[int, ...], chunks: int | Sequence[int] | None, *, whole_slices: bool) -> tuple[int, ...]:
    asked = DEFAULT_EDGE if chunks is None else chunks
    edges = (asked,) * _DIMS if isinstance(asked, int) else tuple(asked)
    if len(edges) != _DIMS or min(edges) < 1:
        raise OperandoError(f"cost: expected chunks as one edge or three (z, y, x), got {chunks}")
    block = tuple(min(int(edge), side) for edge, side in zip(edges, sides, strict=True))
    return (block[0], *sides[1:]) if whole_slices else block


def _with_margin(sides: Sequence[int], block: Sequence[int], margin: int) -> int:
    """Return the voxels of all blocks with their margins; at the faces of the volume there is none."""
    return math.prod(side + 2 * margin * (math.ceil(side / edge) - 1) for side, edge in zip(sides, block, strict=True))


def _amount(size: float) -> str:
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
