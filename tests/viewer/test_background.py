"""Long work leaves the interface free, can be canceled, shows progress, and tells mistakes as the command line does."""

from __future__ import annotations

import threading
import time
import warnings

import dask.array as da
import numpy as np
import pytest

from operando import tomo
from operando.errors import OperandoError, OperandoWarning
from operando.pipelines import cli
from operando.tomo.blocks import threads_at_hand

for needed in ("napari", "PySide6"):
    pytest.importorskip(needed, reason=f"{needed} is not installed: pip install 'operando[viewer]'")

from napari.utils.progress import progress  # noqa: E402
from qtpy.QtCore import QTimer  # noqa: E402

from operando.viewer.background import start, steps  # noqa: E402


def ended(wait, work):
    wait(lambda: not work.running, 20)
    return work


def pause(seconds):
    from qtpy.QtTest import QTest

    QTest.qWait(round(1000 * seconds))


def slow_chunks(count=40, seconds=0.05, seen=None):
    def one(block):
        time.sleep(seconds)
        if seen is not None:
            seen.append(threading.get_ident())
        return block + 1

    return da.map_blocks(one, da.zeros(count, chunks=1), dtype=float, meta=np.empty(0))


def test_the_interface_ticks_while_work_runs(wait):
    ticks, timer = [], QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    found = []
    work = start("waiting", lambda: slow_chunks(12).sum().compute(), done=found.append)
    ended(wait, work)
    timer.stop()
    assert found == [12.0]
    assert len(ticks) > 10


def test_progress_counts_chunks_and_goes_with_the_work(wait):
    seen, before = [], len(progress._all_instances)
    work = start("adding", lambda: slow_chunks(60, 0.05).sum().compute())
    work.progressed.connect(lambda number, total: seen.append((number, total)))
    assert len(progress._all_instances) == before + 1
    ended(wait, work)
    assert len(progress._all_instances) == before
    assert len(seen) > 2
    assert all(0 < number <= total for number, total in seen)
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)


def test_cancel_leaves_a_lazy_computation_between_chunks(wait):
    seen, found = [], []
    work = start("adding", lambda: slow_chunks(200, 0.05, seen).sum().compute(), done=found.append)
    wait(lambda: len(seen) > 2)
    (bar,) = [one for one in progress._all_instances if one.desc.startswith("adding")]
    bar.cancel()
    ended(wait, work)
    assert work.state == "canceled"
    assert not found
    known = len(seen)
    assert known < 100
    pause(0.2)
    assert len(seen) <= known + threads_at_hand()


def test_cancel_leaves_a_loop_between_its_items(wait):
    seen = []

    def loop():
        for axis in steps("zyx" * 20):
            time.sleep(0.02)
            seen.append(axis)

    work = start("looping", loop)
    wait(lambda: bool(seen))
    work.cancel()
    ended(wait, work)
    assert work.state == "canceled"
    assert len(seen) < 30


def test_steps_outside_of_work_are_those_of_the_loop():
    assert list(steps("zyx")) == ["z", "y", "x"]


def test_waiting_work_that_is_canceled_never_begins(wait):
    called = []
    first = start("first", time.sleep, 0.2)
    second = start("second", called.append, 1)
    second.cancel()
    ended(wait, first)
    ended(wait, second)
    assert (second.state, called) == ("canceled", [])


def test_chunks_of_others_are_computed_while_a_canceled_work_ends(wait):
    work = start("adding", lambda: slow_chunks(200, 0.02).sum().compute())
    pause(0.1)
    work.cancel()
    assert slow_chunks(3, 0.01).sum().compute() == 3.0
    ended(wait, work)


def test_a_mistake_is_told_in_the_line_of_the_command_line(wait, heard, capsys, monkeypatch):
    def mistaken():
        return tomo.cost("levitate", (8, 8, 8))

    failed = []
    work = start("asking", mistaken)
    work.failed.connect(failed.append)
    ended(wait, work)
    monkeypatch.setattr(cli, "app", mistaken)
    with pytest.raises(SystemExit):
        cli.main()
    line = capsys.readouterr().err.strip().removeprefix("operando: ")
    assert "levitate" in line
    assert heard == [("error", line)]
    assert failed == [line]


def test_a_warning_is_told_and_the_work_goes_on(wait, heard):
    def odd():
        warnings.warn("something odd", OperandoWarning, stacklevel=1)
        return 5

    found = []
    ended(wait, start("asking", odd, done=found.append))
    assert heard == [("warning", "something odd")]
    assert found == [5]


def test_a_result_that_a_widget_refuses_is_told_as_well(wait, heard):
    def refuse(_value):
        raise OperandoError("fit: expected lines, got none; add one")

    ended(wait, start("asking", lambda: 1, done=refuse))
    assert heard == [("error", "fit: expected lines, got none; add one")]
