"""What a detector shows in the dark, and the cell's own current, come off the yields."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

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
