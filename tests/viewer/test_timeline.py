"""The marker on the voltage curve and the slider of the scans say the same, whichever is moved."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

import operando
from operando.viewer import sliders
from operando.viewer.layers import about
from operando.viewer.opening import open_in
from operando.viewer.timeline import Timeline, in_words, timeline_of


@pytest.fixture(scope="module")
def timeline(viewer, cell, wait):
    widget = open_in(viewer, cell / "xtm" / "composite")
    assert isinstance(widget, Timeline)
    wait(lambda: widget._marker is not None, 60)
    return widget


def at(widget):
    return np.asarray(widget._marker.get_xdata())[0]


def test_the_slider_moves_the_marker_to_the_time_of_the_scan(timeline, viewer, cell):
    times = operando.open(cell)["xtm/composite/raw"]["time"].values
    for scan in (3, 0, 4):
        sliders.go(viewer, timeline.layer, "scan", scan)
        assert at(timeline) == times[scan]
        assert timeline.said.text().startswith(f"scan {scan + 1} of {times.size}")


def test_a_click_shows_the_scan_nearest_in_time(timeline, viewer, cell):
    from matplotlib.backend_bases import MouseEvent

    table = operando.timeline(operando.open(cell))
    times = table["time"].values[table["node"].values == "/xtm/composite"]
    canvas, axes = timeline.curves.canvas, timeline.curves.axes
    timeline.curves.figure.set_size_inches(8, 3)
    canvas.draw()
    for scan, time in enumerate(times):
        x, y = axes.transData.transform((axes.convert_xunits(time + np.timedelta64(2, "m")), 3.5))
        canvas.callbacks.process("button_press_event", MouseEvent("button_press_event", canvas, x, y, button=1))
        assert sliders.place(viewer, timeline.layer, "scan") == scan
        assert at(timeline) == time


def test_its_ticks_are_the_times_of_the_store(cell):
    tree, whole = timeline_of(str(cell)), operando.open(cell)
    for node in ("xtm/composite/raw", "xas/Ni_L3/raw", "xps/electrolyte/raw"):
        np.testing.assert_array_equal(tree[node]["time"], whole[node]["time"])
    np.testing.assert_array_equal(tree["echem"]["potential"], whole["echem"]["potential"])


def test_a_scan_in_words(timeline, viewer):
    layer = next(one for one in viewer.layers if about(one)["variable"] == "grey")
    said = in_words(about(layer)["array"].coords, 1, ZoneInfo("Europe/Zurich"))
    assert said == "scan 2 of 5 · 2026-05-19 05:25:26 · 4.280 V · state of charge 1.05 · saturated"


def test_images_fill_the_place_that_the_timeline_leaves_them(timeline, viewer, cell, wait):
    viewer.layers.clear()
    viewer.window.remove_dock_widget("all")
    viewer.window.resize(900, 700)
    viewer.show()
    open_in(viewer, cell / "xtm" / "composite")

    def part_that_is_filled():
        low, high = viewer.layers.extent.world
        return max((high - low)[-2:] * viewer.scene.camera.zoom / viewer.window._qt_viewer.canvas.size)

    wait(lambda: 0.9 < part_that_is_filled() <= 1.0, 20)
