"""Line shapes on labelled or plain binding energies, for one line or one a scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from operando.errors import OperandoError
from operando.history import recorded

from .energy_axis import along_binding_energy
from .layout import ALONG
from .line_codes import ROWS, SHAPE_PARAMETERS, TOTAL
from .line_kernels import fill, line_functions
from .line_shapes import LineShape, line_shape

Floats = NDArray[np.float64]
Number = float | xr.DataArray
_STEP = "line_profile"


def line_profile(
    energy: xr.DataArray | ArrayLike,
    shape: str = "gl_sum",
    *,
    position: Number,
    fwhm: Number,
    area: Number = 1.0,
    cumulative: bool = False,
    **parameters: Number,
) -> xr.DataArray:
    """Return a line of a given shape, or its cumulative.

    Parameters
    ----------
    energy
        Binding energies (eV), ascending.
    shape
        A name in :data:`~operando.xps.line_shapes.SHAPES`.
    position, fwhm
        Maximum and full width at half maximum of the line as seen (eV), of numbers or of one a scan.
    area
        Its area, by default 1.
    cumulative
        Give the integral from low binding energy instead, which is the step of Shirley's background.
    **parameters
        Shape parameters by name; those left out have their usual start values.

    Returns
    -------
    xarray.DataArray
        ``line`` (units of the area per eV) or ``cumulative`` (units of the area), along ``binding_energy`` and the
        dims of the parameters.

    Raises
    ------
    OperandoError
        If there is no such shape or parameter, a parameter lies outside its bounds, or the energies do not ascend.

    Notes
    -----
    S. Doniach, M. Sunjic, J. Phys. C 3, 285 (1970), doi:10.1088/0022-3719/3/2/010. LA and LF as CasaXPS defines them
    (N. Fairley, www.casaxps.com), L^alpha at higher and L^beta at lower binding energy; LF adds
    |beta - alpha| (E / (damping L))^2 to alpha, which holds CasaXPS's curves of an oxide to 0.2 %. CasaXPS states the
    position of the Lorentzian and a width before the asymmetry; its 3.86 eV of LF(0.54, 10, 80, 100, 6) are a full
    width of 4.67 eV as seen. How its integer for the Gaussian counts is not published; 100 there is a share of 0.63.

    Examples
    --------
    Unit area, of which these 25 eV hold 99 %:

    >>> import numpy as np
    >>> from operando import xps
    >>> energy = np.arange(150.0, 175.0, 0.01)
    >>> profile = xps.line_profile(energy, "gl_sum", position=162.0, fwhm=1.0, mixing=0.3)
    >>> print(round(float(profile.sum() * 0.01), 2))
    0.99
    """
    chosen = line_shape(shape, _STEP)
    shapes = _shape_values(chosen, parameters)
    _checked_range("fwhm", fwhm, (0.0, np.inf))
    axis = energy if isinstance(energy, xr.DataArray) else np.asarray(energy, dtype=np.float64)
    x = xr.DataArray(axis, dims=[ALONG], coords={ALONG: (ALONG, np.asarray(axis, dtype=np.float64))})
    x[ALONG].attrs = {"units": "eV", "long_name": "binding energy"}
    along_binding_energy(x, _STEP)
    out = xr.apply_ufunc(
        _lines,
        x,
        position,
        fwhm,
        area,
        *shapes,
        kwargs={"code": chosen.code, "row": TOTAL if cumulative else 0},
        input_core_dims=[[ALONG], *[[]] * (3 + len(shapes))],
        output_core_dims=[[ALONG]],
        join="exact",
        dask="parallelized",
        output_dtypes=[np.float64],
        keep_attrs=False,
    )
    return _labelled(out, chosen, area, cumulative, {"position": position, "fwhm": fwhm, **parameters})


def _shape_values(shape: LineShape, parameters: Mapping[str, Number]) -> list[Number]:
    """Return the shape's parameters in the kernel's order, within their bounds."""
    known = {parameter.name: parameter for parameter in shape.parameters}
    for name, value in parameters.items():
        if name not in known:
            raise OperandoError(f"{_STEP}: expected parameters of {shape.name} ({', '.join(known)}), got {name!r}")
        _checked_range(name, value, (known[name].lower, known[name].upper))
    return [parameters.get(name, parameter.start) for name, parameter in known.items()]


def _checked_range(name: str, value: Number, bounds: tuple[float, float]) -> None:
    lower, upper = bounds
    values = np.asarray(value, dtype=np.float64)
    if np.any(values < lower) or np.any(values > upper) or (name == "fwhm" and np.any(values == 0)):
        wanted = "above 0 eV" if name == "fwhm" else f"from {lower:g} to {upper:g}"
        got = f"{np.nanmin(values):g}" if values.size == 1 else f"{np.nanmin(values):g} to {np.nanmax(values):g}"
        raise OperandoError(f"{_STEP}: expected {name} {wanted}, got {got}")


def _lines(x: Floats, position: Floats, fwhm: Floats, area: Floats, *shapes: Floats, code: int, row: int) -> Floats:
    """Return lines along the last axis; a line with a parameter that is NaN is NaN."""
    values = np.broadcast_arrays(position, fwhm, area, *shapes)
    numbers = np.stack([np.asarray(one, dtype=np.float64).ravel() for one in values], axis=-1)
    grid, rows = np.ascontiguousarray(x, dtype=np.float64), np.empty((ROWS, x.size))
    out, functions = np.full((len(numbers), x.size), np.nan), line_functions([code])
    for k, (at, width, size, *rest) in enumerate(numbers):
        if np.isfinite(numbers[k]).all():
            shape = np.zeros(SHAPE_PARAMETERS)
            shape[: len(rest)] = rest
            fill(functions, code, grid, at, width, shape, rows)
            out[k] = size * rows[row]
    return out.reshape(*values[0].shape, x.size)


def _labelled(
    out: xr.DataArray, shape: LineShape, area: Number, cumulative: bool, parameters: Mapping[str, Number]
) -> xr.DataArray:
    """Return the lines with their name, units and history."""
    units = str(area.attrs.get("units", "1")) if isinstance(area, xr.DataArray) else "1"
    per_energy = units.removesuffix("*eV") if units.endswith("*eV") else f"{units}/eV"
    numbers = {name: value if isinstance(value, int | float) else "one a scan" for name, value in parameters.items()}
    history = recorded(xr.Dataset(), f"xps.{_STEP}", {"shape": shape.name, **numbers, "cumulative": cumulative})
    name, text = ("cumulative", "cumulative of a line") if cumulative else ("line", "line")
    attrs = {"units": units if cumulative else per_energy, "long_name": f"{text}, {shape.name}"}
    return out.rename(name).assign_attrs(attrs, history=history.attrs["history"])
