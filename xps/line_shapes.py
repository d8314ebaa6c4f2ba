"""Line shapes by name: their parameters and bounds, and their values on labelled or plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

from operando.errors import OperandoError

from .line_kernels import GL_SUM, VOIGT


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


_LORENTZ = "share of the Lorentzian, 0 (Gaussian) to 1 (Lorentzian)"

SHAPES = {
    shape.name: shape
    for shape in (
        LineShape(
            "gl_sum",
            GL_SUM,
            (ShapeParameter("mixing", 0.0, 1.0, 0.3, f"area {_LORENTZ}"),),
            "sum of a Gaussian and a Lorentzian of the same width",
        ),
        LineShape(
            "voigt",
            VOIGT,
            (ShapeParameter("mixing", 0.0, 1.0, 0.3, "full width of the Lorentzian over that of the line"),),
            "convolution of a Gaussian and a Lorentzian",
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
