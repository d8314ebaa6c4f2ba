"""Figures have the widths that journals ask for, and colors that are told apart."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from operando import paper_size, paper_style
from operando.errors import OperandoError
from operando.kind_colors import SUBSTANCES


def test_a_column_is_88_mm_and_a_page_180():
    assert paper_size("column", 25.4) == pytest.approx((88 / 25.4, 1))
    assert paper_size("page", 50.8) == pytest.approx((180 / 25.4, 2))
    assert paper_size(127.0, 25.4) == pytest.approx((5, 1))


@pytest.mark.parametrize(("width", "height"), [("poster", 60.0), (-1.0, 60.0), ("page", 0.0), (float("nan"), 60.0)])
def test_other_sizes_are_refused(width, height):
    with pytest.raises(OperandoError, match="expected 'column', 'page' or mm above 0"):
        paper_size(width, height)


def test_matplotlib_takes_the_style_and_letters_stay_letters():
    with mpl.rc_context(paper_style()):
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert [one["color"] for one in mpl.rcParams["axes.prop_cycle"]] == list(SUBSTANCES[:10])
