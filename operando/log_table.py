"""The text beside images: a header and a table of words, one line a frame of a stack or a volume of a series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import FileError
from .text_table import COMMENTS

IMAGE_NAME = re.compile(r".+\.(tiff?|dat)", re.IGNORECASE)
_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "\t": lambda line: [cell.strip() for cell in line.split("\t")],
    ";": lambda line: [cell.strip() for cell in line.split(";")],
    ",": lambda line: [cell.strip() for cell in line.split(",")],
    "whitespace": str.split,
}


@dataclass(frozen=True)
class LogTable:
    """A log's header and words; ``lost`` are the numbers of lines without the right number of cells."""

    header: list[str]
    labels: list[str]
    rows: list[list[str]]
    lost: list[int]

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.rows[0])

    def file_column(self) -> int | None:
        """Return the column that names image files in most lines, None if there is none."""
        hits = [sum(bool(IMAGE_NAME.fullmatch(row[k])) for row in self.rows) for k in range(self.width)]
        best = int(np.argmax(hits))
        return best if hits[best] > len(self.rows) / 2 else None

    def numbers(self, column: int) -> NDArray[np.float64]:
        """Return a column as numbers, decimal commas too; a word is NaN."""
        return np.array([_number(row[column]) for row in self.rows])


def parse(path: Path, text: str, delimiter: str | None = None) -> LogTable:
    """Return the table of a log: lines of equally many cells, cut the way that gives most of them two or more.

    Raises
    ------
    FileError
        If there is none, or the delimiter is unknown.
    """
    if delimiter is not None and delimiter not in _SPLITS:
        raise FileError(path, f"delimiter among {', '.join(map(repr, _SPLITS))}", repr(delimiter))
    lines = text.splitlines()
    data = [number for number, line in enumerate(lines) if line.strip() and line.strip()[0] not in COMMENTS]
    ways = [way for name, way in _SPLITS.items() if delimiter in (None, name)]
    split, width = max(((way, *_width(lines, data, way)) for way in ways), key=lambda item: item[2])[:2]
    rows = [(number, split(lines[number])) for number in data]
    whole = [(number, cells) for number, cells in rows if len(cells) == width]
    if width < 2 or not whole:
        raise FileError(
            path, "a table with two columns or more, one line a frame or a volume", "none", remedy="state 'delimiter'"
        )
    header = lines[: data[0]]
    labels = _labels(header, split, width)
    first = whole[0][1]
    if not labels and all(np.isnan(_number(cell)) and not IMAGE_NAME.fullmatch(cell) for cell in first):
        labels, whole = first, whole[1:]
    if not whole:
        raise FileError(path, "lines below the labels", "none")
    lost = [number + 1 for number, cells in rows if len(cells) != width and number > whole[0][0]]
    return LogTable(header, labels, [cells for _, cells in whole], lost)


def header_value(header: Sequence[str], name: str) -> str | None:
    """Return what stands behind ``name`` (and ``=`` or ``:``) in the header's first line that begins with it."""
    for line in header:
        bare = line.strip().lstrip(COMMENTS).strip()
        if bare.lower().startswith(name.lower()):
            rest = bare[len(name) :].strip()
            if rest[:1] in ("=", ":"):
                return rest[1:].strip()
    return None


def _width(lines: Sequence[str], data: Sequence[int], split: Callable[[str], list[str]]) -> tuple[int, int]:
    """Return the most frequent number of cells, and in how many lines; none where a line is one cell."""
    counts = Counter(len(split(lines[number])) for number in data)
    counts.pop(1, None)
    return max(counts.items(), key=lambda item: (item[1], item[0])) if counts else (0, 0)


def _labels(header: Sequence[str], split: Callable[[str], list[str]], width: int) -> list[str]:
    """Return the names of the columns from the header's last line, if it has as many; else none."""
    for line in reversed(header):
        bare = line.strip().lstrip(COMMENTS).strip()
        if bare:
            cells = split(bare)
            return cells if len(cells) == width and all(cells) else []
    return []


def _number(cell: str) -> float:
    try:
        return float(cell.replace(",", ".")) if "_" not in cell else np.nan
    except ValueError:
        return np.nan
