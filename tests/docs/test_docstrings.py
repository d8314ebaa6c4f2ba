"""Every public name says what it takes and returns, with dims and units, what it raises, and its sources."""

from __future__ import annotations

import pytest
from docstring_demands import SOURCE, lacking
from pages.public import everything
from pages.science import EQUATION, FLOORS, about, passages, without_code

PUBLIC = list(everything())


@pytest.mark.parametrize("one", PUBLIC, ids=lambda one: one.path)
def test_a_public_docstring_says_all_that_a_caller_must_know(one):
    assert not list(lacking(one))


def test_what_a_docstring_lacks_is_named():
    """The demands can fail: on a function that says nothing of what it takes, returns, raises and rests on."""
    from pages.public import Public

    from operando.errors import OperandoError

    def silent(mu: xr.DataArray, thickness: float) -> xr.DataArray:  # noqa: F821
        """Return what is left, I = I0 exp(-mu d)."""
        raise OperandoError("silent: expected words")

    assert list(lacking(Public("operando", "silent", silent))) == [
        "a source of its equation",
        "the parameter 'mu' among its Parameters",
        "the parameter 'thickness' among its Parameters",
        "a section Returns",
        "a section Raises",
        "dims of what it takes or returns",
        "units of what it takes or returns",
    ]


@pytest.mark.parametrize("floor", FLOORS)
def test_the_page_of_the_science_has_equations_with_their_sources(floor):
    found = list(passages(floor))
    equations = [one for one in found if EQUATION.search(without_code(about(one.text)))]
    assert len(equations) > 3
    assert any(SOURCE.search(one.text) for one in equations)
