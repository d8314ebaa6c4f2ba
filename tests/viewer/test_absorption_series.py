"""Spectra that the viewer works up by the steps of a recipe are those of a run by it, whatever steps it has."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from without_report import without_report

import operando
from operando import example_scans, xas
from operando.errors import OperandoError
from operando.pipelines.recipe import load
from operando.pipelines.run import run
from operando.viewer.absorption_series import absorption_series
from operando.viewer.image_spectra import Stack
from operando.viewer.recipe_settings import Settings
from operando.viewer.reference_fits import rescaled
from operando.viewer.spectrum_steps import steps_of_spectra, steps_of_stack

SMALL = Path(example_scans.__file__).parent / "small"
SERIES = """
[[series]]
node = "{node}"
technique = "xas"
files = ["xas/Ni_L3_000[1-2].txt"]
reader = "columns"
read = {{ columns = {{ energy = "photon energy", tey = "drain current", i0 = "I0", tfy = "fluorescence" }}, units = {{ energy = "eV", tey = "nA", i0 = "nA", tfy = "nA" }}, time = {{ start = "Time at start", middle = "Time from start (seconds)" }} }}
"""  # noqa: E501
REFERENCES = """
  [series.references]
  read = { columns = { energy = "photon energy", tey = "drain current", i0 = "I0" }, units = { energy = "eV" } }
  signal = "tey"
  files = { "reduced Ni" = "xas_references/Ni_L3_reduced_Ni.txt", "NCM" = "xas_references/Ni_L3_lithiated_NCM.txt" }
"""
STEPS = {
    "bare": [],
    "prepared": [
        'use = "deglitch"\nthreshold = 6.0',
        'use = "rebin"\ne0 = 854.0\npre_edge = [-12.0, 1.0]\nnear_edge = [30.0, 0.4]',
        'use = "normalize"\nsignal = "tey"\ne0 = 854.0\nnnorm = 0',
        'use = "correct_tey_saturation"\nmaterial = "Ni"\nelement = "Ni"\nedge = "L3"\nescape_depth = 3.0',
        'use = "edge_energy"',
        'use = "lcf"\nwindow = [845.0, 880.0]',
    ],
    "matched": [
        'use = "mback"\nsignal = "tfy"\nelement = "Ni"\nedge = "L3"\ne0 = 854.0\nmethod = "mback_norm"',
        'use = "lcf"',
    ],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beamtime")
    for name in ("xas", "xas_references"):
        shutil.copytree(SMALL / name, folder / name)
    text = '[experiment]\ntimezone = "Europe/Zurich"\nstore = "cell.zarr"\n'
    for node, steps in STEPS.items():
        text += SERIES.format(node=node) + (REFERENCES if steps else "")
        text += "".join(f"\n[[series.steps]]\n{step}\n" for step in steps)
    (folder / "beamtime.toml").write_text(text, encoding="utf-8")
    with without_report():
        summary = run(load(folder))
    assert summary.exit_code == 0, summary
    return summary.store


@pytest.fixture(scope="module")
def series(store):
    return {one.node.partition("/")[2]: one for one in absorption_series(store)}


@pytest.mark.parametrize("node", ["prepared", "matched"])
def test_spectra_and_shares_are_those_of_the_run(series, store, node):
    stored = operando.open(store)[f"xas/{node}/processed"].to_dataset().isel(scan=1).load()
    found = series[node].spectra(1, {})
    assert found["signal"].size == 1
    for name in ("normalized", "fraction", "fraction_std", "r_factor"):
        np.testing.assert_allclose(found[name].isel(signal=0), stored[name], rtol=1e-12, err_msg=name)


def test_the_names_of_what_spectra_go_through_are_told(series):
    assert series["prepared"].also == ["deglitch", "rebin", "correct_tey_saturation"]
    assert series["matched"].also == []
    assert series["bare"].steps == [("normalize", {"signal": ["tey", "tfy"]})]


def test_a_series_without_steps_is_normalized_as_asked_and_not_fitted(series):
    ranges = {"e0": 854.0, "pre1": None, "pre2": -6.0, "norm1": 27.0, "norm2": None, "nnorm": 0}
    bare = series["bare"]
    found = bare.spectra(0, ranges)
    want = xas.normalize(xas.signal(bare.raw.isel(scan=0).load(), "tfy"), **ranges)
    np.testing.assert_array_equal(found["normalized"].sel(signal="tfy"), want["normalized"])
    assert "fit" not in found
    (step,) = steps_of_spectra(bare.settings, bare.asked(ranges), fit="fit" in found)
    assert "pre1" not in step.parameters
    assert step.checked().parameters["signal"] == ["tey", "tfy"]


def test_what_mback_scales_is_left_to_it(series, store):
    matched = series["matched"]
    moved = matched.spectra(0, {"e0": 856.0, "norm1": 25.0})
    np.testing.assert_array_equal(moved["normalized"], matched.spectra(0, {})["normalized"])
    references = matched.references
    assert rescaled(references, matched.settings, {"e0": 856.0}) is references
    (step,) = steps_of_spectra(matched.settings, matched.asked({}), fit=True)
    assert (step.use, step.parameters) == ("lcf", {})
    with pytest.raises(OperandoError, match="without the step 'mback'"):
        steps_of_spectra(matched.settings, matched.asked({}), fit=False)


def test_stored_references_normalized_by_other_ranges_are_those_of_their_files(series):
    prepared = series["prepared"]
    again = rescaled(prepared.references, prepared.settings, {"norm1": 24.0, "norm2": 36.0})
    path = SMALL / "xas_references" / "Ni_L3_lithiated_NCM.txt"
    columns = {"energy": "photon energy", "tey": "drain current", "i0": "I0"}
    scan = xas.read(path, reader="columns", timezone="Europe/Zurich", columns=columns, units={"energy": "eV"})
    want = xas.normalize(xas.signal(scan, "tey"), 854.0, norm1=24.0, norm2=36.0, nnorm=0)
    np.testing.assert_allclose(again["normalized"].sel(reference="NCM"), want["normalized"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("steps", "drawn", "said"),
    [
        (["correct", "spectra"], None, "recipe with the steps correct, drift and align, got one without"),
        (["align"], None, "expected a recipe with regions, got one without; draw a region"),
    ],
)
def test_what_no_recipe_can_say_of_a_stack_is_told(steps, drawn, said):
    stack = Stack("xpeem/a", 0, xr.Dataset(), None, Settings(tuple((use, {}) for use in steps)))
    with pytest.raises(OperandoError, match=said):
        steps_of_stack(stack, {}, drawn, fit=False)


def test_a_recipe_without_regions_gets_them_and_their_spectra():
    stack = Stack("xpeem/a", 0, xr.Dataset(), None, Settings((("correct", {}), ("drift", {}), ("align", {}))))
    shape = {"kind": "polygon", "corners": [[0.0, 0.0], [0.0, 4.0], [4.0, 4.0]]}
    found = steps_of_stack(stack, {"e0": 854.0}, ([shape], [np.eye(5, dtype=bool)]), fit=False)
    assert [step.checked().use for step in found] == ["regions", "spectra", "normalize"]
    assert found[0].parameters == {"shapes": [shape]}
