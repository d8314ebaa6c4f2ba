"""A draft finds again what the survey found, whatever files and folders are called."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.show import show_survey
from operando.pipelines.survey import survey

pytestmark = pytest.mark.usefixtures("no_report")


def columns(number, names=("i0", "tey")):
    energy = np.linspace(8300, 8420, 60)
    edge = 1 / (1 + np.exp(-(energy - 8345 - 0.1 * number)))
    rows = np.column_stack([energy, *({"i0": energy * 0 + 1, "tey": edge, "mu": edge}[name] for name in names)])
    table = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows)
    return f"# energy {' '.join(names)}\n{table}\n"


@pytest.mark.parametrize(
    "names", [("a[1].txt", "a[2].txt"), ("a[1].txt", "other.txt"), ("[1]/a.txt", "[1]/b.txt"), ("données/a.txt",)]
)
def test_a_draft_runs_on_names_that_patterns_or_nodes_could_not_hold(tmp_path, names):
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(columns(number, ("mu",) if name == "other.txt" else ("i0", "tey")))
    path, _ = write_draft(tmp_path)
    summary = run(load(path))
    assert (summary.new, summary.failed) == (len(names), [])


def test_a_link_to_the_folder_above_is_not_followed_for_ever(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "up").symlink_to(tmp_path)
    (tmp_path / "inner" / "a.txt").write_text(columns(0))
    assert [len(group.paths) for group in survey(tmp_path).groups] == [1]


def test_a_yield_without_i0_is_found_but_no_signal_to_normalize(tmp_path):
    (tmp_path / "a.txt").write_text(columns(0, ("tey",)))
    path, found = write_draft(tmp_path)
    assert not found.failed
    assert "No signal was recognized" in path.read_text(encoding="utf-8")


def test_the_node_is_named_after_the_edge_that_the_file_states(tmp_path):
    energy = np.linspace(8300, 8420, 60)
    rows = "\n".join(f"{value:.3f} 1.0" for value in energy)
    header = "# XDI/1.0\n# Element.symbol: Cu\n# Element.edge: K\n# Column.1: energy eV\n# Column.2: mutrans\n"
    (tmp_path / "a.xdi").write_text(f"{header}#---\n# energy mutrans\n{rows}\n")
    assert [group.label for group in survey(tmp_path).groups] == ["Cu_K"]


@pytest.mark.parametrize(("onset", "edge"), [(531.0, "O_K"), (853.5, "Ni_L3"), (8345.0, "Ni_K")])
def test_the_edge_is_guessed_from_where_the_signal_rises(tmp_path, onset, edge):
    energy = np.arange(onset - 30, onset + 60, 0.5)
    rows = "\n".join(f"{value:.3f} {1 / (1 + np.exp(onset - value)):.6f}" for value in energy)
    (tmp_path / "a.txt").write_text(f"# energy mu\n{rows}\n")
    assert [group.label for group in survey(tmp_path).groups] == [edge]


def test_a_closed_folder_is_told_and_the_others_are_looked_into(tmp_path, monkeypatch):
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(columns(0))
    looked = Path.iterdir

    def iterdir(folder):
        if folder.name == "closed":
            raise PermissionError(13, "Permission denied")
        return looked(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = survey(tmp_path)
    assert found.failed == [f"{tmp_path / 'closed'}: expected a folder to look into, got Permission denied"]
    assert [group.folder.name for group in found.groups] == ["open"]


def test_names_and_times_stand_whole_on_a_terminal_of_80_columns(tmp_path):
    long = "a_scan_with_a_name_that_says_everything_about_it_00001.dat"
    (tmp_path / long).write_text("# Time at start=2026-05-18 17:47:43\n" + columns(0))
    for number in range(2):
        (tmp_path / f"tey_{number}.txt").write_text(columns(0))
        (tmp_path / f"other_{number}.txt").write_text(columns(0, ("mu",)))
    output = StringIO()
    show_survey(survey(tmp_path), Console(file=output, width=80))
    shown = output.getvalue()
    cells = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines() if "│" in line]
    assert long in "".join(cell[1] for cell in cells)
    assert "2026-05-18 17:47" in shown
    assert "tey_0.txt" in shown
    assert "other_0.txt" in shown
