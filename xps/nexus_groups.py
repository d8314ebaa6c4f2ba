"""What a NeXus file of photoemission spectra holds (NXmpes), as a tree of groups and fields; it writes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.nexus_tree import (
    Field,
    Group,
    Link,
    completed,
    heading,
    origin,
    root,
    scan_fields,
)

from .joining import apart
from .layout import ALONG, MEASURED

_VERSION = "v2026.01"
_URL = "https://manual.nexusformat.org/classes/contributed_definitions/NXmpes.html"
_UNITS = {"counts": "counts", "rate": "counts_per_second", "intensity": ""}
_DIMS = {"scan", ALONG}
_ANALYZER = "instrument:NXinstrument/electronanalyzer:NXelectronanalyzer"
REQUIRED = (
    "definition",
    "title",
    "start_time",
    "instrument:NXinstrument/beam_probe:NXbeam/incident_energy",
    f"{_ANALYZER}/collectioncolumn:NXcollectioncolumn/scheme",
    f"{_ANALYZER}/energydispersion:NXenergydispersion/scheme",
    f"{_ANALYZER}/detector:NXelectron_detector",
    "sample:NXsample/name",
    "data:NXdata/data",
    "data:NXdata/energy",
)
"""What the definition NXmpes of version 2026.01 requires."""


def nexus_tree(
    series: xr.Dataset | Iterable[xr.Dataset],
    sample: str | None = None,
    scheme: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> Group:
    """Return the tree of a NeXus file with raw spectra, an entry a region.

    Parameters
    ----------
    series
        Spectra as :func:`~operando.xps.read` and :func:`~operando.xps.read_series` return them, dims
        ``binding_energy`` and perhaps ``scan``; several regions as several of them, or joined.
    sample
        The sample's name.
    scheme
        How the analyser disperses energies, in the words of NXmpes: ``"hemispherical"``, ``"cylindrical mirror"``,
        ``"tof"``. The definition requires it.
    texts
        Further texts that the definition requires, by their paths in the entry, such as
        ``{"instrument/electronanalyzer/collectioncolumn/scheme": "angular dispersive"}``.

    Returns
    -------
    Group
        Per region an NXentry of definition NXmpes: ``data`` (NXdata) with the signal against binding energy, in
        counts, counts_per_second or without a unit, the scans' times in s from the entry's start, the state of the
        cell, transmission and flags; ``instrument`` with photon energy, pass energy, work function, time per point and
        sweeps; ``origin``, where the spectra came from and what was done to them, as JSON. The reader of NeXus files
        returns all of it again: times to 1 ns, numbers to the last bit; the state of the cell comes from linking. What
        the definition requires and the spectra do not tell is listed in the attribute ``operando_lacks``.

    Raises
    ------
    OperandoError
        If there are no spectra, a Dataset has other dims, nothing measured or no region, or a text belongs to no field
        that the definition requires.

    Notes
    -----
    https://manual.nexusformat.org/classes/contributed_definitions/NXmpes.html.
    """
    regions = [part for ds in ([series] if isinstance(series, xr.Dataset) else series) for part in apart(ds)]
    if not regions:
        raise OperandoError("nexus_tree: expected spectra of at least one region, got none")
    names = _names([_checked(ds) for ds in regions])
    found = {
        name: completed(_entry(ds, name, sample, scheme), REQUIRED, texts or {})
        for name, ds in zip(names, regions, strict=True)
    }
    return root(found)


def _checked(ds: xr.Dataset) -> str:
    """Return the region of spectra."""
    quantity = next((name for name in MEASURED if name in ds), None)
    if quantity is None or ALONG not in ds.coords or not set(ds[quantity].dims) <= _DIMS:
        got = f"{', '.join(map(str, ds.data_vars)) or 'nothing'} with dims {', '.join(map(str, ds.dims)) or 'none'}"
        raise OperandoError(f"nexus_tree: expected {', '.join(MEASURED)} over {ALONG} and perhaps scan, got {got}")
    region = str(ds.attrs.get("region", "")).strip()
    if not region:
        raise OperandoError("nexus_tree: expected spectra with attrs['region'], got none")
    return region


def _names(regions: Iterable[str]) -> list[str]:
    """Return the names of the entries: letters, digits and underscores, each once."""
    names: list[str] = []
    for region in regions:
        slug = re.sub(r"\W+", "_", region, flags=re.ASCII).strip("_") or "region"
        slug = slug if slug[0].isalpha() else f"region_{slug}"
        numbered = (slug if k == 1 else f"{slug}_{k}" for k in range(1, len(names) + 2))
        names.append(next(name for name in numbered if name not in names))
    return names


def _entry(ds: xr.Dataset, name: str, sample: str | None, scheme: str | None) -> Group:
    region, quantity = str(ds.attrs["region"]), next(name for name in MEASURED if name in ds)
    scans = ds.sizes.get("scan", 1)
    title = f"{region}, {scans} spectra" if scans > 1 else region
    return Group(
        "NXentry",
        {
            **heading(ds, Field("NXmpes", {"version": _VERSION, "URL": _URL}), title),
            "method": Field("X-ray photoelectron spectroscopy (XPS)"),
            "transitions": Field([region]),
            "data": _data(ds, quantity, name),
            "instrument": _instrument(ds, name, scheme),
            "sample": Group("NXsample", {"name": Field(sample)}) if sample else None,
            "origin": origin(ds),
        },
        {"default": "data"},
    )


def _data(ds: xr.Dataset, quantity: str, entry: str) -> Group:
    """Return the spectra as a plot: the signal against energy, per scan if there are several."""
    axes = ["scan", "energy"] if "scan" in ds.dims else ["energy"]
    indices = {f"{axis}_indices": k for k, axis in enumerate(axes)}
    along = [{"scan": "scan", "energy": ALONG}[axis] for axis in axes]
    place = f"/{entry}/data"
    signal_attrs = {"units": _UNITS[quantity], "long_name": MEASURED[quantity][1], "target": f"{place}/data"}
    energy_attrs = {"units": "eV", "type": "binding", "long_name": "binding energy", "target": f"{place}/energy"}
    members: dict[str, Group | Field | Link | None] = {
        "data": Field(ds[quantity].transpose(*along).data, signal_attrs),
        "energy": Field(ds[ALONG].to_numpy(), energy_attrs),
    }
    if "scan" in ds.dims:
        scan_attrs = {"long_name": "number of the spectrum", "target": f"{place}/scan"}
        members["scan"] = Field(np.arange(ds.sizes["scan"]), scan_attrs)
    members |= scan_fields(ds)
    if "transmission" in ds:
        attrs = {"units": "", "long_name": "transmission of the analyser, on a scale of its own"}
        own = [dim for dim in along if dim in ds["transmission"].dims]
        members["transmission"] = Field(ds["transmission"].transpose(*own).data, attrs)
    return Group("NXdata", members, {"signal": "data", "axes": axes, **indices})


def _instrument(ds: xr.Dataset, entry: str, scheme: str | None) -> Group:
    """Return the instrument as far as the spectra know it."""
    angle = {"transformation_type": "rotation", "vector": [0.0, 1.0, 0.0], "depends_on": "."}
    axes = ["scan", "energy"] if "scan" in ds.dims else ["energy"]
    detector = Group(
        "NXelectron_detector",
        {
            "count_time": _condition(ds, "dwell", "s"),
            "sweeps": _condition(ds, "sweeps", ""),
            "raw_data": Group(
                "NXdata",
                {{"data": "raw"}.get(axis, axis): Link(f"/{entry}/data/{axis}") for axis in ("data", *axes)},
                {"signal": "raw", "axes": axes},
            ),
        },
    )
    turned = _condition(ds, "emission_angle", "degree", angle)
    dispersion = {"scheme": Field(scheme) if scheme else None, "pass_energy": _condition(ds, "pass_energy", "eV")}
    analyzer = {
        "work_function": _condition(ds, "work_function", "eV"),
        "energydispersion": Group("NXenergydispersion", dispersion) if any(dispersion.values()) else None,
        "detector": detector,
        "transformations": Group("NXtransformations", {"analyzer_take_off_polar_angle": turned}) if turned else None,
    }
    members: dict[str, Group] = {"electronanalyzer": Group("NXelectronanalyzer", analyzer, {"default": "detector"})}
    if "photon_energy" in ds:
        members["beam_probe"] = Group("NXbeam", {"incident_energy": _condition(ds, "photon_energy", "eV")})
    return Group("NXinstrument", members)


def _condition(ds: xr.Dataset, name: str, unit: str, attrs: Mapping[str, Any] | None = None) -> Field | None:
    """Return a condition of all scans, or of each; None if the spectra do not have it."""
    if name not in ds:
        return None
    meaning = {"long_name": str(ds[name].attrs.get("long_name", name))}
    return Field(ds[name].to_numpy(), {"units": unit, **meaning, **(attrs or {})})
