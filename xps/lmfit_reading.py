"""Models of lmfit as ours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import inf, log, sqrt
from typing import TYPE_CHECKING, Any

from operando.errors import OperandoError

from .affine import Affine
from .compiled_model import AREA, FWHM, POSITION
from .constraints import Fixed, Free, Link, Stated, kind_of
from .expressions import Expression
from .lmfit_models import BackgroundCurve, LineCurve
from .model import BACKGROUND, POLYNOMIAL, Background, Kind, Model, Peak

if TYPE_CHECKING:
    import lmfit

_TO_FWHM = {"gaussian": 2 * sqrt(2 * log(2.0)), "lorentzian": 2.0, "pvoigt": 2.0}
_MIXING = {"gaussian": 0.0, "lorentzian": 1.0}
_DEGREES = {"linear": ("intercept", "slope"), "parabolic": ("c", "b", "a")}
_KNOWN = "Gaussian, Lorentzian, PseudoVoigt, Constant, Linear, Quadratic, Polynomial"
_NAME = re.compile(r"\b[A-Za-z_]\w*")


def from_lmfit(model: lmfit.Model, parameters: lmfit.Parameters) -> Model:
    """Return the model that an lmfit model and its parameters describe.

    Parameters
    ----------
    model
        A sum of Gaussian, Lorentzian and pseudo-Voigt models over a constant, a line or a polynomial, or what
        :func:`to_lmfit` made. Lines keep their prefix as a name; doublets become two tied lines.
    parameters
        Start values, bounds, what varies, and expressions. Those that are affine become links and are fitted like any;
        others become an :class:`Expression`, which :func:`fit` leaves to lmfit. Bounds of parameters that have an
        expression are left out.

    Returns
    -------
    Model
        With the same lines, starts, bounds and ties; energies and widths in eV.

    Raises
    ------
    OperandoError
        If a component is of another kind, an expression holds more than an :class:`Expression` may, a parameter varies
        that belongs to no line, or a coefficient of a line or polynomial does not simply vary: ours count from the
        middle of the spectrum.
    """
    found = _Found(parameters)
    for part in model.components:
        found.take(part)
    stated = found.stated()
    lines = []
    for name, (shape, keys) in found.lines.items():
        own: dict[str, Any] = {key: stated[f"{name}.{key}"] for key in keys}
        lines.append(Peak(name, own.pop(POSITION), own.pop(FWHM), shape, own.pop(AREA), **own))
    height = stated.get(f"{BACKGROUND}.height")
    constant = Fixed(0.0) if found.degree < 0 else None if found.shifted else stated[f"{BACKGROUND}.constant"]
    return Model(lines, Background(found.kind, max(found.degree, 0), height, constant, found.loss))


@dataclass
class _Found:
    """What the components of an lmfit model hold: lines (shape, what there is to tell of each) and a background.

    ``quantities`` are ours by name: factor and parameter of lmfit, or a number; ``rows`` what they are in terms of the
    parameters that vary, ``first`` the quantity that each of those sets.
    """

    parameters: lmfit.Parameters
    lines: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    quantities: dict[str, tuple[float, str] | float] = field(default_factory=dict)
    shifted: bool = False
    kind: Kind = "none"
    loss: str = "universal"
    degree: int = -1
    rows: dict[str, Affine | None] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def take(self, part: lmfit.Model) -> None:
        """Add one component."""
        name, function = part.prefix.rstrip("_") or part.func.__name__, part.func
        if isinstance(function, LineCurve):
            self._add(name, function.shape.name, {key: (1.0, f"{part.prefix}{key}") for key in function.names})
            self.kind, self.loss = function.kind, function.loss
            if self.kind != "none":
                self.quantities[f"{BACKGROUND}.height"] = 1.0, f"{part.prefix}height"
        elif isinstance(function, BackgroundCurve):
            self._add_polynomial([f"{part.prefix}{key}" for key in function.terms])
        elif function.__name__ in _TO_FWHM:
            self._add(name, "gl_sum", _of_builtin(part.prefix, function.__name__))
        elif function.__name__ == "constant":
            self._add_polynomial([f"{part.prefix}c"])
        elif function.__name__ in (*_DEGREES, "polynomial"):
            ends = _DEGREES.get(function.__name__) or [f"c{k}" for k in range(part.poly_degree + 1)]
            self._add_polynomial([f"{part.prefix}{end}" for end in ends])
            self.shifted = True
            self._refuse_bounds([f"{part.prefix}{end}" for end in ends])
        else:
            raise OperandoError(f"from_lmfit: expected components among {_KNOWN}, got {function.__name__!r}")

    def stated(self) -> dict[str, Stated]:
        """Return every quantity: free where it is the first that a varying parameter sets, else tied to those."""
        self.rows = {name: self._row(one) for name, one in self.quantities.items()}
        for name, row in self.rows.items():
            if row is not None and len(row.terms) == 1:
                self.first.setdefault(next(iter(row.terms)), name)
        return {name: self._stated(name, row) for name, row in self.rows.items()}

    def _stated(self, name: str, row: Affine | None) -> Stated:
        if row is not None and not row.terms:
            return Fixed(row.offset)
        base = next(iter(row.terms)) if row is not None and len(row.terms) == 1 else ""
        if row is not None and self.first.get(base) == name:
            return self._free(row, base)
        known = self.rows[self.first[base]] if base in self.first else None
        if row is not None and known is not None and kind_of(self.first[base]) == kind_of(name):
            ratio = row.terms[base] / known.terms[base]
            return Link(self.first[base], ratio, row.offset - ratio * known.offset)
        factor, parameter = self.quantities[name]  # type: ignore[misc]
        text = self._text(parameter)
        return Expression(text if factor == 1.0 else f"{factor!r} * {text}")

    def _free(self, row: Affine, base: str) -> Free:
        """Return a quantity that a varying parameter sets, within its bounds."""
        of, factor = self.parameters[base], row.terms[base]
        ends = sorted(factor * (inf if end is None else end) + row.offset for end in (of.min, of.max))
        return Free(factor * of.value + row.offset, *ends)

    def _row(self, one: tuple[float, str] | float) -> Affine | None:
        if not isinstance(one, tuple):
            return Affine({}, one)
        row = self._affine(one[1])
        return None if row is None else row.times(one[0])

    def _affine(self, name: str) -> Affine | None:
        """Return a parameter in terms of those that vary, None if that is not affine."""
        one = self.parameters[name]
        if not one.expr:
            return Affine({name: 1.0}) if one.vary else Affine({}, float(one.value))
        expression = self._expression(one.expr)
        parts = {other: self._affine(other) for other in expression.names}
        known = {other: part for other, part in parts.items() if part is not None}
        return expression.over(known) if len(known) == len(parts) else None

    def _expression(self, text: str) -> Expression:
        """Return an expression of lmfit with its parameters in braces."""
        return Expression(
            _NAME.sub(lambda found: f"{{{found.group()}}}" if found.group() in self.parameters else found.group(), text)
        )

    def _text(self, name: str) -> str:
        """Return a parameter in terms of our quantities, as text."""
        one = self.parameters[name]
        if one.expr:
            expression = self._expression(one.expr)
            return f"({expression.written({other: self._text(other) for other in expression.names})})"
        if not one.vary:
            return repr(float(one.value))
        row = self.rows[self.first[name]] if name in self.first else None
        if row is None:
            said = f"from_lmfit: expected parameters that lines or the background have, got {name!r}, which varies"
            raise OperandoError(f"{said} and is used by expressions alone; tie quantities of lines to one another")
        plain = f"{{{self.first[name]}}}"
        alike = row.terms[name] == 1.0 and not row.offset
        return plain if alike else f"(({plain} - {row.offset!r}) / {row.terms[name]!r})"

    def _add(self, name: str, shape: str, quantities: dict[str, tuple[float, str] | float]) -> None:
        self.lines[name] = (shape, list(quantities))
        self.quantities |= {f"{name}.{key}": one for key, one in quantities.items()}

    def _add_polynomial(self, names: list[str]) -> None:
        if self.degree >= 0 or len(names) > len(POLYNOMIAL):
            raise OperandoError("from_lmfit: expected one constant, line or polynomial of degree 3 at most, got more")
        self.degree = len(names) - 1
        self.quantities |= {f"{BACKGROUND}.{key}": (1.0, one) for key, one in zip(POLYNOMIAL, names, strict=False)}

    def _refuse_bounds(self, names: list[str]) -> None:
        """Raise where a coefficient is held or used: about another energy, it would be another number."""
        used = {other for one in self.parameters.values() for other in _NAME.findall(one.expr or "")}
        for name in names:
            one = self.parameters[name]
            if one.expr or not one.vary or one.min > -inf or one.max < inf or name in used:
                said = f"from_lmfit: expected {name} to vary freely, since ours count from the middle of the"
                raise OperandoError(f"{said} spectrum; leave out its bounds and ties, or use a ConstantModel")


def _of_builtin(prefix: str, function: str) -> dict[str, tuple[float, str] | float]:
    return {
        AREA: (1.0, f"{prefix}amplitude"),
        POSITION: (1.0, f"{prefix}center"),
        FWHM: (_TO_FWHM[function], f"{prefix}sigma"),
        "mixing": (1.0, f"{prefix}fraction") if function == "pvoigt" else _MIXING[function],
    }
