"""The comparison with the truth, on stores whose errors are put in by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from operando.errors import StoreError
from operando.example_scans import score, truth


def evaluated(known, *, edge_shift=0.0, drift=25e-6, flags=None, dropped=0, image_shift=0.0, lost=0):
    """Return the store of an evaluation that finds the truth, but for the errors given."""
    scans = known["xas/Ni_L3"].to_dataset().isel(scan=slice(dropped, None))
    coords = {name: scans[name] for name in ("potential", "soc", "half_cycle")}
    coords |= {f"{name}_std": xr.full_like(scans[name], 0.01) for name in ("potential", "soc")}
    coords["source"] = ("scan", np.array([f"xas/{name}" for name in scans["source"].values], dtype=object))
    coords["flag"] = scans["flag"] if flags is None else ("scan", flags)
    processed = xr.Dataset(
        {
            "edge_energy": ("scan", scans["edge_energy_normalized"].values + edge_shift),
            "edge_energy_std": ("scan", np.full(scans.sizes["scan"], 0.01)),
        },
        coords=coords,
    )
    start = known.attrs["start"][:-3] + "Z"
    clock = {"name": "beamline", "reference": "cycler", "offset": 37.4, "drift": drift, "sigma": 0.4, "t_ref": start}
    stacks = known["xpeem/Ni_L3"].to_dataset()
    sources = [f"xpeem/{name}/{name}.txt" for name in stacks["source"].values]
    place = {"source": ("scan", np.array(sources, dtype=object)), "flag": ("scan", stacks["flag"].values)}
    moved = {name: (("scan", "energy"), stacks[name].values + image_shift) for name in ("drift_y", "drift_x")}
    if lost:
        moved["drift_y"][1][0, :lost] = np.nan
    errors = {f"{name}_std": (("scan", "energy"), np.full(stacks[name].shape, 0.02)) for name in moved}
    nodes = {
        "/xpeem/Ni_L3/raw": xr.Dataset(coords=place),
        "/xpeem/Ni_L3/processed": xr.Dataset(moved | errors, coords=place),
        "/": xr.Dataset(attrs={"clocks": json.dumps([clock])}),
        "/echem": known["echem"].to_dataset()[["half_cycle"]],
        "/xas/Ni_L3/raw": processed.drop_vars(["edge_energy", "edge_energy_std"]),
        "/xas/Ni_L3/processed": processed,
    }
    return xr.DataTree.from_dict(nodes)


@pytest.fixture(scope="module")
def known(beamtime):
    return truth.read(beamtime)


def found(tree, known):
    return {row.quantity: row for row in score(tree, known)}


def test_an_evaluation_that_finds_the_truth_has_no_errors(known):
    rows = found(evaluated(known), known)
    assert rows["beamline clock, offset at the end"].estimate == pytest.approx(37.4 + 25e-6 * 168_200)
    assert rows["beamline clock, offset at the end"].pull == pytest.approx(0, abs=1e-6)
    assert rows["half-cycles"].estimate == rows["half-cycles"].truth == 4
    assert all(row.estimate == pytest.approx(0) for name, row in rows.items() if "Ni_L3 state of charge" in name)
    assert rows["Ni_L3 edge energy, rms error"].estimate == 0
    assert rows["Ni_L3 edge energy by the known edge step, rms error"].estimate == pytest.approx(0.0035, abs=0.001)
    for name in ("scans read, of n", "flags deserved and raised, of n", "half-cycle of the scan, of n"):
        assert rows[f"Ni_L3 {name}"].estimate == rows[f"Ni_L3 {name}"].truth
    assert rows["Ni_L3 flags raised without cause"].estimate == 0


def test_an_error_of_one_sigma_is_a_pull_of_one(known):
    row = found(evaluated(known, edge_shift=0.01), known)["Ni_L3 edge energy, rms error"]
    assert (row.estimate, row.sigma, row.pull) == pytest.approx((0.01, 0.01, 1.0))


def test_a_wrong_drift_shows_at_the_end_only(known):
    rows = found(evaluated(known, drift=30e-6), known)
    assert rows["beamline clock, offset at the start"].pull == pytest.approx(0, abs=1e-6)
    assert rows["beamline clock, offset at the end"].pull == pytest.approx(5e-6 * 168_200 / 0.4, rel=1e-3)


def test_missed_and_false_flags_are_counted_apart(known):
    rows = found(evaluated(known, flags=np.full(60, 16)), known)
    deserved = (known["xas/Ni_L3"]["flag"].values & 16 != 0).sum()
    assert rows["Ni_L3 flags deserved and raised, of n"].estimate == deserved
    assert rows["Ni_L3 flags raised without cause"].estimate == 60 - deserved


def test_a_second_true_description_of_a_fault_is_no_mistake(known):
    series = known["xas/Ni_L3"]
    rows = found(evaluated(known, flags=series["flag"].values | series["flag_tolerated"].values), known)
    assert rows["Ni_L3 flags raised without cause"].estimate == 0
    assert (series["flag_tolerated"].values != 0).sum() == 3


def test_unjudged_flags_do_not_count(known):
    rows = found(evaluated(known, flags=known["xas/Ni_L3"]["flag"].values | 64), known)
    assert rows["Ni_L3 flags raised without cause"].estimate == 0


def test_a_scan_that_was_not_read_is_missed_and_shifts_no_other(known):
    rows = found(evaluated(known, dropped=1), known)
    assert rows["Ni_L3 scans read, of n"].estimate == 59
    assert rows["Ni_L3 edge energy, rms error"].estimate == 0


def test_drift_is_judged_in_sound_frames_of_all_stacks(known):
    rows = found(evaluated(known, image_shift=0.03), known)
    assert (rows["XPEEM drift"].estimate, rows["XPEEM drift"].sigma) == pytest.approx((0.03, 0.02))
    assert rows["XPEEM drift"].pull == pytest.approx(1.5)
    sound = int((known["xpeem/Ni_L3"]["frame_flag"] == 0).sum())
    assert rows["XPEEM frames placed, of n"].estimate == rows["XPEEM frames placed, of n"].truth == sound
    assert rows["XPEEM stacks read, of n"].estimate == 2
    fewer = found(evaluated(known, lost=3), known)
    assert fewer["XPEEM frames placed, of n"].estimate == sound - 3
    assert fewer["XPEEM drift"].estimate == pytest.approx(0)


def test_a_clock_that_was_not_estimated_has_no_estimate(known):
    tree = evaluated(known)
    tree.attrs["clocks"] = "[]"
    assert found(tree, known)["beamline clock, offset at the start"].estimate is None


def test_a_store_without_the_series_is_refused(known):
    with pytest.raises(StoreError, match="/xas/Ni_L3/raw"):
        score(xr.DataTree.from_dict({"/echem": known["echem"].to_dataset()}), known)
