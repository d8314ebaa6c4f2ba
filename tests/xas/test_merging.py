"""Repeats become one scan with the error that their scatter shows; nothing known of them is lost."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import t as student

from operando import xas
from operando.errors import OperandoError
from operando.flags import Flag


def series(count=12, points=200, seed=3) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    start = np.datetime64("2026-03-01", "ns") + np.arange(count) * np.timedelta64(60, "s")
    flag = np.zeros(count, np.int32)
    flag[1] = Flag.truncated
    return xr.Dataset(
        {"mu": (("scan", "energy"), rng.normal(1.0, 0.1, (count, points)), {"units": "1"})},
        coords={
            "energy": ("energy", np.arange(points) + 8300.0, {"units": "eV"}),
            "time_start": ("scan", start),
            "time": ("scan", start + np.timedelta64(20, "s")),
            "time_end": ("scan", start + np.timedelta64(40, "s")),
            "source": ("scan", np.array([f"{k}.txt" for k in range(count)], dtype=object)),
            "flag": ("scan", flag),
            "potential": ("scan", np.linspace(3.0, 4.0, count), {"units": "V"}),
            "state": ("scan", np.array((["a", "b"] * count)[:count], dtype=object)),
        },
    )


def test_errors_of_merged_scans_cover():
    found = xas.merge(series(40), every=4)
    pulls = ((found["mu"] - 1.0) / found["mu_std"]).to_numpy().ravel()
    inside = np.mean(np.abs(pulls) < student.ppf(0.975, 3))
    assert inside == pytest.approx(0.95, abs=3.3 * np.sqrt(0.95 * 0.05 / pulls.size))
    np.testing.assert_array_equal(found["repeats"], 4)


def test_times_flags_sources_and_state_tell_of_all_repeats():
    found = xas.merge(series(12), every=3)
    assert found.sizes["scan"] == 4
    first = found.isel(scan=0)
    assert first["time_start"] == series()["time_start"][0]
    assert first["time_end"] == series()["time_end"][2]
    assert first["time"] == series()["time"][1]
    assert str(first["source"].values) == "0.txt; 1.txt; 2.txt"
    assert int(first["flag"]) == Flag.truncated
    assert float(first["potential"]) == pytest.approx(float(series()["potential"][1]))
    assert first["potential"].attrs["units"] == "V"


def test_scans_of_one_label_are_repeats():
    found = xas.merge(series(), by="state")
    np.testing.assert_allclose(found["mu"][0], series()["mu"][::2].mean("scan"))
    assert list(found["state"].values) == ["a", "b"]


def test_a_single_scan_has_no_scatter():
    found = xas.merge(series(3), every=2)
    assert np.isnan(found["mu_std"][1]).all()
    np.testing.assert_array_equal(found["mu"][1], series(3)["mu"][2])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"every": 2, "by": "state"}, "both"),
        ({"every": 0}, "from 1"),
        ({"by": "x"}, "coordinate"),
        ({"by": [1]}, "label"),
    ],
)
def test_groups_that_cannot_be_are_refused(asked, said):
    with pytest.raises(OperandoError, match=said):
        xas.merge(series(), **asked)
