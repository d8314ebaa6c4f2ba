"""Where the pieces of a volume wait between the two passes of labeling: in memory, or in a folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from os import PathLike
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .grids import Block, Grid
from .run_kernels import Face, Faces, Pieces, paint

_ALL = 1 << 32


class Numbers:
    """The final numbers of the pieces of all blocks; ``bases`` are where those of each block begin and end."""

    def __init__(self, every: NDArray[np.uint32], bases: NDArray[np.int64], count: int) -> None:
        self.every, self.bases, self.count = every, bases, count

    def of(self, block: Block) -> NDArray[np.uint32]:
        """Return the numbers of a block's pieces."""
        begin, end = self.bases[block]
        return self.every[begin:end]


class PieceStore(ABC):
    """What the first pass leaves of each block for the second."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    @abstractmethod
    def put(self, block: Block, pieces: Pieces, sides: Faces) -> None:
        """Keep the runs of a block and the pieces on its sides."""

    @abstractmethod
    def pieces(self, block: Block, begin: int = 0, end: int = _ALL) -> Pieces:
        """Return the runs of a block, or those that start within a part of its voxels in C order."""

    @abstractmethod
    def side(self, block: Block, number: int) -> Face:
        """Return one of the sides of a block."""

    @abstractmethod
    def put_numbers(self, numbers: Numbers) -> None:
        """Keep the final numbers of all pieces."""

    @abstractmethod
    def numbers(self, block: Block) -> Face:
        """Return the final numbers of the pieces of a block."""

    def plane(self, axis: int, index: int, last: bool) -> Face:
        """Return the whole first or last plane of the blocks that have an index along an axis."""
        across = [number for number in range(3) if number != axis]
        plane: Face = np.empty([self.grid.shape[number] for number in across], np.uint32)
        for block in self.grid.layer(axis, index):
            part = self.grid.part(block)
            target = plane[part[across[0]], part[across[1]]]
            target[...] = self._slice(block, last) if axis == 0 else self.side(block, 2 * axis - 2 + last)
        return plane

    def _slice(self, block: Block, last: bool) -> Face:
        depth, height, width = self.grid.extent(block)
        below = (depth - 1) * height * width if last else 0
        start, stop, piece = self.pieces(block, below, below + height * width)
        painted: Face = np.empty((1, height, width), np.uint32)
        same = np.arange(1, piece.max(initial=0) + 1, dtype=np.uint32)
        paint(painted, (start - np.uint32(below), stop - np.uint32(below), piece), same)
        return painted.reshape(height, width)


class MemoryStore(PieceStore):
    """Pieces in memory."""

    def __init__(self, grid: Grid) -> None:
        super().__init__(grid)
        self._pieces: dict[Block, Pieces] = {}
        self._sides: dict[Block, Faces] = {}

    def put(self, block: Block, pieces: Pieces, sides: Faces) -> None:
        """Keep the runs of a block and the pieces on its sides."""
        self._pieces[block], self._sides[block] = pieces, sides

    def pieces(self, block: Block, begin: int = 0, end: int = _ALL) -> Pieces:
        """Return the runs of a block, or those of a part."""
        start, stop, piece = self._pieces[block]
        part = slice(*np.searchsorted(start, (begin, end)))
        return start[part], stop[part], piece[part]

    def side(self, block: Block, number: int) -> Face:
        """Return one of the sides of a block."""
        return self._sides[block][number]

    def put_numbers(self, numbers: Numbers) -> None:
        """Keep the final numbers of all pieces."""
        self._numbers = numbers

    def numbers(self, block: Block) -> Face:
        """Return the final numbers of the pieces of a block."""
        return self._numbers.of(block)


class FolderStore(PieceStore):
    """Pieces in a folder that every worker reaches: a file a block, its sides before its runs, 4 bytes a number.

    A file appears whole or not at all, and a block done twice is written twice the same: workers may die. A
    temporary folder goes with the object that made it.
    """

    def __init__(self, grid: Grid, folder: Path, *, temporary: bool = False) -> None:
        super().__init__(grid)
        self.folder = folder
        if temporary:
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild in another process, where the folder is only borrowed."""
        return FolderStore, (self.grid, self.folder)

    def put(self, block: Block, pieces: Pieces, sides: Faces) -> None:
        """Keep the runs of a block and the pieces on its sides."""
        unfinished = self.folder / f"{uuid4().hex}.part"
        with unfinished.open("wb") as file:
            for values in (*sides, *pieces):
                values.tofile(file)
        unfinished.replace(self._file(block))

    def pieces(self, block: Block, begin: int = 0, end: int = _ALL) -> Pieces:
        """Return the runs of a block, or those of a part."""
        first, count = self._starts(block)[-1], self._runs(block)
        if not count or (begin, end) == (0, _ALL):
            every = self._read(block, first, 3 * count).reshape(3, count)
            return every[0], every[1], every[2]
        starts = np.memmap(self._file(block), np.uint32, "r", offset=4 * first, shape=(count,))
        low, high = np.searchsorted(starts, (begin, end)).tolist()
        start, stop, piece = (self._read(block, first + row * count + low, high - low) for row in range(3))
        return start, stop, piece

    def side(self, block: Block, number: int) -> Face:
        """Return one of the sides of a block."""
        starts, extent = self._starts(block), self.grid.extent(block)
        values = self._read(block, starts[number], starts[number + 1] - starts[number])
        return values.reshape([size for axis, size in enumerate(extent) if axis != number // 2 + 1])

    def put_values(self, block: Block, values: NDArray[np.int8]) -> None:
        """Keep bytes of each voxel of a block's runs, in their order, dims (voxel, byte)."""
        unfinished = self.folder / f"{uuid4().hex}.part"
        values.tofile(unfinished)
        unfinished.replace(self.folder / "values_{}_{}_{}".format(*block))

    def values(self, block: Block, count: int) -> NDArray[np.int8]:
        """Return the ``count`` bytes of each voxel of a block's runs."""
        return np.fromfile(self.folder / "values_{}_{}_{}".format(*block), np.int8).reshape(-1, count)

    def put_numbers(self, numbers: Numbers) -> None:
        """Keep the final numbers of all pieces."""
        numbers.every.tofile(self.folder / "numbers")
        numbers.bases.tofile(self.folder / "bases")

    def numbers(self, block: Block) -> Face:
        """Return the final numbers of the pieces of a block."""
        at = int(np.ravel_multi_index(block, self.grid.counts))
        begin, end = np.fromfile(self.folder / "bases", np.int64, 2, offset=16 * at).tolist()
        return np.fromfile(self.folder / "numbers", np.uint32, end - begin, offset=4 * begin)

    def _read(self, block: Block, begin: int, count: int) -> Face:
        return np.fromfile(self._file(block), np.uint32, count, offset=4 * begin)

    def _file(self, block: Block) -> Path:
        return self.folder / "pieces_{}_{}_{}".format(*block)

    def _runs(self, block: Block) -> int:
        """Return how many runs a block has."""
        return (self._file(block).stat().st_size // 4 - self._starts(block)[-1]) // 3

    def _starts(self, block: Block) -> list[int]:
        """Return where each side starts in a block's file, and last the runs, in numbers."""
        z, y, x = self.grid.extent(block)
        return [0, *np.cumsum(np.repeat([z * x, z * y], 2)).tolist()]


def open_store(store: str | PathLike[str] | None, number: int, grid: Grid) -> FolderStore:
    """Return a place for the pieces of the ``number``-th volume in ``store``, or in a temporary folder for None.

    Raises
    ------
    OperandoError
        If the store holds pieces already, or cannot be written.
    """
    return FolderStore(grid, open_folder(store, f"volume_{number}", "operando-label-"), temporary=store is None)


def open_folder(store: str | PathLike[str] | None, name: str, prefix: str) -> Path:
    """Return a new folder in ``store``, or a temporary one for None.

    Raises
    ------
    OperandoError
        If it is there already, or cannot be written.
    """
    if store is None:
        import dask

        return Path(tempfile.mkdtemp(prefix=prefix, dir=dask.config.get("temporary-directory", None)))
    folder = Path(store).absolute() / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FileError(
            store, "a folder without pieces that can be written", str(error), remedy="name one that is not there yet"
        ) from error
    return folder
