"""Text as a header and a table of numbers, whatever the delimiter, the comment sign and the decimal sign."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FileError
from .sniff import Head

Column = str | int

COMMENTS = "#;%!*"
_RULE = re.compile(r"[-=*/_#;\s]*")
_NUMBERED = re.compile(r"\W*(\d{1,3})\)\s+(\S.*)")
_QUOTED = re.compile(r'"([^"]*)"')
_EXPLAINED = re.compile(r"\W*(\w+)\s*=\s*\{(.*?)\}\s*-->")
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
    the last line is one of them. ``aliases`` are further names of the columns, if there are any.
    """

    header: list[str]
    labels: list[str]
    values: NDArray[np.float64]
    lost: list[int]
    cut: bool
    aliases: Sequence[str] = ()


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
    numbers = [_floats(cells, comma) for _, cells in rows]
    width = _width(numbers)
    first = next((k for k, row in enumerate(numbers) if row is not None and len(row) == width), None)
    if width < 2 or first is None:
        raise FileError(start.path, "a table of numbers with two columns or more", "none", remedy=_remedy(delimiter))
    header = lines[: rows[first][0]]
    lost = [number + 1 for number, cells in rows[first:] if len(cells) != width]
    kept = [
        as_numbers(cells, comma=comma) if row is None else row
        for (_, cells), row in zip(rows[first:], numbers[first:], strict=True)
        if len(cells) == width
    ]
    codes = labels(header, width)
    told = _explained(header, codes)
    cut = bool(lost) and lost[-1] == rows[-1][0] + 1
    return Table(header, told or codes, np.array(kept), lost, cut, codes if told else ())


def labels(header: Sequence[str], width: int) -> list[str]:
    """Return the names of the columns, if the header gives as many; else none.

    They stand in lines that number them, in a line of quoted names, or in the last line that is not a rule.
    """
    numbered = {int(match[1]): match[2].rstrip() for line in header if (match := _NUMBERED.fullmatch(line))}
    if sorted(numbered) == list(range(1, width + 1)):
        return [numbered[k] for k in range(1, width + 1)]
    line = next((line.strip() for line in reversed(header) if not _RULE.fullmatch(line)), "")
    bare = line.lstrip(COMMENTS).removeprefix("L ").strip()
    for text in (bare, line):
        for cells in _label_splits(text):
            if len(cells) == width and all(cells) and all(np.isnan(_number(cell, comma=False)) for cell in cells):
                return cells
    quoted = (_QUOTED.findall(line) for line in header)
    return next((cells for cells in quoted if len(cells) == width and all(cells)), [])


def _explained(header: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Return what the header says that codes stand for, as in ``D1 = {I0} --> variable``; none if one is left out."""
    told = {match[1]: match[2].strip() or match[1] for line in header if (match := _EXPLAINED.match(line))}
    return [told[code] for code in codes] if codes and all(code in told for code in codes) else []


def _label_splits(text: str) -> list[list[str]]:
    """Return the ways to cut a line into labels: at tabs, commas, semicolons or wide gaps; else at spaces."""
    ways = [text.split("\t"), text.split(","), text.split(";"), re.split(r"\s{2,}|\t", text)]
    if not {",", ";"} & set(text):
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
    return max(ways, key=lambda way: sum(_floats(way[0](line), way[1]) is not None for line in sample))


def _width(rows: Sequence[Sequence[float] | None]) -> int:
    """Return the most frequent number of cells in the lines of numbers, the larger of two."""
    counts = Counter(len(row) for row in rows if row is not None)
    return max(counts, key=lambda width: (counts[width], width)) if counts else 0


def _is_data(line: str) -> bool:
    bare = line.strip()
    return bool(bare) and bare[0] not in COMMENTS


def as_numbers(cells: Sequence[str], *, comma: bool = False) -> list[float]:
    """Return cells as numbers, NaN where they are none."""
    row = _floats(cells, comma)
    return row if row is not None else [_number(cell, comma) for cell in cells]


def _floats(cells: Sequence[str], comma: bool) -> list[float] | None:
    """Return two cells or more as numbers, NaN and infinite ones too; None if one is no number."""
    if len(cells) < 2 or any("_" in cell for cell in cells):
        return None
    try:
        return [float(cell.replace(",", ".")) for cell in cells] if comma else list(map(float, cells))
    except ValueError:
        return None


def _number(cell: str, comma: bool) -> float:
    row = _floats([cell, "0"], comma)
    return np.nan if row is None else row[0]


def _remedy(delimiter: str | None) -> str:
    return "check 'delimiter'" if delimiter else "is it a scan? If so, state 'delimiter' and 'decimal'"


def whole_text(start: Head) -> str:
    """Return a whole file as text.

    Raises
    ------
    FileError
        If it holds a NUL byte.
    """
    data = start.path.read_bytes()
    if b"\x00" in data:
        remedy = "copy it again if its end was lost, or name the file's own reader in the recipe"
        raise FileError(start.path, "text", "binary data", place=f"byte {data.index(0)}", remedy=remedy)
    return Head(start.path, data).text


def header_fields(table: Table) -> dict[str, Any]:
    """Return the header as ``{key: value}``, lines that are no such pair together as ``comments``."""
    pairs: dict[str, Any] = {}
    comments = []
    for line in table.header:
        bare = line.strip().lstrip(COMMENTS).strip()
        key, found, value = bare.partition("=") if "=" in bare else bare.partition(": ")
        if found and key.strip() and value.strip():
            pairs[key.strip()] = value.strip()
        elif bare:
            comments.append(bare)
    return {**pairs, "comments": comments, "labels": table.labels}


def listed(numbers: Sequence[int]) -> str:
    """Return the first numbers as a text."""
    return ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")
