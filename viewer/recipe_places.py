"""Where the series of a recipe and their steps stand in its text: lines, with strings and lists passed over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]")
_USE = re.compile(r"""^\s*use\s*=\s*["']([^"']*)["']""")
_QUOTES = ('"""', "'''", '"', "'")


@dataclass
class Block:
    """Lines of a step: from its header to before what follows, blank lines and comments of the next left out."""

    start: int
    end: int
    use: str = ""


@dataclass
class SeriesBlock:
    """Lines of a series: its header, and the end of its last table; ``indent`` is that of its steps."""

    start: int
    end: int
    indent: str = "  "
    steps: list[Block] = field(default_factory=list)


def series_blocks(lines: list[str]) -> list[SeriesBlock]:
    """Return the series of a recipe that are written as tables, in their order."""
    headers = [*_headers(lines), (len(lines), "", "")]
    found: list[SeriesBlock] = []
    for (start, kind, name), (following, *_) in pairwise(headers):
        end = _end(lines, start, following)
        if kind == "[[" and name == "series":
            found.append(SeriesBlock(start, end))
        elif found and name.startswith("series."):
            series = found[-1]
            series.end = end
            if kind == "[[" and name == "series.steps":
                series.indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
                uses = [match.group(1) for line in lines[start:end] if (match := _USE.match(line))]
                series.steps.append(Block(start, end, uses[0] if uses else ""))
            elif series.steps and name.startswith("series.steps."):
                series.steps[-1].end = end
    return found


def _end(lines: list[str], start: int, following: int) -> int:
    """Return where a table ends: blank lines and comments before the next header belong to that."""
    end = following
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return end


def _headers(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the brackets and the name of each header; not what looks like one within a list or a string."""
    depth, quote = 0, ""
    for number, line in enumerate(lines):
        if depth == 0 and not quote and (match := _HEADER.match(line)):
            yield number, match.group(1), ".".join(part.strip().strip("\"'") for part in match.group(2).split("."))
            continue
        depth, quote = _after(line, depth, quote)


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how deep in brackets, and in which string of several lines, a line ends."""
    at = 0
    while at < len(line):
        if quote:
            if line[at] == "\\" and quote[0] == '"':
                at += 2
            elif line.startswith(quote, at):
                at, quote = at + len(quote), ""
            else:
                at += 1
            continue
        if line[at] == "#":
            break
        opened = next((one for one in _QUOTES if line.startswith(one, at)), "")
        if opened:
            at, quote = at + len(opened), opened
            continue
        depth += (line[at] in "[{") - (line[at] in "]}")
        at += 1
    return depth, quote if len(quote) == 3 else ""
