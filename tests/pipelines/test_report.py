from __future__ import annotations

import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, START, experiment, spoiled

from operando import xas
from operando.pipelines import report
from operando.pipelines.report import page as report_page
from operando.pipelines.report.figures import outline
from operando.pipelines.report.series import local_time, thinned
from operando.pipelines.report.spectra_map import nearest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(html.parser.HTMLParser):
    """The words of a page, its tags, and whether they close."""

    def __init__(self, text):
        super().__init__()
        self.words, self.tags, self.open, self.skipped = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not set(self.open) & {"script", "style"}:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).replace("\u00a0", " ").replace("\u202f", " ").split())


def page(tree, tmp_path):
    path = report.write(tree, tmp_path / "report.html")
    assert path.stat().st_size < 10e6
    return Page(path.read_text("utf-8"))


@pytest.fixture(autouse=True)
def _bokeh_finds_nothing_to_complain_of(caplog, monkeypatch):
    monkeypatch.setattr(report_page, "CHECKED", True)
    yield
    assert not [record for record in caplog.records if record.name.startswith("bokeh")]


def test_the_page_is_whole_and_asks_nothing_from_outside(tmp_path):
    found = page(experiment(), tmp_path)
    assert not found.open
    asked = [attrs for tag, attrs in found.tags if "src" in attrs or ("href" in attrs and tag != "a")]
    assert asked == [{"rel": "icon", "href": "data:,"}]
    policy = [attrs["content"] for _, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'")
    assert "http" not in policy[0]


def test_the_verdict_comes_first_and_says_what_was_read_flagged_and_lost(tmp_path):
    found = page(spoiled(experiment()), tmp_path)
    assert found.text.index("60 scans in 1 series, 8 flagged; 1 file could not be read.") < found.text.index("Timeline")
    for fact in (
        "flagged 8: the scan lies outside the electrochemistry (4); a detector is saturated (3)",
        "1 value of Ni_K could not be found",
        "48.0 h of log; 56 of 60 scans linked to it",
        "clock beamline: set by hand; offset 37.4 s to cycler, drift 25 ppm, uncertainty 0.4 s",
    ):
        assert fact in found.text


def test_a_clean_experiment_says_so(tmp_path):
    words = page(experiment(), tmp_path).text
    assert "60 scans in 1 series, none flagged; every file was read." in words
    assert "Flagged scans" not in words
    assert "Files that could not be read" not in words


def test_every_flagged_scan_is_listed_with_its_reason_in_words(tmp_path):
    words = page(spoiled(experiment()), tmp_path).text
    assert "Ni_K a detector is saturated 3 10–12" in words
    assert "xas/Ni_K_0011.txt a detector is saturated" in words
    assert "the incoming intensity I0 is missing, zero or negative; the scan stops before its end" in words


def test_times_are_shown_in_the_zone_of_the_experiment_and_it_is_said(tmp_path):
    words = page(experiment(), tmp_path).text
    assert "2022-07-26 14:26:00 to 2022-07-28 13:38:00 (Europe/Paris, UTC+02:00)" in words
    assert "2022-07-26 12:26:00 to 2022-07-28 11:38:00 (UTC)" in page(experiment(timezone="no/such"), tmp_path).text


def test_no_hour_appears_twice_when_the_clocks_change():
    tree = experiment()
    shift = np.datetime64("2022-10-29T12:00", "ns") - START
    echem = tree["echem"].to_dataset()
    tree["echem"] = xr.DataTree(echem.assign_coords(time=echem.time + shift))
    local = local_time(tree)
    assert local.changes
    assert (np.diff(local.milliseconds(tree["echem"].to_dataset().time.values)) > 0).all()


def test_whatever_files_say_is_text_and_never_markup(tmp_path):
    tree = spoiled(experiment(nodes=("Ni_K",)))
    tree.attrs |= {"experiment": EVIL, "recipe": EVIL, "software": EVIL, "failed": json.dumps([{"source": EVIL}])}
    tree.attrs["clocks"] = json.dumps([{"name": EVIL, "method": EVIL, "reference": EVIL, "offset": EVIL}])
    tree["cell"].attrs |= {"reference_electrode": EVIL, "materials": [EVIL], "potential_offset": EVIL}
    for name in ("raw", "processed"):
        node = tree[f"xas/Ni_K/{name}"]
        node.attrs |= {"local_time_start": EVIL, "time_taken": EVIL}
        node.attrs["history"] = json.dumps(
            [{"step": EVIL, "parameters": {EVIL: EVIL, "method": EVIL}, "version": EVIL}]
        )
    for name in ("edge_energy", "normalized", "potential"):
        tree["xas/Ni_K/processed"][name].attrs["long_name"] = EVIL
    path = report.write(tree, tmp_path / "report.html")
    assert EVIL not in path.read_text("utf-8")
    assert Page(path.read_text("utf-8")).text.count(EVIL) > 10


def test_a_label_never_asks_for_a_formula_renderer(tmp_path):
    tree = experiment(5)
    tree["xas/Ni_K/processed"]["normalized"].attrs["long_name"] = "$$\\mu$$"
    assert "$$" not in page_data(report.write(tree, tmp_path / "report.html"))


def page_data(path):
    return re.search(r"docs_json = (.*)", path.read_text("utf-8"))[1]


def test_methods_tell_every_step_with_its_version_and_parameters(tmp_path):
    words = page(experiment(), tmp_path).text
    methods = words[words.rindex("Methods") :]
    for said in (
        "echem.read (operando ",
        "xas.read (operando ",
        "timezone Europe/Paris",
        "xas.normalize (operando ",
        "pre1 -150",
        "e0 none",
        "method half_height",
        "The voltage was measured against In/InLi; 0.62 V were added to state the potential vs Li+/Li.",
        "beamline cycler 37.4 25 0.4 set by hand",
        'name = "Ni K operando, cell 4"',
    ):
        assert said in methods
    assert methods.count("xas.read (operando ") == 1


@pytest.mark.parametrize("scans", [1, 2, 3])
def test_the_smallest_series_has_a_report(tmp_path, scans):
    assert f"{scans} scan" in page(experiment(scans), tmp_path).text


def test_a_scan_without_time_or_electrochemistry_has_a_report(tmp_path):
    words = page(experiment(1, with_echem=False, times=False), tmp_path).text
    assert "the file gives no usable time (1)" in words
    assert "none was given: no potential" in words
    assert "Edge energy of Ni_K (method: half height): 8343." in words
    assert "Timeline" not in words


def test_without_times_the_scan_number_is_the_axis(tmp_path):
    found = page(experiment(9, with_echem=False, times=False), tmp_path)
    assert "photon energy against scan number" in found.text
    assert '"scan number"' in page_data(tmp_path / "report.html")


def test_scans_without_potential_are_counted(tmp_path):
    tree = spoiled(experiment())
    assert "4 scans without a potential cannot be shown against it." in page(tree, tmp_path).text
    for name in ("raw", "processed"):
        ds = tree[f"xas/Ni_K/{name}"].to_dataset()
        tree[f"xas/Ni_K/{name}"] = xr.DataTree(ds.assign_coords(potential=ds.potential * np.nan))
    assert "No potential is known for these scans." in page(tree, tmp_path).text


def test_an_edge_that_no_scan_has_is_said(tmp_path):
    tree = experiment(4)
    ds = tree["xas/Ni_K/processed"].to_dataset()
    tree["xas/Ni_K/processed"] = xr.DataTree(
        ds.assign(edge_energy=ds.edge_energy * np.nan, normalized=ds.normalized * np.nan)
    )
    words = page(tree, tmp_path).text
    assert "No edge energy was found in any of 4 scans of Ni_K." in words
    assert "every spectrum of Ni_K has values that are not finite" in words


def test_a_series_that_is_not_processed_shows_what_was_measured(tmp_path):
    tree = experiment(4)
    del tree["xas/Ni_K"]["processed"]
    words = page(tree, tmp_path).text
    assert "Ni_K is not processed" in words
    assert "Absorption of Ni_K." in words


def test_ten_thousand_scans_are_shown_in_part_and_the_page_says_so(tmp_path):
    words = page(experiment(10_000, energies=60), tmp_path).text
    assert "10 000 scans in 1 series" in words
    assert "40 lines of 10 000 scans, evenly chosen" in words
    assert "400 scans of 10 000 scans are drawn, evenly chosen" in words


def test_every_series_and_signal_is_shown(tmp_path):
    words = page(experiment(20, nodes=("Ni_K", "Co_K"), signals=("tey", "tfy")), tmp_path).text
    assert "40 scans in 2 series" in words
    for name in ("Ni_K, signal tey", "Ni_K, signal tfy", "Co_K, signal tey", "Co_K, signal tfy"):
        assert words.count(name) >= 2


def test_an_empty_experiment_has_a_report(tmp_path):
    tree = xr.DataTree()
    tree.attrs["failed"] = json.dumps([{"node": "Ni_K", "source": "a.txt", "reason": "empty"}])
    words = page(tree, tmp_path).text
    assert "No scan was read; 1 file could not be read." in words


def test_a_step_that_failed_is_no_file(tmp_path):
    tree = experiment(20)
    failed = [{"node": "Ni_K", "source": "", "reason": "too few scans"}, {"node": "", "source": "a", "reason": "empty"}]
    tree.attrs["failed"] = json.dumps(failed)
    words = page(tree, tmp_path).text
    assert "1 file could not be read and 1 step could not be taken." in words
    assert "1 step could not be taken: too few scans, a" in words


def test_a_failed_file_is_listed_once_though_two_places_tell_of_it(tmp_path):
    tree = spoiled(experiment(20))
    tree.attrs["failed"] = tree["xas/Ni_K/raw"].attrs["failed"]
    assert "1 file could not be read" in page(tree, tmp_path).text


def test_the_report_of_a_lazily_opened_store_is_that_of_the_tree(tmp_path):
    tree = experiment(20)
    tree.to_zarr(tmp_path / "cell.zarr", consolidated=True)
    with xr.open_datatree(tmp_path / "cell.zarr", engine="zarr", chunks={}) as opened:
        assert page(opened, tmp_path).text == page(tree, tmp_path).text


def test_a_curve_keeps_its_extremes_and_gaps_when_it_is_thinned():
    values = np.sin(np.linspace(0, 60, 100_003))
    values[77_777], values[50_000:50_200] = 3.0, np.nan
    kept = outline(values, 3000)
    assert kept.size <= 3100
    assert kept[0] == 0
    assert kept[-1] == values.size - 1
    assert np.nanmax(values[kept]) == 3.0
    assert np.isnan(values[kept]).any()


def test_the_map_is_white_across_a_gap_and_ignores_the_order_of_scans():
    place = np.array([0.0, 1, 2, 9, 10, np.nan, 3])
    shown = nearest(place, np.arange(-0.5, 11.5))
    assert shown.tolist() == [0, 1, 2, 6, 6, -1, -1, -1, 3, 3, 4]


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (10_000, 40), (7, 2)])
def test_a_thinned_series_keeps_its_ends(count, most):
    kept = thinned(count, most)
    assert kept.size == min(count, most)
    assert [*kept[:1], *kept[-1:]] == ([0, count - 1] if count else [])


def test_a_failing_write_leaves_the_old_report_and_no_rest(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        report.write(experiment(2), path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_importing_the_report_imports_no_bokeh():
    code = "import sys; import operando.pipelines.report; sys.exit('bokeh' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def judged(rate, spread=0.0, **asked):
    """A series of 30 scans at rest whose edge drifts, with its node of beam damage."""
    tree = experiment(30)
    ds = tree["xas/Ni_K/processed"].to_dataset()
    edge = 8343.0 + rate * np.arange(30) + np.random.default_rng(5).normal(0, 0.03, 30)
    potential = 3.7 + spread * np.arange(30)
    ds = ds.assign(edge_energy=("scan", edge, ds.edge_energy.attrs)).drop_vars("soc")
    ds = ds.assign_coords(potential=("scan", potential, ds.potential.attrs))
    tree["xas/Ni_K/processed"] = xr.DataTree(ds)
    tree["xas/Ni_K/beam_damage"] = xr.DataTree(xas.beam_damage(ds, **asked))
    return tree


def test_beam_damage_is_said_first_and_tabled_run_by_run(tmp_path):
    words = page(judged(0.02), tmp_path).text
    said = "The edge energy changes with dose in 1 run of scans at one potential"
    assert words.index(said) < words.index("Timeline")
    assert words.count(said) == 2
    assert "In a run the potential stays within 5 mV. Dose is counted in scans." in words
    assert re.search(r"0–29 3\.700 0\.0\d+ ± 0\.00\d+ eV per scan 834[23]\.\d+ ± 0\.0\d+ eV \d+\.\d changes", words)


def test_no_beam_damage_and_nothing_to_judge_it_by_are_not_the_same(tmp_path):
    words = page(judged(0.0), tmp_path).text
    assert "The edge energy changes with dose in none of 1 run of scans at one potential" in words
    assert "no change seen" in words
    words = page(judged(0.0, spread=0.01), tmp_path).text
    assert "There is no run of 4 scans or more at one potential to judge the edge energy by." in words
    words = page(judged(0.0, spread=0.01, by="all"), tmp_path).text
    assert "Within a run the state of the cell may change as well." in words


def test_white_lines_and_branching_ratios_are_trends(tmp_path):
    tree = experiment(20)
    ds = tree["xas/Ni_K/processed"].to_dataset()
    for name, units in (("white_line_energy", "eV"), ("white_line_height", "1"), ("branching_ratio", "1")):
        attrs = {"units": units, "long_name": name.replace("_", " ")}
        ds = ds.assign({name: ("scan", np.linspace(1.0, 2.0, 20), attrs)})
    tree["xas/Ni_K/processed"] = xr.DataTree(ds)
    words = page(tree, tmp_path).text
    for said in ("White line energy: Ni_K", "White line height: Ni_K", "Branching ratio of 20 scans of Ni_K."):
        assert said in words
    assert "White line area" not in words


TITLES = "[...Bokeh.documents[0].all_models].filter(one => one.type == 'Title').map(one => one.text)"
CHOSEN = """[...Bokeh.documents[0].all_models].filter(one => one.type == 'ColumnDataSource' && one.tags.length)
    .flatMap(one => one.selected.indices.map(row => one.data.scan[row]))"""
PLACE_OF_SCAN = """scan => {
    const mark = [...Bokeh.documents[0].all_models].find(one => one.type == 'GlyphRenderer'
        && one.glyph.type == 'Scatter' && one.data_source.tags.length && 'row' in one.data_source.data)
    const view = Bokeh.index.find_one(mark), frame = view.plot_view.el.getBoundingClientRect()
    const row = [...mark.data_source.data.scan].indexOf(scan)
    return [frame.left + view.glyph.sx[row], frame.top + view.glyph.sy[row]]
}"""


@pytest.mark.browser
def test_in_a_browser_the_page_is_silent_and_its_controls_work(tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs a browser: apt-get install -y chromium")
    path = report.write(spoiled(experiment()), tmp_path / "report.html")
    asked, said = [], []
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=flags)
        tab = browser.new_page(viewport={"width": 1400, "height": 1400}, permissions=["clipboard-read"])
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto(path.as_uri())
        tab.wait_for_function("window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle")
        drawn = tab.evaluate("document.querySelectorAll('.plot [data-root-id]').length")
        tab.get_by_text("color: potential").click()
        tab.get_by_text("whole scan").click()
        tab.get_by_text("difference from scan 0", exact=True).click()
        tab.locator(".noUi-handle").first.press("End")
        title = tab.evaluate(TITLES)
        tab.wait_for_timeout(500)
        tab.evaluate("window.scrollTo(0, 0)")
        tab.mouse.click(*tab.evaluate(PLACE_OF_SCAN, 17))
        tab.wait_for_timeout(300)
        chosen = tab.locator("#chosen").inner_text(), tab.evaluate(CHOSEN), tab.evaluate(TITLES)
        tab.locator("#chosen button").click()
        left = tab.locator("#chosen").is_visible(), tab.evaluate(CHOSEN)
        tab.get_by_text("Ni_K: 60 scans, 16 columns").click()
        tab.get_by_text("Copy the table of Ni_K").click()
        copied = [line.split("\t") for line in tab.evaluate("navigator.clipboard.readText()").strip().split("\n")]
        sheets = len(re.findall(rb"/Type /Page\b", tab.pdf(format="A4")))
        tab.set_viewport_size({"width": 390, "height": 800})
        tab.wait_for_timeout(500)
        overflow = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        browser.close()
    assert drawn >= 5
    assert "black: scan 59, 2022-07-28 13:38:00" in title
    said_of_scan, scans, titles = chosen
    assert said_of_scan.startswith("Ni_K, scan 17 · 2022-07-2")
    assert scans == [17, 17]
    assert sum(one.startswith("black: scan 17,") for one in titles) == 1
    assert left == (False, [])
    assert len(copied) == 61
    assert {"scan (1)", "potential (V)", "edge_energy (eV)", "edge_energy_std (eV)"} < set(copied[0])
    assert {len(line) for line in copied} == {len(copied[0])}
    assert 3 <= sheets <= 8
    assert overflow <= 0
    assert asked == [path.as_uri()]
    assert said == []
