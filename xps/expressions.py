"""Expressions that tie a quantity of a model to others: arithmetic and a few functions, read, never run as code."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from operando.errors import OperandoError

from .affine import Affine

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "abs": abs,
    "arctan": math.atan,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "log10": math.log10,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
    "tanh": math.tanh,
}
"""Functions of one number that an expression may call, as lmfit's interpreter names them."""
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_QUOTED, _PLACE = re.compile(r"\{([^{}]*)\}"), "quantity_{}_"
_PLACES = re.compile(r"quantity_(\d+)_")
_LONGEST = 1000


@dataclass(frozen=True)
class Expression:
    """A quantity tied to others by arithmetic.

    Parameters
    ----------
    text
        Numbers, names of quantities in braces, ``+ - * / **``, parentheses, ``pi`` and functions among
        :data:`FUNCTIONS`, such as ``"{PS4.fwhm} * sqrt({Li2S.position} / 160)"``.

    Raises
    ------
    OperandoError
        If it holds anything else.

    Notes
    -----
    What comes to a sum of quantities times constant factors is fitted like a :class:`Link`; anything else by lmfit,
    which takes much longer. An expression sets its quantity without bounds.

    ``tree`` is the text as Python's own syntax tree, of which nothing but the above is evaluated.

    Examples
    --------
    >>> from operando import xps
    >>> print(xps.Expression("2 * {PS4.fwhm}").text)
    2 * {PS4.fwhm}
    """

    text: str
    tree: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", self._parsed())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The quantities that it names, each once."""
        return tuple(dict.fromkeys(_QUOTED.findall(self.text)))

    def over(self, values: Mapping[str, Affine]) -> Affine | None:
        """Return it in terms of free parameters, those of its quantities given; None if it is not affine in them.

        Raises
        ------
        OperandoError
            If it comes to no finite number, such as a division by zero.
        """
        try:
            found = _read(self.tree, {_PLACE.format(k): values[name] for k, name in enumerate(self.names)})
        except (ArithmeticError, ValueError) as error:
            raise self._refusal(f"a value that is finite, got {error}") from None
        if found is None:
            return None
        if not all(map(math.isfinite, [found.offset, *found.terms.values()])):
            raise self._refusal(f"a value that is finite, got {found.offset}")
        return Affine({name: factor for name, factor in found.terms.items() if factor}, found.offset)

    def at(self, values: Mapping[str, float]) -> float:
        """Return its value where its quantities have these ``values``; NaN where it has none."""
        try:
            found = self.over({name: Affine({}, float(values[name])) for name in self.names})
        except OperandoError:
            return math.nan
        return math.nan if found is None else found.offset

    def written(self, names: Mapping[str, str]) -> str:
        """Return the text with each quantity in braces replaced by a text in parentheses, every number a float."""
        places = {_PLACE.format(k): f"({names[name]})" for k, name in enumerate(self.names)}
        return _PLACES.sub(lambda found: places[found.group()], ast.unparse(self.tree))

    def _parsed(self) -> ast.expr:
        if not isinstance(self.text, str) or not self.text.strip() or len(self.text) > _LONGEST:
            raise OperandoError(f"Expression: expected text of 1 to {_LONGEST} characters, got {self.text!r:.60}")
        if _PLACES.search(_QUOTED.sub("", self.text)):
            raise self._refusal("names of quantities in braces")
        places = {name: _PLACE.format(k) for k, name in enumerate(self.names)}
        plain = _QUOTED.sub(lambda found: places[found.group(1)], self.text).strip()
        try:
            tree = ast.parse(plain, mode="eval").body
            return self._checked(tree, set(places.values()))
        except (SyntaxError, RecursionError, MemoryError, ValueError):
            raise self._refusal("arithmetic with names of quantities in braces") from None

    def _checked(self, node: ast.expr, places: set[str]) -> ast.expr:
        """Return the expression with its numbers as floats, once it is found to hold nothing but arithmetic."""
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return ast.Constant(float(node.value))
        if isinstance(node, ast.Name) and (node.id in places or node.id == "pi"):
            return node if node.id in places else ast.Constant(math.pi)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
            return ast.UnaryOp(node.op, self._checked(node.operand, places))
        if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
            return ast.BinOp(self._checked(node.left, places), node.op, self._checked(node.right, places))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
            if len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred):
                return ast.Call(node.func, [self._checked(node.args[0], places)], [])
            raise self._refusal(f"one number as argument of {node.func.id}")
        known = f"numbers, quantities in braces, + - * / **, pi and {', '.join(FUNCTIONS)}"
        shown = _PLACES.sub(lambda found: f"{{{self.names[int(found[1])]}}}", ast.unparse(node))
        raise self._refusal(f"{known}, got {shown!r}")

    def _refusal(self, expected: str) -> OperandoError:
        return OperandoError(f"expression {self.text!r}: expected {expected}")


def _read(node: ast.expr, values: Mapping[str, Affine]) -> Affine | None:
    """Return what a part comes to, None if it is not affine in the free parameters."""
    if isinstance(node, ast.Constant):
        return Affine({}, float(node.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.UnaryOp):
        inner = _read(node.operand, values)
        return None if inner is None else inner.times(-1.0 if isinstance(node.op, ast.USub) else 1.0)
    if isinstance(node, ast.Call):
        inner = _read(node.args[0], values)
        if inner is None or inner.varies:
            return None
        return Affine({}, FUNCTIONS[node.func.id](inner.offset))  # type: ignore[attr-defined]
    left, right = (_read(side, values) for side in (node.left, node.right))  # type: ignore[attr-defined]
    return None if left is None or right is None else _joined(node.op, left, right)  # type: ignore[attr-defined]


def _joined(operator: ast.operator, left: Affine, right: Affine) -> Affine | None:
    """Return what two parts come to, None if that is not affine."""
    if isinstance(operator, ast.Add | ast.Sub):
        return left + right.times(1.0 if isinstance(operator, ast.Add) else -1.0)
    if isinstance(operator, ast.Mult) and not (left.varies and right.varies):
        return left.times(right.offset) if left.varies else right.times(left.offset)
    if isinstance(operator, ast.Div) and not right.varies:
        if right.offset == 0:
            raise ZeroDivisionError("a division by zero")
        return left.times(1.0 / right.offset)
    if isinstance(operator, ast.Pow) and not right.varies:
        if not left.varies:
            return Affine({}, math.pow(left.offset, right.offset))
        return left if right.offset == 1.0 else None
    return None
