"""Train in a real viewer: scribbles teach a classifier; previews and volume are those of the classifier itself."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from phase_phantoms import blobs, by_grey, strokes

from operando import tomo
from operando.tomo.layout import PLACES

EDGE, SIZE = 40, 0.65
SCALES = (1.0, 2.0)


@pytest.fixture(scope="module")
def phases():
    return blobs(EDGE, 3, (0.3, 0.7), 3.0)


@pytest.fixture(scope="module")
def grey(phases):
    place = (np.arange(EDGE) + 0.5) * SIZE
    values = by_grey(phases, 4, (100.0, 200.0), 0.7, 30.0)
    return xr.DataArray(values, dims=PLACES, coords={name: (name, place, {"units": "um"}) for name in PLACES})


@pytest.fixture(scope="module")
def train(viewer, grey, phases, wait):
    """Return the widget with scribbles drawn and a classifier trained."""
    from operando.viewer.train import Train

    viewer.add_image(grey.values, name="composite", scale=[SIZE] * 3, units=["um"] * 3)
    widget = Train(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    widget.names.setText("void electrolyte")
    widget.scales.setText("1 2")
    widget.trees.setValue(30)
    widget.drawing.click()
    marks = strokes(phases, 5, 6)
    for number in (1, 2):
        widget.scribbles.data_setitem(np.nonzero(marks == number), number)
    finished(wait, widget.train())
    return widget


def finished(wait, work):
    wait(lambda: not work.running, 60)
    assert work.state == "done"


@pytest.fixture(scope="module")
def classifier(train, grey, phases):
    """Return what the same scribbles teach without a viewer."""
    made = tomo.PixelClassifier(features=tomo.Features(scales=SCALES), trees=30)
    return made.fit(grey, strokes(phases, 5, 6), {1: "void", 2: "electrolyte"})


def test_the_classifier_is_that_of_tomo(train, classifier):
    assert train.classifier.to_bytes() == classifier.to_bytes()
    assert f"{100 * classifier.score:.1f} %" in train.said.text()


def test_the_preview_of_the_slice_is_that_of_the_volume_and_follows_the_slider(viewer, train, classifier, grey, wait):
    want = classifier.predict(grey).values
    for at in (20, 3):
        viewer.dims.set_point(0, at * SIZE)
        wait(lambda at=at: np.array_equal(viewer.layers["preview: classes"].data[0], want[at]), 30)
    assert viewer.layers["preview: classes"].translate[0] == pytest.approx(3 * SIZE)


def test_the_volume_is_that_of_tomo(viewer, train, classifier, grey, wait):
    train.applying.click()
    finished(wait, train.bar.work)
    layer = viewer.layers["classes"]
    np.testing.assert_array_equal(layer.data, classifier.predict(grey).values)
    assert "preview: classes" not in viewer.layers
    assert layer.metadata["operando"]["array"].attrs["flag_meanings"] == "void electrolyte"


def test_the_saved_classifier_is_a_step_of_the_recipe(train, classifier, tmp_path):
    train.save(tmp_path / "phases.forest")
    assert tomo.PixelClassifier.load(tmp_path / "phases.forest").to_bytes() == classifier.to_bytes()
    (step,) = train.recipe.steps
    assert step.toml(folder=tmp_path) == '[[series.steps]]\nuse = "classify"\nclassifier = "phases.forest"\n'


def test_without_strokes_of_two_phases_it_is_told(train, heard, wait):
    before = train.scribbles.data.copy()
    train.scribbles.data = np.where(before == 2, 0, before)
    work = train.train()
    wait(lambda: not work.running, 30)
    train.scribbles.data = before
    ((kind, text),) = heard
    assert (kind, text) == ("error", "PixelClassifier.fit: expected scribbles of two classes or more, got 1")
