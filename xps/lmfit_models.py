"""Models of lmfit and ours, one from the other."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from math import inf, log, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from operando.errors import OperandoError

from .compiled_model import AREA, FWHM, POSITION, Compiled, middle
from .constraints import Affine, Fixed, Free, Link
from .line_kernels import line_functions
from .line_shapes import LineShape
from .loss_functions import loss_operator
from .model import BACKGROUND, Background, Kind, Model, Peak, shape_of
from .model_kernels import PER_LINE, Floats, fill_line

if TYPE_CHECKING:
    import lmfit

_CODES = {"none": 0, "shirley": 1, "tougaard": 2}
_TO_FWHM = {"gaussian": 2 * sqrt(2 * log(2.0)), "lorentzian": 2.0, "pvoigt": 2.0}
_MIXING = {"gaussian": 0.0, "lorentzian": 1.0}


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

    Raises
    ------
    OperandoError
        If the background is static, or names differ only in signs that lmfit does not allow.
    """
    import lmfit

    if len(model.regions) > 1:
        raise OperandoError(f"to_lmfit: expected a model of one region, got {', '.join(model.regions)}")
    if model.background.static:
        raise OperandoError("to_lmfit: expected an active background, got a static one; take it off before")
    compiled = model.compiled
    names = _slugs([*compiled.names, *(name for name, _ in _real_rows(compiled))])
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


def from_lmfit(model: lmfit.Model, parameters: lmfit.Parameters) -> Model:
    """Return the model that an lmfit model and its parameters describe.

    Parameters
    ----------
    model
        A sum of Gaussian, Lorentzian and pseudo-Voigt models, a constant or linear model, or what :func:`to_lmfit`
        made. Lines keep their prefix as a name; doublets become two tied lines.
    parameters
        Start values, bounds, what varies, and expressions that are affine in one other parameter.

    Raises
    ------
    OperandoError
        If a component or an expression is of another kind: fit such a model with lmfit itself.
    """
    quantities, lines, background = _components(model, parameters)
    first: dict[str, tuple[str, Affine]] = {}
    tied = {name: _tie(name, one, first, parameters) for name, one in quantities.items()}
    made = []
    for name, (shape, keys) in lines.items():
        own: dict[str, Any] = {key: tied[f"{name}.{key}"] for key in keys}
        made.append(Peak(name, own.pop(POSITION), own.pop(FWHM), shape, own.pop(AREA), **own))
    return Model(made, background(tied))


def _real_rows(compiled: Compiled) -> list[tuple[str, Affine]]:
    return [(name, row) for name, row in compiled.rows if ".spare_" not in name]


def _slug(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if not plain[:1].isdigit() else f"line_{plain}"


def _slugs(names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        slug = _slug(name)
        if found.setdefault(slug, name) != name:
            raise OperandoError(f"to_lmfit: expected names that lmfit can tell apart, got {found[slug]!r} and {name!r}")
    return {name: slug for slug, name in found.items()}


def _parameters(
    compiled: Compiled, values: Mapping[str, float], names: Mapping[str, str], prefixes: list[str]
) -> lmfit.Parameters:
    import lmfit

    out = lmfit.Parameters()
    for name, start, low, high in zip(compiled.names, compiled.start, compiled.low, compiled.high, strict=True):
        begin = 1.0 if name.endswith(f".{AREA}") and start == 0 else start
        out.add(names[name], value=values.get(name, begin), min=low, max=high)
    for name, row in _real_rows(compiled):
        if names[name] in out:
            continue
        if row.terms:
            terms = [f"{factor!r}*{names[free]}" for free, factor in row.terms.items()]
            out.add(names[name], expr=" + ".join([*terms, repr(float(row.offset))]))
        else:
            out.add(names[name], value=row.offset, vary=False)
    for prefix in prefixes:
        out.add(f"{prefix}height", expr=names[f"{BACKGROUND}.height"])
    return out


def _affine(name: str, parameters: lmfit.Parameters) -> Affine:
    """Return a parameter in terms of those that vary."""
    one = parameters[name]
    if one.expr:
        return _read(ast.parse(one.expr, mode="eval").body, one.expr, parameters)
    return Affine({name: 1.0}) if one.vary else Affine({}, float(one.value))


def _read(node: ast.expr, text: str, parameters: lmfit.Parameters) -> Affine:
    """Return an expression that is affine, such as ``0.5*a + 1``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Affine({}, float(node.value))
    if isinstance(node, ast.Name) and node.id in parameters:
        return _affine(node.id, parameters)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _read(node.operand, text, parameters).times(-1.0)
    if isinstance(node, ast.BinOp):
        left, right = (_read(side, text, parameters) for side in (node.left, node.right))
        if isinstance(node.op, ast.Add | ast.Sub):
            return left + right.times(1.0 if isinstance(node.op, ast.Add) else -1.0)
        if isinstance(node.op, ast.Mult) and not (left.terms and right.terms):
            return left.times(right.offset) if left.terms else right.times(left.offset)
        if isinstance(node.op, ast.Div) and not right.terms and right.offset:
            return left.times(1.0 / right.offset)
    raise OperandoError(f"from_lmfit: expected expressions affine in one parameter, got {text!r}; fit it with lmfit")


def _components(model: lmfit.Model, parameters: lmfit.Parameters) -> tuple[dict[str, Affine], dict[str, Any], Any]:
    """Return all quantities, the lines (shape, keys) and what makes the background of them once they are tied."""
    quantities: dict[str, Affine] = {}
    lines: dict[str, tuple[str, list[str]]] = {}
    kind: Kind = "none"
    loss, terms = "universal", ["constant"]
    quantities[f"{BACKGROUND}.constant"] = Affine()
    for part in model.components:
        name, function = part.prefix.rstrip("_") or part.func.__name__, part.func
        if isinstance(function, LineCurve):
            lines[name] = (function.shape.name, function.names)
            quantities |= {f"{name}.{key}": _affine(f"{part.prefix}{key}", parameters) for key in function.names}
            kind, loss = function.kind, function.loss
            if kind != "none":
                quantities[f"{BACKGROUND}.height"] = _affine(f"{part.prefix}height", parameters)
        elif isinstance(function, BackgroundCurve):
            terms = list(function.terms)
            quantities |= {f"{BACKGROUND}.{key}": _affine(f"{part.prefix}{key}", parameters) for key in terms}
        elif function.__name__ in _TO_FWHM:
            lines[name] = ("gl_sum", [AREA, POSITION, FWHM, "mixing"])
            quantities |= _of_builtin(name, part.prefix, function.__name__, parameters)
        elif function.__name__ == "constant":
            quantities[f"{BACKGROUND}.constant"] = _affine(f"{part.prefix}c", parameters)
        else:
            known = "Gaussian, Lorentzian, PseudoVoigt, Constant"
            raise OperandoError(f"from_lmfit: expected components among {known}, got {part.func.__name__!r}")

    def background(tied: Mapping[str, Any]) -> Background:
        constant, height = tied[f"{BACKGROUND}.constant"], tied.get(f"{BACKGROUND}.height")
        return Background(kind, len(terms) - 1, height, constant, loss)

    return quantities, lines, background


def _of_builtin(name: str, prefix: str, function: str, parameters: lmfit.Parameters) -> dict[str, Affine]:
    mixing = _affine(f"{prefix}fraction", parameters) if function == "pvoigt" else Affine({}, _MIXING[function])
    return {
        f"{name}.{AREA}": _affine(f"{prefix}amplitude", parameters),
        f"{name}.{POSITION}": _affine(f"{prefix}center", parameters),
        f"{name}.{FWHM}": _affine(f"{prefix}sigma", parameters).times(_TO_FWHM[function]),
        f"{name}.mixing": mixing,
    }


def _tie(
    name: str, one: Affine, first: dict[str, tuple[str, Affine]], parameters: lmfit.Parameters
) -> Free | Fixed | Link:
    """Return a quantity: free if it is the first that a varying parameter sets, else tied to that one."""
    terms = {base: factor for base, factor in one.terms.items() if factor}
    if not terms:
        return Fixed(one.offset)
    if len(terms) > 1:
        raise OperandoError(f"from_lmfit: expected {name} to depend on one parameter, got {', '.join(terms)}")
    base, factor = next(iter(terms.items()))
    if base in first:
        to, known = first[base]
        ratio = factor / known.terms[base]
        return Link(to, ratio, one.offset - ratio * known.offset)
    first[base] = (name, one)
    of = parameters[base]
    ends = sorted(factor * (inf if end is None else end) + one.offset for end in (of.min, of.max))
    return Free(factor * of.value + one.offset, *ends)
