"""Write VAMAS files (ISO 14976) of photoemission spectra: whole or not at all.

Order of items after W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13, 63 (1988),
doi:10.1002/sia.740130202.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import names as flag_names
from operando.history import HISTORY, software_version
from operando.nexus_tree import TIMES, sample_of
from operando.plot import experiment_zone
from operando.xps.formats.vamas_lines import END, FORMAT
from operando.xps.formats.vamas_times import EXACT
from operando.xps.formats.vamas_values import regular_energies
from operando.xps.joining import apart
from operando.xps.layout import ALONG, CONDITIONS, MEASURED

from .selection import experiment, series
from .whole_files import written_whole

_NOT_GIVEN = "1E+37"
_WIDTH = 79
_UNITS = {"counts": ("counts", "d"), "rate": ("count rate", "c/s"), "intensity": ("intensity", "d")}
_PLACE = ("institution", "instrument", "operator", "experiment")


@dataclass(frozen=True)
class _Region:
    """The spectra of one region of a series, in memory: dims scan, binding_energy."""

    node: str
    name: str
    ds: xr.Dataset
    quantity: str

    @property
    def energy(self) -> np.ndarray:
        return self.ds[ALONG].to_numpy().astype(np.float64)


def write_vamas(path: str | Path, tree: xr.DataTree, nodes: Sequence[str] = (), *, overwrite: bool = False) -> Path:
    """Write photoemission spectra as one VAMAS file and return its path.

    Each scan of each region is a block, against binding energy, with its transmission if there is one. Photon and pass
    energy, work function, angle, time per point and sweeps stand where the standard has them, the state of the cell
    among the additional parameters, exact times and flags in the comments of blocks, the history in that of the file.
    :func:`operando.xps.read` gives all of it again but the state of the cell, which comes from linking: counts and
    energies to the last bit. Times are those of the experiment's zone.

    Parameters
    ----------
    path
        The file, such as ``"S_2p.vms"``; its folder is there.
    tree
        An experiment, as :func:`operando.open` returns it.
    nodes
        Paths such as ``"xps/S_2p"``; all series of photoemission by default.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If there are no such spectra, or the file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    regions = [one for name, ds in series(tree, "xps", nodes) for one in _regions(name, ds)]
    regular = all(regular_energies(one.energy) is not None for one in regions)
    blocks = sum(one.ds.sizes["scan"] for one in regions)
    zone = experiment_zone(tree)
    with written_whole(path, overwrite=overwrite) as aside, aside.open("w", encoding="utf-8", newline="") as out:
        out.writelines(f"{line}\r\n" for line in _header(tree, regions, blocks, regular=regular))
        for region in regions:
            for scan in range(region.ds.sizes["scan"]):
                out.writelines(f"{line}\r\n" for line in _block(region, scan, zone, regular=regular))
        out.write(f"{END}\r\n")
    return path


def _regions(node: str, ds: xr.Dataset) -> Iterator[_Region]:
    for part in apart(ds if "scan" in ds.dims else ds.expand_dims("scan")):
        quantity = next((name for name in MEASURED if name in part), None)
        if quantity is None or set(part[quantity].dims) != {"scan", ALONG}:
            got = ", ".join(map(str, part.data_vars)) or "nothing"
            raise OperandoError(f"xps/{node}: expected {', '.join(MEASURED)} over scan and {ALONG}, got {got}")
        kept = [name for name in (quantity, "transmission", *CONDITIONS) if name in part]
        yield _Region(node, str(part.attrs.get("region") or node), part[kept].load(), quantity)


def _header(tree: xr.DataTree, regions: Sequence[_Region], blocks: int, *, regular: bool) -> list[str]:
    told = json.loads(regions[0].ds.attrs.get("metadata", "{}"))
    comment = [f"operando {software_version()}; {experiment(tree)}", *_wrapped(regions)]
    variable = ["1", "potential", "V"] if _has_potential(regions) else ["0"]
    return [
        f"{FORMAT} 1988 May 4",
        *(_line(told.get(name) or "Not Specified") for name in _PLACE),
        str(len(comment)),
        *map(_line, comment),
        "NORM",
        "REGULAR" if regular else "IRREGULAR",
        str(len(regions)),
        *variable,
        *["0"] * 4,
        str(blocks),
    ]


def _wrapped(regions: Sequence[_Region]) -> Iterator[str]:
    """Yield the histories in lines of the length that the standard allows, to be joined again."""
    for node, ds in {one.node: one.ds for one in regions}.items():
        yield f"history of {node}, lines to be joined:"
        yield from textwrap.wrap(
            ds.attrs.get(HISTORY, "[]"), _WIDTH, drop_whitespace=False, break_on_hyphens=False, replace_whitespace=False
        )


def _has_potential(regions: Sequence[_Region]) -> bool:
    return all("potential" in one.ds.coords for one in regions)


def _block(region: _Region, scan: int, zone: ZoneInfo, *, regular: bool) -> list[str]:
    one = region.ds.isel(scan=scan)
    told = json.loads(one.attrs.get("metadata", "{}"))
    species, _, transition = region.name.partition(" ")
    comment = _comment(one)
    columns = _columns(region, one, regular=regular)
    state = _state(one)
    values = [text for row in zip(*(texts for _, _, texts in columns), strict=True) for text in row]
    energies = _abscissa(region) if regular else []
    given = {name: _number(one[name]) if name in one else _NOT_GIVEN for name in CONDITIONS}
    return [
        f"{region.name} {scan}",
        sample_of(one),
        *_date(one, zone),
        str(len(comment)),
        *comment,
        "XPS",
        *([_number(one["potential"])] if "potential" in one.coords else []),
        _line(told.get("source") or "Not Specified"),
        given["photon_energy"],
        *[_NOT_GIVEN] * 5,
        "FAT",
        given["pass_energy"],
        _NOT_GIVEN,
        given["work_function"],
        "0",
        *[_NOT_GIVEN] * 2,
        given["emission_angle"],
        _NOT_GIVEN,
        species,
        transition,
        "-1",
        *energies,
        str(len(columns)),
        *(text for label, unit, _ in columns for text in (label, unit)),
        "analogue direct" if region.quantity == "intensity" else "pulse counting",
        given["dwell"],
        # The standard has a whole number here, which no number that stands for none is.
        "0" if given["sweeps"] == _NOT_GIVEN else given["sweeps"],
        "0",
        *[_NOT_GIVEN] * 3,
        str(len(state)),
        *(text for item in state for text in item),
        str(len(values)),
        *(text for _, _, texts in columns for text in _limits(texts)),
        *values,
    ]


def _abscissa(region: _Region) -> list[str]:
    found = regular_energies(region.energy)
    start, step = (0.0, 0.0) if found is None else found
    return ["binding energy", "eV", _text(start), _text(step)]


def _columns(region: _Region, one: xr.Dataset, *, regular: bool) -> list[tuple[str, str, list[str]]]:
    """Return label, unit and values of what is measured, energies first where they are not even."""
    columns = [(*_UNITS[region.quantity], _numbers(one[region.quantity]))]
    if not regular:
        columns.insert(0, ("binding energy", "eV", [_text(value) for value in region.energy.tolist()]))
    if "transmission" in one:
        known = one["transmission"].broadcast_like(one[region.quantity])
        columns.append(("transmission", "d", _numbers(known)))
    return columns


def _comment(one: xr.Dataset) -> list[str]:
    """Return what the reader takes its exact times and flags from, and what a person reads."""
    exact: dict[str, Any] = {
        name: f"{np.datetime_as_string(one[name].to_numpy().astype('M8[ns]'))}"
        for name in TIMES
        if name in one.coords and not np.isnat(one[name].to_numpy())
    }
    flag = int(one["flag"]) if "flag" in one.coords else 0
    lines = [f"{EXACT}{json.dumps({name: text})}" for name, text in exact.items()]
    lines.append(f"{EXACT}{json.dumps({'flag': flag})}")
    if flag:
        lines.append(f"flags: {', '.join(flag_names(flag))}")
    return [*lines, *([f"source: {_line(str(one['source'].item()))}"] if "source" in one.coords else [])]


def _state(one: xr.Dataset) -> list[tuple[str, str, str]]:
    """Return the state of the cell as additional parameters: label, unit, value."""
    return [
        (str(name), _line(one[name].attrs.get("units", "d")), _number(one[name]))
        for name in one.coords
        if not one[name].dims and one[name].dtype.kind in "iuf" and name != "flag"
    ]


def _date(one: xr.Dataset, zone: ZoneInfo) -> list[str]:
    """Return year to second, and hours ahead of GMT, of the start in the experiment's zone."""
    moment = one["time_start"].to_numpy() if "time_start" in one.coords else np.datetime64("NaT")
    if np.isnat(moment):
        return [*["-1"] * 6, "0"]
    local = datetime.fromtimestamp(int(moment.astype("M8[s]").astype(np.int64)), UTC).astimezone(zone)
    ahead = local.utcoffset()
    hours = ahead.total_seconds() / 3600 if ahead is not None else 0.0
    return [*map(str, (local.year, local.month, local.day, local.hour, local.minute, local.second)), _text(hours)]


def _limits(texts: Sequence[str]) -> tuple[str, str]:
    known = [text for text in texts if text != _NOT_GIVEN] or [_NOT_GIVEN]
    return min(known, key=float), max(known, key=float)


def _numbers(array: xr.DataArray) -> list[str]:
    return [_text(value) for value in array.to_numpy().tolist()]


def _number(array: xr.DataArray) -> str:
    return _text(float(array))


def _text(value: float) -> str:
    """Return a number in the digits that give it again; what is none is said so."""
    if not np.isfinite(value):
        return _NOT_GIVEN
    return repr(float(value)).removesuffix(".0")


def _line(text: Mapping[str, Any] | str | None) -> str:
    return " ".join(str(text or "").split())
