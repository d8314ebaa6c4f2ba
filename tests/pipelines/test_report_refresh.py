"""The report of a growing store is written beside the watch, which comes first."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from operando.pipelines.report_refresh import ReportRefresh


@pytest.fixture
def page(tmp_path):
    return tmp_path / "report.html"


def refresh(page, every=60.0):
    return ReportRefresh(page.with_name("none.zarr"), page, every, pytest.fail, clock=lambda: 1000.0)


@pytest.mark.parametrize(("age", "at_once"), [(None, True), (3600.0, True), (10.0, False), (-3600.0, False)])
def test_a_page_that_another_watch_has_just_written_can_wait(page, age, at_once):
    if age is not None:
        page.touch()
        os.utime(page, (time.time() - age,) * 2)
    one = refresh(page)
    one.tick(1)
    assert one.running is at_once
    one.stop()


def test_a_section_that_breaks_off_is_told_once(page, monkeypatch):
    told, popen, said = [], subprocess.Popen, ""

    def saying(_command, **options):
        return popen([sys.executable, "-c", f"import sys; sys.stderr.write({said!r})"], **options)

    monkeypatch.setattr(subprocess, "Popen", saying)
    one = ReportRefresh(page.with_name("none.zarr"), page, 60.0, told.append)
    for version, section in enumerate(["Lags", "Lags", "Cracks"]):
        said = f"a library: noise\nreport section {section!r} breaks off: ValueError"
        one.finish(version)
    assert told == [f"{page}: report section {name!r} breaks off: ValueError" for name in ("Lags", "Cracks")]


def test_the_page_is_written_by_a_process_that_ctrl_c_spares_and_that_shares_the_processor_as_one_program(page):
    one = refresh(page)
    one.tick(1)
    (child,) = psutil.Process().children()
    assert os.getpgid(child.pid) != os.getpgid(0)
    assert os.getsid(child.pid) == os.getsid(0)
    one.stop()
    assert not child.is_running()
