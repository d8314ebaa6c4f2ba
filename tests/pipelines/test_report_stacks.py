"""The report of stacks of images: what is shown, how much of it, and that its controls work."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from experiments import EVIL, experiment
from stack_experiments import with_stacks

from operando.color_limits import color_limits
from operando.pipelines import report
from operando.pipelines.report import page as report_page
from operando.pipelines.report.pictures import outlines, reduced, scaled

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MAP = "() => [...Bokeh.documents[0].all_models].filter(one => one.type == 'Title').map(one => one.text)"


def page(tree, tmp_path):
    path = report.write(tree, tmp_path / "report.html")
    assert path.stat().st_size < 10e6
    return path.read_text("utf-8").replace("\u00a0", " ").replace("\u202f", " ")


def shown(text):
    """Return the words of the section on images."""
    section = text[text.index('<section id="images">') :]
    return " ".join(re.sub("<[^>]+>", " ", section[: section.index("</section>")]).split())


@pytest.fixture(autouse=True)
def _bokeh_finds_nothing_to_complain_of(caplog, monkeypatch):
    monkeypatch.setattr(report_page, "CHECKED", True)
    yield
    assert not [record for record in caplog.records if record.name.startswith("bokeh")]


def test_drift_regions_spectra_and_trends_are_shown_and_told(tmp_path):
    said = shown(page(with_stacks(experiment(12)), tmp_path))
    for words in (
        "Mean of the frames of the first stack of Ni_K (xpeem), with 4 regions by number.",
        "The median uncertainty is 0.020 px.",
        "1 frame of 60 could not be placed or are flagged.",
        "what lies outside the regions is left white",
        "The slider goes through 5 stacks.",
        "4 regions of Ni_K (xpeem), a color each as in the spectra. Error bars are one standard uncertainty. Flagged",
    ):
        assert words in said


def test_series_of_one_name_are_told_apart_and_shown_once(tmp_path):
    text = page(with_stacks(experiment(12)), tmp_path)
    assert "Ni_K (xas)" in text
    assert "Edge energy of 12 scans of Ni_K (xas)" in text
    assert text.count("Edge energy of") == 1
    assert "(xas)" not in page(experiment(12), tmp_path)


def test_names_from_files_are_never_markup(tmp_path):
    text = page(with_stacks(experiment(12)), tmp_path)
    assert EVIL not in text.replace("\\u003c", "<").split("<script")[0]
    assert EVIL not in shown(text)


@pytest.mark.parametrize("settings", [{"scans": 1}, {"maps": False}, {"linked": False}, {"scans": 1, "maps": False}])
def test_whatever_is_missing_leaves_a_whole_page(tmp_path, settings):
    assert "Mean of the frames" in shown(page(with_stacks(experiment(12), **settings), tmp_path))


def test_drift_alone_is_shown(tmp_path):
    tree = with_stacks(experiment(12))
    kept = [name for name in tree["xpeem/Ni_K/processed"].data_vars if name.startswith("drift")]
    tree["xpeem/Ni_K/processed"] = tree["xpeem/Ni_K/processed"].to_dataset()[kept]
    said = shown(page(tree, tmp_path))
    assert "Where the image lay in the frames of 5 stacks" in said
    assert "regions" not in said


def test_many_large_stacks_leave_the_page_small(tmp_path):
    tree = with_stacks(experiment(12), scans=40, size=(500, 620), regions=24, energies=60)
    path = report.write(tree, tmp_path / "report.html")
    without = report.write(experiment(12), tmp_path / "without.html")
    assert path.stat().st_size - without.stat().st_size < 4e6


def test_a_reduced_image_keeps_the_mean_of_what_is_known():
    image = np.arange(24.0).reshape(4, 6)
    np.testing.assert_allclose(reduced(image, 3), [[3.5, 5.5, 7.5], [15.5, 17.5, 19.5]])
    image[:2, :2] = np.nan
    image[2, 2] = np.nan
    small = reduced(image, 3)
    assert np.isnan(small[0, 0])
    assert small[1, 1] == pytest.approx((15 + 20 + 21) / 3)
    odd = reduced(np.ones((5, 7)), 3)
    assert odd.shape == (2, 3)
    np.testing.assert_allclose(odd, 1.0)


def test_colors_span_the_range_and_nothing_is_transparent():
    image = np.array([[0.0, 1.0], [0.5, np.nan]])
    np.testing.assert_array_equal(scaled(image, 0.0, 1.0), [[1, 255], [128, 0]])
    assert color_limits(np.array([np.nan])) == (0.0, 1.0)
    low, high = color_limits(np.full(5, 3.0))
    assert low < 3.0 < high


def test_outlines_are_the_inner_rim_of_each_region():
    label = np.zeros((9, 9), int)
    label[1:6, 1:6], label[6:8, 1:6] = 1, 2
    drawn = outlines(label) > 0
    assert not drawn[label == 0].any()
    assert drawn[5, 1:6].all()
    assert drawn[6, 1:6].all()
    assert not drawn[2:5, 2:5].any()


@pytest.mark.browser
def test_in_a_browser_stacks_and_quantities_can_be_chosen_at_any_width(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install -y chromium")
    path = report.write(with_stacks(experiment(12)), tmp_path / "report.html")
    said, overflow = [], []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto(path.as_uri())
        tab.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        images = tab.locator("#images")
        images.locator(".noUi-handle").first.press("End")
        images.get_by_text("share of reduced Ni").first.click()
        images.get_by_text("share of reduced Ni").last.click()
        titles = tab.evaluate(MAP)
        labels = tab.evaluate("() => [...Bokeh.documents[0].all_models].map(one => one.axis_label).filter(Boolean)")
        for width in (1400, 390):
            tab.set_viewport_size({"width": width, "height": 800})
            tab.wait_for_timeout(500)
            overflow.append(tab.evaluate("document.querySelector('#images').scrollWidth - innerWidth"))
        browser.close()
    assert sum(title.startswith("stack 4, ") for title in titles) == 2
    assert "share of reduced Ni" in titles
    assert labels.count("share of reduced Ni") == 2
    assert max(overflow) <= 0
    assert said == []
