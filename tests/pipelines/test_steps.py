"""Steps change, work up, compare and summarize scans, and a recipe that misplaces one says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from operando import example_scans, xas
from operando.errors import OperandoError, RecipeError
from operando.flags import Flag
from operando.history import entries
from operando.pipelines.processing import Processing
from operando.pipelines.recipe import RECIPE_NAME, load
from operando.pipelines.steps import STEPS, Step
from operando.series import stack

SMALL = Path(example_scans.__file__).parent / "small"
NORMALIZE = """
  [[series.steps]]
  use = "normalize"
  signal = ["tey", "tfy"]
  e0 = 854.0
  pre1 = -16.0
  pre2 = -6.0
  norm1 = 27.0
  norm2 = 38.0
  nnorm = 0
"""


@pytest.fixture
def work(tmp_path):
    """Return a maker of the processing of a few simulated scans by the steps given, after their own reading."""
    for folder in ("xas", "xas_references"):
        shutil.copytree(SMALL / folder, tmp_path / folder)
    head = (SMALL / RECIPE_NAME).read_text(encoding="utf-8")
    start, stop = head.index("[[series]]"), head.index("  [[series.steps]]")
    section = head[start:stop].replace('clock = "beamline"\n', "")

    def make(steps: str, replaced: str = "", by: str = "") -> Processing:
        text = '[experiment]\ntimezone = "Europe/Zurich"\n' + section.replace(replaced, by) + steps
        (tmp_path / RECIPE_NAME).write_text(text, encoding="utf-8")
        recipe = load(tmp_path)
        return Processing(recipe, recipe.series[0])

    return make


def scans(work: Processing, *numbers: int) -> xr.Dataset:
    return stack([work.read(work.recipe.folder / f"xas/Ni_L3_{number:04d}.txt") for number in numbers])


def test_the_shift_of_one_signal_holds_for_all_and_needs_a_range_to_be_fitted_in(work):
    fit = '[[series.steps]]\nuse = "lcf"\nscale = true\nbackground = "linear"\nshift_signal = "tey"\n'
    found = work(f"{NORMALIZE}{fit}shift = [-0.5, 0.5]\n").processed(scans(work(NORMALIZE), 1, 17))
    assert found["energy_shift"].dims == ("scan",)
    assert found["fraction"].sizes["signal"] == 2
    with pytest.raises(OperandoError, match=r"a range \(eV\) in which the shift of 'tey' is fitted, .* got 0.1; give"):
        work(f"{NORMALIZE}{fit}shift = 0.1\n").processed(scans(work(NORMALIZE), 1, 17))


def test_prepared_scans_are_worked_up_and_the_measured_ones_kept(work):
    made = work('[[series.steps]]\nuse = "deglitch"\nenergies = [863.25]\nwidth = 0.6\n' + NORMALIZE)
    measured = scans(made, 1, 17)
    processed = made.processed(measured)
    assert (processed["flag"].to_numpy() & Flag.glitch).all()
    np.testing.assert_array_equal(processed["glitches"], 2)
    plain = work(NORMALIZE).processed(measured)
    assert float(abs(processed["normalized"] - plain["normalized"]).isel(scan=1).max()) > 0.1


def test_coarser_scans_have_energies_of_their_own(work):
    made = work('[[series.steps]]\nuse = "rebin"\ne0 = 854.0\nnear_edge = [30.0, 1.0]\n' + NORMALIZE)
    measured = scans(made, 1, 2)
    assert made.processed(measured).sizes["energy"] < measured.sizes["energy"]


def test_references_go_through_the_normalization_of_the_series(work):
    references = work(NORMALIZE).references
    assert list(references["reference"].values) == ["reduced Ni", "lithiated NCM", "delithiated NCM"]
    assert references["normalized"].dims == ("reference", "energy")
    after = references["normalized"].sel(energy=slice(881.5, 891.5)).mean("energy")
    np.testing.assert_allclose(after, 1.0, atol=0.01)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (NORMALIZE + '[[series.steps]]\nuse = "deglitch"\n', "comes before 'normalize'"),
        (NORMALIZE + '[[series.steps]]\nuse = "edge_energy"\nnode = "x"\n', "no node of its own"),
        (NORMALIZE + '[[series.steps]]\nuse = "depth_profile"\nescape_depth = 5.0\n', "substance: required"),
        (NORMALIZE + '[[series.steps]]\nuse = "lcff"\n', "did you mean 'lcf'"),
    ],
)
def test_a_misplaced_step_is_said_before_anything_is_read(work, steps, said):
    with pytest.raises(RecipeError, match=said):
        work(steps)


def test_a_comparison_without_references_is_refused(work):
    text = (SMALL / RECIPE_NAME).read_text(encoding="utf-8")
    section = text[text.index("  [series.references]") : text.index("  [[series.steps]]")]
    with pytest.raises(RecipeError, match=r"needs \[series.references\]"):
        work(NORMALIZE + '[[series.steps]]\nuse = "lcf"\n', section, "")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('use = "lcf"', "put the step 'normalize' before it|to scale the references by"),
        ('use = "depth_profile"\nsubstance = "x"\nescape_depth = 5.0\nsurface = 1.0\nbulk = 0.0', "put the step 'lcf'"),
        ('use = "fourier"\nkmin = 2.0\nkmax = 9.0', "put the step 'autobk'"),
        ('use = "correct_self_absorption"\nmaterial = "NiO"\nelement = "Ni"\nedge = "L3"', "put the step 'normalize'"),
    ],
)
def test_a_step_without_what_it_works_on_names_the_one_to_put_before(work, step, said):
    made = work(f"[[series.steps]]\n{step}\n")
    with pytest.raises(OperandoError, match=said):
        made.processed(scans(made, 1))


def test_a_missing_reference_file_is_named(work):
    made = work(NORMALIZE + '[[series.steps]]\nuse = "lcf"\n', "Ni_L3_reduced_Ni.txt", "gone.txt")
    with pytest.raises(OperandoError, match=r"gone\.txt"):
        made.processed(scans(made, 1))


SAMPLE = 'material = "LiNi0.8Co0.1Mn0.1O2"\nelement = "Ni"\nedge = "L3"\ndensity = 4.8\nescape_depth = 3.0\n'


def test_saturation_is_undone_in_one_signal_and_the_other_stays(work):
    made = work(NORMALIZE + '[[series.steps]]\nuse = "correct_tey_saturation"\n' + SAMPLE)
    measured = scans(made, 1, 2)
    processed, plain = made.processed(measured), work(NORMALIZE).processed(measured)
    corrected, saturated = (ds["normalized"].sel(signal="tey", drop=True) for ds in (processed, plain))
    # The white line attenuates light within some 100 nm, electrons come from 3 nm: a few percent of its height.
    assert 0.01 < float((corrected - saturated).max()) < 0.05
    sample = {"material": "LiNi0.8Co0.1Mn0.1O2", "element": "Ni", "edge": "L3", "density": 4.8}
    np.testing.assert_allclose(xas.tey_saturation(corrected, 3.0, **sample), saturated, rtol=0, atol=1e-12)
    xr.testing.assert_equal(*(ds["normalized"].sel(signal="tfy") for ds in (processed, plain)))
    assert [entry["step"] for entry in entries(processed)][-2:] == ["xas.normalize", "xas.correct_tey_saturation"]


def test_how_deep_a_yield_sees_is_kept_with_the_spectra(work):
    made = work(NORMALIZE + '[[series.steps]]\nuse = "probing_depth"\nsignal = "tey"\n' + SAMPLE)
    processed = made.processed(scans(made, 1, 2))
    energy = processed["energy"].values
    known = xas.probing_depth("tey", "LiNi0.8Co0.1Mn0.1O2", "Ni", "L3", energy=energy, density=4.8, escape_depth=3.0)
    np.testing.assert_array_equal(processed["tey_information_depth"], known["information_depth"])
    assert processed["tey_escape_depth"].attrs["units"] == "nm"
    assert "xas.normalize" in [entry["step"] for entry in entries(processed)]


def test_a_match_to_the_tables_brings_scans_and_references_to_one_scale(work):
    step = '[[series.steps]]\nuse = "mback"\nsignal = ["tey", "tfy"]\nelement = "Ni"\nedge = "L3"\ne0 = 854.0\n'
    made = work(step + 'method = "mback_norm"\npre1 = -16.0\npre2 = -6.0\nnorm1 = 5.0\nnorm2 = 12.0\n')
    processed = made.processed(scans(made, 1, 2))
    assert processed["normalized"].dims == ("signal", "scan", "energy")
    assert np.isfinite(processed["normalized"]).all()
    assert made.references.sizes["reference"] == 3


def test_repeats_are_put_together_in_a_node_of_their_own(work):
    made = work(NORMALIZE + '[[series.steps]]\nuse = "merge"\nevery = 3\n')
    processed = made.processed(scans(made, 1, 2, 3, 4, 5, 6))
    ((node, section),) = made.over_all()
    merged = made.from_all(section, processed.chunk())
    assert node == "xas/Ni_L3/merge"
    assert merged.sizes["scan"] == 2
    means = processed["normalized"].transpose("scan", ...)[:3].mean("scan")
    first = merged["normalized"].isel(scan=0).transpose(*means.dims)
    np.testing.assert_allclose(first, means, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("technique", "name"), [(technique, name) for technique in STEPS for name in STEPS[technique]])
def test_every_step_says_what_it_works_on_and_does(technique, name):
    step = STEPS[technique][name]
    known = {"scan", "place", "raw", "processed", "series", "references", "first", "first_raw", "previous_raw"}
    assert set(step.inputs) <= known
    assert step.run.__doc__
    assert isinstance(step, Step)
    assert step.parameters.model_fields is not None


LINES = """
  [[series.steps]]
  use = "edge_energy"
  method = "centroid"
  levels = [0.15, 0.85]
  [[series.steps]]
  use = "white_line"
  element = "Ni"
  edge = "L3"
  limits = [-8.0, 8.0]
  [[series.steps]]
  use = "branching_ratio"
  element = "Ni"
  resolution = 0.3
"""


def test_edges_white_lines_and_branching_ratios_are_steps(work):
    made = work(NORMALIZE + LINES)
    processed = made.processed(scans(made, 1, 2, 3))
    for name in ("edge_energy", "white_line_energy", "white_line_height", "white_line_area", "branching_ratio"):
        assert processed[name].dims == ("signal", "scan")
        assert (processed[f"{name}_std"] > 0).all()
    assert ((processed["white_line_energy"] - processed["edge_energy"]) > 1).all()
    assert abs(processed["branching_ratio"] - 2 / 3).max() < 0.05


def test_the_edge_is_found_by_its_shift_against_a_reference(work):
    made = work(NORMALIZE + '[[series.steps]]\nuse = "edge_shift"\nstandard = "reduced Ni"\nwindow = [-5.0, 8.0]\n')
    processed = made.processed(scans(made, 1, 2, 3))
    by_height = work(NORMALIZE + '[[series.steps]]\nuse = "edge_energy"\n').processed(scans(made, 1, 2, 3))
    assert abs(processed["edge_energy"] - by_height["edge_energy"]).max() < 0.5
    unknown = work(NORMALIZE + '[[series.steps]]\nuse = "edge_shift"\nstandard = "Ni foil"\n')
    with pytest.raises(OperandoError, match="a standard among reduced Ni"):
        unknown.processed(scans(unknown, 1))


def test_a_method_that_needs_a_reference_is_no_method_of_the_step_without_one(work):
    with pytest.raises(RecipeError, match=r"method: expected .*half_height"):
        work(NORMALIZE + '[[series.steps]]\nuse = "edge_energy"\nmethod = "cross_correlation"\n')


def test_beam_damage_is_judged_over_the_whole_series_in_a_node_of_its_own(work):
    step = '[[series.steps]]\nuse = "beam_damage"\nvariable = "white_line_height"\nby = "all"\n'
    made = work(NORMALIZE + LINES + step)
    ((node, section),) = made.over_all()
    assert node == "xas/Ni_L3/beam_damage"
    found = made.from_all(section, made.processed(scans(made, 1, 2, 3, 4, 5)).chunk())
    assert found.sizes == {"signal": 2, "run": 1, "scan": 5}
    assert (found["scans"] == 5).all()
