"""Merge the channels of a multi-element detector: dead time undone, dead elements left out, errors from counting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from operando.errors import OperandoError
from operando.flags import Flag
from operando.history import recorded
from operando.units import convert, parse

from .detector_kernels import summed
from .labels import flagged, labelled
from .layout import ALONG, along_energy

DETECTOR = "detector"
_OF_CHANNELS = ("icr", "ocr", "dead_time_factor")


def merge_detectors(
    scans: xr.Dataset,
    *,
    name: str = "fluorescence",
    dead_time: ArrayLike | None = None,
    count_time: float | None = None,
    weights: ArrayLike | None = None,
    leave_out: Sequence[str | int] = (),
    find_dead: bool = True,
) -> xr.Dataset:
    """Return the scans with the sum of a detector's channels in place of the channels.

    y = sum_c w_c F_c n_c, with the variance sum_c (w_c F_c)^2 n_c where n_c are counts.

    The factor of a channel is F = 1/(1 - r tau), r the rate of all it puts out, if its dead time tau is given and each
    event blocks it for tau and none prolongs that (non-paralyzable); else the ``dead_time_factor`` of the scans; else
    ``icr``/``ocr``; else 1.

    Parameters
    ----------
    scans
        A scan or a series, in memory or dask, in which ``name`` has the dim ``detector``.
    name
        What is merged.
    dead_time
        tau in s, one for all channels or one each; 0 for no correction, whatever the scans hold. The rate is that of
        ``ocr`` if the scans have it, else that of ``name``, which then must hold all events, not a region of them.
    count_time
        For how long a point was counted, in s; by default the ``count_time`` of the scans. Not needed for rates.
    weights
        w, one number of 0 or more for each channel; 1 by default.
    leave_out
        Channels that do not count, by name or number from 0.
    find_dead
        Whether channels that are constant, or do not see what the others see, are found and left out, scan by scan.

    Returns
    -------
    xarray.Dataset
        ``scans`` without the channels of ``name`` and what tells of their dead time; ``name`` summed, ``<name>_std``
        (from counting statistics; NaN if the channels hold no counts: their unit is neither ``count`` nor are they
        whole numbers without a unit), ``detectors_used`` (1 or 0 for each channel).

    Raises
    ------
    OperandoError
        If there are no such channels, a time of counting is needed, or numbers do not fit the channels.

    Notes
    -----
    ``dead_detector`` is flagged where a channel was found dead, ``saturated`` where a rate is beyond 1/tau, which no
    true rate gives; the sum is NaN there. A channel does not see what the others see if less than half of what varies
    in it beyond noise has the shape of their median: whatever its scale and its background. Where the counts are too
    few to tell, or two channels are left, all count.

    With dead time n varies less than a Poisson number, by (1 - r tau)^2, and F magnifies that by F^4, so that the
    variance of F n is F^2 n: of a region of the spectrum, too, whose events are a random share of all. Where ``icr``
    is itself a count, that is an upper bound, reached for small regions.

    G. F. Knoll, Radiation Detection and Measurement, ch. 4; J. W. Mueller, Nucl. Instrum. Methods 112, 47 (1973),
    doi:10.1016/0029-554X(73)90773-8; J. C. Woicik et al., J. Synchrotron Rad. 17, 409 (2010),
    doi:10.1107/S0909049510009064.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> counts = np.random.default_rng(1).poisson(100.0, (4, 20)).astype(float)
    >>> counts[3] = 0
    >>> coords = {"energy": ("energy", np.arange(20.0) + 7100, {"units": "eV"})}
    >>> scan = xr.Dataset({"fluorescence": (("detector", "energy"), counts, {"units": "count"})}, coords)
    >>> print(xas.merge_detectors(scan)["detectors_used"].values.tolist())
    [1.0, 1.0, 1.0, 0.0]
    """
    counts = _channels(scans, name)
    factor, saturated, correction = _factor(scans, counts, dead_time, count_time)
    wanted = _wanted(counts, leave_out)
    share = _each("weights", weights if weights is not None else 1.0, counts)
    total, std, used = xr.apply_ufunc(
        summed,
        counts,
        factor,
        share,
        wanted,
        kwargs={"find_dead": find_dead, "counting": _counting(counts)},
        input_core_dims=[[DETECTOR, ALONG], [DETECTOR, ALONG], [DETECTOR], [DETECTOR]],
        output_core_dims=[[ALONG], [ALONG], [DETECTOR]],
        dask="parallelized",
        output_dtypes=[np.float64] * 3,
        keep_attrs=False,
    )
    order = [dim for dim in counts.dims if dim != DETECTOR]
    found = xr.Dataset({name: total.transpose(*order), f"{name}_std": std.transpose(*order), "detectors_used": used})
    found = labelled(found.drop_vars(set(found.coords) - set(found.dims), errors="ignore"), counts)
    meaning = counts.attrs.get("long_name", name)
    found[name].attrs = {"units": counts.attrs.get("units", "1"), "long_name": f"{meaning}, summed"}
    found[f"{name}_std"].attrs = {**found[name].attrs, "long_name": f"standard uncertainty of {name} from counting"}
    kept = scans.drop_vars([one for one in (name, *_OF_CHANNELS) if one in scans])
    ds = kept.assign(found.data_vars)
    ds = flagged(ds, Flag.dead_detector, (found["detectors_used"] == 0) & wanted)
    ds = flagged(ds, Flag.saturated, saturated)
    parameters = {
        "name": name,
        "dead_time": None if dead_time is None else np.asarray(dead_time).tolist(),
        "count_time": count_time,
        "correction": correction,
        "weights": None if weights is None else np.asarray(weights).tolist(),
        "leave_out": list(leave_out),
        "find_dead": find_dead,
    }
    return recorded(ds, "xas.merge_detectors", parameters, after=scans)


def _channels(scans: xr.Dataset, name: str) -> xr.DataArray:
    """Return the channels of a quantity, each scan's in one chunk."""
    several = [str(one) for one, array in scans.data_vars.items() if {DETECTOR, ALONG} <= set(array.dims)]
    if name not in several:
        listed = ", ".join(one for one in several if one not in _OF_CHANNELS) or "none"
        raise OperandoError(
            f"merge_detectors: expected a quantity with channels along 'detector', got {name!r}; there are {listed}; "
            "the reader's 'columns' take a list of them"
        )
    counts = along_energy(scans[name].astype(np.float64), "merge_detectors")
    return counts.chunk({DETECTOR: -1}) if counts.chunks else counts


def _factor(
    scans: xr.Dataset, counts: xr.DataArray, dead_time: ArrayLike | None, count_time: float | None
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Return by how much channels count too little, where they can not have counted so, and what says so."""
    one = xr.ones_like(counts, dtype=np.float64).drop_attrs()
    if dead_time is not None:
        tau = _each("dead_time", dead_time, counts)
        busy = one * _rate(scans, counts, count_time, needed=bool((tau > 0).any())) * tau
        return _whole_scans(1 / (1 - busy.where(busy < 1)), counts), busy >= 1, "dead_time"
    found, correction = one, "none"
    if "dead_time_factor" in scans:
        found, correction = scans["dead_time_factor"], "dead_time_factor"
    elif "icr" in scans and "ocr" in scans:
        came, left = scans["icr"], scans["ocr"]
        if came.attrs.get("units") != left.attrs.get("units"):
            stated = " and ".join(repr(array.attrs.get("units")) for array in (came, left))
            raise OperandoError(f"merge_detectors: expected icr and ocr in the same unit, got {stated}")
        found, correction = (came / left.where(left > 0)).where((came != 0) | (left != 0), 1.0), "icr/ocr"
    return _whole_scans(one * found.where(found > 0), counts), xr.zeros_like(counts, dtype=bool), correction


def _whole_scans(factor: xr.DataArray, counts: xr.DataArray) -> xr.DataArray:
    """Return a factor with the dims of the counts, each scan's in one chunk."""
    factor = factor.transpose(*counts.dims)
    return factor.chunk({DETECTOR: -1, ALONG: -1}) if factor.chunks else factor


def _rate(scans: xr.Dataset, counts: xr.DataArray, count_time: float | None, *, needed: bool) -> xr.DataArray:
    """Return the events that each channel puts out in a second."""
    events = scans.get("ocr", counts)
    unit = str(events.attrs.get("units", "1"))
    if parse(unit).is_compatible_with(parse("1/s")):
        return events * float(convert(np.array(1.0), unit, "1/s"))
    if count_time is not None:
        return events / count_time
    if "count_time" in scans:
        stated = scans["count_time"]
        seconds = stated * float(convert(np.array(1.0), str(stated.attrs.get("units", "s")), "s"))
        return events / seconds.where(seconds > 0)
    if needed:
        raise OperandoError("merge_detectors: expected count_time, in s, to turn counts into rates; got none")
    return events


def _each(what: str, given: ArrayLike, counts: xr.DataArray) -> xr.DataArray:
    """Return one number of 0 or more for each channel."""
    count = counts.sizes[DETECTOR]
    values = np.asarray(given, dtype=np.float64)
    if values.shape not in ((), (count,)) or not (values >= 0).all() or not np.isfinite(values).all():
        raise OperandoError(f"merge_detectors: expected {what} of 0 or more, one or {count} of them, got {given!r}")
    return xr.DataArray(np.broadcast_to(values, count).copy(), dims=DETECTOR)


def _wanted(counts: xr.DataArray, leave_out: Sequence[str | int]) -> xr.DataArray:
    """Return which channels may count."""
    count = counts.sizes[DETECTOR]
    names = [str(name) for name in counts[DETECTOR].values] if DETECTOR in counts.coords else []
    wanted = np.ones(count, dtype=bool)
    for one in leave_out:
        number = names.index(one) if isinstance(one, str) and one in names else one
        if isinstance(number, str) or not 0 <= number < count:
            listed = ", ".join(names) or f"0 to {count - 1}"
            raise OperandoError(f"merge_detectors: expected channels among {listed} in leave_out, got {one!r}")
        wanted[number] = False
    return xr.DataArray(wanted, dims=DETECTOR)


def _counting(counts: xr.DataArray) -> Any:
    """Return whether numbers are counts: ``yes`` or ``no`` by their unit, ``whole`` if they have to tell themselves."""
    unit = parse(str(counts.attrs.get("units", "1")))
    if unit == parse("count"):
        return "yes"
    return "whole" if unit == parse("1") else "no"
