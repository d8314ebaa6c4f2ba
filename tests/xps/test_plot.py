"""Figures of fits."""

from __future__ import annotations

import numpy as np
import pytest
from sulfur_spectra import LINES, RATIO, SPLITTING, spectra

from operando import xps
from operando.errors import OperandoError
from operando.species_colors import species_colors
from operando.xps import Background, Doublet, Model


@pytest.fixture(scope="module")
def fitted():
    lines = [Doublet(name, at, 1.1, SPLITTING, RATIO) for name, at in zip(LINES, (161.6, 160.1, 163.2), strict=True)]
    return xps.fit(spectra(2, seed=3), Model(lines, Background(polynomial=0)), lines=True)


def test_a_fit_shows_points_lines_background_and_residual_from_high_to_low_energy(fitted):
    above, below = xps.plot.fit(fitted.isel(scan=0))
    labels = [line.get_label() for line in above.get_lines()]
    assert labels == ["measured", *LINES, "background", "fit"]
    assert above.get_xlim() == (fitted["binding_energy"].values[-1], fitted["binding_energy"].values[0])
    assert above.get_ylabel() == "intensity (count)"
    drawn = {line.get_label(): line for line in above.get_lines()}
    one = fitted.isel(scan=0)
    np.testing.assert_allclose(drawn["fit"].get_ydata(), one["fitted"])
    np.testing.assert_allclose(drawn[LINES[1]].get_ydata(), one["background"] + one["line"].isel(peak=1))
    assert [drawn[name].get_color() for name in LINES] == species_colors(list(LINES))
    shown = below.get_lines()[0].get_ydata()
    assert 0.8 < np.std(shown) < 1.2
    assert "(eV)" in below.get_xlabel()


def test_a_region_of_several_is_chosen(fitted):
    joined = fitted.isel(scan=0).assign_coords(
        peak_region=("peak", ["S 2p"] * 3), region=("binding_energy", ["S 2p"] * fitted.sizes["binding_energy"])
    )
    above, _ = xps.plot.fit(joined, region="S 2p")
    assert len(above.get_lines()) == 6
    with pytest.raises(OperandoError, match="a region among S 2p, got None"):
        xps.plot.fit(joined)


def test_what_cannot_be_drawn_is_said(fitted):
    with pytest.raises(OperandoError, match="expected one spectrum"):
        xps.plot.fit(fitted)
    with pytest.raises(OperandoError, match="expected residual of a fit"):
        xps.plot.fit(fitted.isel(scan=0).drop_vars("residual"))


def test_areas_of_the_lines_of_a_region_stand_against_potential(fitted):
    linked = fitted.assign_coords(
        potential=("scan", [2.0, 3.0], {"units": "V", "long_name": "potential vs Li+/Li"}),
        peak_region=("peak", ["S 2p", "S 2p", "P 2p"]),
    )
    ax = xps.plot.areas(linked, region="S 2p")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("potential vs Li+/Li (V)", "area of the line (count·eV)")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(LINES[:2])
    first = ax.containers[0]
    np.testing.assert_array_equal(first.lines[0].get_ydata(), linked["area"][:, 0])
    bars = [np.ptp(bar[:, 1]) / 2 for bar in first.lines[2][-1].get_segments()]
    np.testing.assert_allclose(bars, linked["area_std"][:, 0])
    assert xps.plot.areas(linked, share=True).get_ylabel().startswith("share of the area")
    with pytest.raises(OperandoError, match="a region among S 2p, P 2p, got 'Cl 2p'"):
        xps.plot.areas(linked, region="Cl 2p")
    with pytest.raises(OperandoError, match="expected 'area' over scan and peak"):
        xps.plot.areas(linked.drop_vars("area"))
