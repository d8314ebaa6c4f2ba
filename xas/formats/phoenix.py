"""Text of the PHOENIX beamline at SLS: one line of labels ``name_c1 name_c2 ...``, then rows of numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from operando.errors import FileError
from operando.flags import Flag
from operando.header_times import Span
from operando.history import recorded
from operando.sniff import Format, Head, head
from operando.text_table import Column, Table, parse

from .choice import choice, picked
from .emission import channels
from .scan import scan

NAMES = {"energy": r"Energy", "i0": r"I0_KEITHLEY\d", "tey": r"KEITHLEY\d_TEY"}
"""The labels of columns that mean the same in all files, without their numbers."""

_CHANNEL, _SUM = re.compile(r"D\d+_(\w+)_corr"), re.compile(r"(\w+)_sum_cps")
_LABEL = re.compile(r"(?P<name>\w+)_c(?P<number>\d{1,6})")


def read(
    path: str | Path,
    *,
    timezone: str | None = None,  # noqa: ARG001
    columns: Mapping[str, Column | Sequence[Column]] | None = None,
) -> xr.Dataset:
    """Return the scan in a text file of PHOENIX.

    Parameters
    ----------
    path
        The file.
    timezone
        Not used: these files state no times.
    columns
        ``{name: column}`` for further columns, or others than are taken by default; a column is a label of the file or
        a number counted from 0, a list of them gives the dim ``detector``.

    Returns
    -------
    xarray.Dataset
        Dim ``energy`` (eV, ascending): ``i0`` and ``tey`` (readings of the amplifiers, their signs as in the file), and
        ``fluorescence`` (counts per second, corrected for dead time, by detector) of the element whose edge lies within
        the scan. If none or several have one, there is none, with a remark. A file whose last line breaks off is
        flagged as truncated.

    Raises
    ------
    FileError
        If the file is none of PHOENIX or lacks a column.
    """
    path = Path(path)
    start = head(path)
    if not recognizes(start):
        raise FileError(path, "a first line of labels 'Energy_c1 ...'", repr(start.lines[0][:40]), place="line 1")
    text = Head(path, path.read_bytes()).text
    whole = text.endswith("\n")
    table = parse(start, text if whole else text[: text.rfind("\n") + 1])
    remarks = [f"lines with a wrong number of columns left out: {len(table.lost)}"] if table.lost else []
    chosen = choice(path, {**_found(table, remarks), **(columns or {})}, None)
    energy, measured = picked(path, table, chosen)
    flag = (Flag.not_finite if table.lost else Flag(0)) | (Flag(0) if whole else Flag.truncated)
    metadata = {"labels": table.labels, "columns": chosen.columns}
    ds = scan(path, energy, measured, Span(), units={}, metadata=metadata, reader="phoenix", flag=flag, remarks=remarks)
    return recorded(ds, "xas.read", {"reader": "phoenix", "columns": chosen.columns})


def recognizes(start: Head) -> bool:
    """Whether the first line holds labels numbered ``_c1, _c2 ...`` and amplifiers called KEITHLEY."""
    if not start.is_text or len(start.lines) < 2:
        return False
    labels = [_LABEL.fullmatch(label) for label in start.lines[0].lstrip("#").split()]
    numbers = [int(label["number"]) for label in labels if label]
    return (
        len(numbers) == len(labels) > 2
        and numbers == list(range(1, len(numbers) + 1))
        and "KEITHLEY" in start.lines[0]
        and start.lines[0].startswith("#")
    )


def _found(table: Table, remarks: list[str]) -> dict[str, Column | Sequence[Column]]:
    """Return the columns that the labels name."""
    bare = [match["name"] if (match := _LABEL.fullmatch(label)) else label for label in table.labels]
    found: dict[str, Column | Sequence[Column]] = {}
    for name, word in NAMES.items():
        hits = [label for label, own in zip(table.labels, bare, strict=True) if re.fullmatch(word, own)]
        found |= {name: hits[0]} if hits else {}
    energy = table.values[:, table.labels.index(str(found["energy"]))] if "energy" in found else np.empty(0)
    usable = energy[np.isfinite(energy)]
    for pattern in (_CHANNEL, _SUM) if usable.size else ():
        lines = [pattern.sub(r"\1", own) if pattern.fullmatch(own) else "" for own in bare]
        mine = channels(lines, float(usable.min()), float(usable.max()))
        if mine:
            return {**found, "fluorescence": [table.labels[k] for k in mine]}
    remarks.append("no line, or lines of several elements, have their edge within the scan: name columns.fluorescence")
    return found


PHOENIX = Format(
    name="phoenix", technique="xas", about="text of the PHOENIX beamline at SLS", recognizes=recognizes, read=read
)
