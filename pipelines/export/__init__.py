"""Files for other programs, and for later."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .athena import write_athena
    from .bdf import write_bdf
    from .classifier import write_classifier
    from .csv import write_csv
    from .figures import write_figures
    from .formats import FORMATS, Request, export
    from .netcdf import write_netcdf
    from .nexus import write_nexus
    from .nexus_files import write_nexus_files
    from .ome_zarr import write_ome_zarr
    from .vamas import write_vamas

_LAZY = {
    "FORMATS": ".formats",
    "Request": ".formats",
    "export": ".formats",
    "write_athena": ".athena",
    "write_bdf": ".bdf",
    "write_classifier": ".classifier",
    "write_csv": ".csv",
    "write_figures": ".figures",
    "write_netcdf": ".netcdf",
    "write_nexus": ".nexus",
    "write_nexus_files": ".nexus_files",
    "write_ome_zarr": ".ome_zarr",
    "write_vamas": ".vamas",
}

__all__ = [
    "FORMATS",
    "Request",
    "export",
    "write_athena",
    "write_bdf",
    "write_classifier",
    "write_csv",
    "write_figures",
    "write_netcdf",
    "write_nexus",
    "write_nexus_files",
    "write_ome_zarr",
    "write_vamas",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
