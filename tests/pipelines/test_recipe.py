"""A recipe is checked as a whole: every problem at once, each with file, key and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from operando.errors import FileError, RecipeError
from operando.pipelines.recipe import load, natural_key

GOOD = """
[experiment]
timezone = "Europe/Paris"
[cell]
active_mass = 6.8
[echem]
files = ["*.mpt"]
[clocks.beamline]
offset = 1.5
sigma = 0.5
method = "manual"
[[series]]
node = "Ni_K"
technique = "xas"
files = ["*.txt"]
reader = "columns"
clock = "beamline"
read = { columns = { energy = "E" } }
steps = [{ use = "normalize", signal = "mu" }, { use = "edge_energy" }]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "beamtime.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load(written(tmp_path, text))
    return caught.value.problems


def test_a_good_recipe_loads_from_its_folder(tmp_path):
    written(tmp_path, GOOD)
    recipe = load(tmp_path)
    assert recipe.cell.active_mass == 6.8
    assert recipe.zone(recipe.series[0]) == "Europe/Paris"
    assert recipe.store == tmp_path / f"{tmp_path.name}.zarr"


def test_every_problem_is_named_at_once(tmp_path):
    bad = (
        GOOD.replace("Europe/Paris", "Europe/Pariss")
        .replace("active_mass = 6.8", "active_masss = 6.8\nelectrode_area = -1")
        .replace('reader = "columns"', 'reader = "colums"')
    )
    found = "\n".join(problems(tmp_path, bad))
    assert "experiment.timezone" in found
    assert "'Europe/Paris'" in found
    assert "cell.active_masss: unknown key; did you mean 'active_mass'?" in found
    assert "cell.electrode_area" in found
    assert "series.0.reader: unknown reader 'colums'; did you mean 'columns'?" in found
    assert len(found.splitlines()) == 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"columns"', '"colums"', "unknown reader 'colums'; did you mean 'columns'?"),
        ('"normalize"', '"normalise"', "unknown step 'normalise'; did you mean 'normalize'?"),
        ('signal = "mu"', 'sgnal = "mu"', "unknown parameter; did you mean 'signal'?"),
        ('clock = "beamline"', 'clock = "beamlin"', "unknown clock 'beamlin'; did you mean 'beamline'?"),
        ('technique = "xas"', 'technique = "xes"', "technique: expected one of xas"),
        ('node = "Ni_K"', 'node = "Ni K"', "series.0.node"),
        ('method = "manual"', 'method = "chemistry"', "clocks.beamline.method"),
        ('files = ["*.mpt"]', "", "echem.files: required, but missing"),
    ],
)
def test_names_that_exist_nowhere_get_a_suggestion(tmp_path, old, new, told):
    assert told in "\n".join(problems(tmp_path, GOOD.replace(old, new)))


def test_a_mistake_leads_to_no_second_complaint_about_what_is_right(tmp_path):
    assert len(problems(tmp_path, GOOD.replace('method = "manual"', 'method = "guess"'))) == 1
    both = 'method = "manual"\nshared_channel = { files = ["*.csv"] }'
    assert len(problems(tmp_path, GOOD.replace('method = "manual"', both))) == 1
    assert len(problems(tmp_path, GOOD.replace('files = ["*.mpt"]', ""))) == 1
    assert len(problems(tmp_path, GOOD.replace('node = "Ni_K"', ""))) == 1


def test_a_clock_that_nothing_is_compared_with_is_refused(tmp_path):
    alone = GOOD.replace('[echem]\nfiles = ["*.mpt"]\n', "")
    assert problems(tmp_path, alone)[0].endswith("clocks.beamline: needs [echem], whose clock it is compared with")
    own = GOOD.replace("clocks.beamline", "clocks.cycler").replace('clock = "beamline"', 'clock = "cycler"')
    assert "is the electrochemistry's own clock" in problems(tmp_path, own)[0]


def test_a_missing_recipe_says_how_to_write_one(tmp_path):
    with pytest.raises(FileError, match="operando init"):
        load(tmp_path)


def test_what_is_not_toml_is_told_with_its_place(tmp_path):
    with pytest.raises(FileError, match="line 1"):
        load(written(tmp_path, "[experiment\n"))


def test_a_name_with_a_raised_digit_can_be_sorted():
    assert sorted(["1²2.txt", "1_2.txt"], key=natural_key)


def test_files_come_in_natural_order():
    assert sorted(["scan_10.txt", "scan_2.txt", "scan_1.txt"], key=natural_key) == [
        "scan_1.txt",
        "scan_2.txt",
        "scan_10.txt",
    ]
