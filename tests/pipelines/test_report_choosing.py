"""Figures of a page share their axes, know which scans their marks are, and what stands for a missing time."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from bokeh.model import collect_models
from experiments import experiment

from operando.pipelines import report
from operando.pipelines.report import choosing
from operando.pipelines.report.figures import hover, models, new_figure, scan_source
from operando.pipelines.report.series import all_series

HOUR = 3.6e6


@pytest.fixture
def tree():
    time = np.datetime64("2026-05-18T12:00", "ns") + np.arange(4) * np.timedelta64(1, "h")
    time[3] = np.datetime64("NaT")
    potential = ("scan", [3.5, np.nan, 4.00004, 4.2])
    raw = xr.Dataset({"mu": (("scan", "energy"), np.ones((4, 2)))}, {"time": ("scan", time), "potential": potential})
    return xr.DataTree.from_dict({"/xas/Ni_K/raw": raw})


def marks(tree, x, **kind):
    (series,) = all_series(tree)
    fig = new_figure("", "", **kind)
    source = scan_source(series, {"x": np.asarray(x, float), "y": np.zeros(len(x)), "scan": np.arange(len(x))})
    hover(fig, [fig.scatter("x", "y", source=source)], [])
    return fig


def test_figures_against_time_share_their_axis_but_for_one_that_shows_a_short_part(tree):
    whole, half, short = (marks(tree, [0, hours * HOUR], dates=True) for hours in (10, 5, 1))
    other = marks(tree, [0, 10 * HOUR])
    choosing.link(collect_models(whole, half, short, other), tree)
    assert whole.x_range is half.x_range
    assert (whole.x_range.start, whole.x_range.end) == pytest.approx((-0.2 * HOUR, 10.2 * HOUR))
    assert len({id(fig.x_range) for fig in (whole, short, other)}) == 3


def test_figures_against_potential_share_an_axis_of_their_own(tree):
    first, second = (marks(tree, ends, potential=True) for ends in ([3.0, 4.2], [3.5, np.nan]))
    apart, timed = marks(tree, [2.0, 4.0], potential=True), marks(tree, [0, HOUR], dates=True)
    choosing.link(collect_models(first, second, apart, timed), tree)
    assert first.x_range is apart.x_range is not timed.x_range
    assert (first.x_range.start, first.x_range.end) == pytest.approx((2.0 - 0.044, 4.2 + 0.044))
    assert second.x_range is not first.x_range


def test_a_click_knows_times_and_potentials_of_all_scans_and_null_where_there_is_none(tree):
    fig = marks(tree, [0, HOUR], dates=True)
    choosing.link(collect_models(fig), tree)
    (callback,) = fig.renderers[0].data_source.selected.js_property_callbacks["change:indices"]
    assert callback.args["names"] == {"/xas/Ni_K": "Ni_K"}
    assert callback.args["potentials"] == {"/xas/Ni_K": [3.5, None, 4.0, 4.2]}
    first, *_, last = callback.args["times"]["/xas/Ni_K"]
    assert first == np.datetime64("2026-05-18T12:00", "ms").astype(np.int64)
    assert last is None
    assert callback.args["ids"]["lines"] == [one.id for one in fig.center if isinstance(one, models.Span)]


def test_figures_without_scans_are_left_alone(tree):
    fig = new_figure("", "", dates=True)
    choosing.link(collect_models(fig), tree)
    assert not [one for one in fig.center if isinstance(one, models.Span)]


def test_a_profile_without_times_is_drawn_against_the_time_of_sputtering(tmp_path):
    whole = experiment(20)
    for stage in ("raw", "processed"):
        ds = whole[f"xas/Ni_K/{stage}"].to_dataset().drop_vars(["time", "time_start", "time_end"], errors="ignore")
        sputtered = ("scan", 30.0 * np.arange(20), {"units": "s", "long_name": "time sputtered before the scan"})
        whole[f"xas/Ni_K/{stage}"] = xr.DataTree(ds.assign_coords(sputter_time=sputtered))
    page = " ".join(report.write(whole, tmp_path / "report.html").read_text(encoding="utf-8").split())
    assert "colored by sputter time or potential" in page
    assert "photon energy against sputter time" in page
    assert "scan 19, sputtered for 570 s" in page
