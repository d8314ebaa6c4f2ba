"""Write the electrochemistry in the Battery Data Format: a table and, beside it, what it means; whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.clock import seconds_since
from operando.errors import OperandoError
from operando.history import HISTORY, software_version
from operando.units import factor

from .selection import experiment
from .whole_files import refuse_existing, written_whole

_BLOCK = 65_536
_NANOSECONDS = 10**9
_LABELS = {
    "voltage": "Voltage / V",
    "current": "Current / A",
    "cycle": "Cycle Count / 1",
    "cycler_cycle": "Cycler Cycle Count / 1",
    "cycler_half_cycle": "Cycler Half Cycle Count / 1",
    "step": "Program Step / 1",
    "half_cycle": "Half Cycle Count / 1",
    "segment": "Segment / 1",
    "potential": "Potential / V",
    "capacity": "Specific Capacity / mAh/g",
    "charge_std": "Charge Uncertainty / C",
    "soc": "State of Charge / 1",
    "soc_std": "State of Charge Uncertainty / 1",
    "flag": "Flag / 1",
}
"""Labels of columns: those of the format, then further ones, which its readers pass over."""
_TEST_TIME, _UNIX_TIME, _NET, _STEPS = "Test Time / s", "Unix Time / s", "Net Capacity / Ah", "Step Count / 1"


def write_bdf(path: str | Path, tree: xr.DataTree, *, overwrite: bool = False) -> list[Path]:
    """Write the electrochemistry of a store in the Battery Data Format; return the table's path and its companion's.

    The table has the labels of the format, ``Voltage / V``, ``Current / A``, ``Test Time / s``, ``Unix Time / s`` (to
    1 ns), ``Cycle Count / 1``, ``Step Count / 1`` and ``Net Capacity / Ah``, and behind them what operando knows beyond
    it. ``<path>.metadata.json`` has the cell, the history, the files and what columns and flags mean.
    :func:`operando.echem.read` gives times, voltage, current, steps, cycles and gaps again to the last bit, and the
    charge to 1e-12; it stands in place of the cycler's own counter of charge.

    Parameters
    ----------
    path
        The file, such as ``"cell7.bdf.csv"``; its folder is there.
    tree
        An experiment with ``/echem``.
    overwrite
        Whether files that are there may be replaced.

    Raises
    ------
    OperandoError
        If the store has no electrochemistry, or a file is there and may not be replaced, or cannot be written.

    Notes
    -----
    https://github.com/battery-data-alliance/battery-data-format
    """
    path = Path(path)
    if "echem" not in tree.children or not tree["echem"].dataset.sizes.get("time"):
        raise OperandoError(f"{path}: expected electrochemistry (/echem) in the store, got none; export another format")
    echem = tree["echem"].to_dataset().load()
    beside = path.with_name(f"{path.name}.metadata.json")
    if not overwrite:
        refuse_existing([path, beside])
    with written_whole(path, overwrite=overwrite) as aside, aside.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in _lines(echem))
    with written_whole(beside, overwrite=overwrite) as aside:
        aside.write_text(json.dumps(_told(tree, echem), ensure_ascii=False, indent=2), encoding="utf-8")
    return [path, beside]


def _lines(echem: xr.Dataset) -> Iterator[str]:
    """Yield the labels and the rows."""
    elapsed = xr.DataArray(seconds_since(echem["time"].to_numpy(), echem["time"].to_numpy()[0]), dims="time")
    required = {_TEST_TIME: elapsed, **{_LABELS[name]: echem[name] for name in ("voltage", "current")}}
    known = {label: echem[name] for name, label in _LABELS.items() if name in echem and label not in required}
    if "step" in echem:
        changes = np.diff(echem["step"].to_numpy(), prepend=echem["step"].to_numpy()[0]) != 0
        known = {_STEPS: xr.DataArray(np.cumsum(changes) + 1, dims="time"), **known}
    if "charge" in echem:
        known = {_NET: echem["charge"] * factor("C", "A*h"), **known}
    yield ",".join([*required, _UNIX_TIME, *known])
    for start in range(0, echem.sizes["time"], _BLOCK):
        cut = {"time": slice(start, start + _BLOCK)}
        columns = [_numbers(array.isel(cut)) for array in (*required.values(), *known.values())]
        columns.insert(len(required), _unix(echem["time"].isel(cut).to_numpy()))
        yield from map(",".join, zip(*columns, strict=True))


def _numbers(array: xr.DataArray) -> list[str]:
    return ["" if one != one else repr(one) for one in array.to_numpy().tolist()]  # noqa: PLR0124


def _unix(times: np.ndarray) -> list[str]:
    """Return seconds since 1970 to the nanosecond."""
    found = []
    for moment in times.astype("M8[ns]").astype(np.int64).tolist():
        seconds, rest = divmod(moment, _NANOSECONDS)
        found.append(f"{seconds}.{rest:09d}".rstrip("0").removesuffix("."))
    return found


def _told(tree: xr.DataTree, echem: xr.Dataset) -> dict[str, Any]:
    """Return what the table itself has no place for."""
    cell = tree["cell"].to_dataset() if "cell" in tree.children else xr.Dataset()
    labels = {**_LABELS, "charge": _NET}
    return {
        "experiment": experiment(tree),
        "software": f"operando {software_version()}",
        "columns": {
            label: str(echem[name].attrs.get("long_name", name)) for name, label in labels.items() if name in echem
        },
        "flag_masks": [int(one) for one in echem["flag"].attrs.get("flag_masks", [])] if "flag" in echem else [],
        "flag_meanings": echem["flag"].attrs.get("flag_meanings", "") if "flag" in echem else "",
        "cell": {
            **{str(key): value for key, value in cell.attrs.items() if isinstance(value, str | int | float)},
            **{
                str(name): {"value": float(array), "unit": str(array.attrs.get("units", ""))}
                for name, array in cell.data_vars.items()
            },
        },
        "echem": {str(key): value for key, value in echem.attrs.items() if key != HISTORY},
        HISTORY: json.loads(echem.attrs.get(HISTORY, "[]")),
    }
