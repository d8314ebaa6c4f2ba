"""What a NeXus file of volumes holds (NXtomoproc), as a tree of groups and fields; it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import entries
from operando.nexus_tree import Field, Group, Link, completed, heading, origin, root, scan_fields

from .layout import PLACES

_URL = "https://manual.nexusformat.org/classes/applications/NXtomoproc.html"
_SOURCE = "instrument:NXinstrument/source:NXsource"
_RECONSTRUCTION = "reconstruction:NXprocess"
REQUIRED = (
    "title",
    "definition",
    f"{_SOURCE}/type",
    f"{_SOURCE}/name",
    f"{_SOURCE}/probe",
    "sample:NXsample/name",
    f"{_RECONSTRUCTION}/program",
    f"{_RECONSTRUCTION}/version",
    f"{_RECONSTRUCTION}/date",
    f"{_RECONSTRUCTION}/parameters:NXparameters/raw_file",
    *(f"data:NXdata/{name}" for name in ("data", "x", "y", "z")),
)
"""What the definition NXtomoproc requires."""
_RECONSTRUCT = "tomo.reconstruct"


def nexus_tree(
    series: xr.Dataset,
    variables: Sequence[str] | None = None,
    sample: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> Group:
    """Return the tree of a NeXus file with volumes, an entry for each of them.

    Parameters
    ----------
    series
        Volumes (z, y, x), places in um, perhaps along ``scan``: ``grey`` as :func:`~operando.tomo.read` and
        :func:`~operando.tomo.reopen` return it, or what was made of it, such as ``label`` or ``void_share``.
    variables
        Which of them; all by default.
    sample
        The sample's name.
    texts
        Texts of fields that the definition requires, such as ``{"instrument/source/name": "SLS"}``.

    Returns
    -------
    Group
        Per scan and variable an NXentry of definition NXtomoproc: ``data`` with the volume along z, y, x and the
        middles of its voxels (um), lazily; times, the state of the cell and flags; ``origin``, where it came from and
        what was done to it. What the definition requires and the series does not tell is listed in the attribute
        ``operando_lacks``. True and false are 1 and 0.

    Raises
    ------
    OperandoError
        If there is no volume, or a text belongs to no field that the definition requires.

    Notes
    -----
    https://manual.nexusformat.org/classes/applications/NXtomoproc.html. The definition counts its dims as x, y, z;
    like the programs that write it, the slowest dim is z here, which ``axes`` says.
    """
    ds = series if "scan" in series.dims else series.expand_dims("scan")
    there = [str(name) for name, array in ds.data_vars.items() if set(array.dims) == {"scan", *PLACES}]
    wanted = there if variables is None else list(variables)
    unknown = [name for name in wanted if name not in there]
    if unknown or not wanted or not all(axis in ds.coords for axis in PLACES):
        got = ", ".join(there) or f"none among {', '.join(map(str, ds.data_vars)) or 'nothing'}"
        raise OperandoError(f"nexus_tree: expected {' and '.join(unknown) or 'a volume'} over z, y, x (um), got {got}")
    members: dict[str, Group] = {}
    for number in range(ds.sizes["scan"]):
        for name in wanted:
            own = f"scan_{number + 1:04d}" + (f"_{name}" if len(wanted) > 1 or name != "grey" else "")
            members[own] = completed(_entry(ds.isel(scan=[number]), name, number, sample), REQUIRED, texts or {})
    return root(members)


def _entry(one: xr.Dataset, name: str, number: int, sample: str | None) -> Group:
    """Return one volume."""
    title = f"{one[name].attrs.get('long_name', name)}, scan {number + 1}"
    return Group(
        "NXentry",
        {
            **heading(one, Field("NXtomoproc", {"URL": _URL}), title),
            "instrument": Group("NXinstrument", {"source": Group("NXsource", {"probe": Field("x-ray")})}),
            "sample": Group("NXsample", {"name": Field(sample)}) if sample else None,
            "reconstruction": _reconstruction(one),
            "data": _data(one, name),
            "origin": origin(one),
        },
        {"default": "data"},
    )


def _reconstruction(one: xr.Dataset) -> Group:
    """Return what reconstructed the volume, as far as its history knows."""
    steps = [step for step in entries(one) if step["step"] == _RECONSTRUCT]
    made: dict[str, Group | Field | Link | None] = {}
    if steps:
        made = {"program": Field("operando"), "version": Field(str(steps[-1]["version"]))}
    if "source" in one.coords:
        raw = str(np.atleast_1d(one["source"].to_numpy())[0])
        made["parameters"] = Group("NXparameters", {"raw_file": Field(raw)})
    return Group("NXprocess", made)


def _data(one: xr.Dataset, name: str) -> Group:
    volume = one[name].isel(scan=0).transpose(*PLACES)
    values: Any = volume.data.astype(np.uint8) if volume.dtype.kind == "b" else volume.data
    attrs = {
        "units": str(volume.attrs.get("units", "1")),
        "long_name": str(volume.attrs.get("long_name", name)),
        "transform": "none",
        "offset": 0.0,
        "scaling": 1.0,
    }
    members: dict[str, Group | Field | Link | None] = {"data": Field(values, attrs), **scan_fields(one)}
    for axis in PLACES:
        members[axis] = Field(one[axis].to_numpy(), {"units": "um", "long_name": f"middle of the voxel along {axis}"})
    for along_z in ("frame_flag", "ring_significance"):
        if along_z in one.coords:
            known = one[along_z].isel(scan=0) if "scan" in one[along_z].dims else one[along_z]
            members[along_z] = Field(known.to_numpy(), {"units": "1"})
    indices = {f"{axis}_indices": k for k, axis in enumerate(PLACES)}
    return Group("NXdata", members, {"signal": "data", "axes": list(PLACES), **indices})
