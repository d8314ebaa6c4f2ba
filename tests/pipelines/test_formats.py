"""From a folder with one file of each format to a store with an edge energy, without a line written by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scan_files import EDGE, ENERGY, edge, mda_ascii, mda_file, spec_file

import operando
from operando.errors import OperandoWarning
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.survey import survey

pytestmark = pytest.mark.usefixtures("no_report")


def processed(folder: Path):
    """Draft a recipe for a folder, run it as it stands, and return the only series."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OperandoWarning)
        path, found = write_draft(folder)
        assert [len(group.paths) for group in found.groups] == [1], found.failed
        summary = run(load(path))
    assert summary.exit_code == 0, summary.failed
    with operando.open(summary.store) as tree:
        nodes = [node.to_dataset().load() for node in tree.leaves if node.path.endswith("/processed")]
    assert len(nodes) == 1
    return found.groups[0], nodes[0]


@pytest.mark.parametrize(
    ("write", "name", "reader", "scans"),
    [
        (spec_file, "cell.spec", "spec", 3),
        (lambda path: spec_file(path, [0.0]), "one.dat", "spec", 1),
        (mda_file, "cell_0001.mda", "mda", 1),
        (mda_ascii, "cell_0001.asc", "mda2ascii", 1),
    ],
)
def test_a_folder_with_one_file_gives_its_edge_energies(tmp_path, write, name, reader, scans):
    write(tmp_path / name)
    group, series = processed(tmp_path)
    assert (group.reader, group.label) == (reader, "Ni_K")
    expected = EDGE + 0.5 * np.arange(scans)
    np.testing.assert_allclose(series["edge_energy"], expected, atol=0.5)
    np.testing.assert_allclose(np.diff(series["edge_energy"]), 0.5, atol=0.1)


def test_a_file_of_several_scans_is_surveyed_with_its_times(tmp_path):
    spec_file(tmp_path / "cell.spec")
    found = survey(tmp_path)
    assert found.failed == []
    assert found.groups[0].notes["left out"] == 1
    assert len(found.groups[0].middles) == 3


def test_a_detector_that_shows_the_edge_is_normalized_rather_than_one_that_shows_none(tmp_path):
    flat = 5 + np.random.default_rng(3).normal(0, 0.01, ENERGY.size)
    rows = zip(ENERGY, 1000 + ENERGY / 100, flat, edge(), strict=True)
    text = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in rows)
    (tmp_path / "scan.txt").write_text(f"# energy i0 tey tfy\n{text}\n")
    path, _ = write_draft(tmp_path)
    assert 'signal = "tfy"' in path.read_text(encoding="utf-8")


def test_what_is_left_out_is_told_in_one_line_without_a_place_in_the_code(tmp_path):
    spec_file(tmp_path / "cell.spec")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = ""
    for name in ("init", "run"):
        command = [sys.executable, "-c", "from operando.pipelines.cli import main; main()", name, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        told += done.stdout + done.stderr
    lines = [line for line in told.splitlines() if "scan 1.1" in line]
    assert lines
    for line in lines:
        assert f"{tmp_path / 'cell.spec'}, scan 1.1: expected a column 'Energy'" in line
    assert ".py" not in told


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "reader", "label"),
    [
        ("larch/ESRF_SNBL_2013.dat", "spec", "Ge_K"),
        ("larch/SLS_PHOENIX_2023.dat", "phoenix", "Al_K"),
        ("larch/scorodite_as_xafs.001", "columns", "As_K"),
        ("larch/fexanes_a.001", "xdi", "Fe_K"),
        ("larch/cyanobacteria.prj", "athena", "Au_L3"),
        ("pynexafs/sxr129577.mda", "mda", "C_K"),
        ("pynexafs/sxr129577.asc", "mda2ascii", "C_K"),
        ("pynexafs/MEX2_5640_processed.xdi", "xdi", "S_K"),
        ("pynxxas/6_Ti.0001", "columns", "Ti_K"),
    ],
)
def test_a_measured_file_alone_in_a_folder_gives_an_edge_energy_or_a_flag(realdata, tmp_path, name, reader, label):
    shutil.copy(realdata / "xas" / name, tmp_path)
    group, series = processed(tmp_path)
    assert (group.reader, group.label) == (reader, label)
    assert (np.isfinite(series["edge_energy"]) | (series["flag"] != 0)).all()
