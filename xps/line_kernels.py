"""One entry to every line shape, as the fit calls it for each line of each spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
from numba import types
from numpy.typing import NDArray

from operando.kernels import by_address, compiled

from .asymmetric_kernels import fill_asymmetric
from .gauss_lorentz_kernels import fill_gl_sum
from .gauss_lorentz_product_kernels import fill_gl_product
from .line_codes import DONIACH_SUNJIC, GL_PRODUCT, GL_SUM, LA, LF, VOIGT
from .voigt_kernels import fill_voigt

Floats = NDArray[np.float64]
Shapes = Callable[[int, Floats, float, float, Floats, Floats], None]
"""Function of code, x, position, fwhm and shape parameters that fills a table (14, point)."""


@compiled
def rows_of(code: int) -> int:
    """Return how many rows a shape has: itself, by position, by width and by its parameters."""
    if not DONIACH_SUNJIC <= code <= LF:
        return 4
    return 5 + code - DONIACH_SUNJIC


@compiled
def fill(  # noqa: PLR0917
    shapes: Shapes, code: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats
) -> None:
    """Fill ``out`` (14, point) with a line of unit area, its cumulative and their derivatives.

    Parameters
    ----------
    shapes
        What :func:`line_functions` returns for this code, maybe among others.
    code
        Which shape: ``GL_SUM`` and so on.
    x
        Binding energies (eV), ascending.
    position, fwhm
        The line's maximum and its full width at half maximum (eV), the width above 0.
    shape
        Four numbers, of which the first are the shape's parameters, within their bounds.
    out
        Rows 0 to 6: the line f (1/eV) and its derivatives by position, width and shape parameters. Rows 7 to 13: the
        same for F(x), the integral of f from low binding energy (1). The rows beyond :func:`rows_of` are
        scratch; all are NaN for an unknown code, a width that is not above 0 and parameters that are not finite.
    """
    total = position + fwhm
    for p in range(rows_of(code) - 3):
        total += shape[p]
    if not (0 <= code <= LF and fwhm > 0 and abs(total) < np.inf):
        out[:] = np.nan
    elif code == GL_SUM:
        fill_gl_sum(x, position, fwhm, shape[0], out)
    else:
        shapes(code, x, position, fwhm, shape, out)


def line_functions(codes: Iterable[int]) -> Shapes:
    """Return a function for kernels to take as an argument that fills in lines of these shapes beside ``GL_SUM``.

    The costly shapes are compiled once, when first used; the one that most fits use is compiled into every kernel.
    """
    wanted = {int(code) for code in codes}
    return _compiled_shapes(next(function for known, function in _FUNCTIONS if wanted <= known))


@cache
def _compiled_shapes(function: Shapes) -> Shapes:
    floats, table = types.float64[::1], types.float64[:, ::1]
    return by_address(types.void(types.int64, floats, types.float64, types.float64, floats, table), function)


def _none(code: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats) -> None:  # noqa: ARG001, PLR0917
    out[:] = np.nan


def _symmetric(code: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats) -> None:  # noqa: PLR0917
    if code == GL_PRODUCT:
        fill_gl_product(x, position, fwhm, shape[0], out)
    else:
        fill_voigt(x, position, fwhm, shape[0], out)


def _all(code: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats) -> None:  # noqa: PLR0917
    if code == GL_PRODUCT:
        fill_gl_product(x, position, fwhm, shape[0], out)
    elif code == VOIGT:
        fill_voigt(x, position, fwhm, shape[0], out)
    else:
        fill_asymmetric(code - DONIACH_SUNJIC, x, position, fwhm, shape, out)


_FUNCTIONS = (
    ({GL_SUM}, _none),
    ({GL_SUM, GL_PRODUCT, VOIGT}, _symmetric),
    ({GL_SUM, GL_PRODUCT, VOIGT, DONIACH_SUNJIC, LA, LF}, _all),
)
