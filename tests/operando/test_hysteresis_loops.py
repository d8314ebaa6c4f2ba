"""Charge and discharge are compared at equal state: the loop that was put in comes out, with its area and error."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linked_series import scans
from pulls import assert_unit_normal

from operando.errors import OperandoError
from operando.hysteresis_loops import hysteresis
from operando.quantities import quantity

GAP = 0.3


def cycled(rng=None, *, n=60, std=0.02, cycles=1):
    """Return scans of charges and discharges; the edge is higher by 0.3 eV in the charge."""
    t = 600.0 * np.arange(2 * n * cycles)
    place = (np.arange(t.size) % n) / (n - 1)
    half = 1 + np.arange(t.size) // n
    soc = np.where(half % 2 == 1, place, 1 - place)
    value = 8340 + 2 * soc + np.where(half % 2 == 1, GAP / 2, -GAP / 2)
    if rng is not None:
        value = value + rng.normal(0, std, t.size)
    ds = scans(t, value, std, soc=soc, soc_std=np.zeros(t.size), current=np.where(half % 2 == 1, 1e-3, -1e-3))
    return ds.assign_coords(half_cycle=("scan", half.astype(float)))


def loop(ds, **settings_):
    return hysteresis(quantity(ds, "edge_energy"), **settings_)


def test_a_constant_difference_gives_the_area_of_a_strip():
    found = loop(cycled(cycles=2))
    assert found.sizes == {"loop": 2, "soc": 50}
    np.testing.assert_allclose(found.difference, GAP, atol=1e-9)
    np.testing.assert_allclose(found.area, GAP, atol=1e-9)
    np.testing.assert_allclose(found.mean_difference, GAP, atol=1e-9)
    assert found.charge_half_cycle.values.tolist() == [1, 3]
    assert found.area.attrs["units"] == found.difference.attrs["units"] == "eV"
    assert json.loads(found.attrs["history"])[-1]["step"] == "hysteresis"


def test_areas_and_differences_pull_as_unit_normals():
    areas, differences = [], []
    for seed in range(200):
        found = loop(cycled(np.random.default_rng(seed)))
        areas.append(float((found.area[0] - GAP) / found.area_std[0]))
        differences.append(float((found.difference[0, 20] - GAP) / found.difference_std[0, 20]))
    assert_unit_normal(np.array(areas))
    assert_unit_normal(np.array(differences))


@given(st.permutations(range(24)))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_files_changes_nothing(order):
    ds = cycled(np.random.default_rng(1), n=12)
    np.testing.assert_array_equal(loop(ds).area, loop(ds.isel(scan=list(order))).area)


def test_scatter_beyond_the_stated_error_counts():
    rng = np.random.default_rng(4)
    honest, modest = (cycled(np.random.default_rng(4), std=0.05), cycled(rng, std=0.05))
    modest["edge_energy_std"] = 0.001 * modest["edge_energy_std"]
    assert float(loop(modest).area_std[0]) == pytest.approx(float(loop(honest).area_std[0]), rel=0.25)


def test_an_error_of_the_currents_zero_shifts_a_branch_as_a_whole():
    ds = cycled(std=1e-6)
    ds = ds.assign_coords(soc_std=("scan", np.where(ds.half_cycle == 2, 0.03, 0.01)))
    assert float(loop(ds).area_std[0]) == pytest.approx(2 * 0.02, rel=0.01)


def test_nothing_is_said_beyond_both_branches_or_across_a_pause():
    ds = cycled()
    short = ds.isel(scan=np.flatnonzero((ds.half_cycle == 1) | (ds.soc < 0.7)))
    assert float(loop(short).soc.max()) < 0.71
    keep = np.flatnonzero((ds.half_cycle == 2) | (ds.soc < 0.3) | (ds.soc > 0.6))
    found = loop(ds.isel(scan=keep))
    inside = (found.soc > 0.32) & (found.soc < 0.58)
    assert np.isnan(found.difference.values[0, inside.values]).all()
    assert float(found.area[0]) == pytest.approx(GAP * 0.7, rel=0.05)


def test_scans_at_rest_are_left_out_unless_asked_for():
    ds = cycled()
    resting = ds.assign_coords(current=("scan", np.where(ds.scan % 5 == 0, 0.0, ds.current)))
    assert float(loop(resting).n[0]) < float(loop(resting, rest=True).n[0]) == 120


def test_scans_that_were_not_linked_or_never_discharged_are_refused():
    ds = cycled()
    with pytest.raises(OperandoError, match="link the series"):
        hysteresis(quantity(ds.drop_vars("soc"), "edge_energy"))
    with pytest.raises(OperandoError, match="a charge and the discharge after it"):
        loop(ds.isel(scan=slice(0, 60)))
