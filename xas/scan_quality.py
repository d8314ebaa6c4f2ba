"""What is wrong with scans, told from their numbers: flags for each scan and for each of its points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from operando.errors import OperandoError
from operando.flags import Flag, raised
from operando.history import recorded
from operando.units import with_units

from .edge_presence import without_edge
from .glitches import deglitch
from .layout import ALONG, DETECTORS, PROCESSED, along_energy
from .scan_masks import all_of, any_of, beam_steps, not_around, over_points, over_scans
from .signals import SIGNALS, signal


def quality(
    scans: xr.Dataset,
    *,
    e0: float | None = None,
    full_scale: Mapping[str, float] | None = None,
    levels: Mapping[str, float] | None = None,
    least_beam: float = 0.05,
) -> xr.Dataset:
    """Return the same scans with what is wrong with them raised in the coordinate ``flag``.

    ==================  ============================================================================================
    reason              raised where
    ==================  ============================================================================================
    not_finite          a value is missing or not finite, or all detectors read 0, between two points measured
    truncated           more than 1 % of the points are missing at the ends of the scan
    duplicate_energy    an energy is that of the point before; ``unsorted_energy`` where it is lower
    dead_detector       a detector or one of its channels is constant
    saturated           a reading is beyond its full scale, or on a plateau at the value farthest from zero
    no_i0               I0 is zero, negative or missing
    beam_dump           I0 is below ``least_beam`` times its median over the scan
    gain_change         one detector, not all, steps to 10, 100 ... times its reading, within a scan or between scans
    glitch              points stand out, see :func:`~operando.xas.deglitch`
    no_edge             the scan does not pass ``e0``; without it, a cubic polynomial describes every signal
    ==================  ============================================================================================

    Parameters
    ----------
    scans
        A scan or a series as :func:`~operando.xas.read` and :func:`~operando.xas.read_series` return it, in memory or
        dask, with any further dims.
    e0
        The edge's energy (eV).
    full_scale
        The readings at which detectors saturate, in their units.
    levels
        The pre-edge reading of detectors over I0 (of I0 itself, or where there is no I0: the reading) to which the
        gain is compared. Each scan is then judged by itself. Without it a scan is compared with the one before, so
        that ``gain_change`` depends on the neighbor: the first scan with a new gain is flagged, not those after it.
    least_beam
        The part of its median below which I0 says that the beam was lost.

    Returns
    -------
    xarray.Dataset
        ``scans`` with ``flag``, how many of their points are in doubt, ``doubtful_points`` (1), between which energies,
        ``doubt_start`` and ``doubt_end`` (eV), points missing at the ends not counted; with I0 also ``beam_step`` (1),
        its largest lasting step relative to the reading before, and ``beam_step_energy`` (eV), the first energy behind
        it: such as a top-up makes, which yields over I0 do not see and no flag tells.

    Raises
    ------
    OperandoError
        If there is no dim ``energy`` in eV, nothing measured, or a detector named is not there.

    Notes
    -----
    Nothing is dropped, and but for ``gain_change`` no scan's flag depends on another scan's numbers. The pre-edge
    is the first tenth of the energies. A step that all detectors show is the beam's. A plateau is three equal points
    or more, left by steps of four digits of the file or more. A polynomial describes a signal if it leaves less than 15
    times the noise of a point, or half of what a line leaves: a scan that stops within the foot of its edge may pass.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import xas
    >>> from operando import flags
    >>> coords = {"energy": ("energy", np.arange(6.0) + 7100, {"units": "eV"}), "flag": 0}
    >>> scan = xr.Dataset({"i0": ("energy", [5.0, 5.1, 0.0, 0.0, 5.2, 5.1], {"units": "nA"})}, coords)
    >>> found = xas.quality(scan)
    >>> print(flags.names(int(found["flag"])), float(found["doubt_start"]))
    ['no_i0', 'no_edge', 'beam_dump'] 7102.0
    """
    detectors = _detectors(scans, {**(full_scale or {}), **(levels or {})})
    spectra = _absorptions(detectors)
    points = over_points(detectors, full_scale or {}, least_beam)
    points[Flag.glitch] = _standing_out(spectra)
    reasons = [(reason, where.any(ALONG)) for reason, where in points.items()]
    reasons += over_scans(detectors, levels).items()
    reasons += [(Flag.no_edge, _without_edge(spectra) if e0 is None else not_around(detectors, e0))]
    found = _places(any_of(where for reason, where in points.items() if reason != Flag.truncated))
    if "i0" in detectors:
        found["beam_step"], found["beam_step_energy"] = beam_steps(detectors["i0"])
    found = with_units(found, PROCESSED.units(), PROCESSED.long_names())
    ds = scans.assign(found.data_vars).assign_coords(flag=_raised(scans, reasons))
    parameters = {"e0": e0, "full_scale": full_scale, "levels": levels, "least_beam": least_beam}
    return recorded(ds, "xas.quality", parameters, after=scans)


def _detectors(scans: xr.Dataset, named: Mapping[str, float]) -> dict[str, xr.DataArray]:
    """Return what was measured, without coordinates but the energies, if it has what is named."""
    measured = {name: along_energy(scans[name], "quality") for name in DETECTORS if name in scans}
    if not measured:
        raise OperandoError(f"quality: expected detectors among {', '.join(DETECTORS)}, got none")
    unknown = [name for name in named if name not in measured]
    if unknown:
        raise OperandoError(f"quality: expected detectors among {', '.join(measured)}, got {unknown[0]!r}")
    return {name: values.reset_coords(drop=True) for name, values in measured.items()}


def _absorptions(detectors: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Return the absorption that each detector behind the sample shows; its reading where there is no I0."""
    scans = xr.Dataset(detectors)
    behind = [name for name in SIGNALS if name in detectors and name != "reference"]
    if "i0" not in detectors and behind != ["mu"]:
        return {name: detectors[name] for name in behind or ["reference"]}
    return {name: signal(scans, name) for name in behind} or detectors


def _standing_out(spectra: dict[str, xr.DataArray]) -> xr.DataArray:
    """Return which points a search for glitches replaces."""
    cured = deglitch(xr.Dataset(spectra))
    changed = [(cured[name] != mu) & mu.notnull() for name, mu in spectra.items()]
    return any_of(where.any("detector") if "detector" in where.dims else where for where in changed)


def _without_edge(spectra: dict[str, xr.DataArray]) -> xr.DataArray:
    """Return which scans hold an edge in none of their spectra."""
    return all_of(_channels_without_edge(mu) for mu in spectra.values())


def _channels_without_edge(mu: xr.DataArray) -> xr.DataArray:
    smooth: xr.DataArray = xr.apply_ufunc(
        without_edge,
        mu,
        kwargs={"energy": mu[ALONG].to_numpy()},
        input_core_dims=[[ALONG]],
        dask="parallelized",
        output_dtypes=[np.bool_],
    )
    return smooth.all([dim for dim in smooth.dims if dim == "detector"])


def _places(doubtful: xr.DataArray) -> xr.Dataset:
    # Not by NaN left out: numpy warns where nothing is left, and threads silence that for one another at random.
    energy, some = doubtful[ALONG], doubtful.any(ALONG)
    return xr.Dataset(
        {
            "doubtful_points": doubtful.sum(ALONG).astype(np.float64),
            "doubt_start": energy.where(doubtful, np.inf).min(ALONG, skipna=False).where(some),
            "doubt_end": energy.where(doubtful, -np.inf).max(ALONG, skipna=False).where(some),
        }
    )


def _raised(scans: xr.Dataset, reasons: list[tuple[Flag, xr.DataArray]]) -> xr.DataArray:
    """Return the scans' flags with further reasons; without any so far, one flag a scan."""
    dims = scans["flag"].dims if "flag" in scans.coords else tuple(dim for dim in ("scan",) if dim in scans.dims)
    found = [(reason, where.any([dim for dim in where.dims if dim not in dims])) for reason, where in reasons]
    flag = scans["flag"] if "flag" in scans.coords else xr.zeros_like(found[0][1], np.int32)
    for reason, where in found:
        flag = raised(flag, reason, where)
    return flag
