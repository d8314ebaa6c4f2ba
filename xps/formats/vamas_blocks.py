"""The blocks of a VAMAS file (ISO 14976): what each says of itself, and its numbers.

Order of items after W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988),
doi:10.1002/sia.740130202.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError
from operando.sniff import Head

from .vamas_lines import (
    COUNTS,
    CUT,
    END,
    FORMAT,
    MAPS,
    NOT_GIVEN,
    Experiment,
    Lines,
    experiment_of,
    number,
    split_lines,
)

Floats = NDArray[np.float64]

_IONS = ("FABMS", "FABMS energy spec", "ISS", "SIMS", "SIMS energy spec", "SNMS", "SNMS energy spec")
_OTHERS = ("AES diff", "AES dir", "EDX", "ELS", "UPS", "XPS", "XRF")
_DATE = ("year", "month", "day", "hours", "minutes", "seconds", "hours ahead of GMT")
"""Numbers in every file: other text shows that lines are not where the counts before them say."""
TECHNIQUES = (*_IONS, *_OTHERS)
_LINE_SCANS = ("MAPSV", "MAPSVDP", "SEM")
_SPUTTERED = ("MAPDP", "MAPSVDP", "SDP", "SDPSV")


@dataclass
class Block:
    """One block: texts by the names of the standard, and its numbers.

    ``values`` has one row a point and one column a corresponding variable; ``stated`` are the points that the file
    promises. ``end_line`` is the line behind it (from 0).
    """

    fields: dict[str, str] = field(default_factory=dict)
    comment: list[str] = field(default_factory=list)
    experimental: list[str] = field(default_factory=list)
    variables: list[tuple[str, str]] = field(default_factory=list)
    additional: list[tuple[str, str, str]] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    stated: int = 0
    end_line: int = 0
    odd: str = ""


@dataclass
class File:
    """The experiment, its blocks, and why further ones cannot be read."""

    experiment: Experiment
    blocks: list[tuple[int, Block]]
    left_out: list[FileError]


def parsed(path: Path, data: bytes) -> File:
    """Return the parts of a file.

    Raises
    ------
    FileError
        If it is no VAMAS file or its header cannot be read; what is wrong with single blocks is returned.
    """
    lines = Lines(path, split_lines(Head(path, data).text))
    while lines.at < len(lines.lines) and not lines.lines[lines.at].strip():
        lines.at += 1
    first = lines.text("a VAMAS file")
    if not first.startswith(FORMAT):
        raise FileError(path, f"{FORMAT!r} and its date", repr(first[:60]), place=lines.place)
    experiment = experiment_of(lines)
    blocks, left_out = _blocks(lines, experiment)
    left_out += _ending(lines, experiment, len(blocks) + len(left_out), whole=not left_out)
    return File(experiment, blocks, left_out)


def _blocks(lines: Lines, experiment: Experiment) -> tuple[list[tuple[int, Block]], list[FileError]]:
    """Return the blocks with their numbers, and why others cannot be read.

    Behind a header that cannot be read nothing more can be. If a number stands where it should begin, the block before
    it probably goes on there and cannot be trusted either.
    """
    blocks: list[tuple[int, Block]] = []
    left_out: list[FileError] = []
    first: Block | None = None
    count = 0
    while not _ended(lines):
        count, start, block = count + 1, lines.at, Block()
        try:
            _header(lines, experiment, block, first)
        except FileError as error:
            if blocks and blocks[-1][1].end_line == start and number(lines.lines[start]) is not None:
                left_out.append(_wrong_length(lines, blocks.pop()[1]))
            left_out.append(error)
            break
        first = first or block
        try:
            _ordinates(lines, block)
        except FileError as error:
            left_out.append(error)
        else:
            blocks.append((count, block))
    return blocks, left_out


def _wrong_length(lines: Lines, block: Block) -> FileError:
    expected = f"{block.stated * len(block.variables)} values as stated"
    place = f"block {block.fields['block']!r}, line {block.end_line + 1}"
    return FileError(lines.path, expected, "further numbers behind them", place=place, remedy=COUNTS)


def _ended(lines: Lines) -> bool:
    """Whether nothing but the end, or what is left of its line, lies ahead."""
    ahead = (lines.lines[k].strip() for k in range(lines.at, len(lines.lines)))
    left = list(islice(filter(None, ahead), 2))
    if not left or left[0].casefold() == END:
        return True
    return len(left) == 1 and number(left[0]) is None


def _ending(lines: Lines, experiment: Experiment, found: int, *, whole: bool) -> list[FileError]:
    """Return what is wrong with the end of a file: its last line, or the number of blocks before it."""
    if found != experiment.blocks:
        return [FileError(lines.path, f"{experiment.blocks} blocks as stated", str(found), remedy=CUT)]
    rest = next((line.strip() for line in lines.lines[lines.at :] if line.strip()), "the end of the file")
    if whole and rest.casefold() != END:
        return [FileError(lines.path, f"{END!r} behind the last block", rest, remedy=CUT)]
    return []


Needed = Callable[[Experiment, str], bool]


def _always(_experiment: Experiment, _technique: str) -> bool:
    return True


def _in(*modes: str) -> Needed:
    return lambda experiment, _technique: experiment.mode in modes


_ITEMS: tuple[tuple[int, tuple[str, ...], Needed], ...] = (
    (1, ("year",), _always),
    (2, ("month",), _always),
    (3, ("day",), _always),
    (4, ("hours",), _always),
    (5, ("minutes",), _always),
    (6, ("seconds",), _always),
    (7, ("hours ahead of GMT",), _always),
    (8, ("comment",), _always),
    (9, ("technique",), _always),
    (10, ("x coordinate", "y coordinate"), _in(*MAPS)),
    (11, ("experimental variables",), _always),
    (12, ("source",), _always),
    (
        13,
        ("sputtering ion atomic number", "atoms in sputtering ion", "sputtering ion charge"),
        lambda experiment, technique: experiment.mode in _SPUTTERED or technique in _IONS,
    ),
    (14, ("source energy",), _always),
    (15, ("source strength",), _always),
    (16, ("source width x", "source width y"), _always),
    (17, ("field of view x", "field of view y"), _in(*MAPS, *_LINE_SCANS)),
    (
        18,
        (
            "first line scan start x",
            "first line scan start y",
            "first line scan finish x",
            "first line scan finish y",
            "last line scan finish x",
            "last line scan finish y",
        ),
        _in(*_LINE_SCANS),
    ),
    (19, ("source polar angle",), _always),
    (20, ("source azimuth",), _always),
    (21, ("analyser mode",), _always),
    (22, ("pass energy or retard ratio",), _always),
    (23, ("differential width",), lambda _experiment, technique: technique == "AES diff"),
    (24, ("lens magnification",), _always),
    (25, ("analyser work function",), _always),
    (26, ("target bias",), _always),
    (27, ("analysis width x", "analysis width y"), _always),
    (28, ("take-off polar angle", "take-off azimuth"), _always),
    (29, ("species",), _always),
    (30, ("transition", "charge of detected particle"), _always),
    (
        31,
        ("abscissa label", "abscissa unit", "abscissa start", "abscissa increment"),
        lambda experiment, _technique: experiment.scan == "REGULAR",
    ),
    (32, ("corresponding variables",), _always),
    (33, ("signal mode",), _always),
    (34, ("collection time",), _always),
    (35, ("scans",), _always),
    (36, ("time correction",), _always),
    (
        37,
        (
            "sputtering energy",
            "sputtering beam current",
            "sputtering width x",
            "sputtering width y",
            "sputtering polar angle",
            "sputtering azimuth",
            "sputtering mode",
        ),
        lambda experiment, technique: experiment.mode in _SPUTTERED and technique in _OTHERS,
    ),
    (38, ("sample tilt polar angle", "sample tilt azimuth"), _always),
    (39, ("sample rotation",), _always),
    (40, ("additional parameters",), _always),
)
"""The parts of a block: number, items, and whether a block has them, which follows from mode and technique."""


def _header(lines: Lines, experiment: Experiment, block: Block, first: Block | None) -> None:
    """Read a block up to its values; what it leaves out is as in the first block."""
    block.fields["block"] = lines.text("the identifier of a block")
    block.fields["sample"] = lines.text("the identifier of a sample")
    for part, names, needed in _ITEMS:
        if not needed(experiment, block.fields.get("technique", "")):
            continue
        if first is None or part in experiment.repeated:
            _read(lines, experiment, block, names)
        else:
            _copy(block, first, names)
    upgrades = lines.texts("a future upgrade block entry", experiment.later_entries)
    if upgrades:
        block.fields["future upgrade entries"] = "; ".join(upgrades)
    values, width = lines.whole("the number of ordinate values"), len(block.variables)
    if values <= 0 or values % width:
        expected = f"a multiple of {width} ordinate values, the number of corresponding variables"
        raise FileError(lines.path, expected, str(values), place=lines.place, remedy=COUNTS)
    block.stated = values // width
    block.limits = lines.texts("the limits of a variable", 2 * width)


def _read(lines: Lines, experiment: Experiment, block: Block, names: tuple[str, ...]) -> None:
    """Read one part of a block."""
    name = names[0]
    if name == "comment":
        block.comment = lines.texts("a comment", lines.count("the number of comment lines of a block"))
    elif name == "technique":
        block.fields[name] = lines.among("a technique", TECHNIQUES)
    elif name == "experimental variables":
        block.experimental = lines.texts("an experimental variable", len(experiment.variables))
    elif name == "corresponding variables":
        count = lines.count("the number of corresponding variables")
        if not count:
            raise FileError(lines.path, "one corresponding variable or more", "none", place=lines.place, remedy=COUNTS)
        block.variables = lines.pairs("a corresponding variable", count)
    elif name == "additional parameters":
        count = lines.count("the number of additional numerical parameters")
        what = "an additional parameter"
        block.additional = [(lines.text(what), lines.text(what), lines.text(what)) for _ in range(count)]
    else:
        for item in names:
            block.fields[item] = lines.text(f"the {item}")
            if item in _DATE and block.fields[item] and number(block.fields[item]) is None:
                got = repr(block.fields[item][:60])
                raise FileError(lines.path, f"the {item} as a number", got, place=lines.place, remedy=COUNTS)


def _copy(block: Block, first: Block, names: tuple[str, ...]) -> None:
    """Take one part from the first block."""
    name = names[0]
    if name == "comment":
        block.comment = first.comment
    elif name == "experimental variables":
        block.experimental = first.experimental
    elif name == "corresponding variables":
        block.variables = first.variables
    elif name == "additional parameters":
        block.additional = first.additional
    else:
        block.fields |= {item: first.fields[item] for item in names if item in first.fields}


def _ordinates(lines: Lines, block: Block) -> None:
    """Read the values of a block, as many as are there, and go on behind those stated.

    A last line without an end may be half a number and is left out.

    Raises
    ------
    FileError
        If one of them is no number, or none is there.
    """
    width, start = len(block.variables), lines.at
    stated = block.stated * width
    texts = lines.lines[start : start + stated]
    values = _leading_numbers(texts)
    behind = start + len(values)
    if len(values) < stated and not _breaks_off(lines, behind):
        lines.at = min(start + stated, len(lines.lines))
        place = f"block {block.fields['block']!r}, line {behind + 1}"
        got = repr(lines.lines[behind].strip()[:60])
        raise FileError(lines.path, f"a number, {stated} in all", got, place=place, remedy=COUNTS)
    lines.at = block.end_line = behind
    if behind == len(lines.lines):
        values = values[:-1]
    rows = len(values) // width
    if rows < block.stated:
        block.odd = f"{rows} of the {block.stated} points stated are there"
    block.values = np.array(values[: rows * width], dtype=np.float64).reshape(rows, width)


def _leading_numbers(texts: Sequence[str]) -> list[float]:
    """Return the numbers up to the first text that is none; NaN where a value is not given."""
    values: list[float] = []
    try:
        for text in texts:
            if "_" in text:
                break
            values.append(float(text))
    except ValueError:
        pass
    return [value if abs(value) < NOT_GIVEN else np.nan for value in values]


def _breaks_off(lines: Lines, at: int) -> bool:
    """Whether the file ends at a line, or within it."""
    return (
        not any(line.strip() for line in lines.lines[at : len(lines.lines) - 1])
        and lines.lines[-1].strip().casefold() != END
    )
