"""Drafts of folders with volumes: what is found, what is left out, what the user is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

import operando
from operando import example_scans
from operando.errors import RecipeError
from operando.pipelines.draft import write_draft
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.pipelines.survey import survey

pytestmark = pytest.mark.usefixtures("no_report")

SMALL = Path(example_scans.__file__).parent / "small"


def test_a_survey_knows_folders_their_log_and_projections(tmp_path):
    shutil.copytree(SMALL / "xtm", tmp_path / "xtm")
    found = survey(tmp_path)
    assert [(group.reader, len(group.paths), group.settings) for group in found.groups] == [
        ("tiff", 5, {"log": "steps.txt"}),
        ("dxchange", 1, {}),
    ]
    assert found.groups[1].notes["projections"] == 1
    assert (found.unknown, found.failed) == ([], [])
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert 'files = ["xtm/*/"]' in text
    assert "# Projections, left out" in text
    assert '# use = "reconstruct"' in text
    path.write_text(text.replace('# timezone = "Europe/Paris"', 'timezone = "Europe/Zurich"'), encoding="utf-8")
    summary = run(load(path))
    assert (summary.exit_code, summary.scans) == (0, {"xtm/xtm": 5})
    with operando.open(summary.store) as tree:
        assert not np.isnat(tree["xtm/xtm/raw"]["time"].values).any()


def test_a_size_of_voxels_that_no_file_states_is_left_to_the_user(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            tifffile.imwrite(tmp_path / folder / f"s_{number}.tif", np.full((8, 8), number, np.uint8))
    path, _ = write_draft(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert 'files = ["*/"]' in text
    assert 'voxel_size = ""   # FILL IN' in text
    with pytest.raises(RecipeError, match="voxel_size"):
        run(load(path))
    path.write_text(text.replace('voxel_size = ""', "voxel_size = 0.5"), encoding="utf-8")
    assert load(path).files(load(path).series[0]) == [tmp_path / "a", tmp_path / "b"]
