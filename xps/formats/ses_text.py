"""The text of SES, the program of Scienta analysers: sections of fields, and a block of numbers a region and step."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operando.errors import FileError

from .ses_regions import SesRegion

Floats = NDArray[np.float64]

_MOST_BYTES = 2**28
_MOST_DIMS = 3
_SECTION = re.compile(r"\[([A-Za-z][A-Za-z ]{0,60}?)\s{0,8}(\d{1,6})?(?::(\d{1,6}))?\]")
_AGREE = 1e-5
_DAMAGED = "copy it again: it may be broken off"


@dataclass
class _Part:
    """What a file says of one region: fields by section, and the lines of its blocks of numbers by step."""

    sections: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    blocks: dict[int, tuple[int, list[str]]] = field(default_factory=dict)


def ses_regions(path: Path) -> tuple[list[SesRegion], list[FileError]]:
    """Return the regions of a file, and why others are none.

    Raises
    ------
    FileError
        If the file is too large or states no region.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB", f"{path.stat().st_size >> 20} MiB")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    general, parts = _parts(text.splitlines())
    found, left_out = [], []
    for number, part in sorted(parts.items()):
        try:
            found.append(_region(path, number, part))
        except FileError as error:
            left_out.append(error)
    stated = general.get("Number of Regions", "")
    if re.fullmatch(r"\d{1,6}", stated, re.ASCII) and int(stated) > len(parts):
        left_out.append(FileError(path, f"{int(stated)} regions", str(len(parts)), place="[Info]", remedy=_DAMAGED))
    return found, left_out


def _parts(lines: Sequence[str]) -> tuple[dict[str, str], dict[int, _Part]]:
    """Return the file's own fields, and its parts by the number of their region."""
    general: dict[str, str] = {}
    parts: dict[int, _Part] = defaultdict(_Part)
    fields, block = general, None
    for number, line in enumerate(lines, start=1):
        bare = line.strip()
        if match := _SECTION.fullmatch(bare):
            part = parts[int(match[2])] if match[2] else None
            block = None
            if part is not None and match[1] == "Data":
                block = part.blocks.setdefault(int(match[3] or 1), (number, []))[1]
            else:
                fields = part.sections[match[1]] if part is not None else general
        elif block is not None:
            if bare:
                block.append(bare)
        elif bare.partition("=")[0].strip() and "=" in bare:
            name, _, value = bare.partition("=")
            fields.setdefault(name.rstrip(), value.strip())
    return general, dict(parts)


def _region(path: Path, number: int, part: _Part) -> SesRegion:
    """Return one region: its blocks of numbers, one a step of the third dim, put together."""
    place = f"[Region {number}]"
    scales = _scales(path, place, part.sections.get("Region", {}))
    steps = scales[2][1].size if len(scales) > 2 else 1
    if sorted(part.blocks) != list(range(1, steps + 1)):
        got = f"those of steps {', '.join(map(str, sorted(part.blocks))) or 'none'}"
        raise FileError(path, f"{steps} blocks of numbers [Data {number}]", got, place=place, remedy=_DAMAGED)
    blocks = [_block(path, *part.blocks[step], scales) for step in range(1, steps + 1)]
    energy = blocks[0][:, 0]
    values = np.stack([block[:, 1:] for block in blocks], axis=-1)
    shape = [scale.size for _, scale in scales]
    fields = {**part.sections.get("Region", {}), **part.sections.get("Info", {})}
    more = {
        f"{section}: {key}": text
        for section, own in part.sections.items()
        if section not in ("Region", "Info")
        for key, text in own.items()
    }
    told = {key: text for key, text in {**fields, **more}.items() if not key.endswith(" scale")}
    return SesRegion(told, [(scales[0][0], energy), *scales[1:]], values.reshape(shape))


def _scales(path: Path, place: str, fields: Mapping[str, str]) -> list[tuple[str, Floats]]:
    """Return the dims that a region states: each a name and the values along it, as many as it says."""
    scales = []
    for k in count(1):
        if f"Dimension {k} scale" not in fields or k > _MOST_DIMS:
            break
        cells = fields[f"Dimension {k} scale"].replace(",", ".").split()
        scale = _numbers(path, f"{place}, Dimension {k} scale", [cells])[0]
        stated = fields.get(f"Dimension {k} size", str(scale.size))
        if stated != str(scale.size):
            where = f"{place}, Dimension {k} scale"
            raise FileError(path, f"{stated} values", str(scale.size), place=where, remedy=_DAMAGED)
        scales.append((fields.get(f"Dimension {k} name", ""), scale))
    if not scales:
        raise FileError(path, "a field 'Dimension 1 scale'", "none", place=place, remedy=_DAMAGED)
    return scales


def _block(path: Path, line: int, rows: Sequence[str], scales: Sequence[tuple[str, Floats]]) -> Floats:
    """Return one block: a row an energy, which it begins with, a column a slice.

    Raises
    ------
    FileError
        If it has another size than the header states, a cell is no number, or the energies are not those of the header.
    """
    energy, width = scales[0][1], 1 + (scales[1][1].size if len(scales) > 1 else 1)
    cells = [row.replace(",", ".").split() for row in rows]
    wrong = next((k for k, row in enumerate(cells) if len(row) != width), None)
    if wrong is not None:
        place = f"data row {wrong + 1} behind line {line}"
        raise FileError(path, f"{width} numbers", str(len(cells[wrong])), place=place, remedy=_DAMAGED)
    if len(cells) != energy.size:
        place = f"data behind line {line}"
        raise FileError(path, f"{energy.size} rows of numbers", str(len(cells)), place=place, remedy=_DAMAGED)
    values = _numbers(path, f"data behind line {line}", cells)
    off = np.abs(values[:, 0] - energy) > _AGREE * np.maximum(np.abs(energy), 1)
    if off.any() or not np.isfinite(values[:, 0]).all():
        at = int(np.argmax(off | ~np.isfinite(values[:, 0])))
        place, expected = f"data row {at + 1} behind line {line}", f"the energy {energy[at]:g} of the header"
        raise FileError(path, expected, f"{values[at, 0]:g}", place=place, remedy="copy it again")
    return values


def _numbers(path: Path, place: str, rows: Sequence[Sequence[str]]) -> Floats:
    try:
        if any("_" in cell for row in rows for cell in row):
            raise ValueError("could not convert string to float: '_'")
        return np.array([[float(cell) for cell in row] for row in rows])
    except ValueError as error:
        raise FileError(path, "numbers", str(error).rpartition(": ")[2], place=place, remedy="copy it again") from None
