"""The formats of exports: the one table of them, and what the command line calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from operando.errors import OperandoError
from operando.pipelines.mistakes import suggestion


@dataclass(frozen=True)
class Request:
    """What is to be exported of a ``tree``.

    ``store`` is the folder of the store, ``nodes`` the paths asked for (all if empty), ``overwrite`` whether files may
    be replaced, ``sample`` its name, ``texts`` fields to fill, ``variables`` the volumes wanted (all if empty).
    """

    tree: xr.DataTree
    store: str | Path
    nodes: Sequence[str] = ()
    overwrite: bool = False
    sample: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    variables: Sequence[str] = ()


Written = tuple[list[Path], list[str]]
"""The files written, and lines on what is missing or left out."""


@dataclass(frozen=True)
class ExportFormat:
    """One format: what it is for, what files are called, and the function that writes them."""

    name: str
    about: str
    ending: str
    write: Callable[[Path, Request], Written]
    several: bool = False


def export(request: Request, name: str, out: Path | None = None) -> Written:
    """Write nodes of a store in a format; return the files and lines on what is missing or left out.

    Parameters
    ----------
    request
        What is to be exported.
    name
        A format of :data:`FORMATS`.
    out
        The file, a folder for it, or the folder of several files; by default one named after the store, in the
        current folder.

    Returns
    -------
    tuple of list of Path and list of str
        The files written, and lines on what is missing or left out.

    Raises
    ------
    OperandoError
        If the format is unknown, has no use for an option, or something cannot be exported or written.
    """
    chosen = next((one for one in FORMATS if one.name == name), None)
    if chosen is None:
        raise OperandoError(
            f"format {name!r}: expected one of the formats{suggestion(name, [one.name for one in FORMATS])}"
        )
    given = {"--set": request.texts, "--sample": request.sample, "--variable": request.variables}
    for option, value in given.items():
        if value and chosen.name != "nexus":
            raise OperandoError(f"{option}: expected the format nexus, got {chosen.name}; leave the option out")
    if chosen.name == "bdf" and any(node.strip("/") != "echem" for node in request.nodes):
        raise OperandoError(f"bdf: expected the node echem, got {', '.join(request.nodes)}; export it as csv or netcdf")
    usual = default_path(request, chosen)
    if out is not None and out.is_dir() and not chosen.several and usual.suffix:
        out = out / usual
    return chosen.write(usual if out is None else out, request)


def default_path(request: Request, chosen: ExportFormat) -> Path:
    """Return the file or folder, named after the store and the node, that an export is written to."""
    stem = Path(request.store).resolve().name.removesuffix(".zarr")
    nodes = [node.strip("/").replace("/", "_") for node in request.nodes]
    stem = "_".join([stem, *nodes]) if len(nodes) == 1 else stem
    return (
        Path(f"{stem}_{chosen.name}")
        if chosen.several or _is_folder(request, chosen)
        else Path(f"{stem}{chosen.ending}")
    )


def _is_folder(request: Request, chosen: ExportFormat) -> bool:
    """Whether a format that has a file a series is asked for several of them."""
    if chosen.name != "nexus":
        return False
    from .nexus_files import wanted

    return len(wanted(request.tree, request.nodes)[0]) > 1


def _nexus(path: Path, request: Request) -> Written:
    from .nexus_files import write_nexus_files

    return write_nexus_files(
        path,
        request.tree,
        request.nodes,
        overwrite=request.overwrite,
        sample=request.sample,
        texts=request.texts,
        variables=request.variables,
        store=request.store,
    )


def _netcdf(path: Path, request: Request) -> Written:
    from .netcdf import write_netcdf

    return [write_netcdf(path, request.tree, request.nodes, overwrite=request.overwrite)], _by_reference(request)


def _by_reference(request: Request) -> list[str]:
    from .selection import chosen

    held = [path for path in chosen(request.tree, request.nodes) if "images" in request.tree[path].dataset.coords]
    raw = [path for path in held if path.endswith("/raw")]
    return [f"left out: images of {', '.join(raw)}, which stay in their files"] if raw else []


def _csv(path: Path, request: Request) -> Written:
    from .csv import write_csv

    paths, images = write_csv(path, request.tree, request.nodes, overwrite=request.overwrite)
    return paths, [f"left out: images {', '.join(images)} (export as netcdf or nexus)"] if images else []


def _athena(path: Path, request: Request) -> Written:
    from .athena import write_athena

    written, left_out = write_athena(path, request.tree, request.nodes, overwrite=request.overwrite)
    return [written], [f"left out: {', '.join(left_out)} (fewer than 10 points)"] if left_out else []


def _vamas(path: Path, request: Request) -> Written:
    from .vamas import write_vamas

    return [write_vamas(path, request.tree, request.nodes, overwrite=request.overwrite)], []


def _bdf(path: Path, request: Request) -> Written:
    from .bdf import write_bdf

    return write_bdf(path, request.tree, overwrite=request.overwrite), []


def _figures(kind: str) -> Callable[[Path, Request], Written]:
    def write(path: Path, request: Request) -> Written:
        from .figures import write_figures

        return write_figures(path, request.tree, kind, request.nodes, overwrite=request.overwrite)

    return write


FORMATS = (
    ExportFormat("nexus", "NeXus: NXxas, NXmpes, NXtomoproc, a file a series", ".nxs", _nexus),
    ExportFormat("netcdf", "NetCDF-4, every node as a group", ".nc", _netcdf),
    ExportFormat("csv", "tables with units, a file a table", "", _csv, several=True),
    ExportFormat("athena", "Athena project of absorption spectra", ".prj", _athena),
    ExportFormat("vamas", "VAMAS (ISO 14976) of photoemission spectra", ".vms", _vamas),
    ExportFormat("bdf", "electrochemistry in the Battery Data Format", ".bdf.csv", _bdf),
    *(
        ExportFormat(kind, f"figures for print as {kind.upper()}, a file a figure", "", _figures(kind), several=True)
        for kind in ("pdf", "svg", "png")
    ),
)
"""Every format, by the name that the command line takes."""

__all__ = ["FORMATS", "ExportFormat", "Request", "default_path", "export"]
