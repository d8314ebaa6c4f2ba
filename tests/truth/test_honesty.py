"""No estimator sees the truth, and clocks are never set by chemistry."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from without_report import without_report

import operando
from operando import example_scans
from operando.pipelines import recipe
from operando.pipelines.run import run

SMALL = Path(example_scans.__file__).parent / "small"
opened: list[str] = []
watching = False


def _watch(event, arguments):
    if watching and event in {"open", "os.listdir", "os.scandir"}:
        opened.append(str(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture
def touched():
    """Return the paths opened while the test runs."""
    global watching  # noqa: PLW0603
    opened.clear()
    watching = True
    yield opened
    watching = False


def test_a_run_opens_no_truth_and_finds_beside_a_wrong_one_what_it_finds_without(tmp_path, touched, shipped):
    first = shutil.ignore_patterns("truth.zarr", *(f"step_{number:03d}" for number in range(2, 6)))
    shutil.copytree(SMALL, tmp_path / "beamtime", ignore=first)
    log = tmp_path / "beamtime" / "xtm" / "steps.txt"
    log.write_text("".join(log.read_text("utf-8").splitlines(keepends=True)[:-4]), encoding="utf-8")
    wrong = tmp_path / "beamtime" / "truth.zarr"
    wrong.mkdir()
    (wrong / "zarr.json").write_text("{}", encoding="utf-8")
    touched.clear()
    with without_report():
        store = run(recipe.load(tmp_path / "beamtime")).store
    assert any("Ni_L3_0001.txt" in path for path in touched)
    assert [path for path in touched if "truth.zarr" in path] == []
    with operando.open(store) as tree:
        for node in shipped.tree.leaves:
            if node.path.startswith("/xtm") and node.name not in {"raw", "processed"}:
                continue
            mine, theirs = node.to_dataset(), tree[node.path].load().to_dataset()
            if node.path.startswith("/xtm"):
                mine, theirs = (of_the_first_volume(ds) for ds in (mine, theirs))
            assert [name for name in mine.variables if not mine[name].identical(theirs[name])] == []
            assert mine.attrs == theirs.attrs


def of_the_first_volume(ds):
    """Return what is told of the first scan of a series; tables of objects are of all volumes."""
    told = [name for name, one in ds.variables.items() if one.dims[:1] == ("scan",)]
    return ds[told].isel(scan=slice(0, 1)).drop_attrs(deep=False)


def test_an_estimator_that_is_handed_the_truth_is_caught(tmp_path, touched):
    shutil.copytree(SMALL / "truth.zarr", tmp_path / "truth.zarr")
    touched.clear()
    example_scans.truth.read(tmp_path)
    assert [path for path in touched if "truth.zarr" in path] != []


def test_chemistry_that_trails_by_35_minutes_moves_the_edge_and_not_the_clock(evaluated):
    prompt, late = evaluated(101), evaluated(101, {"nickel": {"lag": 35 * 60.0}})
    clocks = [json.loads(result.tree.attrs["clocks"])[0] for result in (prompt, late)]
    assert clocks[0] == clocks[1]
    edges = [result.tree["xas/Ni_L3/processed"].edge_energy.sel(signal="tfy") for result in (prompt, late)]
    potentials = [result.tree["xas/Ni_L3/processed"].potential for result in (prompt, late)]
    np.testing.assert_array_equal(*potentials)
    assert float(abs(edges[0] - edges[1]).max()) > 0.02


def test_a_lag_of_35_minutes_is_reported_as_one(evaluated):
    late = evaluated(101, {"nickel": {"lag": 35 * 60.0}})
    edge = operando.quantity(late.tree, "xas/Ni_L3/edge_energy", signal="tfy")
    found = operando.lag(edge, operando.quantity(late.tree, "echem/charge"))
    assert found.lag.attrs["units"] == "min"
    assert abs(float(found.lag) - 35) <= 2 * float(found.lag_std)
