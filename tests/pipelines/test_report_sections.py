"""A section of the report that cannot be drawn takes no other with it."""

from __future__ import annotations

import pytest
from experiments import experiment

from operando.errors import OperandoWarning, StoreError
from operando.pipelines.report.page import PANELS, html
from operando.pipelines.report.parts import Panel

FIRST, *OTHERS = PANELS


def breaking_off(error):
    """Return all sections, the first of which breaks off at its end."""

    def draw(tree):
        yield from FIRST.draw(tree)
        raise error

    return [Panel(FIRST.title, FIRST.wants, draw), *OTHERS]


def test_what_goes_wrong_in_a_section_is_said_there_and_the_others_stay():
    with pytest.warns(OperandoWarning, match=f"report section '{FIRST.title}' breaks off: ZeroDivisionError"):
        found = html(experiment(), breaking_off(ZeroDivisionError("float <division>")))
    whole = html(experiment())
    said = (
        "breaks off: ZeroDivisionError (float &lt;division&gt;), which operando did not foresee; please report it</p>"
    )
    assert said in found
    assert said not in whole
    assert found.count("<figure>") == whole.count("<figure>") > 3


@pytest.mark.parametrize("error", [StoreError("cell.zarr: it is being replaced"), OSError("gone")])
def test_of_a_store_that_cannot_be_read_no_report_is_written(error):
    with pytest.raises(type(error), match=str(error)):
        html(experiment(), breaking_off(error))
