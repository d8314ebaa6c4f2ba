"""Segment in a real viewer: dragged thresholds, previews and whole volumes are those of the functions of tomo."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr
from crack_volumes import BLUR, MATRIX, NOISE, VOID, crack_share, scanned
from phase_phantoms import blobs, by_grey

from operando import tomo
from operando.tomo.layout import PLACES

EDGE, SIZE = 40, 0.65


@pytest.fixture(scope="module")
def grey():
    """Return a volume of three phases."""
    phases = blobs(EDGE, 3, (0.2, 0.5, 0.3), 3.0)
    place = (np.arange(EDGE) + 0.5) * SIZE
    values = by_grey(phases, 4, (100.0, 200.0, 300.0), 0.7, 8.0)
    return xr.DataArray(values, dims=PLACES, coords={name: (name, place, {"units": "um"}) for name in PLACES})


@pytest.fixture(scope="module")
def widget(viewer, grey, wait):
    """Return the widget beside a volume as anybody may open it: a bare array with the edge of a voxel."""
    from operando.viewer.segment import Segment

    viewer.add_image(grey.values, name="composite", scale=[SIZE] * 3, units=["um"] * 3)
    made = Segment(viewer)
    viewer.window.add_dock_widget(made, name="Segment")
    wait(lambda: "preview: phases" in viewer.layers, 30)
    return made


@pytest.fixture
def segment(widget, viewer, wait):
    """Return the widget as it is at first, all previews of phases made."""
    for name in ("phases", "preview: plate filter"):
        if name in viewer.layers:
            viewer.layers.remove(name)
    widget.scales.setText("1 2 3")
    widget.show_plates.setChecked(False)
    widget.show_phases.setChecked(True)
    wait(lambda: "preview: phases" in viewer.layers and not widget.previewing.running, 30)
    return widget


@pytest.fixture
def shown(viewer):
    return viewer


def finished(wait, work):
    wait(lambda: not work.running, 60)
    assert work.state == "done"


def drag(histogram, start, stop):
    """Drag with the mouse from a grey level to another, as Qt tells matplotlib of it."""
    from matplotlib.backend_bases import MouseEvent

    histogram.canvas.draw()
    to_pixels = histogram.axes.transData.transform
    for name, level in (("button_press", start), ("motion_notify", stop), ("button_release", stop)):
        x, y = to_pixels((level, 10.0))
        event = MouseEvent(f"{name}_event", histogram.canvas, x, y, button=1)
        histogram.canvas.callbacks.process(f"{name}_event", event)


def test_a_dragged_threshold_changes_the_preview_to_that_of_tomo(segment, shown, grey, wait):
    before = segment.histogram.thresholds
    assert len(before) == 2
    drag(segment.histogram, before[0], 165.0)
    low, high = segment.histogram.thresholds
    assert low == pytest.approx(165.0, abs=2)
    assert high == before[1]
    at = round(shown.dims.point[0] / SIZE)
    want = tomo.segment(grey, [float(f"{low:.6g}"), float(f"{high:.6g}")]).values[at]
    wait(lambda: np.array_equal(shown.layers["preview: phases"].data[0], want))
    assert shown.layers["preview: phases"].translate[0] == pytest.approx(at * SIZE)


def test_the_preview_follows_the_slider(segment, shown, grey, wait):
    shown.dims.set_point(0, 7 * SIZE)
    thresholds = [float(f"{one:.6g}") for one in segment.histogram.thresholds]
    want = tomo.segment(grey, thresholds).values[7]
    wait(lambda: np.array_equal(shown.layers["preview: phases"].data[0], want))


def test_found_thresholds_and_the_whole_volume_are_those_of_tomo(segment, shown, grey, wait):
    segment.names.setText("void electrolyte ncm")
    finished(wait, segment.find_thresholds())
    found = tomo.threshold_multiotsu(tomo.histogram(grey), 3)["threshold"].values
    np.testing.assert_array_equal(segment.histogram.thresholds, found)
    segment.apply_phases.click()
    finished(wait, segment.bar.work)
    layer = shown.layers["phases"]
    want = tomo.segment(grey, [float(f"{one:.6g}") for one in found], ["void", "electrolyte", "ncm"])
    np.testing.assert_array_equal(layer.data, want.values)
    assert "preview: phases" not in shown.layers
    from operando.viewer.layers import array_of

    assert array_of(layer).attrs["flag_meanings"] == "void electrolyte ncm"
    np.testing.assert_allclose(array_of(layer)["z"], grey["z"])
    assert segment.recipe.text.toPlainText().splitlines()[:2] == ["[[series.steps]]", 'use = "segment"']


@pytest.mark.parametrize("dim", ["z", "y"])
def test_the_plate_filter_of_the_slice_is_that_of_the_volume(segment, shown, grey, wait, dim):
    order = (0, 1, 2) if dim == "z" else (1, 0, 2)
    shown.dims.order = order
    segment.show_phases.setChecked(False)
    segment.scales.setText("1 2")
    segment.show_plates.setChecked(True)
    whole = tomo.plate_filter(grey, (1.0, 2.0)).transpose(dim, ...)
    at = round(shown.dims.point[order[0]] / SIZE)
    want = whole.values[at]
    wait(lambda: "preview: plate filter" in shown.layers, 30)
    got = shown.layers["preview: plate filter"].data.squeeze()
    np.testing.assert_allclose(got, want, atol=1e-4 * want.max(), rtol=0)
    shown.dims.order = (0, 1, 2)


def test_what_cannot_be_a_scale_is_told_in_a_line(segment, heard, wait):
    segment.scales.setText("1 wide")
    segment.show_plates.setChecked(True)
    wait(lambda: bool(heard))
    assert heard[0] == ("error", "scales: expected numbers with blanks between them, got '1 wide'")


def test_a_canceled_segmentation_leaves_no_layer(segment, shown, wait):
    segment.apply_phases.click()
    work = segment.bar.work
    segment.bar.button.click()
    wait(lambda: not work.running, 30)
    assert work.state == "canceled"
    assert "phases" not in shown.layers
    assert segment.apply_phases.isEnabled()


def test_cracks_are_those_of_tomo_while_the_interface_ticks_and_their_levels_are_recorded(viewer, wait):
    from qtpy.QtCore import QTimer

    from operando.viewer.segment import Segment

    viewer.layers.clear()
    crack = scanned(crack_share(np.array([1.0, 0.0, 0.0]), 3.0, edge=80), np.random.default_rng(11))
    viewer.add_image(crack.values, name="crack")
    widget = Segment(viewer)
    given = {"matrix": MATRIX, "void": VOID, "noise": NOISE, "blur": BLUR}
    for name, value in given.items():
        widget.levels[name].setText(f"{value:g}")
    ticks, timer = [], QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    for _ in range(2):
        # What is loaded on first use holds the interpreter, so the second time counts.
        ticks.clear()
        timer.start(10)
        ticks.append(time.monotonic())
        widget.apply_cracks.click()
        finished(wait, widget.bar.work)
        ticks.append(time.monotonic())
        timer.stop()
    assert np.diff(ticks).max() < 0.5 * (ticks[-1] - ticks[0])
    want = tomo.segment_cracks(crack, **given)
    assert want["crack"].values.sum() > 500
    for name in ("crack", "void"):
        np.testing.assert_array_equal(viewer.layers[f"{name}s"].data.astype(bool), want[name].values)
    (step,) = widget.recipe.steps
    assert step.parameters == {**given, "noise_blur": 0.0}
