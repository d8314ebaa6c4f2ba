"""Transport in a real viewer: its numbers are those of tomo, its cost is said before, and it can be canceled."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import xarray as xr
from phase_phantoms import blobs

from operando import tomo
from operando.tomo.layout import PLACES

EDGE, SIZE = 32, 0.5
NAMES = ("void", "electrolyte", "ncm")


@pytest.fixture(scope="module")
def labels():
    place = (np.arange(EDGE) + 0.5) * SIZE
    flags = {"flag_values": [1, 2, 3], "flag_meanings": " ".join(NAMES)}
    coords = {name: (name, place, {"units": "um"}) for name in PLACES}
    phases = blobs(EDGE, 5, (0.1, 0.6, 0.3), 2.5)
    return xr.DataArray(phases, coords, PLACES, name="phase_label", attrs=flags)


@pytest.fixture(scope="module")
def transport(viewer, labels):
    from operando.viewer.layers import View, layers_of
    from operando.viewer.transport import Transport

    for data, options, _ in layers_of([View(labels, "composite")]):
        viewer.add_labels(data, **options)
    widget = Transport(viewer)
    viewer.window.add_dock_widget(widget, name="Transport")
    return widget


def finished(wait, work):
    wait(lambda: not work.running, 60)
    assert work.state == "done"


def test_the_cost_is_that_of_tomo_and_said_before_anything_starts(transport, labels):
    assert transport.conducting == ["electrolyte"]
    one = tomo.cost("tortuosity", labels.shape, dtype=labels.dtype)
    assert transport.cost.text().startswith("tortuosity: reads 32.8 kB")
    before = transport.costs()[0]
    assert before.seconds == pytest.approx(one.seconds)
    transport.axes["y"].click()
    assert transport.costs()[0].seconds == pytest.approx(2 * one.seconds)
    transport.axes["y"].click()
    assert transport.bar.work is None


def test_tortuosity_factors_of_the_ticked_axes_are_those_of_tomo(transport, labels, wait):
    transport.axes["x"].click()
    transport.flow_button.click()
    finished(wait, transport.bar.work)
    want = tomo.tortuosity(labels == 2, ["z", "x"])
    for name in ("tortuosity_factor", "tau_lower", "effective_diffusivity", "volume_fraction"):
        np.testing.assert_array_equal(transport.found_flow[name].values, want[name].values)
    assert transport.table.item(1, 0).text() == f"{want['tortuosity_factor'].values[1]:.4g}"
    (step,) = transport.recipe.steps
    assert (step.use, step.parameters) == ("tortuosity", {"of": "electrolyte", "dims": ["z", "x"]})


def test_contact_is_that_of_tomo(transport, labels, wait):
    assert (transport.first.currentText(), transport.second.currentText()) == ("ncm", "electrolyte")
    transport.contact_button.click()
    finished(wait, transport.bar.work)
    want = tomo.contact_area(labels, "ncm", "electrolyte")
    xr.testing.assert_equal(transport.found_contact.drop_attrs(), want.drop_attrs())
    assert f"{want['contact_area'].item():.4g}" in transport.contact.text()
    assert transport.recipe.steps[0].parameters == {"a": "ncm", "b": "electrolyte"}


def test_what_no_memory_holds_is_refused_before_it_starts(transport, heard, monkeypatch):
    from operando.viewer import transport as module

    monkeypatch.setattr(module, "_free", lambda: 1e5)
    transport.flow_button.click()
    assert transport.bar.work is None
    ((kind, text),) = heard
    assert (kind, text[:28]) == ("error", "tortuosity: needs about 10.7")


def test_bare_labels_have_phases_by_number(viewer, labels, wait):
    from operando.viewer.transport import Transport

    bare = viewer.add_labels(labels.values, name="phases")
    widget = Transport(viewer)
    widget.labels.layer = bare
    assert widget.conducting == ["phase_2"]
    widget.flow_button.click()
    finished(wait, widget.bar.work)
    want = tomo.tortuosity(labels.values == 2, ["z"])
    np.testing.assert_array_equal(widget.found_flow["tortuosity_factor"], want["tortuosity_factor"])


def test_the_button_of_the_activity_dock_cancels_between_axes(viewer, transport, wait):
    from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

    from operando.viewer import transport as module

    begun = threading.Event()
    go_on = threading.Event()

    def slowly(mask, dims):
        begun.set()
        assert go_on.wait(20)
        return tomo.tortuosity(mask, dims)

    vars(transport).pop("found_flow", None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.tomo, "tortuosity", slowly)
        work = transport.measure_flow()
        wait(begun.is_set)
    (bar,) = viewer.window._qt_window._activity_dialog.findChildren(QtLabeledProgressBar)
    bar.cancel_button.click()
    go_on.set()
    wait(lambda: not work.running)
    assert work.state == "canceled"
    assert not hasattr(transport, "found_flow")
