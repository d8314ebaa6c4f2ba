"""Athena projects (``.prj``): groups of spectra as Perl assignments or JSON, often compressed; text only, never run."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from operando.decompression import inflating_errors
from operando.entries import as_series, named
from operando.errors import FileError
from operando.header_times import Span
from operando.history import recorded
from operando.sniff import Format, Head

from .scan import scan

Floats = NDArray[np.float64]
_MAGIC, _GZIP = "Athena project file", b"\x1f\x8b"
_MOST_BYTES, _MOST_JSON = 2**27, 3 * 2**23
_MOST_ITEMS = 2**23
"""Items of all lists of a project together; each takes some 60 bytes in memory."""
_LINE = re.compile(r"[^\r\n]+")
_ASSIGNED = re.compile(r"[$@%](\w+)\s*=(.*)")
_ITEM = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|(\[(?:'(?:[^'\\]|\\.)*'|[^\[\]'])*\]|[^\s,()]+)")
_ESCAPED = re.compile(r"\\(.)")
_END = re.compile(r"^1;\s*$", re.MULTILINE)
_ARRAYS = ("x", "y", "i0")


@dataclass
class _Group:
    """One group of a project: its internal name, its parameters and its arrays."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, list[str]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name that Athena shows."""
        return self.parameters.get("label", "").strip() or self.name


def read(
    path: str | Path,
    *,
    timezone: str | None = None,  # noqa: ARG001
    group: str | None = None,
    shifted: bool = True,
) -> xr.Dataset:
    """Return the spectra of an Athena project.

    Parameters
    ----------
    path
        The project, compressed or not, in Perl's or the JSON dialect.
    timezone
        Not used: projects state no times.
    group
        The label of one group; all of them by default.
    shifted
        Whether energies carry the shift by which Athena aligned the group, as Athena shows them, or are as stored.

    Returns
    -------
    xarray.Dataset
        ``mu`` and, where the project has it, ``i0`` against ``energy`` (eV);
        along ``scan`` if there are several groups, whose labels stand in ``source`` behind ``::``. A group that is no
        absorption spectrum (chi(k), an axis of pixels), or that shares less than half its energies with the others,
        is left out with a warning that names it, and in ``attrs["remarks"]``; so is what is lost where the file breaks
        off between or within groups.

    Raises
    ------
    FileError
        If the file is broken off or no project, no group is a spectrum, or there is no such group.

    Notes
    -----
    B. Ravel, M. Newville, J. Synchrotron Rad. 12, 537 (2005), doi:10.1107/S0909049505012719.
    """
    path = Path(path)
    text = _text(path)
    groups = list(_groups(path, text))
    parameters = {"reader": "athena", "group": group, "shifted": shifted}
    if group is not None:
        labels = [one.label for one in groups]
        if group not in labels:
            raise FileError(path, f"a group among {', '.join(labels) or 'none'}", repr(group), place="group")
        return recorded(_spectrum(path, groups[labels.index(group)], shifted=shifted), "xas.read", parameters)
    spectra, left_out = [], []
    for one in groups:
        try:
            spectra.append(_spectrum(path, one, shifted=shifted))
        except FileError as error:
            left_out.append(error)
    if _breaks_off(text):
        place, remedy = f"line {text.count(chr(10)) + 1}", "copy it again: groups are missing"
        left_out.append(FileError(path, "the line '1;' that ends a project", "none", place=place, remedy=remedy))
    return as_series(path, spectra, left_out, parameters, entry="group")


def recognizes(start: Head) -> bool:
    """Whether the file, decompressed if need be, begins as an Athena project does."""
    text = start.text
    if start.data.startswith(_GZIP):
        try:
            text = zlib.decompressobj(31).decompress(start.data, 4096).decode("latin-1")
        except inflating_errors():
            return False
    return _MAGIC in text[:400]


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(_GZIP):
        try:
            with gzip.open(path) as stream:
                data = stream.read(_MOST_BYTES + 1)
        except inflating_errors(EOFError, OSError):
            raise FileError(path, "a whole compressed project", "one that breaks off", remedy="copy it again") from None
    if len(data) > _MOST_BYTES:
        raise FileError(path, f"at most {_MOST_BYTES >> 20} MiB of text", "more")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _breaks_off(text: str) -> bool:
    """Whether a project in Perl ends before its end; JSON that does is no JSON."""
    return not text.lstrip().startswith("{") and not _END.search(text)


def _groups(path: Path, text: str) -> Iterator[_Group]:
    if not text.lstrip().startswith("{"):
        yield from _perl_groups(path, text)
        return
    if len(text) > _MOST_JSON:
        raise FileError(path, f"at most {_MOST_JSON >> 20} MiB of JSON", f"{len(text) >> 20} MiB")
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise FileError(path, "a whole JSON document", "one that breaks off", remedy="copy it again") from None
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("args"), dict):
            parameters = {str(key): str(value) for key, value in entry["args"].items()}
            arrays = {key: [str(item) for item in entry[key]] for key in _ARRAYS if isinstance(entry.get(key), list)}
            yield _Group(str(name), parameters, arrays)


def _perl_groups(path: Path, text: str) -> Iterator[_Group]:
    """Yield groups from assignments, one a line: a group begins by its name and ends with ``[record]``."""
    group: _Group | None = None
    left = _MOST_ITEMS
    for one in _LINE.finditer(text):
        line = one[0]
        found = _ASSIGNED.match(line)
        left -= line.count(",") if found else 0
        if left < 0:
            raise FileError(path, f"at most {_MOST_ITEMS} numbers in a project", "more")
        if found and found[1] == "old_group":
            group = _Group("".join(_items(_value(found))))
        elif found and group is not None and found[1] == "args":
            items = _items(_value(found))
            group.parameters = dict(zip(items[::2], items[1::2], strict=False))
        elif found and group is not None and found[1] in _ARRAYS:
            group.arrays[found[1]] = _items(_value(found))
        elif line.startswith("[record]") and group is not None:
            yield group
            group = None


def _value(found: re.Match[str]) -> str:
    """Return what an assignment assigns, without the sign at its end."""
    return found[2].strip().removesuffix(";")


def _items(text: str) -> list[str]:
    """Return the items of a Perl list, or one value, as text."""
    found = (match.groups("") for match in _ITEM.finditer(text))
    return [_ESCAPED.sub(r"\1", one or two) if one or two else bare for one, two, bare in found]


def _spectrum(path: Path, group: _Group, *, shifted: bool) -> xr.Dataset:
    """Return one group as a scan.

    Raises
    ------
    FileError
        If it is no absorption spectrum.
    """
    place = f"group {group.label!r}"
    if group.parameters.get("is_chi") == "1" or group.parameters.get("datatype") == "chi":
        raise FileError(path, "absorption against energy", "chi(k)", place=place)
    numbers = {name: _numbers(path, place, items) for name, items in group.arrays.items()}
    if "x" not in numbers or "y" not in numbers:
        raise FileError(path, "the arrays x and y", ", ".join(numbers) or "none", place=place)
    if numbers["x"].shape != numbers["y"].shape:
        raise FileError(path, f"{numbers['x'].size} values of y", str(numbers["y"].size), place=place)
    if group.parameters.get("is_pixel") == "1" or group.parameters.get("bkg_pixel") == "1":
        raise FileError(path, "energies", "an axis of pixels", place=place, remedy="calibrate it in Athena first")
    measured = {"mu": numbers["y"]}
    if numbers.get("i0", np.empty(0)).shape == numbers["x"].shape:
        measured["i0"] = numbers["i0"]
    shift = _numbers(path, place, [group.parameters.get("bkg_eshift") or "0"])[0] if shifted else 0.0
    metadata: dict[str, Any] = {"label": group.label, "athena": group.parameters}
    for key, name in (("bkg_z", "element.symbol"), ("fft_edge", "element.edge")):
        if group.parameters.get(key):
            metadata[name] = group.parameters[key].title()
    try:
        ds = scan(path, numbers["x"] + shift, measured, Span(), units={}, metadata=metadata, reader="athena")
    except FileError as error:
        raise FileError(path, error.expected, error.got, place=place, remedy=error.remedy) from None
    return named(ds, path, group.label)


def _numbers(path: Path, place: str, items: list[str]) -> Floats:
    try:
        return np.array([float(item) for item in items])
    except ValueError as error:
        raise FileError(path, "numbers", str(error).rpartition(": ")[2], place=place) from None


ATHENA = Format(name="athena", technique="xas", about="Athena project", recognizes=recognizes, read=read)
