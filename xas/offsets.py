"""What a detector shows without light: dark readings, and the cell's own current in the drain current."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.history import recorded
from operando.units import factor, parse, registry

from .layout import ALONG

CURRENT = "current"
_Offset = tuple[xr.DataArray | float, xr.DataArray | float]


def subtract_offset(
    scans: xr.Dataset,
    *,
    dark: Mapping[str, float | xr.DataArray] | None = None,
    dark_std: Mapping[str, float | xr.DataArray] | None = None,
    cell_current: Mapping[str, float | str] | None = None,
    zero: Mapping[str, tuple[float, float]] | None = None,
) -> xr.Dataset:
    """Return scans without what their detectors show in the dark.

    I = I_shown - I_dark - g I_cell - <I_shown - I_dark - g I_cell>_zero: the electron yield is a current from the
    sample to ground, and so is part of the cell's own current; I0 has none of it.

    Parameters
    ----------
    scans
        Scans as read, linked to the electrochemistry where a cell current is to be subtracted; any dims.
    dark, dark_std
        ``{detector: reading without light}``, in the detector's own unit: a number, one a scan, or one an energy; and
        its standard uncertainty.
    cell_current
        ``{detector: g}``: the share of the cell's current (A, charge positive) that the detector shows, with its
        sign; 1 if all of it flows through. For a detector that shows no current, text with the gain of its amplifier,
        such as ``"-1e9 V/A"``.
    zero
        ``{detector: (first, last)}``: energies (eV) between which the detector is known to show nothing else, for the
        beam was off or the signal starts later.

    Returns
    -------
    xarray.Dataset
        The scans with their detectors corrected, and for each of them ``<detector>_offset``, what was subtracted, with
        ``<detector>_offset_std`` where something is known of it: ``dark_std``, the ``current_std`` of the link, and
        the scatter between the energies of ``zero``. It is common to all points of a scan and no part of their noise.
        A detector without a known cell current (the scan lies outside the log) becomes NaN rather than staying
        uncorrected.

    Raises
    ------
    OperandoError
        If a detector is missing, its unit is no current, the scans are not linked, or no point is in ``zero``.

    Notes
    -----
    The equation is the definition of what is left.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> coords = {"energy": ("energy", np.arange(6.0) + 850, {"units": "eV"})}
    >>> tey, i0 = np.arange(6.0) + 2, np.full(6, 3.0)
    >>> scan = xr.Dataset({"tey": ("energy", tey, {"units": "nA"}), "i0": ("energy", i0, {"units": "nA"})}, coords)
    >>> print(xas.subtract_offset(scan, dark={"tey": 2.0})["tey"].values.tolist())
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    steps = {"dark": dark or {}, "cell_current": cell_current or {}, "zero": zero or {}}
    out = scans
    for name in dict.fromkeys(name for step in steps.values() for name in step):
        shown = _found(scans, name)
        offset, variance = _known(scans, shown, dark, dark_std, cell_current)
        if zero and name in zero:
            level, error = _zero_level(shown - offset, zero[name])
            offset, variance = offset + level, variance + error
        units = str(shown.attrs.get("units", "1"))
        meaning = f"what was subtracted from the {shown.attrs.get('long_name', name)}"
        corrected = (shown - offset).transpose(*shown.dims).assign_attrs(shown.attrs)
        offset = xr.DataArray(offset).assign_attrs(units=units, long_name=meaning)
        out = out.assign({name: corrected, f"{name}_offset": offset})
        if isinstance(variance, xr.DataArray) or variance > 0:
            std = xr.DataArray(variance) ** 0.5
            meaning = f"standard uncertainty of {meaning}"
            out = out.assign({f"{name}_offset_std": std.assign_attrs(units=units, long_name=meaning)})
    stated = {step: {name: _stated(value) for name, value in values.items()} for step, values in steps.items()}
    return recorded(out, "xas.subtract_offset", stated, after=scans)


def _known(
    scans: xr.Dataset,
    shown: xr.DataArray,
    dark: Mapping[str, float | xr.DataArray] | None,
    dark_std: Mapping[str, float | xr.DataArray] | None,
    cell_current: Mapping[str, float | str] | None,
) -> _Offset:
    """Return the offset of a detector from its dark reading and the cell's current, and its variance."""
    name = str(shown.name)
    offset, variance = _bare((dark or {}).get(name, 0.0)), _bare((dark_std or {}).get(name, 0.0)) ** 2
    if cell_current and name in cell_current:
        if CURRENT not in scans.coords:
            raise OperandoError("subtract_offset: expected scans linked to the electrochemistry, got no current")
        gain = _gain(cell_current[name], str(scans[CURRENT].attrs.get("units", "A")), shown)
        offset = offset + gain * _bare(scans[CURRENT])
        if f"{CURRENT}_std" in scans.coords:
            variance = variance + (gain * _bare(scans[f"{CURRENT}_std"])) ** 2
    return offset, variance


def _gain(share: float | str, current: str, shown: xr.DataArray) -> float:
    """Return what the detector shows per unit of the cell's current."""
    units = str(shown.attrs.get("units", ""))
    if not isinstance(share, str):
        return share * factor(current, units)
    try:
        return float(registry().Quantity(share).to(parse(units) / parse(current)).magnitude)
    except Exception:
        wanted = f"a gain in {units} per {current}, such as '1e9 V/A'"
        raise OperandoError(f"subtract_offset: expected {wanted}, got {share!r}") from None


def _zero_level(rest: xr.DataArray, between: tuple[float, float]) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the mean between two energies and the variance of that mean."""
    inside = rest.sel({ALONG: (rest[ALONG] >= between[0]) & (rest[ALONG] <= between[1])}).reset_coords(drop=True)
    if not inside.sizes[ALONG]:
        raise OperandoError(f"subtract_offset: expected points from {between[0]:g} to {between[1]:g} eV, got none")
    mean = inside.mean(ALONG)
    known = inside.notnull().sum(ALONG)
    scatter = ((inside - mean) ** 2).sum(ALONG) / (known * (known - 1)).where(known > 1)
    return mean, scatter


def _bare(value: float | xr.DataArray) -> xr.DataArray | float:
    return value.reset_coords(drop=True) if isinstance(value, xr.DataArray) else value


def _stated(value: object) -> object:
    return value if np.isscalar(value) or isinstance(value, tuple | list) else "an array"


def _found(scans: xr.Dataset, name: str) -> xr.DataArray:
    if name not in scans.data_vars:
        known = ", ".join(map(str, scans.data_vars)) or "nothing"
        raise OperandoError(f"subtract_offset: expected a detector among {known}, got {name!r}")
    return scans[name]
