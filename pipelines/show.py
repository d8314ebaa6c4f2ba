"""Tables for the terminal."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from .survey import Group, Survey


def show_survey(found: Survey, console: Console) -> None:
    """Print what a folder holds, within 80 columns."""
    table = Table(show_lines=True)
    for title in ("files", "reader", "node"):
        table.add_column(title, overflow="fold")
    for title in ("from, to", "odd"):
        table.add_column(title, no_wrap=True)
    alike: dict[tuple[Path, str], set[Path]] = defaultdict(set)
    for group in found.groups:
        alike[group.folder, group.suffix].update(group.paths)
    for group in found.groups:
        name = _name(group, found.folder, whole=alike[group.folder, group.suffix] == set(group.paths))
        times = "" if group.span is None else "\n".join(dict.fromkeys(map(_minute, group.span)))
        table.add_row(name, group.reader, _what(group), times, _odd(group))
    if found.groups:
        console.print(table)
    else:
        console.print(f"{found.folder}: no scan and no log that can be read", highlight=False, soft_wrap=True)
    for text in found.failed:
        console.print(f"cannot be read: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for pattern, count in Counter(map(_alike, found.unknown)).items():
        console.print(f"no reader: {pattern} ({count})", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _name(group: Group, folder: Path, *, whole: bool) -> str:
    """Return the pattern of a group that has all files of its ending, else its first file."""
    first, count = group.paths[0].relative_to(folder), len(group.paths)
    if count == 1:
        return first.as_posix()
    return f"{_alike(first).as_posix()} ({count})" if whole else f"{first.as_posix()} and {count - 1} more"


def _alike(path: Path) -> Path:
    """Return a pattern for files of one folder and ending."""
    return path.parent / f"*{path.suffix}"


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")


def _what(group: Group) -> str:
    return group.technique if group.label == group.technique else f"{group.technique} {group.label}"


def _odd(group: Group) -> str:
    return "\n".join(f"{count} {note}" for note, count in group.notes.most_common())
