"""Write tables as CSV with units in the header: whole files or none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import software_version

from .selection import chosen, experiment
from .tables import Table, tables
from .whole_files import made_for, written_whole

_TO_QUOTE = re.compile(r'[,"\n\r#]|^\s|\s$')
_NOT_SHOWN = {"recipe"}


def write_csv(
    folder: str | Path, tree: xr.DataTree, nodes: Sequence[str] = (), *, overwrite: bool = False
) -> tuple[list[Path], list[str]]:
    """Write nodes of a store as tables and return their files, and what no table holds.

    A file a node has what is known of each scan (or sample, object, crack), a scan a line; a file a variable its
    spectra, energies in the first column and a scan in each further one. The first lines, which begin with ``#``, say
    what columns mean, what was done, and what flags stand for; then come the labels, ``name (unit)``. Numbers are
    written so that they are read again to the last bit, times in UTC, nothing where there is no value.

    Parameters
    ----------
    folder
        Where the files are written; it is made if it is not there.
    tree
        An experiment, as :func:`operando.open` returns it.
    nodes
        Paths of nodes, such as ``"xas/Ni_K"``; all by default.
    overwrite
        Whether files that are there may be replaced.

    Raises
    ------
    OperandoError
        If a node is not there, or a file is there and may not be replaced, or cannot be written.
    """
    folder = Path(folder)
    planned: list[tuple[Path, str, xr.Dataset, Table]] = []
    left_out: list[str] = []
    for node in chosen(tree, nodes):
        ds = tree[node].to_dataset()
        found, images = tables(ds)
        left_out += [f"{node}/{name}" for name in images]
        stem = node.replace("/", "_")
        planned += [(folder / f"{stem}{f'_{one.name}' if one.name else ''}.csv", node, ds, one) for one in found]
    if not planned:
        raise OperandoError(f"{folder}: expected tables, got images and volumes only; export them as nexus or netcdf")
    made_for(folder, [path for path, *_ in planned], overwrite=overwrite)
    for path, node, ds, one in planned:
        with written_whole(path, overwrite=overwrite) as aside, aside.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(f"# {line}\n" for line in _about(tree, node, ds, one))
            out.write(f"{','.join(map(_quoted, (column.label for column in one.columns)))}\n")
            for block in one.blocks():
                out.writelines(f"{','.join(map(_quoted, line))}\n" for line in block)
    return [path for path, *_ in planned], left_out


def _about(tree: xr.DataTree, node: str, ds: xr.Dataset, table: Table) -> Iterator[str]:
    """Yield what the comments say, a line each."""
    yield f"operando {software_version()}; {experiment(tree)}"
    yield f"node {node}{f', {table.name}' if table.name else ''}; times are UTC, scans count from 0"
    for array in table.about:
        if array.attrs.get("long_name"):
            yield _line(f"column {array.name}: {array.attrs['long_name']}")
    if any(str(array.name) == "flag" for array in table.about):
        yield f"flag is a sum of {', '.join(f'{int(one)} {one.name}' for one in Flag)}"
    for key, value in ds.attrs.items():
        if key not in _NOT_SHOWN:
            yield _line(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")


def _line(text: str) -> str:
    return " ".join(text.splitlines())


def _quoted(text: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if _TO_QUOTE.search(text) else text
