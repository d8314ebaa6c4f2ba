"""Expressions that tie quantities: what they may hold, what is affine, and what models make of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operando.errors import OperandoError
from operando.xps import Background, Expression, Fixed, Link, Model, Peak
from operando.xps.affine import Affine

VALUES = {"PS4 3-.fwhm": Affine({"a": 2.0}, 1.0), "b.fwhm": Affine({"b": 1.0}), "c": Affine({}, 4.0)}
NUMBERS = st.floats(0.1, 10.0)


@pytest.mark.parametrize(
    ("text", "terms", "offset"),
    [
        ("{PS4 3-.fwhm}", {"a": 2.0}, 1.0),
        ("0.5 * {PS4 3-.fwhm} + {b.fwhm} / 2 - 1", {"a": 1.0, "b": 0.5}, -0.5),
        ("-({b.fwhm} - {PS4 3-.fwhm}) * sqrt({c})", {"a": 4.0, "b": -2.0}, 2.0),
        ("{b.fwhm} - {b.fwhm} + 2 ** 3", {}, 8.0),
        ("{b.fwhm} ** 1 * exp(0)", {"b": 1.0}, 0.0),
        ("2 * pi", {}, 2 * math.pi),
    ],
)
def test_sums_with_constant_factors_are_affine(text, terms, offset):
    found = Expression(text).over(VALUES)
    assert found.terms == pytest.approx(terms)
    assert found.offset == pytest.approx(offset)


@pytest.mark.parametrize("text", ["{b.fwhm} ** 2", "1 / {b.fwhm}", "sqrt({b.fwhm})", "{b.fwhm} * {PS4 3-.fwhm}"])
def test_what_is_not_affine_is_known_as_such(text):
    assert Expression(text).over(VALUES) is None


@given(NUMBERS, NUMBERS)
def test_an_expression_has_the_value_of_its_formula_and_of_its_text_for_lmfit(a, b):
    from asteval import Interpreter

    one = Expression("sqrt({x.fwhm}**2 + 3) / {y} - log(1 + {x.fwhm}) * -2")
    expected = math.sqrt(a**2 + 3) / b + 2 * math.log(1 + a)
    assert one.at({"x.fwhm": a, "y": b}) == pytest.approx(expected)
    text = one.written({"x.fwhm": "p", "y": "q + 0.0"})
    interpreter = Interpreter(symtable=None)
    interpreter.symtable |= {"p": a, "q": b}
    assert interpreter(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "{a.fwhm}.real",
        "open('x')",
        "[1, 2][0]",
        "{a.fwhm} if 1 else 2",
        "lambda: 1",
        "b.fwhm * 2",
        "{a.fwhm} + quantity_0_",
        "quantity_7_ + f(1)",
        "fwhm",
        "sqrt(1, 2)",
        "sqrt(x=1)",
        "sqrt(*{a.fwhm})",
        "1j * {a.fwhm}",
        "True + {a.fwhm}",
        "'a' * 3",
        "{a.fwhm} // 2",
        "{a.fwhm} @ 2",
        "not {a.fwhm}",
        "1 < {a.fwhm}",
        "(yield)",
        "{a.fwhm} +",
        "",
        "(" * 300 + "1" + ")" * 300,
        "1+" * 2000 + "1",
    ],
)
def test_anything_but_arithmetic_is_refused_by_name(text):
    with pytest.raises(OperandoError, match="xpression") as caught:
        Expression(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["9**9**9**9", "1 / (2 - 2)", "sqrt(0 - 1)", "exp(1e6)", "1e999 * {b.fwhm}"])
def test_numbers_without_a_value_are_refused_at_once(text):
    with pytest.raises(OperandoError, match="a value that is finite"):
        Expression(text).over(VALUES)


def test_a_value_outside_the_reach_of_a_function_is_none():
    assert math.isnan(Expression("sqrt({x})").at({"x": -1.0}))
    assert math.isnan(Expression("1 / {x}").at({"x": 0.0}))


def two_lines(**ties) -> Model:
    return Model([Peak("a", 161.0, 1.0, mixing=Fixed(0.3)), Peak("b", 163.0, 1.2, mixing=Fixed(0.3))], **ties)


def test_affine_expressions_are_no_parameters_of_their_own():
    tied = two_lines(links={"b.fwhm": Expression("0.8 * {a.fwhm} + 0.1")}).compiled
    linked = two_lines(links={"b.fwhm": Link("a.fwhm", 0.8, 0.1)}).compiled
    assert tied.names == linked.names
    assert not tied.expressed
    assert tied.quantities["b.fwhm"] == linked.quantities["b.fwhm"]


def test_other_expressions_stand_behind_the_free_parameters_with_their_value():
    lines = [Peak("a", 161.0, 1.0), Peak("b", 163.0, Expression("sqrt({c.fwhm} ** 2 + 1)"))]
    model = Model([*lines, Peak("c", 165.0, Expression("{a.fwhm} ** 2 + 1"))], Background(polynomial=0))
    compiled = model.compiled
    assert compiled.names[compiled.varied :] == ("c.fwhm", "b.fwhm")
    np.testing.assert_allclose(compiled.start[compiled.varied :], [2.0, math.sqrt(5.0)])
    assert Model.from_json(model.to_json()) == model


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{c.fwhm} ** 2", "b.fwhm is tied to 'c.fwhm', which there is not"),
        ("{b.fwhm} ** 2", "in a circle"),
        ("1 / ({a.fwhm} - 1) ** 2", "a value where the fit starts, got none for b.fwhm"),
    ],
)
def test_expressions_that_a_model_cannot_hold_are_named(text, said):
    with pytest.raises(OperandoError, match=said):
        two_lines(links={"b.fwhm": Expression(text)})
