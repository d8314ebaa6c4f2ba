"""The report of tortuosity factors and contact: lines, error bars, what is infinite, and how they came about."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment
from volume_experiments import with_transport, with_volumes

from operando.pipelines.report import volumes as panel
from operando.pipelines.report.parts import Plot
from operando.pipelines.report.series import all_series, local_time
from operando.pipelines.report.transport import contact_line, draw_transport, factor_lines
from operando.pipelines.report.volume_methods import volume_methods


@pytest.fixture(scope="module")
def tree():
    return with_transport(with_volumes(experiment(12)))


def series_of(tree):
    return next(one for one in all_series(tree) if one.technique == "xtm")


def told(tree):
    series = series_of(tree)
    parts = list(draw_transport(series, series.processed, local_time(tree)))
    return parts, [" ".join(re.sub("<[^>]+>", " ", part.caption).split()) for part in parts]


def test_every_axis_asked_for_is_a_line_without_what_is_infinite(tree):
    lines = list(factor_lines(series_of(tree).processed))
    assert [line.name for line in lines] == ["along z", "along y"]
    assert np.isnan(lines[1].value).tolist() == [False, False, False, False, True]
    np.testing.assert_allclose(lines[0].std, 0.05)
    share = contact_line(series_of(tree).processed)
    np.testing.assert_allclose(share.value, [0.97, 0.96, 0.95, 0.94, 0.93])


def test_captions_say_what_is_infinite_and_why(tree):
    parts, said = told(tree)
    assert [len(part.models) for part in parts] == [2, 2]
    assert "None in 1 scan: no path along y" in said[0]
    assert "not asked for" not in said[0]
    assert "All scans share the thresholds, whose part moves them alike." in said[0]
    assert "that touches electrolyte in 5 scans of composite" in said[1]
    assert not any(EVIL in part.caption for part in parts)


def test_one_scan_is_told_in_words(tree):
    one = with_transport(with_volumes(experiment(12), 1, measured=False, followed=False))
    ds = one["xtm/composite/processed"].to_dataset()
    parts, said = told(one)
    assert [len(part.models) for part in parts] == [0, 0]
    assert "along z 1.300 ± 0.050" in said[0]
    assert "in contact 0.970 ± 0.030" in said[1]
    ds["tortuosity_factor"][:] = np.inf
    series = series_of(one)
    (first, *_) = draw_transport(series, ds, local_time(one))
    assert "has no finite tortuosity factor" in first.caption
    assert list(draw_transport(series, ds.drop_vars(["tortuosity_factor", "contact_share"]), local_time(one))) == []


def test_the_methods_say_how_with_a_source(tree):
    said = " ".join(volume_methods(tree))
    assert "doi:10.1016/j.softx.2016.09.002" in said
    assert "a blur of 0.7 voxels passes through the grey values of electrolyte" in said
    assert EVIL not in said


def test_what_is_found_of_lost_contact_is_told_with_a_table(tree):
    series = series_of(tree)
    ds = series.processed.assign(
        contact_loss_found=(("scan", "gap"), np.tile([0.0, 0.9], (5, 1))),
        contact_loss_found_std=(("scan", "gap"), np.full((5, 2), 0.04)),
        contact_gap_limit=("scan", np.full(5, 1.2)),
        contact_gap_limit_std=("scan", np.full(5, 0.1)),
    ).assign_coords(gap=[0.5, 2.0])
    (*_, share) = draw_transport(series, ds, local_time(tree))
    assert "Of contact lost to gaps of 1.20 ± 0.10 µm half is found" in share.caption
    out = tree.copy()
    out["xtm/composite/processed"] = xr.DataTree(ds)
    assert "<tr><td>2</td><td>0.900 ± 0.040</td></tr>" in " ".join(volume_methods(out))
    never = ds.assign(contact_gap_limit=("scan", np.full(5, np.nan)))
    (*_, share) = draw_transport(series, never, local_time(tree))
    assert "less than half is found at any width" in share.caption


def test_the_panel_of_volumes_shows_them(tree):
    said = " ".join(part.caption for part in panel.draw(tree) if isinstance(part, Plot))
    assert said.index("Tortuosity factor of electrolyte") < said.index("Share of the surface of")
