"""Steps over the whole series find components, keep to their layout, and the report shows them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from experiments import EVIL, experiment
from small_beamtime import spectra_only
from without_report import without_report

import operando
from operando import example_scans
from operando.errors import OperandoError
from operando.flags import Flag
from operando.pipelines import report
from operando.pipelines.recipe import RECIPE_NAME, load
from operando.pipelines.run import run
from operando.pipelines.steps import STEPS
from operando.schema import problems
from operando.xas.layout import MCR_ALS, PCA

SMALL = Path(example_scans.__file__).parent / "small"
PCA_STEP, MCR_STEP = STEPS["xas"]["pca"].run, STEPS["xas"]["mcr_als"].run
ADDED = """
  [[series.steps]]
  use = "pca"
  centered = false
  window = [848.0, 868.0]
  without = ["no_i0", "truncated"]

  [[series.steps]]
  use = "mcr_als"
  node = "pure"
  components = 3
  window = [848.0, 868.0]
  without = ["no_i0", "truncated"]
"""


def made(scans: int = 30, **settings) -> xr.DataTree:
    """Return an experiment with components, as a run leaves it."""
    tree = experiment(scans, **settings)
    processed = tree["xas/Ni_K/processed"].to_dataset()
    window = (8325.0, 8380.0)
    tree["xas/Ni_K/pca"] = xr.DataTree(PCA_STEP(processed, window=window))
    tree["xas/Ni_K/mcr_als"] = xr.DataTree(MCR_STEP(processed, components=2, window=window, max_iterations=300))
    return tree


def words(tree: xr.DataTree, tmp_path: Path) -> str:
    page = report.write(tree, tmp_path / "report.html").read_text("utf-8")
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", page).replace("\u00a0", " ").replace("\u202f", " ")
    return " ".join(text.split())


def test_a_recipe_takes_the_simulated_series_apart_into_its_three_substances(tmp_path):
    folder = spectra_only(tmp_path / "beamtime")
    path = folder / RECIPE_NAME
    path.write_text(path.read_text(encoding="utf-8") + ADDED, encoding="utf-8")
    with without_report():
        summary = run(load(folder))
    assert summary.failed == []
    with operando.open(summary.store) as tree:
        found, resolved = (tree[f"xas/Ni_L3/{name}"].to_dataset().load() for name in ("pca", "pure"))
        processed = tree["xas/Ni_L3/processed"].to_dataset().load()
    # Three substances, then what is left: glitches and shifts, each less than a thousandth of the first.
    values = found["singular_value"].to_numpy()
    assert int(found["significant"]) >= 3
    assert values[2] > 3 * values[3]
    left_out = (processed["flag"] & int(Flag.no_i0 | Flag.truncated)) != 0
    assert left_out.any()
    for shares in (found["score"], resolved["fraction"]):
        missing = shares.isnull().any(["component", "signal"])
        np.testing.assert_array_equal(missing, left_out)
    np.testing.assert_array_equal(resolved["flag"], processed["flag"])
    assert int(resolved["converged"]) == 1
    # Linear combination knows the references; what it finds of the bulk follows one of the components.
    bulk = processed["fraction"].sel(signal="tfy", reference="delithiated NCM")[~left_out]
    own = resolved["fraction"].sel(signal="tfy")[~left_out]
    assert max(np.corrcoef(own[:, at], bulk)[0, 1] for at in range(3)) > 0.99
    assert "Ni_L3, pure" in report.write_store(summary.store, tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("signals", [(), ("tey", "tfy")])
def test_results_have_the_layout_of_their_nodes(signals):
    tree = made(signals=signals)
    assert problems(tree["xas/Ni_K/pca"].to_dataset(), PCA) == []
    assert problems(tree["xas/Ni_K/mcr_als"].to_dataset(), MCR_ALS) == []


def test_the_report_says_how_many_components_and_how_well_they_fit(tmp_path):
    said = words(made(), tmp_path)
    assert "Ni_K, pca" in said
    assert "stand out of the noise by the F test at 5 %" in said
    assert "The mean was subtracted" in said
    assert "Spectra found in Ni_K alone, by curve resolution." in said
    assert "as pale bars those of equally good solutions" in said
    assert "Lack of fit" in said
    methods = said[said.rindex("Methods") :]
    assert "xas.pca (operando " in methods
    assert "xas.mcr_als (operando " in methods
    assert methods.count("xas.read (operando ") == 1


def test_scans_left_out_are_counted_and_keep_their_flags(tmp_path):
    tree = experiment(30)
    processed = tree["xas/Ni_K/processed"].to_dataset()
    flag = processed["flag"].copy()
    flag[[3, 4]] = int(Flag.saturated)
    processed = processed.assign_coords(flag=flag)
    found = MCR_STEP(processed, components=2, window=(8325.0, 8380.0), without=["saturated"], max_iterations=50)
    np.testing.assert_array_equal(found["flag"], found["flag"] & ~int(Flag.not_finite))
    tree["xas/Ni_K/mcr_als"] = xr.DataTree(found)
    assert "2 scans left out." in words(tree, tmp_path)


def test_names_of_components_are_text_and_never_markup(tmp_path):
    tree = made()
    names = np.array([EVIL, "b"], dtype=object)
    tree["xas/Ni_K/mcr_als"] = xr.DataTree(tree["xas/Ni_K/mcr_als"].to_dataset().assign_coords(component=names))
    page = report.write(tree, tmp_path / "report.html").read_text("utf-8")
    assert EVIL not in page


def test_a_series_without_components_has_no_such_section(tmp_path):
    assert "Components" not in words(experiment(5), tmp_path)


@pytest.mark.parametrize(
    ("step", "options", "said"),
    [
        (PCA_STEP, {"signal": "tfy"}, "a signal among several"),
        (PCA_STEP, {"without": ["noisy"]}, "expected flags among no_time"),
        (MCR_STEP, {"components": 90}, "components"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(step, options, said):
    processed = experiment(10)["xas/Ni_K/processed"].to_dataset()
    with pytest.raises(OperandoError, match=said):
        step(processed, **options)


def test_components_need_normalized_spectra():
    processed = experiment(5)["xas/Ni_K/processed"].to_dataset().drop_vars("normalized")
    with pytest.raises(OperandoError, match="put the step 'normalize' before it"):
        PCA_STEP(processed)
