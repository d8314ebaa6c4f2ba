"""Impedance spectra and the resistance over time that their intercepts with the real axis give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.signal import find_peaks

from .crossings import white_noise
from .errors import OperandoError
from .history import recorded
from .impedance_files import FORMATS
from .reading import read_as
from .units import with_units

Array = npt.NDArray[np.float64]

FREQUENCY = "frequency"
_FEWEST = 5
_CLEAR = 5.0
_SHARE = 0.05
_UNITS = {
    "resistance_high": "ohm", "resistance_high_std": "ohm", "resistance_low": "ohm", "resistance_low_std": "ohm",
    "frequency_high": "Hz", "frequency_low": "Hz", "high_is_bound": "1", "low_is_bound": "1",
}  # fmt: skip
_NAMES = {
    "resistance_high": "resistance at the high-frequency intercept",
    "resistance_high_std": "standard uncertainty of the resistance at high frequency",
    "resistance_low": "resistance at the low-frequency end of the arcs",
    "resistance_low_std": "standard uncertainty of the resistance at low frequency",
    "frequency_high": "frequency of the high-frequency intercept",
    "frequency_low": "frequency of the low-frequency end of the arcs",
    "high_is_bound": "whether the axis is not reached: the resistance is at most this",
    "low_is_bound": "whether the arc is not closed: the resistance is at least this",
}


def read(path: str | Path, *, timezone: str | None = None, reader: str | None = None, **settings: Any) -> xr.Dataset:
    """Return the impedance spectra in a file as a series.

    Parameters
    ----------
    path
        An EC-Lab text file (``.mpt``) of an impedance technique, or a table of text.
    timezone
        Zone of its local times (IANA).
    reader, settings
        Name of the reader (found by content otherwise) and its settings; a table needs ``columns``.

    Returns
    -------
    Dataset
        Dims ``scan`` and ``frequency`` (Hz, ascending): ``z_real`` and ``z_imaginary`` (ohm; a capacitance has a
        negative one), and the coordinates of every series, so that it links, joins and lists like one. Frequencies
        of a sweep that others lack are NaN there, and the sweep is flagged.

    Raises
    ------
    FileError
        If the file cannot be read or holds no sweep.

    Examples
    --------
    The resistance over time of a file of sweeps, and the potential at each of them::

        spectra = impedance.read("cell4_peis.mpt", timezone="Europe/Paris")
        found = impedance.intercepts(operando.link(spectra, log))
        print(found[["time", "potential", "resistance_low", "resistance_low_std", "low_is_bound"]])
    """
    series = read_as(FORMATS, path, reader, timezone, settings)
    return recorded(series, "impedance.read", {"file": Path(path).name, "timezone": timezone, **settings})


def intercepts(spectra: xr.Dataset) -> xr.Dataset:
    """Return the resistances at both ends of the arcs: R(t), without a circuit.

    Parameters
    ----------
    spectra
        ``z_real`` and ``z_imaginary`` (ohm) over ``frequency`` (Hz), and perhaps ``scan``.

    Returns
    -------
    Dataset
        Over ``scan``, with the series' coordinates: ``resistance_high`` (ohm, where the real axis is crossed from
        inductive to capacitive: wires, electrolyte), ``resistance_low`` (ohm, where the arcs end: the axis is crossed,
        or -Im has its last minimum before the tail of diffusion), each with ``_std``, the frequencies at which, and
        ``high_is_bound``, ``low_is_bound``: the end of the spectrum comes first, and its real part is a bound.

    Raises
    ------
    OperandoError
        If the impedance is missing.

    Notes
    -----
    Between frequencies a straight line over their logarithm is taken for both parts; the bottom of a minimum is that
    of the parabola through its three points. The errors are those of noise, estimated from how far points lie off the
    cubic through their neighbors: at a crossing ``std^2 = s_re^2 + (dRe/dIm)^2 s_im^2``. How far arcs overlap is no
    part of them. Fewer than 5 finite frequencies give NaN.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from operando import impedance
    >>> frequency = np.logspace(0, 6, 61)
    >>> omega = 2j * np.pi * frequency
    >>> z = 20 + 80 / (1 + 80 * 1e-5 * omega) + 1e-6 * omega
    >>> spectrum = xr.Dataset(
    ...     {"z_real": ("frequency", z.real), "z_imaginary": ("frequency", z.imag)}, {"frequency": frequency}
    ... )
    >>> found = impedance.intercepts(spectrum)
    >>> print(round(float(found.resistance_high)), round(float(found.resistance_low)), bool(found.low_is_bound))
    20 100 True
    """
    missing = [name for name in ("z_real", "z_imaginary", FREQUENCY) if name not in spectra.variables]
    if missing:
        raise OperandoError(f"intercepts: expected z_real and z_imaginary over frequency, got none of {missing[0]}")
    order = np.argsort(spectra[FREQUENCY].values)
    log_frequency = np.log(spectra[FREQUENCY].values[order].astype("f8"))
    parts = [spectra[name].transpose(..., FREQUENCY) for name in ("z_real", "z_imaginary")]
    dims = parts[0].dims[:-1]
    real, imaginary = (part.values[..., order].reshape(-1, order.size) for part in parts)
    rows = [_ends(log_frequency, re, im) for re, im in zip(real, imaginary, strict=True)]
    shape = parts[0].shape[:-1]
    columns = {name: np.array([row[name] for row in rows]).reshape(shape) for name in _UNITS}
    coords = {str(name): data for name, data in spectra.coords.items() if FREQUENCY not in data.dims}
    ds = xr.Dataset({name: (dims, values) for name, values in columns.items()}, coords=coords, attrs=spectra.attrs)
    return recorded(with_units(ds, _UNITS, _NAMES), "impedance.intercepts", {})


def _ends(log_frequency: Array, real: Array, imaginary: Array) -> dict[str, float | bool]:
    """Return both ends of the arcs of one spectrum over ascending frequency."""
    sound = np.isfinite(real) & np.isfinite(imaginary)
    x, re, im = log_frequency[sound], real[sound], imaginary[sound]
    if x.size < _FEWEST:
        nothing = dict.fromkeys(_UNITS, np.nan)
        return {**nothing, "high_is_bound": True, "low_is_bound": True}
    piece = np.zeros(x.size, np.int64)
    noise = (white_noise(x, re, piece), white_noise(x, im, piece))
    inductive = np.flatnonzero((im[:-1] < 0) & (im[1:] >= 0))
    high = _crossed(x, re, im, int(inductive[-1]), noise) if inductive.size else (float(re[-1]), noise[0], float(x[-1]))
    low, closed = _low_end(x, re, im, noise)
    return {
        "resistance_high": high[0],
        "resistance_high_std": high[1],
        "frequency_high": float(np.exp(high[2])),
        "high_is_bound": not inductive.size,
        "resistance_low": low[0],
        "resistance_low_std": low[1],
        "frequency_low": float(np.exp(low[2])),
        "low_is_bound": not closed,
    }


def _low_end(x: Array, re: Array, im: Array, noise: tuple[float, float]) -> tuple[tuple[float, float, float], bool]:
    """Return where the arcs end towards low frequency, and whether they do within the spectrum."""
    tops, _ = find_peaks(-im, prominence=max(_CLEAR * noise[1], _SHARE * float(-im.min())))
    below = int(tops[-1]) if tops.size else 0
    capacitive = np.flatnonzero((im[:-1] >= 0) & (im[1:] < 0))
    if capacitive.size and capacitive[0] < below:
        return _crossed(x, re, im, int(capacitive[0]), noise), True
    bottoms, _ = find_peaks(im, prominence=_CLEAR * noise[1])
    lows = [int(at) for at in bottoms if at < below]
    if not lows:
        return (float(re[0]), noise[0], float(x[0])), False
    at = lows[0]
    bend = np.polyfit(x[at - 1 : at + 2] - x[at], im[at - 1 : at + 2], 2)
    place = float(np.clip(-bend[1] / (2 * bend[0]), x[at - 1] - x[at], x[at + 1] - x[at])) if bend[0] else 0.0
    value = float(np.interp(x[at] + place, x, re))
    shift = noise[1] / max(2 * abs(float(bend[0])) * float(x[at + 1] - x[at - 1]), 1e-12)
    slope = float(re[at + 1] - re[at - 1]) / float(x[at + 1] - x[at - 1])
    return (value, float(np.hypot(noise[0], slope * shift)), float(x[at] + place)), True


def _crossed(x: Array, re: Array, im: Array, at: int, noise: tuple[float, float]) -> tuple[float, float, float]:
    """Return the real part, its error and the place where the imaginary part is zero between two frequencies."""
    u = float(im[at] / (im[at] - im[at + 1]))
    share = float(np.hypot(1 - u, u))
    tilt = float((re[at + 1] - re[at]) / (im[at + 1] - im[at]))
    value = float((1 - u) * re[at] + u * re[at + 1])
    return value, share * float(np.hypot(noise[0], tilt * noise[1])), float((1 - u) * x[at] + u * x[at + 1])
