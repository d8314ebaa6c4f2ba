"""A recipe and the names in its files reach the folders that the recipe declares, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from operando.errors import FileError, RecipeError
from operando.pipelines.processing import Processing
from operando.pipelines.recipe import load

SCAN = "# energy i0 tey\n" + "".join(f"{e} 1.0 {e / 100}\n" for e in range(840, 870))
SERIES = """
[[series]]
node = "Ni_L3"
technique = "xas"
files = [{files}]
reader = "columns"
read = {{ columns = {{ energy = "energy", tey = "tey" }} }}
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("inside", "secret"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.txt").write_text(SCAN)
    (tmp_path / "inside" / "linked.txt").symlink_to(tmp_path / "secret" / "scan.txt")
    (tmp_path / "inside" / "day").symlink_to(tmp_path / "secret", target_is_directory=True)
    return tmp_path / "inside"


def recipe(folder: Path, text: str):
    (folder / "beamtime.toml").write_text(text)
    return load(folder)


@pytest.mark.parametrize("files", ['"../secret/*.txt"', '"day/*.txt"', '"*.txt", "../*/scan.txt"'])
def test_patterns_that_lead_out_are_told(folder, files):
    with pytest.raises(
        RecipeError, match=r"series\.0\.files: expected a path inside the declared folders, got one that"
    ):
        recipe(folder, SERIES.format(files=files))


@pytest.mark.parametrize("key", ["store", "report", "volumes"])
@pytest.mark.parametrize("place", ["../secret/out.html", "day/out.html", "/out.html"])
def test_nothing_is_written_outside(folder, key, place):
    with pytest.raises(RecipeError, match=rf"experiment\.{key}: expected a path inside the declared folders"):
        recipe(folder, f'[experiment]\n{key} = "{place}"\n' + SERIES.format(files='"*.txt"'))


def test_declared_folders_are_open(folder):
    text = '[experiment]\nfolders = ["../secret"]\nstore = "../secret/a.zarr"\n'
    loaded = recipe(folder, text + SERIES.format(files='"../secret/*.txt", "linked.txt"'))
    work = Processing(loaded, loaded.series[0])
    assert [work.read(path).sizes["energy"] for path in loaded.files(loaded.series[0])] == [30, 30]


def test_a_link_out_of_the_folder_is_one_bad_file_among_good_ones(folder):
    loaded = recipe(folder, SERIES.format(files='"*.txt"'))
    work = Processing(loaded, loaded.series[0])
    assert work.read(folder / "scan.txt").sizes["energy"] == 30
    with pytest.raises(FileError, match=r"linked\.txt: expected a path inside the declared folders, got .*secret"):
        work.read(folder / "linked.txt")


def test_references_and_files_of_steps_stay_inside(folder):
    text = SERIES.format(files='"*.txt"')
    with pytest.raises(RecipeError, match=r"series\.0\.references\.files\.bare: expected a path inside"):
        recipe(folder, text + '[series.references.files]\nbare = "../secret/scan.txt"\n')
    stack = '[[series]]\nnode = "Ni"\ntechnique = "xpeem"\nfiles = ["*.h5"]\n'
    steps = '[[series.steps]]\nuse = "regions"\nlabels = "../secret/regions.npy"\n'
    loaded = recipe(folder, stack + steps)
    with pytest.raises(FileError, match="inside the declared folders"):
        Processing(loaded, loaded.series[0]).step_files()
