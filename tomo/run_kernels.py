"""Runs of voxels along x: find them in a block, join those that touch, paint them.

A run goes from ``start`` to before ``stop`` in the C order of its block and never leaves its row. Runs take far less
memory than voxels, and sums over them are closed forms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

_NONE, _ONE, _BYTE, _TOP = np.uint64(0), np.uint64(1), np.uint64(8), np.uint64(56)
_ONES = np.uint64(0x0101010101010101)
"""A one in each byte: times a word of zeros and ones, their sum is in the highest byte."""

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
    """Return the runs of one value other than 0 in rows (row, x) of labels."""
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
def find_mask_runs(flat: NDArray[np.uint8], words: NDArray[np.uint64], width: int) -> Rows:
    """Return the runs of 1 in a mask of 0 and 1, its rows of ``width`` one after the other; ``words`` are eights of it.

    Words without a change are passed over at once.
    """
    count = _count_mask_runs(flat, words, width)
    start, stop = np.empty(count, np.uint32), np.empty(count, np.uint32)
    first = np.zeros(flat.size // width + 1, np.int64)
    run, row, before = 0, 0, _NONE
    begin: Any = -1
    for number in range(words.size):
        word = words[number]
        changed = word ^ ((word << _BYTE) | before)
        before = word >> _TOP
        while changed:
            lowest = changed & (~changed + _ONE)
            changed ^= lowest
            at = 8 * number + np.int64((((lowest - _ONE) & _ONES) * _ONES) >> _TOP)
            if begin < 0:
                begin = at
            else:
                run, row = _add_run(start, stop, first, (begin, at, run, row), width)
                begin = -1
    for voxel in range(8 * words.size, flat.size):
        if flat[voxel] and begin < 0:
            begin = voxel
        elif not flat[voxel] and begin >= 0:
            run, row = _add_run(start, stop, first, (begin, voxel, run, row), width)
            begin = -1
    if begin >= 0:
        run, row = _add_run(start, stop, first, (begin, flat.size, run, row), width)
    first[row + 1 :] = run
    return start, stop, first


@compiled
def _count_mask_runs(flat: NDArray[np.uint8], words: NDArray[np.uint64], width: int) -> Any:
    """Return how many runs a mask has: where it rises, and where it goes on from row to row."""
    before, changes = _NONE, _NONE
    for word in words:
        changed = word ^ ((word << _BYTE) | before)
        before = word >> _TOP
        changes += (changed * _ONES) >> _TOP
    last = np.uint8(before)
    count: Any = np.int64(changes)
    for at in range(8 * words.size, flat.size):
        count += flat[at] != last
        last = flat[at]
    count = (count + 1) // 2
    for at in range(width, flat.size, width):
        count += flat[at] & flat[at - 1]
    return count


@compiled
def _add_run(
    start: Whole, stop: Whole, first: NDArray[np.int64], place: tuple[Any, Any, int, int], width: int
) -> tuple[int, int]:
    """Write down a run, as one of each row that it lies in; return the numbers of the next run and of its last row."""
    begin, end, run, row = place
    while begin >= (row + 1) * width:
        row += 1
        first[row] = run
    while end > (row + 1) * width:
        start[run], stop[run] = begin, (row + 1) * width
        begin = (row + 1) * width
        row, run = row + 1, run + 1
        first[row] = run
    start[run], stop[run] = begin, end
    return run + 1, row


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
    z, y, begin = 0, 0, 0
    for run in range(start.size):
        at = np.int64(start[run])
        while at >= begin + width:
            begin += width
            y += 1
            if y == height:
                z, y = z + 1, 0
        x, end = at - begin, np.int64(stop[run]) - begin
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
