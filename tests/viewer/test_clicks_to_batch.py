"""What was clicked in widgets runs as a batch: the same phases, numbers and classes from the command line."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from phase_phantoms import blobs, by_grey, strokes
from typer.testing import CliRunner

import operando
from operando.pipelines.cli import app
from operando.pipelines.recipe import RECIPE_NAME
from operando.viewer.recorded_steps import write_steps

RECIPE = """# what the beamtime was about
[experiment]
timezone = "Europe/Zurich"
store = "cell.zarr"

[[series]]                # by thresholds
node = "thresholds"
technique = "xtm"
files = ["volume.tif"]
reader = "tiff"

[[series]]                # by a classifier
node = "classes"
technique = "xtm"
files = ["volume.tif"]
reader = "tiff"
"""
EDGE = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("beamtime")
    phases = blobs(EDGE, 3, (0.2, 0.5, 0.3), 3.0)
    grey = by_grey(phases, 4, (100.0, 200.0, 300.0), 0.7, 8.0)
    size = {"resolution": (1 / 0.65, 1 / 0.65), "metadata": {"spacing": 0.65, "unit": "um", "axes": "ZYX"}}
    tifffile.imwrite(made / "volume.tif", grey, imagej=True, **size)
    (made / RECIPE_NAME).write_text(RECIPE, encoding="utf-8")
    return made


def finished(wait, work):
    wait(lambda: not work.running, 60)
    assert work.state == "done"


def test_clicks_run_as_a_batch_give_what_the_widgets_showed(viewer, folder, wait):
    from operando.viewer.segment import Segment
    from operando.viewer.train import Train
    from operando.viewer.transport import Transport

    viewer.open(str(folder / "volume.tif"), plugin="operando")
    segment, train = Segment(viewer), Train(viewer)
    segment.names.setText("void electrolyte ncm")
    finished(wait, segment.find_thresholds())
    finished(wait, segment.segment())
    shown = np.squeeze(viewer.layers["phases"].data)
    transport = Transport(viewer)
    finished(wait, transport.measure_flow())
    flow = transport.found_flow
    train.scales.setText("1")
    train.trees.setValue(30)
    train.draw()
    train.scribbles.data = strokes(shown, 5, 4).reshape(train.scribbles.data.shape)
    finished(wait, train.train())
    finished(wait, train.apply())
    classes = np.squeeze(viewer.layers["classes"].data)
    train.save(folder / "phases.forest")

    recipe = folder / RECIPE_NAME
    write_steps(recipe, [*segment.recipe.steps, *transport.recipe.steps], "thresholds")
    write_steps(recipe, train.recipe.steps, "classes")
    assert all(line in recipe.read_text().splitlines() for line in RECIPE.splitlines())
    ended = CliRunner().invoke(app, ["run", str(folder)])
    assert ended.exit_code == 0, ended.output
    stored = operando.open(folder / "cell.zarr")
    by_thresholds = stored["xtm/thresholds/processed"].isel(scan=0)
    np.testing.assert_array_equal(by_thresholds["phase_label"].values, shown)
    np.testing.assert_array_equal(by_thresholds["tortuosity_factor"].values[0], flow["tortuosity_factor"].values[0])
    np.testing.assert_array_equal(stored["xtm/classes/processed"]["phase_label"].values[0], classes)
