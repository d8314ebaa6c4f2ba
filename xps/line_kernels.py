"""One entry to every line shape, as the fit calls it for each line of each spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operando.kernels import compiled

from .asymmetric_kernels import fill_asymmetric
from .gauss_lorentz_kernels import fill_gl_sum
from .gauss_lorentz_product_kernels import fill_gl_product
from .line_codes import DONIACH_SUNJIC, GL_PRODUCT, GL_SUM, LF, SHAPE_PARAMETERS, TOTAL, VOIGT
from .voigt_kernels import fill_voigt

Floats = NDArray[np.float64]


@compiled
def fill(  # noqa: PLR0917
    code: int, x: Floats, position: float, fwhm: float, shape: Floats, out: Floats
) -> None:
    """Fill ``out`` (14, point) with a line of unit area, its cumulative and their derivatives.

    Parameters
    ----------
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
        same for F(x), the integral of f from low binding energy (1). Rows that a shape has no use for are 0; the
        others are NaN for an unknown code, a width that is not above 0 and parameters that are not finite.
    """
    used = 1 if code < DONIACH_SUNJIC else 2 + code - DONIACH_SUNJIC
    if not 0 <= code <= LF:
        used = SHAPE_PARAMETERS
    total = position + fwhm
    for p in range(used):
        total += shape[p]
    if not (0 <= code <= LF and fwhm > 0 and abs(total) < np.inf):
        out[:] = np.nan
    elif code == GL_SUM:
        fill_gl_sum(x, position, fwhm, shape[0], out)
    elif code == GL_PRODUCT:
        fill_gl_product(x, position, fwhm, shape[0], out)
    elif code == VOIGT:
        fill_voigt(x, position, fwhm, shape[0], out)
    else:
        fill_asymmetric(code - DONIACH_SUNJIC, x, position, fwhm, shape, out)
    for row in range(3 + used, TOTAL):
        out[row] = 0.0
        out[row + TOTAL] = 0.0
