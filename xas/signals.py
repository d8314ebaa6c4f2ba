"""The absorption from what was measured: yields over I0, logarithms of intensities."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.errors import OperandoError

from .fluorescence import ipfy

_YIELDS = ("tey", "tfy", "pfy", "pey", "fluorescence")
SIGNALS = ("mu", *_YIELDS, "ipfy", "transmission", "reference")


def signal(scans: xr.Dataset, name: str = "mu") -> xr.DataArray:
    """Return the absorption that one detector shows, without dims but those of the scans.

    Parameters
    ----------
    scans
        A scan or a series as :func:`~operando.xas.read` and :func:`~operando.xas.read_series` return it.
    name
        ``mu`` as in the file; ``tey``, ``tfy``, ``pfy``, ``pey``, ``fluorescence`` summed over their channels and
        divided by I0; ``ipfy`` the inverse of ``pfy``, see :func:`~operando.xas.ipfy`; ``transmission`` ln(I0/I);
        ``reference`` ln(I/I_reference) if the transmission was measured, else as in the file.

    Returns
    -------
    xarray.DataArray
        The absorption (1; units of mu as in the file), NaN where an intensity is zero, negative or missing.

    Raises
    ------
    OperandoError
        If the name is unknown, or the scans lack the detector or the I0 it needs.

    Examples
    --------
    Electron yield over I0:

    >>> import xarray as xr
    >>> from operando import xas
    >>> coords = {"energy": ("energy", [850.0, 855.0], {"units": "eV"})}
    >>> tey, i0 = [2.0, 6.0], [1.0, 2.0]
    >>> scan = xr.Dataset({"tey": ("energy", tey, {"units": "nA"}), "i0": ("energy", i0, {"units": "nA"})}, coords)
    >>> print(xas.signal(scan, "tey").values.tolist())
    [2.0, 3.0]
    """
    if name not in SIGNALS:
        raise OperandoError(f"signal: expected one of {', '.join(SIGNALS)}, got {name!r}")
    if name == "ipfy":
        return ipfy(signal(scans, "pfy"))
    found = _require(scans, name, name)
    if name in _YIELDS:
        absorption = _summed(found) / _positive(_require(scans, "i0", name))
    elif name == "transmission":
        absorption = _log_ratio(_require(scans, "i0", name), found)
    elif name == "reference" and "transmission" in scans:
        absorption = _log_ratio(scans["transmission"], found)
    else:
        return found.rename("mu")
    meaning = {"transmission": "absorption in transmission", "reference": "absorption of the reference"}
    labelled = absorption.rename("mu").drop_attrs(deep=False)
    return labelled.assign_attrs(units="1", long_name=meaning.get(name, f"{name} over i0"))


def _require(scans: xr.Dataset, name: str, wanted: str) -> xr.DataArray:
    if name not in scans:
        present = ", ".join(str(key) for key in scans.data_vars) or "nothing"
        raise OperandoError(f"signal {wanted!r} needs {name!r}, the scans have {present}; name its column in 'columns'")
    return scans[name]


def _summed(counts: xr.DataArray) -> xr.DataArray:
    return counts.sum("detector", skipna=False) if "detector" in counts.dims else counts


def _positive(intensity: xr.DataArray) -> xr.DataArray:
    return intensity.where(intensity > 0)


def _log_ratio(incoming: xr.DataArray, outgoing: xr.DataArray) -> xr.DataArray:
    # Not of their ratio, which damaged numbers may make zero or infinite.
    first, second = (
        xr.apply_ufunc(np.log, _positive(one), dask="allowed", keep_attrs=True) for one in (incoming, _summed(outgoing))
    )
    absorption: xr.DataArray = first - second
    return absorption
