"""The report of volumes: slices with what was found, volumes with what is missed, cracks and what becomes of them."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment
from volume_experiments import (
    APERTURES,
    BIAS,
    DEEPEST,
    LIMIT,
    SLICES,
    grey_and_kinds,
    objects,
    tracks,
    volumes,
    with_volumes,
)

from operando.kind_colors import COLORS, kind_colors, kind_of
from operando.pipelines import report
from operando.pipelines.report import page as report_page
from operando.pipelines.report import volumes as panel
from operando.pipelines.report.crack_history import cracks_of, draw_history, events
from operando.pipelines.report.figures import models
from operando.pipelines.report.parts import Html
from operando.pipelines.report.series import LocalTime, all_series, local_time
from operando.pipelines.report.void_volumes import draw_volumes, limit_words, missed
from operando.pipelines.report.volume_slices import draw_slices
from operando.pipelines.steps.previews import kinds, preview, previews

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCANS = 5


def page(tree, folder):
    path = report.write(tree, folder / "report.html")
    assert path.stat().st_size < 10e6
    return path.read_text("utf-8").replace("\u00a0", " ").replace("\u202f", " ")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the page of a whole experiment."""
    return page(with_volumes(experiment(12)), tmp_path_factory.mktemp("whole"))


def words(text, section):
    """Return the words of a section."""
    found = text[text.index(f'<section id="{section}">') :]
    return " ".join(re.sub("<[^>]+>", " ", found[: found.index("</section>")]).split())


def told(tree):
    """Return the words of the panel's captions, legends and tables, before a page is made of them."""
    parts = [part.text if isinstance(part, Html) else f"{part.legend} {part.caption}" for part in panel.draw(tree)]
    said = " ".join(re.sub("<[^>]+>", " ", " ".join(parts)).split())
    return said.replace("\u00a0", " ").replace("\u202f", " ")


def drawn(draw, *args, scans=SCANS, **settings):
    """Return the first figures that a part of the panel draws of a series, and its caption."""
    tree = with_volumes(experiment(12), scans, **settings)
    series = next(one for one in all_series(tree) if one.technique == "xtm")
    assert isinstance(local_time(tree), LocalTime)
    return next(iter(draw(series, series.processed, *args, local_time(tree))))


def columns(fig, glyph):
    """Return the columns of all renderers of a kind of glyph."""
    found = [one for one in fig.renderers if isinstance(one.glyph, getattr(models, glyph))]
    return [{**one.data_source.data, "glyph": one.glyph} for one in found]


@pytest.fixture(autouse=True)
def _bokeh_finds_nothing_to_complain_of(caplog, monkeypatch):
    monkeypatch.setattr(report_page, "CHECKED", True)
    yield
    assert not [record for record in caplog.records if record.name.startswith("bokeh")]


def test_a_slice_shows_the_largest_crack_and_a_byte_holds_kind_and_grey_level():
    part = drawn(draw_slices, None)
    pictures = [column.children[-1] for column in part.models]
    bytes_of = pictures[0].renderers[0].data_source.data["image"][0]
    kind, level = bytes_of // 32, bytes_of % 32
    _, filled = grey_and_kinds(SCANS, (60, 80))
    np.testing.assert_array_equal(kind, filled.values[0, DEEPEST])
    assert level[filled.values[0, DEEPEST] == 3].min() > level[filled.values[0, DEEPEST] == 2].max()
    assert level[filled.values[0, DEEPEST] == 4].max() < level[filled.values[0, DEEPEST] == 2].min()
    grey, overlay = (one.renderers[0].glyph.color_mapper.palette for one in pictures)
    assert all(color[1:3] == color[3:5] == color[5:7] for color in grey[1:])
    assert overlay[4 * 32 + 1] == "#b55000"  # 0.85 of vermilion over black
    assert overlay[2 * 32 : 3 * 32] == grey[2 * 32 : 3 * 32]  # the electrolyte is not shown until asked for
    assert f"at z = {0.5 * DEEPEST + 0.25:.1f} µm, which shows most of the cracks" in part.caption


def test_the_slider_of_a_single_volume_goes_through_its_slices():
    part = drawn(draw_slices, None, scans=1)
    slider = part.models[0].children[0]
    shown = slider.js_property_callbacks["change:value"][0].args
    assert (len(shown["images"]), slider.value, slider.end) == (SLICES, DEEPEST, SLICES - 1)
    assert shown["titles"][1].endswith("z = 0.8 µm")
    _, filled = grey_and_kinds(1, (60, 80))
    for at in range(SLICES):
        np.testing.assert_array_equal(shown["images"][at] // 32, filled.values[0, at])
    assert f"goes through {SLICES} slices" in part.caption.replace("\u00a0", " ")


def test_objects_that_were_told_apart_have_their_own_kind_in_the_slice():
    part = drawn(draw_slices, objects())
    last = part.models[0].children[0].js_property_callbacks["change:value"][0].args["images"][-1]
    assert "contact loss" in part.legend
    assert set(np.unique(last // 32)) == {2, 3, 4}
    table = objects()
    table["kind"] = table["kind"].copy(data=np.full(table.sizes["object"], 3))
    lost = drawn(draw_slices, table).models[0].children[0].js_property_callbacks["change:value"][0].args["images"][-1]
    assert set(np.unique(lost // 32)) == {2, 3, 5}


def test_volumes_carry_values_errors_and_what_is_missed_of_cracks():
    part = drawn(draw_volumes, objects())
    for fig in part.models:
        void, crack, contact = columns(fig, "Scatter")
        np.testing.assert_allclose(void["value"], 150 + 20 * np.arange(SCANS))
        np.testing.assert_allclose(crack["value"], 100 + 20 * np.arange(SCANS))
        np.testing.assert_allclose(crack["high"] - crack["value"], 5.0)
        np.testing.assert_allclose(void["high"] - void["value"], 4.0)
        np.testing.assert_allclose(contact["value"], [0, 0, 0, 10, 10])
        np.testing.assert_allclose(crack["whole"], crack["value"] / 0.8)
        assert crack["glyph"].line_color == COLORS["crack"]
        assert crack["fill"][-1] == 0 < crack["fill"][0]
    assert [fig.xaxis[0].axis_label.split(" ")[0] for fig in part.models] == ["potential", "time"]
    assert "at most 25.0%." in part.caption
    assert (
        "Of cracks open by less than 0.310 ± 0.020 µm (detection limit) more than half of the volume is missed."
        in part.caption
    )


def test_gaps_beside_particles_have_their_limit():
    limit = {"gap_detection_limit": ("scan", [0.61, 0.61]), "gap_detection_limit_std": ("scan", [0.03, 0.03])}
    ds = xr.Dataset(limit)
    said = limit_words(ds).replace("\u00a0", " ")
    assert "thin cracks may be missing" in said
    assert "Of gaps beside particles more than half is missed below 0.610 ± 0.030 µm." in said
    assert "gaps" not in limit_words(ds.drop_vars(ds.data_vars))


@pytest.mark.parametrize("opening", APERTURES)
def test_a_volume_is_corrected_by_the_bias_at_its_aperture_but_never_doubled(opening):
    _, processed = volumes(2)
    table = objects(2)
    table["aperture_median"] = table["aperture_median"].copy(data=np.full(table.sizes["object"], opening))
    bias = BIAS[opening == APERTURES][0]
    np.testing.assert_allclose(
        missed(processed, table, np.array([10.0, 20.0])), np.array([10, 20]) / max(0.5, 1 + bias)
    )


def test_without_apertures_or_a_curve_nothing_is_corrected():
    _, processed = volumes(2)
    assert missed(processed, None, np.ones(2)) is None
    assert missed(processed.drop_vars("crack_volume_bias"), objects(2), np.ones(2)) is None
    assert missed(processed, objects(2).drop_vars("aperture_median"), np.ones(2)) is None


def test_cracks_have_volume_aperture_and_area_with_their_uncertainties():
    cracks = cracks_of(tracks(), objects())
    np.testing.assert_allclose(cracks.volume[:, 0], 100 + 20 * np.arange(SCANS))
    np.testing.assert_allclose(cracks.area[:, 0], cracks.volume[:, 0] / 0.4)
    np.testing.assert_allclose(cracks.area_std[:, 0] / cracks.area[:, 0], 0.05)
    np.testing.assert_allclose(cracks.volume[:, 1], [30, 30, *[np.nan] * 3])
    assert np.isnan(cracks.volume[:3, 2]).all()
    assert cracks.kind == ["crack", "", "contact_loss"]
    np.testing.assert_array_equal(cracks.true_cracks(), [0, 1])


def test_what_happens_to_a_crack_is_marked_at_its_scan_and_its_end_where_it_is_last_seen():
    table = tracks()
    assert events(table, 0) == [(2, "takes in another")]
    assert events(table, 1) == [(1, "merges into another")]
    assert events(table, 2) == [(SCANS - 2, "begins")]


def test_the_range_below_the_detection_limit_is_grey():
    cracks = cracks_of(tracks(), objects())
    tree = with_volumes(experiment(12))
    series = next(one for one in all_series(tree) if one.technique == "xtm")
    _, sizes = draw_history(series, series.processed, cracks, local_time(tree))
    aperture, area = sizes.models
    boxes = [one for one in aperture.center if isinstance(one, models.BoxAnnotation)]
    assert [box.top for box in boxes] == [LIMIT]
    assert not [one for one in area.center if isinstance(one, models.BoxAnnotation)]
    np.testing.assert_allclose(columns(aperture, "Scatter")[0]["value"], 0.4)


def test_the_table_lists_cracks_by_size_with_direction_and_fate(whole):
    said = words(whole, "volumes")
    table = said[said.index("Copy the table") :]
    row = "1 crack 0 4 2022-07-26 18:02:00 180.0 ± 5.4 0.400 ± 0.016 450 ± 22 0.87, 0.00, 0.50 30 there from the start"
    assert row in table
    assert "2 crack 0 1 2022-07-26 18:02:00 30 – – – – there from the start, merges into 1" in table
    assert "splits off 1" in table
    assert table.index(row) < table.index("2 crack 0 1") < table.index("3 contact loss 3 4")


def test_methods_tell_thresholds_levels_limit_and_sources(whole):
    said = words(whole, "methods")
    assert f"from the darkest on: void, electrolyte, {EVIL.replace('<', '&lt;')[:4]}" in said
    assert "grey values above 110, 300 belong to the next" in said
    assert "a contrast of 4.0 times the noise, at a blur of 0.70 voxels of 0.5 µm" in said
    assert "Of cracks open by less than 0.310 ± 0.020 µm" in said
    assert "0.2 0.2 -0.8 0.4 0.8 -0.2" in said
    assert "doi:10.1109/TIP.2008.919369" in said


def test_the_verdict_tells_how_the_cracks_grew(whole):
    assert "composite: 100.0 ± 5.0 µm³ to 180.0 ± 5.0 µm³ of cracks. Of cracks open by less than 0.310" in whole


def test_names_from_files_are_never_markup(whole):
    assert EVIL not in whole.replace("\\u003c", "<").split("<script")[0]
    assert EVIL not in words(whole, "volumes")
    assert EVIL not in words(whole, "methods")


@pytest.mark.parametrize(
    "settings",
    [{"scans": 1}, {"linked": False, "followed": False}, {"measured": False}],
)
def test_whatever_is_missing_leaves_a_whole_page(tmp_path, settings):
    said = words(page(with_volumes(experiment(12), **settings), tmp_path), "volumes")
    assert "Slice of composite at z" in said
    assert "Volume fractions of" in said


def test_a_series_without_slices_or_cracks_shows_its_fractions():
    tree = with_volumes(experiment(12), measured=False, followed=False)
    tree["xtm/composite/processed"] = tree["xtm/composite/processed"].to_dataset()[["fraction"]]
    said = told(tree)
    assert "No slices of composite were kept" in said
    assert "● void ● electrolyte" in said
    assert "detection limit" not in said


def test_particles_that_are_followed_are_called_by_their_phase_and_are_no_voids():
    tree = with_volumes(experiment(12))
    processed = tree["xtm/composite/processed"].to_dataset()
    label = xr.zeros_like(processed["preview_kind"]).assign_attrs(objects="ncm")
    tree["xtm/composite/processed"] = xr.DataTree(processed.assign(label=label))
    said = told(tree)
    assert "3 objects of ncm in composite, followed through 5 scans." in said
    assert "contact loss" not in said
    assert "lost contact ●" not in said
    assert "aperture of the same" not in said


def test_tables_of_fewer_scans_than_there_are_now_are_left_out():
    tree = with_volumes(experiment(12))
    tree["xtm/composite/cracks"] = xr.DataTree(tracks(4))
    assert "followed through" not in told(tree)


def test_many_large_volumes_leave_the_page_small(tmp_path):
    tree = with_volumes(experiment(12), 24, size=(400, 400), slices=1)
    without = report.write(experiment(12), tmp_path / "without.html").stat().st_size
    assert report.write(tree, tmp_path / "report.html").stat().st_size - without < 5e6


def test_what_is_thin_stays_in_a_slice_of_fewer_pixels_and_grey_values_are_means():
    grey, filled = grey_and_kinds(2, (60, 80))
    kept = previews(grey, filled, slices=SLICES, edge=20)
    assert kept["preview"].shape == (2, SLICES, 15, 20)
    np.testing.assert_allclose(
        kept["preview"], grey.coarsen(y=4, x=4).mean().transpose("scan", "z", "y", "x"), rtol=1e-6
    )
    cracked = (filled == 4).coarsen(y=4, x=4).max().values
    np.testing.assert_array_equal(kept["preview_kind"] == 4, cracked)
    np.testing.assert_allclose(kept["preview_y"], np.arange(15) * 2.0 + 0.75)
    xr.testing.assert_identical(kept, previews(grey.chunk(z=1, y=33), filled.chunk(z=2), slices=SLICES, edge=20))


def test_slices_are_evenly_spaced_around_the_middle():
    grey, _ = grey_and_kinds(1, (8, 8))
    assert previews(grey, slices=3)["preview_z"].values == pytest.approx([0.25, 1.25, 2.25])
    assert previews(grey, slices=1)["preview_z"].item() == grey["z"].values[SLICES // 2]


def test_cracks_lie_over_voids_and_voids_over_phases():
    grey, filled = grey_and_kinds(1, (12, 12))
    phase = filled.where(filled < 4, 1).astype("uint8")
    phase[0, 0, 0, 0] = 1
    raw = xr.Dataset({"grey": grey.assign_attrs(units="1")}, attrs={"history": "[]"})
    found = {"phase_label": phase.assign_attrs(filled.attrs | {"flag_values": [1, 2, 3], "flag_meanings": "void b c"})}
    found |= {"void_mask": filled == 4, "crack_mask": (filled == 4) & (filled["x"] > 3)}
    processed = xr.Dataset(found, attrs={"history": "[]"})
    told = kinds(processed)
    assert told.attrs["flag_meanings"] == "void b c crack"
    assert told.values[0, 0, 0, 0] == 0  # what a threshold takes for void is none where voids were looked for
    np.testing.assert_array_equal(told == 4, processed["crack_mask"])
    np.testing.assert_array_equal(told == 1, processed["void_mask"] & ~processed["crack_mask"])
    kept = preview(raw, processed, slices=2, edge=6)
    assert {"preview", "preview_kind"} <= set(kept.data_vars)
    assert kinds(xr.Dataset()) is None


def test_a_kind_has_one_color_by_whatever_name():
    assert [kind_of(name) for name in ("Pores", "NCM811", "contact_loss", "Li3PS4", "graphite")] == [
        "void",
        "particle",
        "contact loss",
        "electrolyte",
        "graphite",
    ]
    assert kind_colors(["pore", "crack"]) == [COLORS["void"], COLORS["crack"]]
    assert len(set(kind_colors(["a", "b", "c", "void"]))) == 4


@pytest.mark.browser
def test_in_a_browser_scans_and_kinds_can_be_chosen_at_any_width(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install -y chromium")
    path = report.write(with_volumes(experiment(12)), tmp_path / "report.html")
    said, overflow = [], []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    palette = "() => [...Bokeh.documents[0].all_models].filter(one => one.palette).map(one => one.palette[4 * 32 + 9])"
    titles = "() => [...Bokeh.documents[0].all_models].filter(one => one.type == 'Title').map(one => one.text)"
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda asked: said.append(asked.url) if asked.url.startswith("http") else None)
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto(path.as_uri())
        tab.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        section = tab.locator("#volumes")
        before = tab.evaluate(palette)
        section.locator(".noUi-handle").first.press("End")
        section.get_by_role("button", name="crack", exact=True).click()
        section.get_by_text("Copy the table").click()
        after, shown = tab.evaluate(palette), tab.evaluate(titles)
        chosen = tab.evaluate("getSelection().toString()")
        for width in (1400, 390):
            tab.set_viewport_size({"width": width, "height": 800})
            tab.wait_for_timeout(300)
            overflow.append(tab.evaluate("document.documentElement.scrollWidth - innerWidth"))
        browser.close()
    assert sum(title.startswith("scan 4, ") for title in shown) == 2
    assert before != after
    assert len(set(after)) < len(set(before))
    assert "merges into 1" in chosen
    assert max(overflow) <= 0
    assert said == []
