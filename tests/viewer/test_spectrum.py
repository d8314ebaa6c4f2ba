"""The spectra under the cursor and in drawn regions are those of the functions of floor 1, and of the run."""

from __future__ import annotations

import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

import operando
from operando import xas
from operando.pipelines.cli import app
from operando.pipelines.recipe import RECIPE_NAME
from operando.viewer.absorption_series import AbsorptionSeries
from operando.viewer.image_places import CURSOR, REGIONS
from operando.viewer.image_spectra import disk, spectra, stack_of
from operando.viewer.layers import about
from operando.viewer.recipe_settings import settings_of
from operando.viewer.recorded_steps import write_steps
from operando.viewer.spectrum import Spectrum
from operando.xas.xpeem.region_drawing import inside

SERIES = "xpeem/Ni_L3"
KEPT = ("normalize", "correct_self_absorption", "lcf", "correct", "drift", "align", "regions", "spectra")
FOUND = ("normalized", "fraction", "fraction_std", "energy_shift", "scale")
CORNERS = np.array([[40, 50], [40, 60], [52, 60], [52, 50]], float)


@pytest.fixture(scope="module")
def stack(cell):
    return stack_of(str(cell), SERIES, 0)


@pytest.fixture(scope="module")
def opened(viewer, cell):
    viewer.open(str(cell / "xpeem" / "Ni_L3"), plugin="operando")
    return viewer


@pytest.fixture(scope="module")
def shown(opened, wait):
    widget = Spectrum(opened)
    opened.window.add_dock_widget(widget, name="Spectrum")
    wait(lambda: widget.stack is not None, 60)
    return widget


@pytest.fixture
def widget(shown, stack, wait):
    shown.ranges.take(stack.settings.normalize)
    shown.places.where.setCurrentText(CURSOR)
    yield shown
    wait(lambda: shown._work is None, 60)


def test_a_region_has_the_spectrum_and_the_shares_that_the_run_stored(stack, cell):
    stored = operando.open(cell)[f"{SERIES}/processed"].to_dataset().isel(scan=0).load()
    masks = {str(number): stored["region_label"].values == number for number in (3, 11)}
    found = spectra(stack, masks, stack.settings.normalize)
    for number in (3, 11):
        one, known = found.sel(region=str(number)), stored.sel(region=number)
        for name in ("mu", "normalized", "fraction", "energy_shift"):
            np.testing.assert_allclose(one[name].values, known[name].values, rtol=1e-9, err_msg=name)


def test_the_cursor_shows_what_floor_1_finds_there(widget, stack, wait):
    label = operando.open(about(widget.layer)["source"])[f"{SERIES}/processed"]["region_label"].values
    y, x = (int(one) for one in np.argwhere(label == 3)[20])
    widget.places.look(y, x)
    wait(lambda: widget.result is not None and widget._work is None, 60)
    mask = disk(label.shape, y, x, 2)
    assert mask.sum() == 13
    mu = xas.xpeem.spectra(stack.images, {"cursor": mask})["mu"]
    expected = xas.normalize(mu, **stack.settings.normalize)
    np.testing.assert_array_equal(widget.result["normalized"], expected["normalized"])
    shares = xas.lcf(expected, stack.references, **stack.settings.lcf)
    np.testing.assert_array_equal(widget.result["fraction"], shares["fraction"])
    first, second = widget.said.text().split("<br>")
    assert first.startswith("scan 1 of 2 · 2026-05-18 21:04:30 · 3.585 V · ")
    assert second.partition("</span>")[2].startswith(" cursor (13 px): reduced Ni")
    assert [step.use for step in widget.recipe.steps] == ["normalize", "lcf"]


def test_other_ranges_normalize_spectrum_and_references_anew(widget, stack, wait):
    widget.places.look(64, 64)
    wait(lambda: widget._work is None, 60)
    widget.ranges.energies["norm2"].setValue(10.0)
    wait(lambda: widget._work is None, 60)
    mu = xas.xpeem.spectra(stack.images, {"cursor": disk((128, 128), 64, 64, 2)})["mu"]
    other = {**stack.settings.normalize, "norm2": 10.0}
    expected = xas.normalize(mu, **other)
    np.testing.assert_array_equal(widget.result["normalized"], expected["normalized"])
    kept = stack.references
    known = xas.normalize(kept["normalized"] * kept["edge_step"] + kept["pre_edge"], **other)
    assert not np.allclose(known["normalized"], kept["normalized"], rtol=1e-6)
    np.testing.assert_allclose(
        widget.result["fraction"], xas.lcf(expected, known, **stack.settings.lcf)["fraction"], rtol=1e-6
    )


def test_drawn_shapes_have_the_mean_spectra_of_their_pixels_and_are_regions_of_a_recipe(widget, opened, stack, wait):
    layer = widget.layer
    widget.places.draw.click()
    shapes = opened.layers[-1]
    assert shapes.mode == "add_polygon"
    shapes.add(CORNERS, shape_type="rectangle")
    assert widget.places.where.currentText() == REGIONS
    wait(lambda: widget._work is None and widget.result is not None and "regions 1" in widget.result["region"], 60)
    mask = inside((128, 128), "polygon", CORNERS)
    assert 100 < mask.sum() < 150
    expected = xas.xpeem.spectra(stack.images, {"regions 1": mask})
    np.testing.assert_array_equal(widget.result["mu"], expected["mu"])
    np.testing.assert_allclose(layer.scale[-2:], shapes.scale)
    regions, *others = widget.recipe.steps
    assert regions.parameters == {"shapes": [{"kind": "polygon", "corners": CORNERS.tolist()}]}
    assert [step.use for step in others] == ["normalize", "lcf"]
    shapes.add(CORNERS + 3.0, shape_type="ellipse")
    wait(lambda: widget._work is None and widget.result.sizes["region"] == 2, 60)
    assert widget.recipe.steps == []
    assert widget.recipe.text.toPlainText().startswith("regions: expected shapes apart from each other")
    opened.layers.remove(shapes)


def test_spectra_without_images_are_listed_with_the_stacks(widget, wait):
    wait(lambda: len(widget.series.known) == 2)
    stacks, alone = widget.series.known
    assert [one.node for one in widget.series.known] == [SERIES, "xas/Ni_L3"]
    assert isinstance(alone, AbsorptionSeries)
    widget.series.chosen = alone
    wait(lambda: widget.result is not None and "signal" in widget.result.dims, 60)
    assert widget.ranges.settings["norm1"] == 27.0
    assert not widget.places.isVisibleTo(widget)
    widget.series.chosen = stacks
    widget.places.look(46, 55)
    wait(lambda: "region" in widget.result.dims, 60)
    assert widget.ranges.settings["norm1"] == 7.0


@pytest.fixture
def folder(tmp_path, cell):
    """Return a folder with a stack, three spectra and their part of the recipe, without clocks and electrochemistry."""
    for name in ("xas_references", "xpeem/Ni_L3_001"):
        shutil.copytree(cell.parent / name, tmp_path / name)
    (tmp_path / "xas").mkdir()
    for name in ("xas/Ni_L3_0001.txt", "xas/Ni_L3_0002.txt", "xas/Ni_L3_0003.txt", "xpeem/flat.tif", "xpeem/dark.tif"):
        shutil.copy(cell.parent / name, tmp_path / name)
    text = (cell.parent / RECIPE_NAME).read_text(encoding="utf-8")
    _, *series = re.split(r"^(?=\[\[series\]\])", text, flags=re.MULTILINE)
    text = "".join(shortened(one) for one in series if 'node = "Ni_L3"' in one).replace('clock = "beamline"\n', "")
    text = f'[experiment]\ntimezone = "Europe/Zurich"\nstore = "cell.zarr"\n\n{text}'
    (tmp_path / RECIPE_NAME).write_text(text, encoding="utf-8")
    return tmp_path


def shortened(series):
    """Return a series of a recipe with those of its steps alone that spectra need."""
    head, *steps = re.split(r"^(?=  \[\[series\.steps\]\])", series, flags=re.MULTILINE)
    return head + "".join(one for one in steps if re.search(r'use = "(\w+)"', one).group(1) in KEPT)


def test_what_was_set_and_drawn_runs_as_a_batch_and_gives_the_numbers_that_were_shown(widget, opened, folder, wait):
    widget.ranges.energies["norm2"].setValue(10.5)
    widget.places.draw.click()
    shapes = opened.layers[-1]
    shapes.add(CORNERS + 0.3331, shape_type="polygon")
    shapes.add(CORNERS + 30.0, shape_type="ellipse")
    wait(lambda: widget._work is None and widget.result.sizes.get("region") == 2, 60)
    images, drawn = widget.result, widget.recipe.steps
    opened.layers.remove(shapes)
    widget.series.chosen = widget.series.known[1]
    widget.ranges.energies["pre1"].setValue(-15.0)
    widget.scan.setValue(2)
    wait(lambda: widget._work is None and widget.result["source"].values == "xas/Ni_L3_0003.txt", 60)
    spectra_of_scan, fitted = widget.result, widget.recipe.steps
    widget.series.chosen = widget.series.known[0]

    write_steps(folder, drawn, "Ni_L3")
    write_steps(folder, fitted, "Ni_L3")
    ended = CliRunner().invoke(app, ["run", str(folder)])
    assert ended.exit_code == 0, ended.output
    stored = operando.open(folder / "cell.zarr")
    run = stored["xas/Ni_L3/processed"].to_dataset().isel(scan=2)
    for name in FOUND:
        np.testing.assert_allclose(spectra_of_scan[name], run[name], rtol=1e-6, atol=1e-9, err_msg=name)
    run = stored[f"{SERIES}/processed"].to_dataset().isel(scan=0)
    np.testing.assert_array_equal(run["region_area"], images["pixels"])
    for name in (*FOUND, "mu"):
        np.testing.assert_allclose(images[name], run[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_settings_come_from_the_recipe_of_the_store(cell):
    found = settings_of(operando.open(cell), SERIES)
    assert found.correct == {"gain": 1.0, "i0_noise": 0.002}
    assert found.normalize["e0"] == 854.0
    assert found.lcf["shift"] == [-0.5, 0.5]
    assert found.scale == "normalize"
