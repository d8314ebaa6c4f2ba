"""Recipes name onsets: checked as a whole, kept in the store, shown on the timeline and in tables."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

import operando
from operando import echem, history
from operando.errors import RecipeError
from operando.flags import Flag
from operando.pipelines.electrochemistry import onset_table
from operando.pipelines.recipe import load
from operando.pipelines.recipe_tables import OnsetSection
from operando.pipelines.report import cycling, timeline, verdict
from operando.pipelines.report.methods import methods
from operando.pipelines.run import run

pytestmark = pytest.mark.usefixtures("no_report")

RECIPE = """
[experiment]
timezone = "UTC"

[cell]
reference_electrode = "In/InLi"
potential_offset = 0.62
active_mass = 7.0
electrode_area = 0.785

[echem]
files = ["log.csv"]
reader = "columns"
read = { start = "2024-03-01 08:00:00", columns = { time = "t", voltage = "V", current = "I" } }
"""
WINDOW = """
[onsets]
oxidation = { above = 2.3 }
reduction = { below = 1.7, hold = 60.0 }
"""


def seconds(hours):
    return np.arange(0, hours * 3600, 10.0)


@pytest.fixture
def folder(tmp_path):
    """Return a beamtime that is a log alone: an hour of rest, a charge and a discharge."""
    t = seconds(9)
    current = np.select([t < 3600, t < 18_000], [0.0, 1e-3], -1e-3)
    voltage = 1.0 + 0.2 * np.cumsum(current) / 3.6 * 10 + 0.05 * np.sign(current)
    rows = (f"{one:.1f},{v:.6f},{i:.6e}" for one, v, i in zip(t, voltage, current, strict=True))
    (tmp_path / "log.csv").write_text("\n".join(["t,V,I", *rows, ""]))
    (tmp_path / "beamtime.toml").write_text(RECIPE + WINDOW)
    return tmp_path


def test_a_run_keeps_the_onsets_and_a_changed_section_makes_them_anew_alone(folder):
    store = run(load(folder)).store
    with operando.open(store) as tree:
        first, made = tree["onsets"].to_dataset().load(), tree["echem"].attrs["made_from"]
    assert first["name"].values.tolist() == ["oxidation", "reduction"]
    assert operando.store.verify(store) == []
    text = (folder / "beamtime.toml").read_text()
    (folder / "beamtime.toml").write_text(text.replace("above = 2.3", "above = 2.0"))
    run(load(folder))
    with operando.open(store) as tree:
        second = tree["onsets"].to_dataset().load()
        assert tree["echem"].attrs["made_from"] == made
    assert second["time"].values[0] < first["time"].values[0]
    (folder / "beamtime.toml").write_text(RECIPE)
    run(load(folder))
    with operando.open(store) as tree:
        assert "onsets" not in tree.children


def test_onsets_that_do_not_occur_are_an_empty_table(folder):
    text = (folder / "beamtime.toml").read_text()
    (folder / "beamtime.toml").write_text(text.replace("above = 2.3", "above = 5.0").replace("1.7", "-5.0"))
    with operando.open(run(load(folder)).store) as tree:
        assert tree["onsets"].sizes.get("onset", 0) == 0
        assert "none of the potentials that the recipe names is crossed" in verdict.verdict(tree).lower()


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("above = 2.3", "above = 2.3, below = 1.0", "onsets.oxidation: expected either above or below"),
        ("above = 2.3", "hold = 3.0", "onsets.oxidation: expected either above or below"),
        ("above = 2.3", "abov = 2.3", "onsets.oxidation.abov: unknown key; did you mean 'above'"),
        ("hold = 60.0", "hold = -1.0", "onsets.reduction.hold: expected a number from 0, got -1.0"),
        ("potential_offset = 0.62", "", "onsets: needs cell.potential_offset: thresholds are potentials"),
    ],
)
def test_mistakes_in_onsets_are_named_with_their_key(folder, wrong, right, words):
    path = folder / "beamtime.toml"
    path.write_text(path.read_text().replace(wrong, right))
    with pytest.raises(RecipeError) as caught:
        load(path)
    assert words in str(caught.value)


def tree(*, onsets=True, gap=False):
    t = seconds(9)
    current = np.select([t < 3600, t < 18_000], [0.0, 1e-3], -1e-3)
    half = np.select([t < 3600, t < 18_000], [0, 1], 2)
    charge = np.r_[0.0, np.cumsum(current[1:] * 10)]
    zeros = np.zeros(t.size, int)
    columns = {
        "voltage": 1.0 + charge / 20, "potential": 1.62 + charge / 20, "current": current, "charge": charge,
        "charge_std": 1e-6 * t, "half_cycle": half, "cycle": (half + 1) // 2, "flag": zeros,
        "segment": zeros + (t > 5000 if gap else 0),
    }  # fmt: skip
    units = {"voltage": "V", "potential": "V", "current": "A", "charge": "C"}
    data = {name: ("time", values, {"units": units.get(name, "1")}) for name, values in columns.items()}
    time = np.datetime64("2024-03-01T08:00", "ns") + (t * 1e9).astype("m8[ns]")
    log = history.recorded(xr.Dataset(data, coords={"time": time}), "echem.read", {})
    cell = xr.Dataset({"electrode_area": ((), 0.785, {"units": "cm^2"})}, attrs={"reference_electrode": "In/InLi"})
    nodes = {"/echem": log, "/cell": cell}
    if onsets:
        sections = {"<b>oxidation</b>": OnsetSection(above=2.0), "reduction": OnsetSection(below=1.8)}
        nodes["/onsets"] = onset_table(log, sections)
    return xr.DataTree.from_dict(nodes)


def html(parts):
    return " ".join(getattr(part, "text", "") or part.caption for part in parts)


def test_the_report_lists_onsets_half_cycles_and_cycles_with_errors():
    page = html(cycling.draw(tree()))
    assert "&lt;b&gt;oxidation&lt;/b&gt;, above 2 V" in page
    assert "<b>oxidation" not in page
    for words in ("2024-03-01 11:06", "areal capacity (mAh/cm²)", "coulombic efficiency", "the log&#x27;s last", "±"):
        assert words in page
    halves = echem.half_cycles(tree())
    assert f"{float(halves['charge'][1]):.3f} ±" in page


def test_a_gap_is_remarked():
    assert "a gap within" in html(cycling.draw(tree(gap=True)))


def test_the_timeline_marks_the_onsets():
    (part,) = timeline.draw(tree())
    spans = [one for figure in part.models for one in figure.select({"type": timeline.models.Span})]
    assert len(spans) == 2
    assert "Dashed lines and triangles mark the onsets" in part.caption
    (plain,) = timeline.draw(tree(onsets=False))
    assert "Dashed" not in plain.caption


def test_verdict_and_methods_tell_of_the_onsets():
    assert "reduction, below 1.8 V, at 2024-03-01" in verdict.verdict(tree())
    assert "onsets:" not in verdict.verdict(tree(onsets=False))
    told = methods(tree())
    assert "Return when a quantity crosses a level" in told
    assert told.count("echem.read") == 1


def test_an_onset_within_a_gap_is_said_to_be_one():
    found = tree()
    onsets = found["onsets"].to_dataset()
    onsets["flag"].values[0] = int(Flag.ec_gap)
    found["onsets"] = xr.DataTree(onsets)
    assert "within a gap of the log" in html(cycling.draw(found))


def test_without_cycles_and_onsets_there_is_no_panel():
    bare = tree(onsets=False)
    rest = bare["echem"].to_dataset().isel(time=slice(0, 100))
    assert cycling.wants(bare)
    assert not cycling.wants(xr.DataTree.from_dict({"/echem": rest}))


@pytest.mark.parametrize(("s", "said"), [(0.0478, "0.048 s"), (90.0, "90 s"), (1500.0, "25 min"), (76_000.0, "21 h")])
def test_uncertainties_in_time_are_said_to_two_digits(s, said):
    assert cycling.spread(s) == said


def test_the_history_of_the_table_holds_every_onset_once():
    steps = json.loads(tree()["onsets"].attrs["history"])
    assert [step["step"] for step in steps] == ["echem.read", "onsets", "onsets"]
