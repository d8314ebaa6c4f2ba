"""The report's linked panels: lags, hysteresis, depths and clocks, drawn from what the queries say."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from experiments import experiment

import operando
from operando.pipelines.report import clock_figure, depth_figure, hysteresis_figure, lag_figure
from operando.pipelines.report.page import html
from operando.pipelines.report.panels import PANELS
from operando.pipelines.report.parts import Html, Plot

LINKED = ("Lag", "Hysteresis", "Depth profile", "Clocks")


@pytest.fixture(scope="module")
def tree():
    found = experiment(80)
    ds = found["xas/Ni_K/processed"].to_dataset()
    rng = np.random.default_rng(3)
    share = np.stack([ds["soc"].values, 1 - ds["soc"].values], 1) + rng.normal(0, 0.01, (80, 2))
    depth = {"units": "nm", "of": "fraction", "weight": "exponential", "long_name": "depth"}
    ds = ds.assign(
        fraction=(("scan", "reference"), share, {"units": "1"}),
        fraction_std=(("scan", "reference"), np.full((80, 2), 0.01), {"units": "1"}),
        probing_depth=("scan", np.full(80, 300.0), depth),
        probing_depth_std=("scan", np.full(80, 30.0), {"units": "nm"}),
    ).assign_coords(reference=np.array(["<b>oxide</b>", "metal"], object))
    found["xas/Ni_K/processed"] = xr.DataTree(ds)
    for stage in ("raw", "processed"):
        own = found[f"xas/Ni_K/{stage}"].to_dataset()
        clock = {**json.loads(found.attrs["clocks"])[0], "t_ref": f"{found['echem'].time.values[0]}Z"}
        found[f"xas/Ni_K/{stage}"] = xr.DataTree(own.assign_attrs(clock=json.dumps(clock)))
    return found


def words(parts):
    return " ".join(part.text if isinstance(part, Html) else part.caption for part in parts)


def test_the_lag_panel_says_what_lag_says(tree):
    said = words(lag_figure.draw(tree))
    found = operando.lag(
        operando.quantity(tree, "xas/Ni_K/edge_energy"), operando.quantity(tree, "echem/charge"), draws=300
    )
    assert f"{float(found.lag):.1f} ± {float(found.lag_std):.1f}" in said
    assert "no clock is set by it" in said
    assert f"{int(found.n)} ({float(found.n_effective):.0f})" in said


def test_the_hysteresis_panel_shows_every_loop_and_breaks_at_pauses(tree):
    parts = list(hysteresis_figure.draw(tree))
    loops = operando.hysteresis(operando.quantity(tree, "xas/Ni_K/edge_energy"))
    assert loops.sizes["loop"] == 2
    said = words(parts)
    for at in range(2):
        assert f"{float(loops.area[at]):+.4f} ± {float(loops.area_std[at]):.4f}" in said
    (plot,) = (part for part in parts if isinstance(part, Plot))
    assert len(plot.models) == 2
    assert hysteresis_figure._runs(np.array([True, True, False, True])) == [slice(0, 2), slice(3, 4)]


def test_the_depth_panel_has_names_escaped_and_one_definition_of_depth(tree):
    said = words(depth_figure.draw(tree))
    assert "&lt;b&gt;oxide&lt;/b&gt;" in said
    assert "<b>oxide" not in said
    assert "0 nm to 300 nm ± 30 nm" in said
    assert "where 95 % of" in said


def test_the_clock_panel_shows_what_an_hour_would_do(tree):
    parts = list(clock_figure.draw(tree))
    said = words(parts)
    assert "set by hand" in said
    for name in ("as stored: beamline", "not corrected", "an hour later", "an hour earlier"):
        assert name in said
    assert "-3562.60" in said


def test_the_page_has_the_linked_panels_in_their_places(tree):
    page = html(tree, [panel for panel in PANELS if panel.title in LINKED])
    places = [page.index(f"<h2>{title}</h2>") for title in LINKED]
    assert places == sorted(places)


def test_without_log_loops_or_depths_the_panels_stay_away():
    alone = experiment(12, with_echem=False)
    for panel in (lag_figure, hysteresis_figure, depth_figure, clock_figure):
        assert not panel.wants(alone)
