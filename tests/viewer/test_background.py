"""Long work leaves the interface free, can be canceled, shows progress, and tells mistakes as the command line does."""

from __future__ import annotations

import threading
import time
import warnings

import dask.array as da
import napari
import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from napari.utils.progress import progress
from qtpy.QtCore import QTimer

from operando import tomo
from operando.errors import OperandoError, OperandoWarning
from operando.pipelines import cli
from operando.tomo.blocks import threads_at_hand
from operando.viewer.background import start, steps


@pytest.fixture
def heard():
    """Return the texts of the notifications of a test."""
    texts = []

    def hear(notification):
        texts.append((str(notification.severity), notification.message))

    notification_manager.notification_ready.connect(hear)
    yield texts
    notification_manager.notification_ready.disconnect(hear)


def ended(qtbot, work):
    qtbot.waitUntil(lambda: not work.running, timeout=20_000)
    return work


def slow_chunks(count=40, seconds=0.05, seen=None):
    def one(block):
        time.sleep(seconds)
        if seen is not None:
            seen.append(threading.get_ident())
        return block + 1

    return da.map_blocks(one, da.zeros(count, chunks=1), dtype=float, meta=np.empty(0))


def test_the_interface_ticks_while_work_runs(qtbot):
    ticks, timer = [], QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    found = []
    work = start("waiting", lambda: slow_chunks(12).sum().compute(), done=found.append)
    ended(qtbot, work)
    timer.stop()
    assert found == [12.0]
    assert len(ticks) > 10
    assert np.diff(ticks).max() < 0.25


def test_progress_counts_chunks_and_goes_with_the_work(qtbot):
    seen, before = [], len(progress._all_instances)
    work = start("adding", lambda: slow_chunks(60, 0.05).sum().compute())
    work.progressed.connect(lambda number, total: seen.append((number, total)))
    assert len(progress._all_instances) == before + 1
    ended(qtbot, work)
    assert len(progress._all_instances) == before
    assert len(seen) > 2
    assert all(0 < number <= total for number, total in seen)
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)


def test_cancel_leaves_a_lazy_computation_between_chunks(qtbot):
    seen, found = [], []
    work = start("adding", lambda: slow_chunks(200, 0.05, seen).sum().compute(), done=found.append)
    qtbot.waitUntil(lambda: len(seen) > 2, timeout=5_000)
    (bar,) = [one for one in progress._all_instances if one.desc.startswith("adding")]
    bar.cancel()
    ended(qtbot, work)
    assert work.state == "canceled"
    assert not found
    known = len(seen)
    assert known < 100
    qtbot.wait(200)
    assert len(seen) <= known + threads_at_hand()


def test_cancel_leaves_a_loop_between_its_items(qtbot):
    seen = []

    def loop():
        for axis in steps("zyx" * 20):
            time.sleep(0.02)
            seen.append(axis)

    work = start("looping", loop)
    qtbot.waitUntil(lambda: bool(seen), timeout=5_000)
    work.cancel()
    ended(qtbot, work)
    assert work.state == "canceled"
    assert len(seen) < 30


def test_steps_outside_of_work_are_those_of_the_loop():
    assert list(steps("zyx")) == ["z", "y", "x"]


def test_waiting_work_that_is_canceled_never_begins(qtbot):
    called = []
    first = start("first", time.sleep, 0.2)
    second = start("second", called.append, 1)
    second.cancel()
    ended(qtbot, first)
    ended(qtbot, second)
    assert (second.state, called) == ("canceled", [])


def test_chunks_of_others_are_computed_while_a_canceled_work_ends(qtbot):
    work = start("adding", lambda: slow_chunks(200, 0.02).sum().compute())
    qtbot.wait(100)
    work.cancel()
    assert slow_chunks(3, 0.01).sum().compute() == 3.0
    ended(qtbot, work)


def test_a_mistake_is_told_in_the_line_of_the_command_line(qtbot, heard, capsys, monkeypatch):
    def mistaken():
        return tomo.cost("levitate", (8, 8, 8))

    failed = []
    work = start("asking", mistaken)
    work.failed.connect(failed.append)
    ended(qtbot, work)
    monkeypatch.setattr(cli, "app", mistaken)
    with pytest.raises(SystemExit):
        cli.main()
    line = capsys.readouterr().err.strip().removeprefix("operando: ")
    assert "levitate" in line
    assert heard == [("error", line)]
    assert failed == [line]


def test_a_warning_is_told_and_the_work_goes_on(qtbot, heard):
    def odd():
        warnings.warn("something odd", OperandoWarning, stacklevel=1)
        return 5

    found = []
    ended(qtbot, start("asking", odd, done=found.append))
    assert heard == [("warning", "something odd")]
    assert found == [5]


def test_a_result_that_a_widget_refuses_is_told_as_well(qtbot, heard):
    def refuse(_value):
        raise OperandoError("fit: expected lines, got none; add one")

    ended(qtbot, start("asking", lambda: 1, done=refuse))
    assert heard == [("error", "fit: expected lines, got none; add one")]


def test_the_button_of_the_activity_dock_cancels(qtbot):
    viewer = napari.Viewer(show=False)
    try:
        work = start("adding", lambda: slow_chunks(200, 0.05).sum().compute())
        dialog = viewer.window._qt_window._activity_dialog
        qtbot.waitUntil(lambda: bool(dialog.findChildren(object, "QtCustomTitleBarLine")), timeout=5_000)
        from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar

        (bar,) = dialog.findChildren(QtLabeledProgressBar)
        bar.cancel_button.click()
        ended(qtbot, work)
        assert work.state == "canceled"
    finally:
        viewer.close()
