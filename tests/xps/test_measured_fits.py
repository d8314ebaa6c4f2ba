"""Fits of measured S 2p spectra: TFSI in an ionogel, and a polymer film in the course of its doping."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando import xps
from operando.errors import OperandoWarning
from operando.flags import Flag
from operando.xps import Background, Doublet, Link, Model, Peak

pytestmark = pytest.mark.realdata

TFSI = "xps/theoechem/20240220_Au_MPPipTFSI4AMSIol3_S_2p.csv"
POLYMER = "xps/pynxtools-xps/In-situ_PBTTT.nxs"


@pytest.fixture(scope="module")
def tfsi(realdata) -> xr.Dataset:
    return xps.read(realdata / TFSI)


@pytest.fixture(scope="module")
def polymer(realdata) -> xr.Dataset:
    return xps.read(realdata / POLYMER, region="S 2p", energies="binding")


@pytest.fixture(scope="module")
def doped() -> Model:
    lines = [Doublet("neutral", 163.9, 1.4, level="S 2p")]
    lines.append(Doublet("doped", 165.8, Link("neutral.fwhm"), level="S 2p"))
    return Model(lines, Background(polynomial=1))


def test_tfsi_has_its_position_splitting_and_statistical_ratio(tfsi):
    model = Model([Peak("3/2", 168.3, 1.2), Peak("1/2", 169.5, Link("3/2.fwhm"))], Background(polynomial=1))
    with pytest.warns(OperandoWarning, match="1 of 1 spectra are missed"):
        found = xps.fit(tfsi, model, window=(163.0, 175.0))
    first, second = found["position"].to_numpy()
    assert first == pytest.approx(168.27, abs=0.03)
    assert second - first == pytest.approx(1.19, abs=0.03)
    assert float(found["area"][1] / found["area"][0]) == pytest.approx(0.50, abs=0.03)
    assert float(found["background_height"]) >= 0


def test_the_series_of_the_polymer_is_fitted_and_its_truncated_scan_stays_flagged(polymer, doped):
    found = xps.fit(polymer, doped)
    truncated = (found["flag"].to_numpy() & Flag.truncated) > 0
    assert truncated.tolist() == [False] * 14 + [True]
    whole = found.isel(scan=~truncated)
    np.testing.assert_allclose(whole["reduced_chi_square"].mean(), 1, atol=0.1)
    for key, value in (("neutral", 164.17), ("doped", 166.18)):
        position, std = (whole[name].sel(peak=key) for name in ("position", "position_std"))
        assert float(position.mean()) == pytest.approx(value, abs=0.1)
        assert float(((position - position.mean()) / std).std(ddof=1)) < 1.7


def test_one_width_and_shape_for_the_series_also_tell_the_areas_of_the_truncated_scan(polymer, doped):
    together, alone = xps.fit_global(polymer, doped), xps.fit(polymer, doped)
    assert float(together["reduced_chi_square_total"]) == pytest.approx(1, abs=0.05)
    assert (together["area_std"].median("scan") < 0.8 * alone["area_std"].median("scan")).all()
    last, others = together.isel(scan=14), together.isel(scan=slice(14))
    assert int(last["flag"]) & Flag.truncated
    away = (last["area"] - others["area"].mean("scan")) / np.hypot(last["area_std"], others["area"].std("scan"))
    assert (abs(away) < 3.3).all()
