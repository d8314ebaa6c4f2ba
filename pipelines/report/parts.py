"""What a panel of the report is made of: figures, text, and the door through which panels join."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Html:
    """A piece of the page; whatever came from a file in it is escaped."""

    text: str


@dataclass(frozen=True)
class Plot:
    """Bokeh models over one caption (HTML): below each other, or ``beside`` each other where there is room."""

    models: Sequence[Any]
    caption: str
    legend: str = ""
    beside: bool = False


Part = Html | Plot


@dataclass(frozen=True)
class Panel:
    """A section of the report.

    Parameters
    ----------
    title
        The section's heading.
    wants
        Whether the tree holds what the panel shows; without it the section is left out.
    draw
        The section's parts, top to bottom.
    """

    title: str
    wants: Callable[[xr.DataTree], bool]
    draw: Callable[[xr.DataTree], Iterable[Part]] = field(repr=False)


def text(value: object) -> str:
    """Return ``value`` escaped for HTML."""
    return escape(str(value), quote=True)


def plain(value: object) -> str:
    """Return ``value`` for a label inside a figure, where ``$$`` would ask for a formula renderer."""
    return str(value).replace("$$", "$ $").replace("\\(", "(").replace("\\[", "[")


def heading(value: object) -> Html:
    """Return a subheading."""
    return Html(f"<h3>{text(value)}</h3>")


def unbroken(words: str) -> Html:
    """Return text that is not broken into lines."""
    return Html(f'<span class="unbroken">{text(words)}</span>')


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table; every cell that is not :class:`Html` already is escaped."""
    top = "".join(f"<th>{text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell.text if isinstance(cell, Html) else text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    wide = " wide" if len(head) > 3 else ""
    return f'<div class="table{wide}"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def copied(what: str, name: str, html: str) -> str:
    """Return ``html`` under a button that copies the element ``what`` (CSS) of it, called ``name``."""
    code = (
        f"const range = document.createRange(); range.selectNode(this.parentNode.querySelector('{what}'));"
        " const chosen = getSelection(); chosen.removeAllRanges(); chosen.addRange(range);"
        " this.textContent = document.execCommand('copy') ? 'Copied' : 'Selected: press Ctrl+C'"
    )
    return f'<div><button type="button" onclick="{text(code)}">Copy {text(name)}</button>{html}</div>'


def not_done(failed: Sequence[Mapping[str, Any]]) -> str:
    """Return how many files could not be read and how many steps, which name no file, could not be taken."""
    steps = sum(item.get("source") == "" for item in failed)
    files = len(failed) - steps
    said = [f"{counted(files, 'file')} could not be read"] if files else []
    return " and ".join([*said, *([f"{counted(steps, 'step')} could not be taken"] if steps else [])])


def counted(number: int, noun: str) -> str:
    """Return ``number`` with its noun: ``1 scan``, ``10 000 scans`` (no break within)."""
    first, of, rest = noun.partition(" of ")
    many = noun if number == 1 or first.endswith("s") else f"{first}s{of}{rest}"
    return f"{number:,} {many}".replace(",", "\u202f").replace(" ", "\u00a0", 1)
