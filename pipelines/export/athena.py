"""Write Athena projects: absorption spectra as Demeter and larch read them, whole or not at all."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import names as flag_names
from operando.history import entries, software_version
from operando.xas.nexus_groups import edge_of, shown

from .selection import experiment, series
from .whole_files import written_whole

_VERSION = "0.9.26"
"""The version of Demeter whose dialect is written."""
_FEWEST = 10
_BLOCK = 256
_NORMALIZE = "xas.normalize"
_LIMITS = {"pre1": "bkg_pre1", "pre2": "bkg_pre2", "norm1": "bkg_nor1", "norm2": "bkg_nor2"}
_STATE = ("potential", "soc", "half_cycle")


@dataclass(frozen=True)
class _Group:
    """A group of a project: its label, parameters and arrays."""

    label: str
    parameters: Mapping[str, Any]
    energy: np.ndarray
    mu: np.ndarray
    i0: np.ndarray | None


def write_athena(
    path: str | Path, tree: xr.DataTree, nodes: Sequence[str] = (), *, overwrite: bool = False
) -> tuple[Path, list[str]]:
    """Write absorption spectra as one Athena project (``.prj``) and return its path, and the scans left out.

    Each scan and signal is a group: the absorption as :func:`operando.xas.signal` has it with I0, or the normalized
    spectrum of a node ``processed``, marked as such. Edge position and ranges of the normalization, element and edge
    go along; titles hold the source, the time (UTC), the state of the cell and the flags of a scan, the journal the
    history. The dialect is Perl's, compressed, which Demeter and larch both read. Numbers are read again to the last
    bit; energies without a value are left out, and I0 where it is not known throughout.

    Parameters
    ----------
    path
        The file, such as ``"cell7.prj"``; its folder is there.
    tree
        An experiment, as :func:`operando.open` returns it.
    nodes
        Paths such as ``"xas/Ni_K"``; all series of absorption by default.
    overwrite
        Whether a file that is there may be replaced.

    Raises
    ------
    OperandoError
        If there are no such spectra, or the file is there and may not be replaced, or cannot be written.
    """
    path = Path(path)
    found = list(series(tree, "xas", nodes))
    left_out: list[str] = []
    with (
        written_whole(path, overwrite=overwrite) as aside,
        aside.open("wb") as stream,
        gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed,
    ):
        if not _write(packed, tree, found, left_out):
            names = ", ".join(name for name, _ in found)
            raise OperandoError(f"{path}: expected spectra with {_FEWEST} points or more, got none in {names}")
    return path, left_out


def _write(out: gzip.GzipFile, tree: xr.DataTree, found: Sequence[tuple[str, xr.Dataset]], left_out: list[str]) -> int:
    """Write the groups, and return how many there are."""
    _say(out, f"# Athena project file -- Demeter version {_VERSION}", f"# written by operando {software_version()}", "")
    number = 0
    for name, ds in found:
        for group in _groups(tree, name, ds, left_out):
            _say(out, f"$old_group = '{_short(number)}';", f"@args = ({_listed(group.parameters)});")
            arrays = {"x": group.energy, "y": group.mu, "i0": group.i0}
            for key, values in arrays.items():
                if values is not None:
                    _say(out, f"@{key} = ({_numbers(values)});")
            _say(out, "[record]   # create object and set arrays", "")
            number += 1
    journal = [experiment(tree), *(f"{name}: {ds.attrs.get('history', '[]')}" for name, ds in found)]
    _say(out, f"@journal = ({', '.join(map(_text, journal))});", "", "1;", "", "# Local Variables:")
    _say(out, "# truncate-lines: t", "# End:")
    return number


def _groups(tree: xr.DataTree, name: str, ds: xr.Dataset, left_out: list[str]) -> Iterator[_Group]:
    """Yield the groups of a series, signal after signal, some scans at a time."""
    ds = ds if "scan" in ds.dims else ds.expand_dims("scan")
    processed = _processed(tree, name)
    digits = len(str(ds.sizes["scan"] - 1))
    for own, absorption in shown(ds).items():
        i0 = ds["i0"] if "i0" in ds and "normalized" not in ds else None
        label = f"{name} {own}".strip() if own != "normalized" else name
        for start in range(0, ds.sizes["scan"], _BLOCK):
            cut = slice(start, start + _BLOCK)
            values = absorption.transpose("scan", "energy").isel(scan=cut).to_numpy()
            beams = None if i0 is None else i0.transpose("scan", "energy").isel(scan=cut).to_numpy()
            for k, mu in enumerate(values):
                scan = start + k
                kept = np.isfinite(mu)
                if kept.sum() < _FEWEST:
                    left_out.append(f"{label} {scan}")
                    continue
                energy = ds["energy"].to_numpy()[kept].astype(float)
                told = _parameters(ds, scan, f"{label} {scan:0{digits}d}", name, energy)
                told |= _ranges(processed, own, scan) | {"is_nor": int("normalized" in ds)}
                beam = None if beams is None else beams[k][kept]
                known = beam is not None and bool(np.isfinite(beam).all())
                yield _Group(told["label"], told, energy, mu[kept], beam if known else None)


def _processed(tree: xr.DataTree, name: str) -> xr.Dataset | None:
    path = f"xas/{name}/processed"
    found = [node.to_dataset() for node in tree.leaves if node.path.strip("/") == path and "e0" in node.dataset]
    return found[0] if found else None


def _parameters(ds: xr.Dataset, scan: int, label: str, name: str, energy: np.ndarray) -> dict[str, Any]:
    element, edge = edge_of(json.loads(ds.attrs.get("metadata", "{}")), name)
    source = str(ds["source"].to_numpy()[scan]) if "source" in ds.coords else ""
    return {
        "label": label,
        "titles": _titles(ds, scan),
        "file": source,
        "source": source,
        "datatype": "xmu",
        "is_xmu": 1,
        "is_chi": 0,
        "npts": energy.size,
        "xmin": float(energy[0]),
        "xmax": float(energy[-1]),
        "bkg_eshift": 0,
        **({"bkg_z": element, "fft_edge": re.sub(r"(?<=\d),\d", "", edge).lower()} if element and edge else {}),
    }


def _titles(ds: xr.Dataset, scan: int) -> list[str]:
    """Return what Athena shows of a scan: when it was measured, in which state of the cell, and its flags."""
    told = [
        f"{name}: {np.datetime_as_string(ds[name].to_numpy()[scan])}Z"
        for name in ("time_start", "time_end")
        if name in ds.coords and not np.isnat(ds[name].to_numpy()[scan])
    ]
    told += [
        f"{name}: {value!r} {ds[name].attrs.get('units', '')}".strip()
        for name in _STATE
        if name in ds.coords and np.isfinite(value := float(ds[name].to_numpy()[scan]))
    ]
    flag = int(ds["flag"].to_numpy()[scan]) if "flag" in ds.coords else 0
    return [*told, f"flags: {', '.join(flag_names(flag))}"] if flag else told


def _ranges(processed: xr.Dataset | None, own: str, scan: int) -> dict[str, Any]:
    """Return edge position and ranges of the normalization, as far as a step has found them."""
    if processed is None or scan >= processed.sizes.get("scan", 0):
        return {}
    e0 = processed["e0"].isel(scan=scan)
    if "signal" in e0.dims:
        if own not in [str(one) for one in processed["signal"].to_numpy()]:
            return {}
        e0 = e0.sel(signal=own)
    if not np.isfinite(float(e0)):
        return {}
    done: dict[str, Any] = next(
        (one["parameters"] for one in reversed(entries(processed)) if one["step"] == _NORMALIZE), {}
    )
    told: dict[str, Any] = {"bkg_e0": float(e0)}
    told |= {key: done[own] for own, key in _LIMITS.items() if isinstance(done.get(own), int | float)}
    # Athena counts the terms of the polynomial behind the edge, not its degree.
    return told | ({"bkg_nnorm": int(done["nnorm"]) + 1} if isinstance(done.get("nnorm"), int) else {})


def _short(number: int) -> str:
    """Return the internal name of a group: five letters."""
    letters = ""
    for _ in range(5):
        number, rest = divmod(number, 26)
        letters = ascii_lowercase[rest] + letters
    return letters


def _numbers(values: np.ndarray) -> str:
    return ",".join(f"'{one!r}'" for one in values.tolist())


def _listed(parameters: Mapping[str, Any]) -> str:
    return ",".join(f"'{key}',{_value(value)}" for key, value in parameters.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return _text(value if isinstance(value, str) else repr(value))


def _text(text: str) -> str:
    """Return a text in single quotes, in which Perl and Python know the same two escapes."""
    plain = " ".join(text.split())
    return "'" + plain.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _say(out: gzip.GzipFile, *lines: str) -> None:
    out.writelines(f"{line}\n".encode() for line in lines)
