"""What a detector shows in the dark, and the cell's own current, come off the yields."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chi2

from operando import xas
from operando.errors import OperandoError


def scans() -> xr.Dataset:
    current = [1e-9, -2e-9, np.nan]
    return xr.Dataset(
        {
            "tey": (("scan", "energy"), np.array([[6.0, 7.0], [3.0, 4.0], [5.0, 6.0]]), {"units": "nA"}),
            "i0": (("scan", "energy"), np.full((3, 2), 2.0), {"units": "nA"}),
        },
        coords={"energy": [1.0, 2.0], "current": ("scan", current, {"units": "A"})},
    )


def test_the_cells_current_comes_off_the_drain_current():
    found = xas.subtract_offset(scans(), dark={"tey": 0.5}, cell_current={"tey": 1.0})
    np.testing.assert_allclose(found["tey"][:2], [[4.5, 5.5], [4.5, 5.5]])
    np.testing.assert_array_equal(found["i0"], scans()["i0"])
    assert found["tey"].attrs["units"] == "nA"


def test_a_scan_without_a_known_current_is_not_left_uncorrected():
    assert np.isnan(xas.subtract_offset(scans(), cell_current={"tey": 1.0})["tey"][2]).all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"dark": {"tfy": 1.0}}, "a detector among tey, i0"), ({"cell_current": {"tfy": 1.0}}, "a detector among")],
)
def test_an_unknown_detector_is_named(asked, said):
    with pytest.raises(OperandoError, match=said):
        xas.subtract_offset(scans(), **asked)


def test_scans_that_are_not_linked_are_refused():
    with pytest.raises(OperandoError, match="linked"):
        xas.subtract_offset(scans().drop_vars("current"), cell_current={"tey": 1.0})


def test_counts_are_no_current():
    counts = scans().assign(tey=scans()["tey"].assign_attrs(units="counts"))
    with pytest.raises(OperandoError):
        xas.subtract_offset(counts, cell_current={"tey": 1.0})


def test_a_gain_and_a_sign_turn_the_cells_current_into_volts():
    volts = scans().assign(tey=(scans()["tey"] * 1e-3).assign_attrs(units="V"))
    found = xas.subtract_offset(volts, cell_current={"tey": "-1e6 V/A"})
    np.testing.assert_allclose(found["tey_offset"][:2], [-1e-3, 2e-3])
    np.testing.assert_allclose(found["tey"][:2], [[7e-3, 8e-3], [1e-3, 2e-3]])
    with pytest.raises(OperandoError, match="a gain in V per A"):
        xas.subtract_offset(volts, cell_current={"tey": "1e6 ohm m"})


def test_the_uncertainty_is_that_of_dark_reading_and_current():
    linked = scans().assign_coords(current_std=("scan", [3e-10, 0.0, np.nan], {"units": "A"}))
    found = xas.subtract_offset(linked, dark={"tey": 0.5}, dark_std={"tey": 0.4}, cell_current={"tey": 1.0})
    np.testing.assert_allclose(found["tey_offset"], [1.5, -1.5, np.nan])
    np.testing.assert_allclose(found["tey_offset_std"], [0.5, 0.4, np.nan])
    assert found["tey_offset"].attrs["units"] == found["tey_offset_std"].attrs["units"] == "nA"
    assert "tey_offset_std" not in xas.subtract_offset(scans(), dark={"tey": 0.5})


def test_what_a_detector_shows_without_signal_is_its_zero():
    """Pulls of 400 scans: chi-square interval at 99.9 %, widened by Student's t with 24 degrees of freedom."""
    energy = np.arange(840.0, 900.0, 0.5)
    noise = np.random.default_rng(31).normal(0, 0.2, (400, energy.size))
    shown = 3.0 + np.where(energy > 860, 5.0, 0.0) + noise
    dark = xr.Dataset(
        {"tey": (("scan", "energy"), shown, {"units": "nA"})}, {"energy": ("energy", energy, {"units": "eV"})}
    )
    found = xas.subtract_offset(dark, zero={"tey": (842.0, 854.0)})
    pulls = ((found["tey_offset"] - 3.0) / found["tey_offset_std"]).to_numpy()
    low, high = np.sqrt(chi2.ppf([5e-4, 1 - 5e-4], 400) / 400 * 24 / 22)
    assert low < np.sqrt(np.mean(pulls**2)) < high
    with pytest.raises(OperandoError, match="expected points from 900"):
        xas.subtract_offset(dark, zero={"tey": (900.0, 910.0)})


def test_chunks_change_nothing_and_the_scans_given_stay():
    before = scans()
    asked = {"dark": {"tey": 0.5, "i0": 0.1}, "cell_current": {"tey": 1.0}}
    lazy = xas.subtract_offset(before.chunk(scan=1, energy=1), **asked)
    assert lazy["tey"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), xas.subtract_offset(before, **asked))
    xr.testing.assert_identical(before, scans())
