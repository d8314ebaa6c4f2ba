"""Tables and headings of pages made from the code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Row = Sequence[str]


def rst_table(head: Row, rows: Iterable[Row], widths: Sequence[int]) -> str:
    """Return a table whose cells are one paragraph of reStructuredText each."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        f"   :widths: {' '.join(map(str, widths))}",
        "   :class: made",
        "",
    ]
    for row in (head, *rows):
        for number, cell in enumerate(row):
            lines.append(f"   {'* ' if number == 0 else '  '}- {one_line(cell)}".rstrip())
    return "\n".join([*lines, ""])


def one_line(text: str) -> str:
    """Return a paragraph on one line."""
    return " ".join(text.split())


def literal(text: str) -> str:
    """Return text as code, or nothing of an empty one."""
    return f"``{text}``" if text else ""


def escaped(text: str) -> str:
    """Return plain text whose characters mean nothing to reStructuredText."""
    return re.sub(r"([\\*`_|])", r"\\\1", one_line(text))


def heading(text: str, mark: str = "-") -> str:
    """Return a heading."""
    return f"{text}\n{mark * len(text)}\n"
