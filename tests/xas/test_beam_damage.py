"""A number that drifts with dose is told from one that does not, as often as is said, with errors that cover."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from pulls import assert_unit_normal
from scipy import stats

from operando import OperandoError, xas
from operando.flags import Flag
from operando.history import entries
from operando.schema import problems
from operando.units import parse
from operando.xas.layout import BEAM_DAMAGE

STD = 0.02
START = np.datetime64("2026-05-18T12:00", "ns")
MINUTE = np.timedelta64(60, "s")


def held(values, std=STD, **coords) -> xr.Dataset:
    """Scans of five minutes, one after the other, with their edge energies."""
    values = np.asarray(values, float)
    scans = values.shape[-1]
    begin = START + 5 * MINUTE * np.arange(scans)
    dims = ("signal", "scan")[-values.ndim :]
    return xr.Dataset(
        {
            "edge_energy": (dims, values, {"units": "eV", "long_name": "edge energy, between the grid points"}),
            "edge_energy_std": (dims, np.full(values.shape, std), {"units": "eV"}),
        },
        coords={
            "time": ("scan", begin + 5 * MINUTE // 2),
            "time_start": ("scan", begin),
            "time_end": ("scan", begin + 5 * MINUTE),
            "source": ("scan", np.array([f"{k}.txt" for k in range(scans)], dtype=object)),
            "flag": ("scan", np.zeros(scans, np.int32)),
            **{name: ("scan", np.asarray(column, float), {"units": "V"}) for name, column in coords.items()},
        },
    )


def repeated(number, scans, *, rate=0.0, noise=STD, std=STD, seed=20261128, constant=None) -> xr.Dataset:
    """Many runs of scans of one state, in a row, told apart by the coordinate ``spot``."""
    dose = np.arange(scans) + 0.5
    change = rate * dose if constant is None else rate * constant * -np.expm1(-dose / constant)
    values = 8343.0 + change + np.random.default_rng(seed).normal(0, noise, (number, scans))
    return held(values.ravel(), std, spot=np.repeat(np.arange(number), scans))


@pytest.mark.parametrize("understated", [1.0, 2.0])
def test_errors_of_rate_and_start_cover(understated):
    """Where stated uncertainties are too small the scatter makes up for it; thirty scans tell it well."""
    found = xas.beam_damage(repeated(300, 30, rate=0.004, std=STD / understated), by="spot", model="linear")
    assert_unit_normal(((found["rate"] - 0.004) / found["rate_std"]).to_numpy())
    assert_unit_normal(((found["initial"] - 8343.0) / found["initial_std"]).to_numpy())


def test_errors_of_an_approach_to_a_limit_cover():
    found = xas.beam_damage(repeated(300, 40, rate=0.05, constant=8.0), by="spot")
    assert np.isfinite(found["dose_constant"]).all()
    assert_unit_normal(((found["initial"] - 8343.0) / found["initial_std"]).to_numpy())
    log_std = found["dose_constant_std"] / found["dose_constant"]
    assert_unit_normal((np.log(found["dose_constant"] / 8.0) / log_std).to_numpy())
    assert ((found["rate"] - 0.05) / found["rate_std"]).std() < 1.2


@pytest.mark.parametrize(("scans", "model"), [(6, "linear"), (6, "auto"), (20, "auto")])
def test_runs_without_damage_are_flagged_no_more_often_than_said(scans, model):
    found = xas.beam_damage(repeated(700, scans), by="spot", model=model)
    alarms = int((found["significance"] >= 3).sum())
    assert alarms <= stats.binom.ppf(0.999, 700, 2 * stats.norm.sf(3))
    assert (found["p_value"] < 0.05).mean() < 0.06


def test_understated_errors_do_not_make_long_runs_look_damaged():
    found = xas.beam_damage(repeated(500, 20, std=STD / 3), by="spot")
    assert int((found["significance"] >= 3).sum()) <= stats.binom.ppf(0.999, 500, 2 * stats.norm.sf(3))
    assert abs(found["reduced_chi_square"].mean() - 9.0) < 0.3


def test_without_stated_errors_the_scatter_tells():
    series = repeated(300, 20, rate=0.01).drop_vars("edge_energy_std")
    found = xas.beam_damage(series, by="spot", model="linear")
    assert np.isnan(found["reduced_chi_square"]).all()
    pulls = ((found["rate"] - 0.01) / found["rate_std"]).to_numpy()
    assert stats.kstest(pulls, stats.t(18).cdf).pvalue > 1e-3
    assert (found["significance"] > 3).mean() > 0.95


def test_the_scans_of_the_run_that_drifts_are_flagged_and_no_others():
    series = repeated(3, 12, noise=0.3 * STD)
    drift = np.r_[np.zeros(12), 0.02 * np.arange(12), np.zeros(12)]
    found = xas.beam_damage(series.assign(edge_energy=series["edge_energy"] + drift), by="spot")
    damaged = (found["flag"].to_numpy() & Flag.beam_damage) != 0
    np.testing.assert_array_equal(damaged, np.repeat([False, True, False], 12))
    assert not series["flag"].any()
    assert abs(found["rate"][1] - 0.02) < 4 * found["rate_std"][1]


def test_a_line_is_bent_only_where_the_data_demand_it():
    straight = xas.beam_damage(repeated(200, 30, rate=0.01), by="spot")
    assert int(np.isfinite(straight["dose_constant"]).sum()) <= 2
    assert np.isnan(
        xas.beam_damage(repeated(1, 40, rate=0.05, constant=8.0), by="all", model="linear")["dose_constant"]
    )


def test_runs_are_where_potential_and_charge_stay():
    """A charge, a hold of 10 scans, a plateau on which charge flows, a rest of 8 scans, a hold too short to tell."""
    potential = np.r_[np.linspace(3.0, 3.6, 12), np.full(10, 3.7), np.full(9, 3.9), np.full(8, 2.1), [4.0, 4.0, 4.0]]
    soc = np.r_[np.linspace(0, 0.3, 12), np.full(10, 0.3), np.linspace(0.3, 0.6, 9), np.full(8, 0.7), np.full(3, 0.8)]
    wobble = 1e-3 * np.random.default_rng(2).uniform(-1, 1, potential.size)
    series = held(np.full(potential.size, 8343.0), potential=potential + wobble, soc=soc)
    found = xas.beam_damage(series)
    assert list(zip(found["first_scan"].to_numpy(), found["last_scan"].to_numpy(), strict=True)) == [(12, 21), (31, 38)]
    np.testing.assert_allclose(found["run_potential"], [3.7, 2.1], atol=1e-3)
    np.testing.assert_array_equal(np.unique(found["run_of_scan"]), [-1, 0, 1])
    assert xas.beam_damage(series.drop_vars("soc")).sizes["run"] == 3
    assert xas.beam_damage(series, least=20).sizes["run"] == 0
    unknown = series.rename(potential="voltage").assign_coords(soc=series["soc"] * np.nan)
    assert xas.beam_damage(unknown).sizes["run"] == 3


def test_dose_may_be_time_or_a_number_of_its_own():
    series = repeated(2, 12, rate=0.01, noise=1e-4).assign_coords(
        photons=("scan", 1e9 * np.arange(24.0), {"units": "1/um^2"})
    )
    by_time = xas.beam_damage(series, dose="time", by="spot")
    np.testing.assert_allclose(by_time["rate"], 0.01 * 12, rtol=0.01)
    np.testing.assert_allclose(by_time["initial"], 8343.0, atol=1e-3)
    assert by_time["rate"].attrs["units"] == "eV/h"
    given = xas.beam_damage(series, dose="photons", by="spot")
    np.testing.assert_allclose(given["rate"], 1e-11, rtol=0.01)
    assert parse(given["rate"].attrs["units"]) == parse("eV*um^2")
    array = xas.beam_damage(series, dose=series["photons"].to_numpy(), by="spot")
    np.testing.assert_allclose(array["rate"], given["rate"])


def test_signals_chunks_and_missing_scans_stand_by_themselves():
    values = np.stack([8343.0 + 0.01 * np.arange(20), np.full(20, 8343.0)])
    values += np.random.default_rng(4).normal(0, 1e-3, values.shape)
    values[1, 5:18] = np.nan
    series = held(values, 1e-3)
    found = xas.beam_damage(series, by="all")
    assert found["rate"].dims == ("signal", "run")
    assert found["scans"].to_numpy().ravel().tolist() == [20, 7]
    xr.testing.assert_identical(xas.beam_damage(series.chunk(scan=3, signal=1), by="all").compute(), found)
    alone = xas.beam_damage(series.isel(signal=0), by="all")
    np.testing.assert_allclose(alone["rate"], found["rate"].isel(signal=0), rtol=1e-12)
    assert np.isnan(xas.beam_damage(series.where(series["edge_energy"] < 0), by="all")["p_value"]).all()


def test_the_result_has_units_history_and_the_layout_of_its_node():
    found = xas.beam_damage(repeated(2, 6), by="spot")
    assert problems(found, BEAM_DAMAGE) == []
    assert {found[name].attrs["units"] for name in ("rate", "initial")} == {"eV"}
    said = entries(found)[-1]
    assert (said["step"], said["parameters"]["variable"]) == ("xas.beam_damage", "edge_energy")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "linked to the electrochemistry"),
        ({"variable": "height"}, "a number of every scan among edge_energy, got 'height'"),
        ({"by": "half_cycle"}, "a coordinate of the scans or 'all'"),
        ({"by": [1, 2]}, "one label for each of 6"),
        ({"by": "all", "dose": "photons"}, "a dose of every scan"),
        ({"by": "all", "dose": [1.0]}, "one dose for each of 6"),
        ({"by": "all", "model": "cubic"}, "'auto' or 'linear'"),
    ],
)
def test_a_mistake_is_named_in_one_line(asked, said):
    with pytest.raises(OperandoError, match=said) as caught:
        xas.beam_damage(repeated(1, 6), **asked)
    assert "\n" not in str(caught.value)
