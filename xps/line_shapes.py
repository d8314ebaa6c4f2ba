"""Line shapes by name, with their parameters and bounds.

For every shape ``position`` is the maximum and ``fwhm`` the full width at half maximum of the line as it is seen, its
broadening included; asymmetric ones have their tail at higher binding energy; the area is that of the whole line.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

from operando.errors import OperandoError

from .line_codes import DONIACH_SUNJIC, GL_PRODUCT, GL_SUM, LA, LF, VOIGT


@dataclass(frozen=True)
class ShapeParameter:
    """A parameter of a line shape beside position, width and area; dimensionless."""

    name: str
    lower: float
    upper: float
    start: float
    meaning: str


@dataclass(frozen=True)
class LineShape:
    """A line shape: the code that the kernel knows it by, and its parameters in the kernel's order."""

    name: str
    code: int
    parameters: tuple[ShapeParameter, ...]
    meaning: str


_LORENTZ = "0 a Gaussian, 1 a Lorentzian"
_POWER = "power of the Lorentzian"
_GAUSS = ShapeParameter("gauss", 0.05, 0.95, 0.5, "full width of the Gaussian over the sum of both full widths")

SHAPES = {
    shape.name: shape
    for shape in (
        LineShape(
            "gl_sum",
            GL_SUM,
            (ShapeParameter("mixing", 0.0, 1.0, 0.3, f"the Lorentzian's share of the area, {_LORENTZ}"),),
            "sum of a Gaussian and a Lorentzian of the same width; CasaXPS's SGL mixes heights instead",
        ),
        LineShape(
            "gl_product",
            GL_PRODUCT,
            (ShapeParameter("mixing", 0.0, 0.99, 0.3, f"m / 100 of CasaXPS's GL(m), {_LORENTZ}"),),
            "product of a Gaussian and a Lorentzian",
        ),
        LineShape(
            "voigt",
            VOIGT,
            (
                ShapeParameter(
                    "mixing", 0.0, 1.0, 0.3, f"full width of the Lorentzian over that of the line, {_LORENTZ}"
                ),
            ),
            "convolution of a Gaussian and a Lorentzian",
        ),
        LineShape(
            "doniach_sunjic",
            DONIACH_SUNJIC,
            (ShapeParameter("asymmetry", 0.0, 0.49, 0.1, "0 is a Lorentzian"), _GAUSS),
            "line of a metal, broadened by a Gaussian; its area has no limit and is that within the spectrum",
        ),
        LineShape(
            "la",
            LA,
            (
                ShapeParameter("alpha", 0.6, 10.0, 1.0, f"{_POWER} at higher binding energy"),
                ShapeParameter("beta", 0.6, 50.0, 1.0, f"{_POWER} at lower binding energy"),
                _GAUSS,
            ),
            "CasaXPS's LA: a Lorentzian with a power on each side, broadened by a Gaussian",
        ),
        LineShape(
            "lf",
            LF,
            (
                ShapeParameter("alpha", 0.5, 10.0, 0.7, f"{_POWER} at higher binding energy near the maximum"),
                ShapeParameter("beta", 1.0, 50.0, 5.0, f"{_POWER} at lower binding energy"),
                ShapeParameter(
                    "damping", 5.0, 500.0, 80.0, "distance, in widths of the Lorentzian, where alpha has become beta"
                ),
                _GAUSS,
            ),
            "CasaXPS's LF: as LA, with a power that grows with the distance, so that the tail ends",
        ),
    )
}


def line_shape(name: str, step: str) -> LineShape:
    """Return the line shape of that name.

    Raises
    ------
    OperandoError
        If there is none.
    """
    if name not in SHAPES:
        raise OperandoError(f"{step}: expected a line shape among {', '.join(SHAPES)}, got {name!r}")
    return SHAPES[name]


def area_share(height_share: float) -> float:
    """Return the mixing of ``gl_sum`` that is the SGL(m) of CasaXPS, ``height_share`` its m / 100.

    SGL adds (1 - m) of a Gaussian and m of a Lorentzian of unit height, gl_sum shares of unit area.
    """
    lorentz, gauss = height_share * pi / 2, (1 - height_share) * sqrt(pi / (4 * log(2.0)))
    return lorentz / (lorentz + gauss)
