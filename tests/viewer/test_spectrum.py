"""The spectra under the cursor and in drawn regions are those of the functions of floor 1, and of the run."""

from __future__ import annotations

import numpy as np
import pytest

import operando
from operando import xas
from operando.viewer.image_spectra import disk, drawn, spectra, stack_of
from operando.viewer.layers import about
from operando.viewer.recipe_settings import settings_of
from operando.viewer.spectrum import CURSOR, REGIONS, Spectrum

SERIES = "xpeem/Ni_L3"


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
    shown._take(stack.settings.normalize)
    shown.where.setCurrentText(CURSOR)
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
    widget.look(y, x)
    wait(lambda: widget.result is not None and widget._work is None, 60)
    mask = disk(label.shape, y, x, 2)
    assert mask.sum() == 13
    mu = xas.xpeem.spectra(stack.images, {"cursor": mask})["mu"]
    expected = xas.normalize(mu, **stack.settings.normalize)
    np.testing.assert_array_equal(widget.result["normalized"], expected["normalized"])
    shares = xas.lcf(expected, stack.references, **stack.settings.lcf)
    np.testing.assert_array_equal(widget.result["fraction"], shares["fraction"])
    assert widget.said.text().partition("</span>")[2].startswith(" cursor (13 px): reduced Ni")


def test_other_ranges_normalize_anew(widget, stack, wait):
    widget.look(64, 64)
    wait(lambda: widget._work is None, 60)
    widget.ranges["norm2"].setValue(10.0)
    wait(lambda: widget._work is None, 60)
    mu = xas.xpeem.spectra(stack.images, {"cursor": disk((128, 128), 64, 64, 2)})["mu"]
    expected = xas.normalize(mu, **{**stack.settings.normalize, "norm2": 10.0})
    np.testing.assert_array_equal(widget.result["normalized"], expected["normalized"])


def test_a_drawn_shape_has_the_mean_spectrum_of_its_pixels(widget, opened, stack, wait):
    layer = widget.layer
    corners = np.array([[40, 50], [40, 60], [52, 60], [52, 50]], float)
    widget.draw.click()
    shapes = opened.layers[-1]
    assert shapes.mode == "add_polygon"
    shapes.add(corners, shape_type="rectangle")
    assert widget.where.currentText() == REGIONS
    wait(lambda: widget._work is None and widget.result is not None and "regions 1" in widget.result["region"], 60)
    mask = drawn((128, 128), "rectangle", corners)
    assert 100 < mask.sum() < 150
    expected = xas.xpeem.spectra(stack.images, {"regions 1": mask})
    np.testing.assert_array_equal(widget.result["mu"], expected["mu"])
    np.testing.assert_allclose(layer.scale[-2:], shapes.scale)
    opened.layers.remove(shapes)


def test_settings_come_from_the_recipe_of_the_store(cell):
    found = settings_of(operando.open(cell), SERIES)
    assert found.correct == {"gain": 1.0}
    assert found.normalize["e0"] == 854.0
    assert found.lcf["shift"] == [-0.5, 0.5]
