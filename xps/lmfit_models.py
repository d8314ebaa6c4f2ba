"""Our models as those of lmfit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from operando.errors import OperandoError

from .affine import Affine
from .compiled_model import AREA, FWHM, POSITION, Compiled, middle
from .line_kernels import line_functions
from .line_shapes import LineShape
from .loss_functions import loss_operator
from .model import BACKGROUND, Background, Model, shape_of
from .model_kernels import PER_LINE, Floats, fill_line

if TYPE_CHECKING:
    import lmfit

_CODES = {"none": 0, "shirley": 1, "tougaard": 2}


class LineCurve:
    """A line and its inelastic background as a function for lmfit: ``area (f + height C)``."""

    def __init__(self, shape: LineShape, background: Background) -> None:
        self.shape, self.kind, self.loss = shape, background.kind, background.loss
        self.names = [AREA, POSITION, FWHM, *(one.name for one in shape.parameters)]
        self.argnames = ["x", *self.names, "height"]
        self.kwargs: list[tuple[str, Any]] = []
        self.__name__ = f"{shape.name}_line"

    def __call__(self, x: ArrayLike, height: float = 0.0, **values: float) -> Floats:
        """Return the curve at ascending binding energies."""
        energy = np.ascontiguousarray(x, np.float64)
        operator = loss_operator(energy, self.loss) if self.kind == "tougaard" else np.zeros((0, 0))
        whole = np.array([[0, energy.size]])
        grid = (
            energy,
            np.zeros((0, energy.size)),
            operator,
            _CODES[self.kind],
            whole,
            np.zeros(1, np.int64),
            line_functions([self.shape.code]),
        )
        full, table = np.zeros(PER_LINE), np.zeros((2 * PER_LINE, energy.size))
        full[: len(self.names)] = [values[name] for name in self.names]
        nothing = np.zeros(1, np.int64)
        structure = (np.array([self.shape.code]), nothing, nothing, np.zeros(1), full)
        if not fill_line(structure, grid, full, 0, table):
            return np.full(energy.size, np.nan)
        curve: Floats = values[AREA] * (table[0] + (height * table[PER_LINE] if self.kind != "none" else 0.0))
        return curve


class BackgroundCurve:
    """The polynomial under the lines as a function for lmfit, about the middle of the energies."""

    def __init__(self, terms: tuple[str, ...]) -> None:
        self.terms, self.argnames = terms, ["x", *terms, "height"]
        self.kwargs: list[tuple[str, Any]] = []
        self.__name__ = "polynomial"

    def __call__(self, x: ArrayLike, height: float = 0.0, **values: float) -> Floats:
        """Return the curve; the lines' common ``height`` is kept among its parameters and does nothing here."""
        energy = np.asarray(x, np.float64) - middle(np.asarray(x, np.float64))
        return sum((values[name] * energy**power for power, name in enumerate(self.terms)), 0.0 * height * energy)


def to_lmfit(model: Model, values: Mapping[str, float] | None = None) -> tuple[lmfit.Model, lmfit.Parameters]:
    """Return a model as lmfit's CompositeModel with its Parameters.

    Parameters
    ----------
    model
        The model; its background is active.
    values
        Values of free parameters by name (``"PS4.area"``), such as a fit's; where they start by default, areas at 1.

    Returns
    -------
    tuple of lmfit.Model and lmfit.Parameters
        With the same curve, starts, bounds and ties; energies and widths in eV.

    Raises
    ------
    OperandoError
        If the background is static, or names differ only in signs that lmfit does not allow.

    Examples
    --------
    >>> from operando import xps
    >>> model = xps.Model([xps.Doublet("PS4", 161.4, 1.0, splitting=1.18, ratio=0.511)])
    >>> lines, parameters = xps.to_lmfit(model)
    >>> print(type(lines).__name__, len(parameters) > 5)
    CompositeModel True
    """
    import lmfit

    if len(model.regions) > 1:
        raise OperandoError(f"to_lmfit: expected a model of one region, got {', '.join(model.regions)}")
    if model.background.static:
        raise OperandoError("to_lmfit: expected an active background, got a static one; take it off before")
    compiled = model.compiled
    names = slugs([*compiled.names, *(name for name, _ in _real_rows(compiled))])
    parts = [lmfit.Model(BackgroundCurve(model.background.terms), prefix=f"{BACKGROUND}_")]
    for name, _ in _real_rows(compiled):
        where, key = name.rsplit(".", 1)
        if key == AREA:
            line = model.lines[compiled.owners[len(parts) - 1]]
            parts.append(lmfit.Model(LineCurve(shape_of(line), model.background), prefix=f"{_slug(where)}_"))
    composite = parts[0]
    for part in parts[1:]:
        composite = composite + part
    return composite, _parameters(compiled, values or {}, names, [part.prefix for part in parts[1:]])


def _real_rows(compiled: Compiled) -> list[tuple[str, Affine]]:
    return [(name, row) for name, row in compiled.rows if ".spare_" not in name]


def _slug(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if not plain[:1].isdigit() else f"line_{plain}"


def slugs(names: list[str], step: str = "to_lmfit") -> dict[str, str]:
    """Return the names that lmfit allows for some names.

    Raises
    ------
    OperandoError
        If two of them become one.
    """
    found: dict[str, str] = {}
    for name in names:
        slug = _slug(name)
        if found.setdefault(slug, name) != name:
            raise OperandoError(f"{step}: expected names that lmfit can tell apart, got {found[slug]!r} and {name!r}")
    return {name: slug for slug, name in found.items()}


def _parameters(
    compiled: Compiled, values: Mapping[str, float], names: Mapping[str, str], prefixes: list[str]
) -> lmfit.Parameters:
    import lmfit

    out = lmfit.Parameters()
    for name, start, low, high in zip(compiled.names, compiled.start, compiled.low, compiled.high, strict=True):
        begin = 1.0 if name.endswith(f".{AREA}") and start == 0 else start
        if name in compiled.expressed:
            out.add(names[name], expr=expression_text(compiled, name, names))
        else:
            out.add(names[name], value=values.get(name, begin), min=low, max=high)
    for name, row in _real_rows(compiled):
        if names[name] in out:
            continue
        if row.terms:
            out.add(names[name], expr=sum_text(row, names))
        else:
            out.add(names[name], value=row.offset, vary=False)
    for prefix in prefixes:
        out.add(f"{prefix}height", expr=names[f"{BACKGROUND}.height"])
    return out


def sum_text(row: Affine, names: Mapping[str, str]) -> str:
    """Return a sum of parameters as lmfit's expressions have it."""
    terms = [f"{float(factor)!r}*{names[free]}" for free, factor in row.terms.items()]
    return " + ".join([*terms, repr(float(row.offset))])


def expression_text(compiled: Compiled, name: str, names: Mapping[str, str]) -> str:
    """Return the expression of a quantity as lmfit's interpreter takes it."""
    one = compiled.expressed[name]
    return one.written({of: sum_text(compiled.quantities[of], names) for of in one.names})
