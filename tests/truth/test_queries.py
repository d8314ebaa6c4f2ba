"""Queries on whole evaluations of the simulated cell return what is true, within their errors."""

from __future__ import annotations

import numpy as np
import xarray as xr
from pulls import RARE
from scipy import stats

import operando
from operando import echem

STATES = (3.75, 3.85, 3.95, 4.05, 4.15)


def names(series):
    return [str(source).partition("::")[0].rsplit("/", 1)[-1] for source in series["source"].values]


def nickel(result):
    """Return the scans of the electron yield and their truth, in the order of the scans found."""
    found = result.tree["xas/Ni_L3/processed"].to_dataset().sel(signal="tey")
    known = result.truth["xas/Ni_L3"].to_dataset()
    order = [names(known).index(name) for name in names(found)]
    return found, known.isel(scan=order)


def test_edge_energies_at_a_potential_lie_on_the_true_line_between_the_scans(results):
    pulls = []
    for result in results:
        found, known = nickel(result)
        sound = np.flatnonzero(known["fault"].isin(["", "gain_x10"]) & (known["reversals"] == 0))
        found, known = found.isel(scan=sound), known.isel(scan=sound)
        true = found[["edge_energy"]].assign(edge_energy=("scan", known["edge_energy_normalized"].values))
        for potential in STATES:
            for half_cycle in (1, 2, 3, 4):
                state = {"potential": potential, "half_cycle": half_cycle, "tolerance": 0.2}
                one = operando.at(found, **state)
                error = float(one["edge_energy"] - operando.at(true, **state)["edge_energy"])
                pulls.append(error / float(one["edge_energy_std"]))
    pulls = np.array(pulls)
    pulls = pulls[np.isfinite(pulls)]
    assert pulls.size > 10 * len(results)
    assert np.abs(pulls).max() < 4.5
    assert np.count_nonzero(np.abs(pulls) < 2) >= stats.binom.ppf(RARE, pulls.size, 0.9545)


def test_states_in_the_log_at_a_time_are_those_of_the_cell(results):
    for result in results:
        log, known = result.tree["echem"].to_dataset(), result.truth["echem"].to_dataset()
        for hour in (2, 9, 16, 22, 30, 44):
            moment = known["time"].values[0] + np.timedelta64(hour, "h")
            true = known.sel(time=moment, method="nearest")
            found = operando.at(log, time=moment)
            for name in ("potential", "soc", "charge"):
                assert abs(float(found[name] - true[name])) <= 3 * float(found[f"{name}_std"]) + 1e-9


def test_windows_hold_the_scans_that_truly_lie_in_them(results):
    for result in results:
        found, known = nickel(result)
        cut = operando.window(found, half_cycle=[1, 3], potential=(3.7, 4.1))
        margin = np.minimum(abs(known["potential"] - 3.7), abs(known["potential"] - 4.1)) > 0.01
        judged = margin & (known["reversals"] == 0) & np.isfinite(found["potential"].values)
        inside = known["half_cycle"].isin([1, 3]) & (known["potential"] > 3.7) & (known["potential"] < 4.1)
        kept = np.isin(names(found), names(cut))
        np.testing.assert_array_equal(kept[judged.values], inside.values[judged.values])


def test_the_interphases_growth_comes_to_other_scans_by_time_and_to_another_cell_by_state(results):
    """The thickness of the layer, of one instrument, on the scans of another; and on those of another seed's cell."""
    for result, other in zip(results, [*results[1:], results[0]], strict=True):
        found, known = nickel(result)
        layer = found[["layer_thickness", "layer_thickness_std"]].reset_coords(drop=True)
        layer = layer.assign_coords({name: found[name] for name in found.coords if found[name].dims == ("scan",)})
        photo = result.tree["xps/electrolyte/processed"].to_dataset()
        joined = operando.join(photo, layer, "layer_thickness")
        true = layer.assign(layer_thickness=("scan", known["layer"].values))
        right = operando.join(photo, true, "layer_thickness")
        error = abs(joined["layer_thickness"] - right["layer_thickness"]) / joined["layer_thickness_std"]
        assert float(error.median()) < 2.5
        twin, _ = nickel(other)
        by_state = operando.join(twin, layer, "layer_thickness", by="potential")
        assert by_state.attrs["link"] == "state"
        shared = np.isfinite(by_state["layer_thickness"].values)
        assert shared.mean() > 0.5
        truth = other.truth["xas/Ni_L3"].to_dataset()["layer"].max()
        assert float(by_state["layer_thickness"].max()) < float(truth) + 1.0


def test_charge_and_efficiency_are_those_of_the_cell(results):
    for result in results:
        found, known = echem.half_cycles(result.tree), result.truth["echem"].to_dataset()
        half = known["half_cycle"].values
        for number in (1, 2, 3, 4):
            inside = np.flatnonzero(half == number)
            passed = float(known["charge"][inside[-1]] - known["charge"][inside[0]])
            one = found.sel(half_cycle=number)
            assert abs(float(one["charge"]) - passed) <= 4 * float(one["charge_std"])
        cycles = echem.cycles(xr.DataTree.from_dict({"/echem": result.tree["echem"].to_dataset()}))
        assert (cycles["coulombic_efficiency_std"] < 0.01).all()
