"""The slices of a volume among the files of a folder: which belong together, in which order, which are missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path

import numpy as np

from operando.errors import FileError, OperandoError

from .frames import MISSING, MOST_FRAMES
from .scan import require_count
from .tiff_pages import SUFFIXES

_NUMBER = re.compile(r"\d+")
_ADVICE = "name the slices, such as pattern = 'slice_*.tif'"


@dataclass(frozen=True)
class Family:
    """Files that differ in one number only, ascending."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    others: tuple[str, ...]

    def between(self, at: Sequence[int], count: int) -> list[int]:
        """Return the numbers of the slices that are missing among ``count`` places, of which those ``at`` are there."""
        step = (self.numbers[-1] - self.numbers[0]) // (at[-1] - at[0]) if len(at) > 1 else 1
        start, there = self.numbers[0] - step * at[0], set(at)
        return [start + step * place for place in range(count) if place not in there]

    def name(self, number: int) -> str:
        """Return the name of the slice with a number, also of one that is not there."""
        known, sample = self.names[0], str(self.numbers[0])
        at = [match for match in _NUMBER.finditer(Path(known).stem) if match[0].lstrip("0") == sample.lstrip("0")]
        if not at:
            return known
        width = len(at[-1][0]) if at[-1][0].startswith("0") or number < self.numbers[0] else 0
        return f"{known[: at[-1].start()]}{number:0{width}d}{known[at[-1].end() :]}"


def family(folder: Path, pattern: str | None = None, like: str | None = None) -> Family:
    """Return the slices in a folder: the files named like ``like``, else the largest family of files.

    Raises
    ------
    FileError
        If there is none, or two of one size, or two files have one number.
    OperandoError
        If the pattern is none.
    """
    if pattern is not None and not (isinstance(pattern, str) and pattern and "/" not in pattern):
        raise OperandoError(f"{folder}: pattern: expected one of file names, such as 'slice_*.tif', got {pattern!r}")
    try:
        files = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise FileError(folder, "a folder of slices", error.strerror or str(error)) from None
    names = [name for name in files if not name.startswith(".") and (pattern is None or fnmatchcase(name, pattern))]
    if not names:
        wanted = f"TIFF files named {pattern!r}" if pattern else "TIFF files"
        raise FileError(folder, wanted, f"none among {len(files)}" if pattern else "none", remedy=_ADVICE)
    families = _families(names)
    if like is not None:
        chosen = next((one for one in families if like in one), {like: 0})
    else:
        largest = max(map(len, families))
        first, *further = [one for one in families if len(one) == largest]
        if further:
            got = f"files such as {next(iter(first))} and {next(iter(further[0]))}, {largest} each"
            raise FileError(folder, "the slices of one volume", got, remedy=_ADVICE)
        chosen = first
    ordered = sorted(chosen.items(), key=lambda item: item[1])
    for (one, number), (other, following) in pairwise(ordered):
        if number == following:
            raise FileError(folder, "one file a number", f"{one} and {other}", remedy=_ADVICE)
    others = tuple(name for name in files if name not in chosen)
    return Family(tuple(name for name, _ in ordered), tuple(number for _, number in ordered), others)


def _families(names: Sequence[str]) -> list[dict[str, int]]:
    """Return the files by families, each with the last of its numbers that differs among files named alike."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_NUMBER.sub("#", name).lower(), []).append(name)
    found: dict[tuple[str, tuple[int, ...]], dict[str, int]] = {}
    for skeleton, members in alike.items():
        numbers = [[int(number) for number in _NUMBER.findall(Path(name).stem)] for name in members]
        differing = [k for k in range(len(numbers[0])) if len({row[k] for row in numbers}) > 1]
        at = differing[-1] if differing else len(numbers[0]) - 1
        for name, row in zip(members, numbers, strict=True):
            key = (skeleton, tuple(row[:at] + row[at + 1 :]) if row else ())
            found.setdefault(key, {})[name] = row[at] if row else 0
    return list(found.values())


def places(folder: Path, known: Family, first: int | None, slices: int | None) -> tuple[int, ...]:
    """Return the place of each slice from 0 on: gaps in the numbers are places of missing slices.

    The numbers rise by their most frequent step. ``first`` is the number of the first slice, by default the lowest; if
    so many ``slices`` are expected and the highest number is theirs, it is 1 or 0.

    Raises
    ------
    FileError
        If the numbers do not rise in steps, or leave out more than there are.
    OperandoError
        If a setting is wrong.
    """
    require_count(folder, slices)
    numbers = np.array(known.numbers)
    gaps = Counter(np.diff(numbers).tolist())
    step = min((gap for gap in gaps if gaps[gap] == max(gaps.values())), default=1)
    start = _first(folder, known, first, slices if step == 1 else None)
    at, rest = np.divmod(numbers - start, step)
    if rest.any():
        odd = known.names[int(np.flatnonzero(rest)[0])]
        raise FileError(folder, f"numbers in steps of {step}", odd, place="names of the slices", remedy=_ADVICE)
    if at[-1] + 1 > min(2 * numbers.size + (slices or 0), MOST_FRAMES):
        got = f"{numbers.size} files with numbers from {start} to {numbers[-1]}"
        raise FileError(folder, "slices numbered one after the other", got, remedy=_ADVICE)
    return tuple(at.tolist())


def _first(folder: Path, known: Family, first: int | None, slices: int | None) -> int:
    lowest, highest = known.numbers[0], known.numbers[-1]
    if first is not None:
        if isinstance(first, bool) or not isinstance(first, int) or first < 0 or first > lowest:
            said = f"expected a number of a slice up to {lowest}, which is there, got {first!r}"
            raise OperandoError(f"{folder}: first: {said}")
        return first
    if slices is not None and lowest > 1 and highest in (slices, slices - 1):
        return highest + 1 - slices
    return lowest


def order(at: Sequence[int], count: int) -> tuple[int, ...]:
    """Return which slice lies at each of ``count`` places."""
    found = np.full(count, MISSING)
    for number, place in enumerate(at):
        if place < count:
            found[place] = number
    return tuple(found.tolist())
