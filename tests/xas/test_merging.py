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


def test_weighted_means_cover():
    weights = np.tile([1.0, 4.0, 2.0, 1.0], 10)
    found = xas.merge(series(40), every=4, weights=weights)
    first = series(40)["mu"][:4].to_numpy()
    np.testing.assert_allclose(found["mu"][0], np.average(first, axis=0, weights=weights[:4]))
    alike = xas.merge(series(40), every=4, weights=np.full(40, 3.0))
    xr.testing.assert_allclose(alike["mu_std"], xas.merge(series(40), every=4)["mu_std"])
    with pytest.raises(OperandoError, match="one weight of 0 or more"):
        xas.merge(series(), weights=-np.ones(12))


def test_points_that_are_missing_in_some_repeats_count_less():
    holed = series(4)
    holed["mu"][:2, 5] = np.nan
    holed["mu"][:, 6] = np.nan
    found = xas.merge(holed)
    assert float(found["mu"][0, 5]) == pytest.approx(float(holed["mu"][2:, 5].mean()))
    assert np.isnan(found["mu"][0, 6])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_repeat_that_stands_out_is_told_and_can_be_left_out(seed):
    scans = series(20, seed=seed)
    np.testing.assert_array_equal(xas.merge(scans, every=4)["outliers"], 0)
    scans["mu"][9] += 1.0
    found = xas.merge(scans, every=4)
    np.testing.assert_array_equal(found["outliers"], [0, 0, 1, 0, 0])
    np.testing.assert_array_equal(found["repeats"], 4)
    without = xas.merge(scans, every=4, leave_out=True)
    np.testing.assert_array_equal(without["repeats"], [4, 4, 3, 4, 4])
    np.testing.assert_allclose(without["mu"][2], scans["mu"][[8, 10, 11]].mean("scan"))
    assert "9.txt" in str(without["source"].values[2])


def test_one_group_is_a_series_of_one():
    found = xas.merge(series())
    assert found.sizes["scan"] == 1
    assert all(found[name].dims[0] == "scan" for name in ("mu", "mu_std", "repeats", "time", "source", "flag"))
    assert found["energy"].dims == ("energy",)


def test_the_error_of_the_state_holds_its_spread_among_the_repeats():
    linked = series(4).assign_coords(potential_std=("scan", np.full(4, 0.3), {"units": "V"}))
    found = xas.merge(linked)
    expected = np.sqrt(0.3**2 + np.var(np.linspace(3.0, 4.0, 4)))
    assert float(found["potential_std"][0]) == pytest.approx(expected)
    assert found["potential_std"].attrs["units"] == "V"


def test_errors_that_came_along_serve_single_scans_only():
    scans = series(3)
    scans["mu_std"] = xr.full_like(scans["mu"], 7.0)
    found = xas.merge(scans, every=2)
    assert {name for name in found.data_vars if str(name).startswith("mu")} == {"mu", "mu_std"}
    assert float(found["mu_std"][0].max()) < 1.0
    np.testing.assert_array_equal(found["mu_std"][1], 7.0)


def test_lazy_scans_stay_lazy_and_equal():
    lazy = xas.merge(series().chunk(scan=5), every=3)
    assert lazy["mu"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), xas.merge(series(), every=3), rtol=1e-12)
