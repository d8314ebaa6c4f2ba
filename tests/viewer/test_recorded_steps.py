"""Steps written into a recipe are those of its grammar; all else of the file stays, and a bad step changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from operando import example_scans
from operando.errors import OperandoError, RecipeError
from operando.pipelines.recipe import RECIPE_NAME, load
from operando.viewer.recorded_steps import RecordedStep, write_steps

SMALL = Path(example_scans.__file__).parent / "small" / RECIPE_NAME


@pytest.fixture
def recipe(tmp_path):
    return Path(shutil.copy(SMALL, tmp_path / RECIPE_NAME))


def steps_of(recipe, node="composite"):
    (series,) = [one for one in load(recipe).series if one.node == node and one.technique == "xtm"]
    return [(step.use, step.parameters) for step in series.steps]


def test_a_new_step_goes_behind_those_of_its_series_and_all_else_stays(recipe):
    before, old = recipe.read_text(encoding="utf-8"), steps_of(recipe)
    made = RecordedStep("xtm", "structure", {"quantities": ["surface"], "of": ["ncm"]})
    write_steps(recipe, [RecordedStep("xpeem", "clusters", {"number": 3})])
    after = recipe.read_text(encoding="utf-8")
    kept = after.splitlines()
    assert all(line in kept for line in before.splitlines())
    assert len(kept) == len(before.splitlines()) + 4
    assert steps_of(recipe) == old
    (series,) = [one for one in load(recipe).series if one.technique == "xpeem"]
    assert series.steps[-1].use == "clusters"
    assert made.toml() == '[[series.steps]]\nuse = "structure"\nquantities = ["surface"]\nof = ["ncm"]\n'


def test_a_step_that_is_there_is_replaced_and_stays_as_a_comment(recipe):
    old = steps_of(recipe)
    step = RecordedStep(
        "xtm", "segment", {"thresholds": np.array([11_000.0, 29_000.0]), "names": ("void", "electrolyte", "ncm")}
    )
    write_steps(recipe, [step], "composite")
    new = steps_of(recipe)
    assert [use for use, _ in new] == [use for use, _ in old]
    assert dict(new)["segment"] == {"thresholds": [11_000.0, 29_000.0], "names": ["void", "electrolyte", "ncm"]}
    text = recipe.read_text(encoding="utf-8")
    assert "# before: levels = [9000, 13283, 44714]" in text
    assert "# grey levels are known from attenuation coefficients" in text
    write_steps(recipe, [step], "composite")
    assert recipe.read_text(encoding="utf-8") == text


def test_tables_within_a_step_are_replaced_with_it(recipe):
    lines = [{"kind": "peak", "name": "C", "position": 284.8, "fwhm": {"start": 1.1, "low": 0.5}, "region": "C 1s"}]
    write_steps(recipe, [RecordedStep("xps", "fit", {"lines": lines, "shifts": {"electrode": 0.0}})], "electrolyte")
    (series,) = [one for one in load(recipe).series if one.technique == "xps"]
    fit = next(step for step in series.steps if step.use == "fit")
    assert fit.parameters == {"lines": lines, "shifts": {"electrode": 0.0}}


def test_line_ends_and_mode_of_the_file_stay(recipe):
    recipe.write_bytes(recipe.read_bytes().replace(b"\n", b"\r\n"))
    recipe.chmod(0o640)
    write_steps(recipe, [RecordedStep("xtm", "label", {"smallest": 50})], "composite")
    content = recipe.read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n")
    assert recipe.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("step", "node", "said"),
    [
        (RecordedStep("xtm", "levitate"), "composite", "expected a step among"),
        (RecordedStep("xtm", "segment", {"threshold": [1.0]}), "composite", "did you mean 'thresholds'"),
        (RecordedStep("xtm", "segment", {"thresholds": "many"}), "composite", "expected a list"),
        (RecordedStep("xtm", "segment"), "cathode", "expected a series 'cathode' of xtm"),
    ],
)
def test_what_a_recipe_cannot_hold_is_refused_in_a_line_and_changes_nothing(recipe, step, node, said):
    before = recipe.read_bytes()
    with pytest.raises(OperandoError, match=said) as caught:
        write_steps(recipe, [step], node)
    assert "\n" not in str(caught.value)
    assert recipe.read_bytes() == before
    assert [one.name for one in recipe.parent.iterdir()] == [RECIPE_NAME]


def test_a_step_at_a_wrong_place_is_refused_under_the_name_of_the_recipe(recipe):
    before = recipe.read_bytes()
    with pytest.raises(RecipeError, match="denoise") as caught:
        write_steps(recipe, [RecordedStep("xtm", "denoise", {"size": 5})], "composite")
    assert str(caught.value).startswith(f"{recipe}: series.3.steps")
    assert recipe.read_bytes() == before


def test_brackets_in_strings_and_lists_are_no_headers(tmp_path):
    recipe = tmp_path / RECIPE_NAME
    text = """[[series]]
node = "a"
technique = "xtm"
files = [
  "a[[1]]*.tif", # [[series]]
]
read = { log = '''
[[series]]
''' }

  [[series.steps]] # first
  use = "segment"
  levels = [
    1.0, 2.0,
  ]

# about b
[[series]]
node = "b"
technique = "xtm"
files = ["b/*.tif"]
"""
    recipe.write_text(text, encoding="utf-8")
    write_steps(recipe, [RecordedStep("xtm", "tortuosity", {"of": "phase_2"})], "a")
    write_steps(recipe, [RecordedStep("xtm", "segment", {"levels": [3.0, 4.0]})], "b")
    first, second = load(recipe).series
    assert [step.use for step in first.steps] == ["segment", "tortuosity"]
    assert [step.parameters for step in second.steps] == [{"levels": [3.0, 4.0]}]
    new = recipe.read_text(encoding="utf-8")
    assert new.index("tortuosity") < new.index("# about b")
