"""Photoemission from a folder to the report: every region found, drafted, stored and shown, alone or joined."""

from __future__ import annotations

import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import operando
from operando import xps
from operando.errors import RecipeError
from operando.pipelines.check import check
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.show import show_survey
from operando.pipelines.survey import survey

SIMULATED = Path(__file__).resolve().parents[2] / "example_scans" / "small" / "xps"
REGIONS = ("C 1s", "P 2p", "S 2p")
SOUND, BROKEN = ("cell7_0001.vms", "cell7_0002.vms", "cell7_0003.vms"), "cell7_0024.vms"
JOINED = """
[experiment]
name = "cell"
timezone = "Europe/Zurich"

[[series]]
node = "levels"
technique = "xps"
files = ["xps/*.vms"]
reader = "vamas"
read = { region = ["S 2p", "P 2p", "C 1s"] }
"""

pytestmark = [
    pytest.mark.usefixtures("no_report"),
    pytest.mark.filterwarnings("ignore::operando.errors.OperandoWarning"),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "xps").mkdir()
    for name in SOUND:
        shutil.copy(SIMULATED / name, tmp_path / "xps" / name)
    return tmp_path


def shown(folder: Path) -> str:
    out = StringIO()
    show_survey(survey(folder), Console(file=out, width=80))
    return out.getvalue()


def test_the_survey_finds_every_region_with_its_reader_and_its_times(folder):
    groups = survey(folder).groups
    assert [(group.label, group.settings) for group in groups] == [
        (name.replace(" ", "_"), {"region": name}) for name in REGIONS
    ]
    assert {(group.technique, group.reader, len(group.paths)) for group in groups} == {("xps", "vamas", 3)}
    assert all(group.span is not None and group.span[0] < group.span[1] for group in groups)
    for word in ("C_1s", "P_2p", "S_2p", "vamas", "xps/*.vms (3)"):
        assert word in shown(folder).replace("\n", "")


def test_the_draft_has_one_series_a_region_and_runs(folder):
    path, _ = write_draft(folder)
    recipe = load(path)
    assert [(one.node, one.technique, one.read) for one in recipe.series] == [
        (name.replace(" ", "_"), "xps", {"region": name}) for name in REGIONS
    ]
    assert '# region = ["C 1s", "another"] joins regions' in path.read_text(encoding="utf-8")
    check(recipe)
    summary = run(recipe)
    assert summary.failed == []
    assert summary.scans == {f"xps/{name.replace(' ', '_')}": 3 for name in REGIONS}
    with operando.open(summary.store) as tree:
        counts = tree["xps/S_2p/raw/counts"].values
    for row, name in zip(counts, SOUND, strict=True):
        np.testing.assert_array_equal(row, xps.read(folder / "xps" / name, region="S 2p")["counts"])


def test_joined_regions_lie_on_one_axis_in_the_store_and_apart_in_the_report(folder, with_report):
    """A file that breaks off in one region lacks its points there and nowhere else, whenever it comes."""
    shutil.copy(SIMULATED / BROKEN, folder / "xps" / BROKEN)
    (folder / "beamtime.toml").write_text(JOINED)
    recipe = load(folder / "beamtime.toml")
    check(recipe)
    summary = run(recipe)
    assert (summary.scans, summary.failed) == ({"xps/levels": 4}, [])
    alone = {name: xps.read(folder / "xps" / BROKEN, region=name) for name in REGIONS}
    with operando.open(summary.store) as tree:
        raw = tree["xps/levels/raw"].to_dataset().load()
    assert raw["region"].dims == ("binding_energy",)
    assert (np.diff(raw["binding_energy"]) > 0).all()
    for name in REGIONS:
        there = raw.isel(binding_energy=np.flatnonzero(raw["region"].values == name))
        known = np.isfinite(there["counts"].values[-1])
        np.testing.assert_array_equal(there["counts"].values[-1][known], alone[name]["counts"])
        whole = xps.read(folder / "xps" / SOUND[0], region=name)
        np.testing.assert_allclose(there["binding_energy"], whole["binding_energy"], atol=1e-9)
        np.testing.assert_array_equal(there["counts"].values[0], whole["counts"])
    page = summary.report.read_text(encoding="utf-8")
    assert all(f"levels, {name}" in page for name in REGIONS)


def test_joined_regions_grow_with_the_folder_as_if_read_at_once(folder):
    (folder / "beamtime.toml").write_text(JOINED)
    recipe = load(folder / "beamtime.toml")
    run(recipe)
    shutil.copy(SIMULATED / BROKEN, folder / "xps" / BROKEN)
    summary = run(recipe)
    assert (summary.new, summary.failed) == (1, [])
    with operando.open(summary.store) as tree:
        grown = tree["xps/levels/raw"].to_dataset().load()
    shutil.rmtree(summary.store)
    with operando.open(run(recipe).store) as tree:
        at_once = tree["xps/levels/raw"].to_dataset().load()
    for name in ("counts", "region", "flag", "binding_energy", "source"):
        np.testing.assert_array_equal(grown[name], at_once[name])


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ('"O 1s"', "a region among C 1s, S 2p, P 2p, got 'O 1s'"),
        ('"P 2p"', "join: expected regions apart, got P 2p and P 2p, which overlap"),
        ("7", "region: expected a name such as 'S 2p' or a list of several"),
    ],
)
def test_regions_that_cannot_be_joined_are_named_before_a_run(folder, region, reason):
    (folder / "beamtime.toml").write_text(JOINED.replace('"C 1s"', region))
    with pytest.raises(RecipeError, match=reason):
        check(load(folder / "beamtime.toml"))


@pytest.mark.parametrize(
    ("name", "text", "technique"),
    [
        ("a.csv", "BE/eV,counts\n{rows}", "xps"),
        ("Au4f.csv", "{rows}", "xps"),
        ("sample.csv", "{rows}", "xas"),
        ("Au4f_mu.csv", "energy,mu\n{rows}", "xas"),
    ],
)
def test_columns_are_photoemission_where_a_label_or_the_files_name_says_so(tmp_path, name, text, technique):
    energy = np.arange(80.0, 92.0, 0.1)
    counts = np.random.default_rng(3).poisson(300, energy.size)
    rows = "".join(f"{e:.1f},{n}\n" for e, n in zip(energy, counts, strict=True))
    (tmp_path / name).write_text(text.format(rows=rows))
    (group,) = survey(tmp_path).groups
    assert (group.technique, group.reader) == (technique, "columns")


@pytest.mark.realdata
def test_regions_that_are_no_spectra_are_told_beside_those_that_are(realdata, tmp_path):
    shutil.copy(realdata / "xps/pyexplabsys/specs_xps_sample.xml", tmp_path / "a.xml")
    found = survey(tmp_path)
    assert len(found.groups) == 4
    assert [text.partition("region ")[2].partition(":")[0] for text in found.failed] == [
        "'Cu/Zn Ni 2p Al anode'",
        "'Region5'",
    ]
