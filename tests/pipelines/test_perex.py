"""A measured Ni K series of 229 scans over 48 h, with the two EC-Lab files of its cell, from folder to store.

Source: GhostDeini/perex, example/operando (BSD-3); SOLEIL ROCK, July 2022.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from without_report import without_report

import operando
from operando.flags import Flag
from operando.hysteresis_loops import hysteresis
from operando.lags import lag
from operando.linking import link
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.quantities import quantity

pytestmark = pytest.mark.realdata

FILLED_IN = {
    'timezone = ""': 'timezone = "Europe/Paris"  #',
    "# active_mass = 7.0": "active_mass = 6.8",
    "# reference_capacity = 1.4": "reference_capacity = 1.53",
    "# soc0 = 0.0": "soc0 = 0.0",
    '# reference_electrode = "Li+/Li"': 'reference_electrode = "Li+/Li"',
    "# potential_offset = 0.0": "potential_offset = 0.0",
}


@pytest.fixture(scope="module")
def perex(realdata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("perex")
    for name in ("xas", "echem"):
        shutil.copytree(realdata / "xas" / "perex" / name, folder / name)
    path, _ = write_draft(folder)
    text = path.read_text(encoding="utf-8")
    for blank, filled in FILLED_IN.items():
        assert text.count(blank) == 1, blank
        text = text.replace(blank, filled)
    path.write_text(text, encoding="utf-8")
    with without_report():
        summary = run(load(folder))
    with operando.open(summary.store) as tree:
        yield text, summary, {node.path.strip("/"): node.to_dataset().load() for node in tree.leaves}


def test_the_draft_says_what_the_headers_seconds_are(perex):
    text, _, _ = perex
    assert "'Time from start (seconds)' is 64.6 to 65.09 s" in text
    assert "the cycler's header says 7000 mg" in text


def test_all_scans_know_potential_charge_and_half_cycle(perex):
    _, summary, nodes = perex
    ds = nodes["xas/Ni_K/processed"]
    assert (summary.exit_code, summary.scans, ds.sizes["scan"]) == (0, {"xas/Ni_K": 229}, 229)
    for name in ("potential", "soc", "half_cycle"):
        assert np.isfinite(ds[name]).all()
        assert np.isfinite(ds[f"{name}_std"]).all() if name != "half_cycle" else True
    assert ds.potential.min() > 2.9
    assert ds.potential.max() < 4.35
    assert not (ds.flag & int(Flag.ec_gap | Flag.ec_outside)).any()


def test_the_half_height_energy_is_smooth_where_e0_takes_18_values(perex):
    ds = perex[2]["xas/Ni_K/processed"]
    assert np.unique(ds.e0).size == 18
    assert float(ds.edge_energy.min()) == pytest.approx(8344.42, abs=0.02)
    assert float(ds.edge_energy.max()) == pytest.approx(8345.86, abs=0.02)
    order = np.argsort(ds.time.values)
    steps = np.abs(np.diff(ds.edge_energy.values[order]))
    assert np.median(steps) < 0.05
    assert np.median(np.abs(np.diff(np.unique(ds.e0)))) > 2 * np.median(steps)


def test_the_first_scan_starts_31_seconds_after_the_first_current(perex):
    nodes = perex[2]
    log, raw = nodes["echem"], nodes["xas/Ni_K/raw"]
    first = log.time.values[(np.abs(log.current) > log.attrs["rest_current"]).values][0]
    assert (raw.time_start.values.min() - first) / np.timedelta64(1, "s") == pytest.approx(31.0, abs=0.5)
    middle = (raw.time - raw.time_start) / np.timedelta64(1, "s")
    assert 64.5 < float(middle.min()) <= float(middle.max()) < 65.2


def test_the_edge_trails_charge_by_half_an_hour_and_voltage_by_an_hour(perex):
    nodes = perex[2]
    edge_energy = quantity(nodes["xas/Ni_K/processed"], "edge_energy")
    by_charge = lag(edge_energy, quantity(nodes["echem"], "charge"))
    assert float(by_charge.lag) == pytest.approx(34, abs=2)
    assert 5 < float(by_charge.lag_std) < 10
    assert float(by_charge.lag_lower) == pytest.approx(20, abs=5)
    assert float(by_charge.lag_upper) == pytest.approx(45, abs=10)
    assert float(by_charge.correlation) == pytest.approx(0.955, abs=0.003)
    assert float(by_charge.correlation_at_zero) == pytest.approx(0.922, abs=0.004)
    by_voltage = lag(edge_energy, quantity(nodes["echem"], "voltage"))
    assert float(by_voltage.lag) == pytest.approx(56, abs=3)
    assert float(by_voltage.lag_lower) > float(by_charge.lag_lower) > 0


def test_at_equal_charge_the_edge_lies_lower_while_charging_as_it_trails(perex):
    loops = hysteresis(quantity(perex[2]["xas/Ni_K/processed"], "edge_energy"), "soc")
    assert loops.charge_half_cycle.values.tolist() == [1, 3, 5]
    assert (loops.area < -10 * loops.area_std).all()
    assert loops.mean_difference.values == pytest.approx([-0.163, -0.093, -0.212], abs=0.02)


def test_the_recipes_mass_counts_and_the_headers_is_kept(perex):
    cell = perex[2]["cell"]
    assert float(cell.active_mass) == 6.8
    assert json.loads(cell.attrs["header"])["active_mass"] == 7000.0


def test_half_cycles_do_not_follow_the_cyclers_restarted_counter(perex):
    log = perex[2]["echem"]
    assert (np.diff(log.half_cycle) >= 0).all()
    assert log.half_cycle.values[-1] == 8
    boundary = int(np.flatnonzero(np.diff(log.segment))[0])
    assert log.cycler_half_cycle.values[boundary + 1] < log.cycler_half_cycle.values[boundary]
    assert log.half_cycle.values[boundary + 1] == log.half_cycle.values[boundary] == 5


def test_a_scan_inside_the_gap_between_the_files_gets_nothing(perex):
    nodes = perex[2]
    log = nodes["echem"]
    boundary = int(np.flatnonzero(np.diff(log.segment))[0])
    before, after = log.time.values[boundary : boundary + 2]
    assert (after - before) / np.timedelta64(1, "s") == pytest.approx(26.5, abs=0.05)
    inside = nodes["xas/Ni_K/raw"].isel(scan=[0]).drop_vars([*operando_linked(nodes)])
    inside = inside.assign_coords(
        time_start=("scan", [before + np.timedelta64(5, "s")]),
        time=("scan", [before + np.timedelta64(10, "s")]),
        time_end=("scan", [before + np.timedelta64(15, "s")]),
    )
    del inside.attrs["clock"]
    linked = link(inside, log)
    assert int(linked.flag[0]) & int(Flag.ec_gap)
    assert np.isnan(linked.potential).all()
    assert np.isnan(linked.soc).all()


def operando_linked(nodes):
    from operando.schema import LINKED

    return [var.name for var in LINKED if var.name in nodes["xas/Ni_K/raw"].variables]


@pytest.mark.peer
def test_e0_and_normalized_spectra_are_those_of_larch(perex):
    xafs = pytest.importorskip("larch.xafs", reason="larch is not installed: pip install 'operando[larch]'")
    from larch import Group

    raw, ds = perex[2]["xas/Ni_K/raw"], perex[2]["xas/Ni_K/processed"]
    energy = raw.energy.values
    for scan in range(raw.sizes["scan"]):
        group = Group()
        xafs.pre_edge(energy, raw.mu.values[scan], group=group)
        assert ds.e0.values[scan] == group.e0
        np.testing.assert_allclose(ds.normalized.values[scan], group.norm, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ds.flattened.values[scan], group.flat, rtol=0, atol=1e-9)


@pytest.mark.usefixtures("no_report")
def test_every_xdi_file_runs_alone(realdata, tmp_path):
    for source in sorted((realdata / "xas" / "xdl").glob("*.xdi")):
        folder = tmp_path / source.stem
        folder.mkdir()
        shutil.copy(source, folder)
        path, _ = write_draft(folder)
        summary = run(load(path))
        assert summary.exit_code == 0, source.name
        assert list(summary.scans.values()) == [1], source.name
        with operando.open(summary.store) as tree:
            node = next(node for node in tree.leaves if node.name == "processed")
            assert np.isfinite(node["edge_energy"].values).all(), source.name
