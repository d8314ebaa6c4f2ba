"""A draft finds again what the survey found, whatever files and folders are called."""

from __future__ import annotations

import numpy as np
import pytest

from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.survey import survey


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
