"""The cell's electrochemistry against the numbers it was designed with."""

from __future__ import annotations

import numpy as np
import pytest

from operando.errors import RecipeError
from operando.example_scans import cell, parameters


def test_side_reactions_set_in_four_times_at_the_designed_samples(happened):
    assert [(onset.reaction, onset.half_cycle, onset.seconds) for onset in happened.onsets] == [
        ("oxidation", 1, 3690.0),
        ("reduction", 2, 80_380.0),
        ("oxidation", 3, 88_500.0),
        ("reduction", 4, 164_570.0),
    ]


def test_interphase_and_resistance_grow_as_designed(happened):
    first, last = np.flatnonzero(happened.half_cycle == 1)[-1], -1
    assert happened.d_ox[[first, last]] == pytest.approx([0.68, 2.2], abs=0.01)
    assert happened.d_red[[first, last]] == pytest.approx([0.0, 0.48], abs=0.01)
    assert happened.resistance[[first, last]] == pytest.approx([77, 127], abs=0.5)


def test_run_has_four_half_cycles_between_the_potential_limits(happened, declared):
    assert np.unique(happened.half_cycle).tolist() == [0, 1, 2, 3, 4]
    assert happened.potential.min() == pytest.approx(declared.cell.lower_potential, abs=0.001)
    assert happened.potential.max() == pytest.approx(declared.cell.upper_potential, abs=0.001)
    assert (happened.z.min(), happened.z.max()) == pytest.approx((-0.13, 1.05), abs=0.002)


def test_coulometric_state_of_charge_parts_from_the_lithium_content_through_side_reactions(happened):
    assert (happened.soc - happened.z)[-1] == pytest.approx(0.017, abs=0.0005)


def test_charge_is_the_integral_of_the_current(happened):
    passed = np.sum(happened.current[:-1] * np.diff(happened.seconds))
    assert happened.charge[-1] == pytest.approx(passed, rel=1e-6)


def test_without_side_reactions_charge_is_lithium_content():
    calm = parameters.load(overrides={"interphase": {"oxidation_rate": 0.0, "reduction_rate": 0.0}})
    run = cell.run(calm)
    np.testing.assert_allclose(run.soc, run.z, atol=1e-12)


def test_potential_jumps_by_the_resistance_times_the_change_of_current(happened):
    turn = np.flatnonzero(np.diff(happened.half_cycle) > 0)
    jump = happened.potential[turn + 1] - happened.potential[turn]
    ohmic = happened.resistance[turn] * (happened.current[turn + 1] - happened.current[turn])
    np.testing.assert_allclose(jump, ohmic, rtol=1e-9)


def test_mean_over_an_interval_is_that_of_straight_lines(happened):
    inside = happened.at("potential", np.linspace(40_000.0, 41_000.0, 200_001))
    assert happened.mean("potential", 40_000.0, 41_000.0) == pytest.approx(np.mean(inside), abs=1e-6)


def test_all_unknown_and_wrong_parameters_are_named_at_once():
    with pytest.raises(RecipeError) as caught:
        parameters.load(overrides={"nickel": {"scan": 3}, "cell": {"active_mass": -1.0}})
    assert len(caught.value.problems) == 2
    assert "nickel.scan" in str(caught.value)
    assert "cell.active_mass" in str(caught.value)


def test_unknown_size_names_the_known_ones():
    with pytest.raises(RecipeError, match="small, full"):
        parameters.load("medium")
