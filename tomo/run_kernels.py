"""Runs of voxels along x: find them in a block, join those that touch, paint them.

A run goes from ``start`` to before ``stop`` in the C order of its block and never leaves its row. Runs take far less
memory than voxels, and sums over them are closed forms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

Whole = NDArray[np.uint32]
Face = NDArray[np.uint32]
Faces = tuple[Face, Face, Face, Face]
"""Pieces on the sides of a block: first and last along y and x. Those along z are its first and last runs."""

Rows = tuple[Whole, Whole, NDArray[np.int64]]
"""Start and stop of runs, and the first run of each row (and the number of runs)."""

Pieces = tuple[Whole, Whole, Whole]
"""Start, stop and piece (from 1) of runs."""


@compiled
def find_runs(rows: NDArray[np.generic]) -> Rows:
    """Return the runs of one value other than 0 in rows (row, x)."""
    count, width = 0, rows.shape[1]
    first = np.empty(rows.shape[0] + 1, np.int64)
    for row in range(rows.shape[0]):
        first[row] = count
        count += rows[row, 0] != 0
        for x in range(1, width):
            count += (rows[row, x] != 0) & (rows[row, x] != rows[row, x - 1])
    first[rows.shape[0]] = count
    start, stop = np.empty(count, np.uint32), np.empty(count, np.uint32)
    for row in range(rows.shape[0]):
        run, x = first[row], 0
        while run < first[row + 1]:
            while rows[row, x] == 0:
                x += 1
            start[run] = row * width + x
            value = rows[row, x]
            while x < width and rows[row, x] == value:
                x += 1
            stop[run] = row * width + x
            run += 1
    return start, stop, first


@compiled
def connect_runs(runs: Rows, shape: tuple[int, int, int], connectivity: int) -> tuple[Whole, int]:
    """Return the piece of every run, from 1 in the order of the pieces' first voxels, and their number."""
    start, _, first = runs
    across = connectivity > 6
    corner = connectivity == 26
    parent = np.arange(start.size).astype(np.uint32)
    for row in range(first.size - 1):
        if first[row] == first[row + 1]:
            continue
        y = row % shape[1]
        if y > 0:
            _join_rows(parent, runs, (row, row - 1), shape[2], across)
        if row >= shape[1]:
            below = row - shape[1]
            _join_rows(parent, runs, (row, below), shape[2], across)
            if across and y > 0:
                _join_rows(parent, runs, (row, below - 1), shape[2], corner)
            if across and y < shape[1] - 1:
                _join_rows(parent, runs, (row, below + 1), shape[2], corner)
    piece, count = np.empty(start.size, np.uint32), 0
    for run in range(start.size):
        top = find_root(parent, run)
        if top == run:
            count += 1
            piece[run] = count
        else:
            piece[run] = piece[top]
    return piece, count


@compiled
def _join_rows(parent: Whole, runs: Rows, rows: tuple[int, int], width: int, reach: int) -> None:
    """Unite the runs of two rows that overlap along x, or come as near as ``reach``."""
    start, stop, first = runs
    row, other = rows
    here, there = first[row], first[other]
    shift = (row - other) * width
    while here < first[row + 1] and there < first[other + 1]:
        begins, ends = np.int64(start[here]), np.int64(stop[here])
        other_begins, other_ends = np.int64(start[there]) + shift, np.int64(stop[there]) + shift
        if other_begins < ends + reach and begins < other_ends + reach:
            unite(parent, here, there)
        if ends < other_ends:
            here += 1
        else:
            there += 1


@compiled
def find_root(parent: NDArray[np.integer], member: int) -> int:
    """Return the first member of a set, and shorten the way there."""
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


@compiled
def unite(parent: NDArray[np.integer], one: int, other: int) -> None:
    """Make one set of the sets of two members."""
    one, other = find_root(parent, one), find_root(parent, other)
    if one < other:
        parent[other] = one
    else:
        parent[one] = other


@compiled
def sides(runs: Pieces, shape: tuple[int, int, int]) -> Faces:
    """Return the pieces on the sides of a block, 0 where there is none."""
    start, stop, piece = runs
    depth, height, width = shape
    y_first, y_last = np.zeros((depth, width), np.uint32), np.zeros((depth, width), np.uint32)
    x_first, x_last = np.zeros((depth, height), np.uint32), np.zeros((depth, height), np.uint32)
    for run in range(start.size):
        row, x = divmod(np.int64(start[run]), width)
        z, y = divmod(row, height)
        end = x + np.int64(stop[run]) - np.int64(start[run])
        if y == 0:
            y_first[z, x:end] = piece[run]
        if y == height - 1:
            y_last[z, x:end] = piece[run]
        if x == 0:
            x_first[z, y] = piece[run]
        if end == width:
            x_last[z, y] = piece[run]
    return y_first, y_last, x_first, x_last


@compiled
def join_planes(
    parent: NDArray[np.int64],
    planes: tuple[Face, Face],
    bases: tuple[NDArray[np.int64], NDArray[np.int64]],
    blocks: tuple[NDArray[np.int64], NDArray[np.int64]],
    connectivity: int,
) -> None:
    """Unite the pieces that touch across a plane between blocks, diagonally across the blocks' edges too.

    ``planes`` are the pieces on either side of it, ``bases`` what is added to a block's numbers, ``blocks`` the
    blocks' numbers along the plane's rows and columns.
    """
    height, width = planes[0].shape
    reach = 1 if connectivity > 6 else 0
    for row in range(height):
        for column in range(width):
            if planes[0][row, column] == 0:
                continue
            one = bases[0][blocks[0][row], blocks[1][column]] + planes[0][row, column] - 1
            for other_row in range(max(0, row - reach), min(height, row + reach + 1)):
                for other_column in range(max(0, column - reach), min(width, column + reach + 1)):
                    corner = other_row != row and other_column != column
                    piece = planes[1][other_row, other_column]
                    if piece and not (corner and connectivity == 18):
                        base = bases[1][blocks[0][other_row], blocks[1][other_column]]
                        unite(parent, one, base + piece - 1)


@compiled
def flatten_sets(parent: NDArray[np.int64]) -> None:
    """Point every member at the first one of its set."""
    for member in range(parent.size):
        parent[member] = find_root(parent, member)


@compiled
def paint(block: Whole, runs: Pieces, numbers: Whole) -> None:
    """Write into a block (z, y, x) the number of each run's piece, 0 elsewhere."""
    start, stop, piece = runs
    depth, height, width = block.shape
    run = 0
    for row in range(depth * height):
        z, y = divmod(row, height)
        block[z, y, :] = 0
        while run < start.size and start[run] < (row + 1) * width:
            x = start[run] - row * width
            block[z, y, x : x + stop[run] - start[run]] = numbers[piece[run] - 1]
            run += 1
