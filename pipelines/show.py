"""Tables for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from .survey import Group, Survey


def show_survey(found: Survey, console: Console) -> None:
    """Print what a folder holds."""
    table = Table("files", "reader", "node", "from", "to", "odd")
    for group in found.groups:
        first, last = ("", "") if group.span is None else map(_minute, group.span)
        folder = group.folder.relative_to(found.folder).as_posix()
        name = (
            f"{folder}/*{group.suffix}" if len(group.paths) > 1 else group.paths[0].relative_to(found.folder).as_posix()
        )
        table.add_row(f"{name} ({len(group.paths)})", group.reader, _what(group), first, last, _odd(group))
    console.print(table)
    for text in found.failed:
        console.print(f"cannot be read: {text}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for pattern, count in Counter(map(_alike, found.unknown)).items():
        console.print(f"no reader: {pattern} ({count})", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _alike(path: Path) -> Path:
    """Return a pattern for files of one folder and ending."""
    return path.parent / f"*{path.suffix}"


def _minute(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("T", " ")


def _what(group: Group) -> str:
    return group.technique if group.label == group.technique else f"{group.technique} {group.label}"


def _odd(group: Group) -> str:
    return ", ".join(f"{count} {note}" for note, count in group.notes.most_common())
