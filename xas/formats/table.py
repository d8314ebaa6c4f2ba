"""Text as a header and a table of numbers, whatever the delimiter, the comment sign and the decimal sign."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.sniff import Head

COMMENTS = "#;%!*"
_RULE = re.compile(r"[-=*/_#;\s]*")
_SAMPLE = 50
_SPLITS: dict[str, Callable[[str], list[str]]] = {
    "whitespace": str.split,
    ",": lambda line: [cell.strip() for cell in line.split(",")],
    ";": lambda line: [cell.strip() for cell in line.split(";")],
    "\t": lambda line: [cell.strip() for cell in line.split("\t")],
}


@dataclass(frozen=True)
class Table:
    """A text file's header and numbers.

    ``labels`` are the columns' names, empty if the header gives none. ``values`` has one row a line; a cell that is
    not a number is NaN. ``lost`` are the numbers of the lines without the right number of cells; ``cut`` says that
    the last line is one of them.
    """

    header: list[str]
    labels: list[str]
    values: NDArray[np.float64]
    lost: list[int]
    cut: bool


def parse(start: Head, text: str, delimiter: str | None = None, decimal: str | None = None) -> Table:
    """Return the table in ``text``.

    Raises
    ------
    FileError
        If the text holds no two columns of numbers.
    """
    lines = text.splitlines()
    split, comma = _layout(start, lines, delimiter, decimal)
    rows = [(number, split(line)) for number, line in enumerate(lines) if _is_data(line)]
    width = _width([cells for _, cells in rows], comma)
    first = next((k for k, (_, cells) in enumerate(rows) if len(cells) == width and _numeric(cells, comma)), None)
    if width < 2 or first is None:
        raise FileError(start.path, "a table of numbers with two columns or more", "none", remedy=_remedy(delimiter))
    header = lines[: rows[first][0]]
    body = rows[first:]
    lost = [number + 1 for number, cells in body if len(cells) != width]
    kept = [cells for _, cells in body if len(cells) == width]
    values = np.array([[_number(cell, comma) for cell in cells] for cells in kept])
    return Table(header, labels(header, width), values, lost, bool(lost) and lost[-1] == body[-1][0] + 1)


def labels(header: Sequence[str], width: int) -> list[str]:
    """Return the names of the columns from the header's last line that is not a rule, if it has as many; else none."""
    line = next((line.strip() for line in reversed(header) if not _RULE.fullmatch(line)), "")
    bare = line.lstrip(COMMENTS).removeprefix("L ").strip()
    for text in (bare, line):
        for cells in _label_splits(text):
            if len(cells) == width and all(cells) and not any(_is_number(cell) for cell in cells):
                return cells
    return []


def _label_splits(text: str) -> list[list[str]]:
    """Return the ways to cut a line into labels: at tabs, commas or wide gaps; at spaces if it has no comma."""
    ways = [text.split("\t"), text.split(","), re.split(r"\s{2,}|\t", text)]
    if "," not in text:
        ways.append(text.split())
    return [[cell.strip().strip('"') for cell in cells] for cells in ways]


def _layout(
    start: Head, lines: Sequence[str], delimiter: str | None, decimal: str | None
) -> tuple[Callable[[str], list[str]], bool]:
    """Return how lines are split and whether the decimal sign is a comma: the way most lines read as numbers."""
    for given, known, what in ((delimiter, _SPLITS, "delimiter"), (decimal, (".", ","), "decimal")):
        if given is not None and given not in known:
            raise FileError(start.path, f"{what} among {', '.join(map(repr, known))}", repr(given))
    if delimiter is not None and delimiter == decimal:
        raise FileError(start.path, "a decimal sign other than the delimiter", repr(decimal))
    sample = [line for line in lines if _is_data(line)][-_SAMPLE:]
    ways = [
        (split, sign == ",")
        for sign in ([decimal] if decimal else [".", ","])
        for name, split in _SPLITS.items()
        if (delimiter is None or name == delimiter) and name != sign
    ]
    return max(ways, key=lambda way: sum(_numeric(way[0](line), way[1]) for line in sample))


def _width(rows: Sequence[Sequence[str]], comma: bool) -> int:
    """Return the most frequent number of cells in the lines of numbers."""
    counts = Counter(len(cells) for cells in rows if _numeric(cells, comma))
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def _is_data(line: str) -> bool:
    bare = line.strip()
    return bool(bare) and bare[0] not in COMMENTS


def _numeric(cells: Sequence[str], comma: bool) -> bool:
    """Whether there are two cells or more and each is a number, NaN or infinite."""
    return len(cells) > 1 and all(_is_number(cell.replace(",", ".") if comma else cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _number(cell: str, comma: bool) -> float:
    text = cell.replace(",", ".") if comma else cell
    return float(text) if _is_number(text) else np.nan


def _remedy(delimiter: str | None) -> str:
    return "check 'delimiter'" if delimiter else "is it a scan? If so, state 'delimiter' and 'decimal'"
