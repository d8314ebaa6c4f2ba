"""What a NeXus file of absorption spectra holds (NXxas), as a tree of groups and fields; it writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
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
    sample_of,
    scan_fields,
)

from .layout import ALONG, COUNTING, DETECTORS
from .signals import SIGNALS, signal

_URL = "https://manual.nexusformat.org/classes/contributed_definitions/NXxas.html"
REQUIRED = (
    "definition",
    "element:NXelement/symbol",
    "edge:NXabsorption_edge/name",
    "is_experimental",
    "energy",
    "intensity",
    "sample:NXsample/name",
)
"""What the definition NXxas of 2026 requires."""
MODES = {
    "transmission": "transmission",
    "reference": "reference",
    "tey": "total electron yield",
    "pey": "partial electron yield",
    "tfy": "total fluorescence yield",
    "pfy": "partial fluorescence yield",
    "fluorescence": "fluorescence yield",
}
_NAMED = re.compile(r"([A-Z][a-z]?)_?(K|L1|L2|L3|L23|L2,3|M[1-5]|M45|N[1-7])(?:_.*)?")
_MEASURED = (*DETECTORS, *COUNTING)


def nexus_tree(
    series: xr.Dataset, name: str = "", sample: str | None = None, texts: Mapping[str, str] | None = None
) -> Group:
    """Return the tree of a NeXus file with absorption spectra, an entry for each way of detection.

    Parameters
    ----------
    series
        Spectra as measured, as :func:`~operando.xas.read` returns them, or with ``normalized``, as
        :func:`~operando.xas.normalize` does; dims ``energy`` and perhaps ``scan``, ``detector`` or ``signal``.
    name
        The name of the series, which tells element and edge where the files do not: ``"Ni_K"``.
    sample
        The sample's name, in place of what the files say.
    texts
        Texts of fields that the definition requires, such as ``{"element/symbol": "Ni"}``.

    Returns
    -------
    Group
        Per entry (definition NXxas) ``energy`` (eV) and ``intensity`` (scan, energy): the absorption as
        :func:`~operando.xas.signal` has it, or ``normalized``, with ``intensity_errors`` if known; the detectors as
        measured in ``instrument``; in ``data`` the plot with times, the state of the cell and flags of the scans; in
        ``origin`` files and history. What the definition requires and the series does not tell is listed in the
        attribute ``operando_lacks``. The reader of NeXus files returns what was measured: times to 1 ns, numbers to
        the last bit.

    Raises
    ------
    OperandoError
        If there is no spectrum, or a text belongs to no field that the definition requires.

    Notes
    -----
    https://manual.nexusformat.org/classes/contributed_definitions/NXxas.html, where a stack of spectra is one entry.
    """
    ds = series if "scan" in series.dims else series.expand_dims("scan")
    spectra = shown(ds)
    if not spectra or ALONG not in ds.coords:
        got = f"{', '.join(map(str, series.data_vars)) or 'nothing'} with dims {', '.join(map(str, series.dims))}"
        raise OperandoError(f"nexus_tree: expected absorption over scan and energy, got {got}")
    first = next(iter(spectra))
    entries = {
        one: completed(_entry(ds, one, absorption, first, name=name, sample=sample), REQUIRED, texts or {})
        for one, absorption in spectra.items()
    }
    return root(entries)


def shown(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the spectra (scan, energy) of a series by signal: normalized ones, else the absorption.

    That is what :func:`~operando.xas.signal` gives, and what was measured where I0 lacks.
    """
    found = _normalized(ds) if "normalized" in ds else {}
    for one in SIGNALS if "normalized" not in ds else ():
        if one in ds:
            alone = "i0" not in ds and one not in ("mu", "reference")
            found[one] = _plain(ds[one]) if alone else signal(ds, one)
    return {one: array for one, array in found.items() if set(array.dims) == {"scan", ALONG}}


def _plain(measured: xr.DataArray) -> xr.DataArray:
    return measured.sum("detector", skipna=False, keep_attrs=True) if "detector" in measured.dims else measured


def _normalized(ds: xr.Dataset) -> dict[str, xr.DataArray]:
    if "signal" not in ds["normalized"].dims:
        return {"normalized": ds["normalized"]}
    return {str(one): ds["normalized"].sel(signal=one, drop=True) for one in ds["signal"].to_numpy()}


def _entry(ds: xr.Dataset, own: str, absorption: xr.DataArray, first: str, *, name: str, sample: str | None) -> Group:
    """Return the spectra of one way of detection."""
    told = json.loads(ds.attrs.get("metadata", "{}"))
    element, edge = edge_of(told, name)
    called = sample or sample_of(ds)
    normalized = "normalized" in ds
    title = " ".join(filter(None, [name, own, f"{ds.sizes['scan']} spectra"]))
    return Group(
        "NXentry",
        {
            **heading(ds, Field("NXxas", {"URL": _URL}), title),
            "mode": Field(MODES[own]) if own in MODES else None,
            "element": Group("NXelement", {"symbol": Field(element), "name": Field(element)}) if element else None,
            "edge": Group("NXabsorption_edge", {"name": Field(edge)}) if edge else None,
            "is_experimental": Field(True),
            "energy": Field(ds[ALONG].to_numpy().astype(np.float64), {"units": "eV", "long_name": "photon energy"}),
            "intensity": _intensity(absorption),
            "intensity_errors": _errors(ds, own) if normalized else None,
            "instrument": None if normalized else _instrument(ds, own, first),
            "sample": Group("NXsample", {"name": Field(called)}) if called else None,
            "data": _data(ds, own),
            "origin": origin(ds),
        },
        {"default": "data"},
    )


def _intensity(absorption: xr.DataArray) -> Field:
    kept = {key: absorption.attrs[key] for key in ("units", "long_name") if key in absorption.attrs}
    return Field(absorption.transpose("scan", ALONG).data, {"units": "1", **kept})


def _errors(ds: xr.Dataset, own: str) -> Field | None:
    if "normalized_std" not in ds:
        return None
    std = ds["normalized_std"]
    return _intensity(std.sel(signal=own, drop=True) if "signal" in std.dims else std)


def _instrument(ds: xr.Dataset, own: str, first: str) -> Group:
    """Return the detectors of one signal as measured; what serves several signals is linked to the first."""
    shared = [name for name in ("i0", "transmission", *COUNTING) if name in ds and name != own]
    members: dict[str, Group | Field | Link | None] = {"source": Group("NXsource", {"probe": Field("x-ray")})}
    for name in (*shared, own):
        if name in shared and own != first:
            members[name] = Group("NXdetector", {"data": Link(f"/{first}/instrument/{name}/data")})
        elif name in _MEASURED:
            members[name] = Group("NXdetector", {"data": _measured(ds, name)})
    return Group("NXinstrument", members)


def _measured(ds: xr.Dataset, name: str) -> Field:
    dims = [dim for dim in ("scan", ALONG, "detector") if dim in ds[name].dims]
    attrs: dict[str, Any] = {key: ds[name].attrs[key] for key in ("units", "long_name") if key in ds[name].attrs}
    if "detector" in dims and "detector" in ds.coords:
        attrs["channels"] = [str(channel) for channel in ds["detector"].to_numpy()]
    return Field(ds[name].transpose(*dims).data, attrs)


def _data(ds: xr.Dataset, own: str) -> Group:
    """Return the plot: links to the spectra, and what is known of each scan."""
    members: dict[str, Group | Field | Link | None] = {
        "energy": Link(f"/{own}/energy"),
        "intensity": Link(f"/{own}/intensity"),
        "scan": Field(np.arange(ds.sizes["scan"]), {"long_name": "number of the spectrum"}),
        **scan_fields(ds),
    }
    for name, array in ds.data_vars.items():
        one = array.sel(signal=own, drop=True) if "signal" in array.dims else array
        if one.dims == ("scan",) and one.dtype.kind in "iuf":
            known = {key: one.attrs[key] for key in ("units", "long_name") if key in one.attrs}
            members[re.sub(r"_std$", "_errors", str(name))] = Field(one.data, known)
    indices = {f"{axis}_indices": k for k, axis in enumerate(("scan", "energy"))}
    return Group("NXdata", members, {"signal": "intensity", "axes": ["scan", "energy"], **indices})


def edge_of(told: Mapping[str, Any], name: str) -> tuple[str, str]:
    """Return element and edge as the files say them, else as the name of the series does: ``Ni_K``."""
    named = _NAMED.fullmatch(name)
    guessed: Sequence[str] = named.groups() if named and _is_element(named[1]) else ("", "")
    element, edge = (
        str(told.get(key) or otherwise)
        for key, otherwise in zip(("element.symbol", "element.edge"), guessed, strict=True)
    )
    return element, re.sub(r"^([LMN])(\d)(\d)$", r"\1\2,\3", edge)


def _is_element(symbol: str) -> bool:
    import xraydb

    try:
        return bool(xraydb.atomic_number(symbol))
    except ValueError:
        return False
