"""Figures of fits."""

from __future__ import annotations

import numpy as np
import pytest
from sulfur_spectra import LINES, RATIO, SPLITTING, spectra

from operando import xps
from operando.errors import OperandoError
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
