"""The table of objects is that of the store, and what is chosen in it is chosen in the viewer."""

from __future__ import annotations

import numpy as np
import pytest

import operando
from operando import tomo
from operando.viewer import sliders
from operando.viewer.layers import about, array_of
from operando.viewer.object_tables import APERTURE, BIRTH, KIND, NUMBER, PLACES, TRACK, VOLUME, table_of, tables_of
from operando.viewer.objects import Objects

SERIES = "xtm/composite"


@pytest.fixture(scope="module")
def opened(viewer, cell):
    viewer.open(str(cell / "xtm" / "composite"), plugin="operando")
    return viewer


@pytest.fixture(scope="module")
def widget(opened, wait):
    widget = Objects(opened)
    opened.window.add_dock_widget(widget, name="Objects")
    widget.labels.setCurrentText("composite · label")
    wait(lambda: widget.model.rowCount() > 0, 60)
    return widget


@pytest.fixture(scope="module")
def stored(cell):
    tree = operando.open(cell)
    return tree[f"{SERIES}/objects"].to_dataset().load(), tree[f"{SERIES}/cracks"].to_dataset().load()


def colored(viewer):
    """How many pixels of the canvas are of a color."""
    pixels = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)
    return int((np.ptp(pixels, axis=-1) > 30).sum())


def test_the_table_follows_the_slider_of_the_scans(widget, opened, stored):
    objects, _ = stored
    for scan in (2, 0, 4):
        sliders.go(opened, widget.layer, "scan", scan)
        own = objects.isel(object=objects["scan"].values == scan)
        shown = widget.model.table.sort_values(NUMBER)
        np.testing.assert_array_equal(shown[NUMBER], own["number"])
        np.testing.assert_array_equal(shown[VOLUME], own["volume"])
        np.testing.assert_array_equal(shown[APERTURE], own["aperture_mean"])


def test_births_are_those_of_the_tracks(stored):
    objects, tracks = stored
    table = table_of(objects, tracks, 3)
    for number, track, birth in zip(table[NUMBER], table[TRACK], table[BIRTH], strict=True):
        if np.isfinite(track):
            one = tracks.sel(crack=int(track))
            assert int(one["object"][3]) == number
            assert one["time_birth"].values == birth.to_datetime64()
    assert table[TRACK].notna().sum() == len(set(tracks["object"].values[3]) - {0})


def test_a_row_chooses_its_label_and_the_view_moves_there(widget, opened):
    sliders.go(opened, widget.layer, "scan", 2)
    table = widget.model.table
    for row in (0, len(table) - 1):
        widget.view.selectRow(row)
        assert widget.layer.selected_label == table[NUMBER].iloc[row]
        places = table[list(PLACES)].iloc[row].to_numpy(float)
        z = sliders.place(opened, widget.layer, "z")
        assert abs(0.65 * (z + 0.5) - places[0]) <= 0.65 / 2 + 1e-9
        np.testing.assert_allclose(opened.scene.camera.center[-2:], places[1:])


def test_a_click_on_an_object_chooses_its_row(widget, opened):
    from types import SimpleNamespace

    sliders.go(opened, widget.layer, "scan", 1)
    label = array_of(widget.layer).isel(scan=1).values
    number = int(label[label > 0][0])
    z, y, x = np.argwhere(label == number)[0]
    sliders.go(opened, widget.layer, "z", z)
    position = np.array(opened.dims.point)
    position[-2:] = 0.65 * (y + 0.5), 0.65 * (x + 0.5)
    event = SimpleNamespace(button=1, position=position, view_direction=None, dims_displayed=[3, 4])
    if widget.layer.ndim == 4:
        event.dims_displayed = [2, 3]
    for callback in opened.mouse_drag_callbacks:
        if callback == widget._clicked:
            callback(opened, event)
    assert widget.model.table[NUMBER].iloc[widget.view.selectionModel().selectedRows()[0].row()] == number


def test_sorting_by_aperture_keeps_the_rows_whole(widget, opened):
    from qtpy.QtCore import Qt

    column = list(widget.model.table.columns).index(APERTURE)
    before = widget.model.table.set_index(NUMBER).sort_index()
    widget.view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    table = widget.model.table
    assert (np.diff(table[APERTURE]) <= 0).all()
    assert before.equals(table.set_index(NUMBER).sort_index())
    assert widget.model.headerData(column, Qt.Orientation.Horizontal) == APERTURE
    assert widget.model.data(widget.model.index(0, 0)) == str(table[NUMBER].iloc[0])


def test_colors_follow_what_they_are_by_and_are_drawn(widget, opened, wait):
    opened.window.show()
    sliders.go(opened, widget.layer, "scan", 2)
    sliders.go(opened, widget.layer, "z", int((array_of(widget.layer)[2] > 0).sum(("y", "x")).argmax("z")))
    opened.reset_view()
    wait(lambda: colored(opened) > 0)
    for column in (APERTURE, BIRTH, KIND):
        widget.color.setCurrentText(column)
        table, colors = widget.model.table, widget.layer.colormap.color_dict
        assert set(table[NUMBER]) <= set(colors)
        groups = [{tuple(np.round(colors[n], 5)) for n in group} for _, group in table.groupby(column)[NUMBER]]
        assert all(len(group) == 1 for group in groups)
    wait(lambda: colored(opened) > 0)
    widget.color.setCurrentText(NUMBER)
    wait(lambda: colored(opened) > 0)
    assert not hasattr(widget.layer.colormap, "color_dict")


def test_painted_labels_are_measured_as_by_floor_1(widget, opened, wait):
    known = about(widget.layer)
    label = known["array"].isel(scan=slice(0, 2)).compute()
    sub = widget.layer
    found, _ = tables_of(known["source"], SERIES)
    measured = tomo.regions(label)
    widget.start_measuring()
    wait(lambda: not widget.work.running, 60)
    assert sub is widget.layer
    table = widget._tables[sub.name][0]
    first = table.isel(object=table["scan"].values < 2)
    for name in ("number", "volume", "centroid"):
        np.testing.assert_array_equal(first[name], measured[name])
        np.testing.assert_allclose(first[name], found[name].isel(object=found["scan"].values < 2))
