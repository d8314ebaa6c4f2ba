"""A watched folder ends in the store that one run makes of it, whatever arrives in pieces, breaks off or is killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path

import pytest
import xarray as xr
from rich.console import Console
from watched_folder import PACE, RAW, SMALL, Watched, few_scans, same_as_one_run

import operando
from operando import xas
from operando.flags import Flag
from operando.pipelines.lock import LockLostError
from operando.pipelines.sources import checksum
from operando.pipelines.watch import Pace, Stop, ended_by_signals
from operando.pipelines.watch_view import SeriesStatus, Status, WatchView
from operando.pipelines.writer import Writer

ROOT = Path(__file__).resolve().parents[2]
FIRE = ROOT / "tests" / "faults" / "watch_under_fire.py"


@pytest.fixture
def folder(tmp_path):
    """Return a few of the example scans' spectra with a short recipe."""
    return few_scans(tmp_path)


def test_what_arrives_in_pieces_and_what_is_broken_ends_as_in_one_run(folder):
    files = {path: path.read_bytes() for path in sorted((folder / "xas").iterdir())}
    log, other = sorted((folder / "echem").iterdir())
    other.unlink()
    entries = log.read_bytes()
    for path in (*files, log):
        path.unlink()
    late, broken, rewritten = list(files)[3:6]
    with Watched(folder) as watched:
        watched.until_said("waiting for the electrochemistry")
        log.write_bytes(entries[: len(entries) // 3])
        for path, data in files.items():
            path.write_bytes({late: data[: len(data) // 2], broken: b"", rewritten: files[late]}.get(path, data))
        watched.until(lambda raw, failed: raw.sizes["scan"] == 7 and len(failed) == 1)
        with operando.open(folder / "fed.zarr") as tree:
            flags = dict(zip(map(str, tree[RAW].source.values), tree[RAW].flag.values, strict=True))
        assert flags[f"xas/{late.name}"] & int(Flag.truncated)
        with late.open("ab") as stream:
            stream.write(files[late][len(files[late]) // 2 :])
        rewritten.write_bytes(files[rewritten])
        broken.write_bytes(files[broken])
        with log.open("ab") as stream:
            stream.write(entries[len(entries) // 3 :])
        watched.until(
            lambda raw, failed: (
                raw.sizes["scan"] == 8
                and not failed
                and not (raw.flag.values & int(Flag.truncated | Flag.ec_outside)).any()
            )
        )
    assert watched.error is None
    assert "empty file" in watched.said.getvalue()
    same_as_one_run(folder)


def test_a_full_disk_is_tried_again_a_lost_share_waited_for_and_a_store_that_is_taken_over_left_alone(
    folder, monkeypatch
):
    last = max((folder / "xas").iterdir())
    data = last.read_bytes()
    last.unlink()
    full = threading.Event()
    original = Path.replace

    def replace(self, target):
        if full.is_set() and Path(target).name == "zarr.json":
            raise OSError(28, "No space left on device", str(target))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr("operando.pipelines.watch._RETRY", 0.2)
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 7)
        full.set()
        last.write_bytes(data)
        watched.until_said("free some space")
        with xr.open_datatree(folder / "fed.zarr", engine="zarr") as tree:
            assert tree[RAW].to_dataset().load().sizes["scan"] == 7
        full.clear()
        watched.until(lambda raw, _: raw.sizes["scan"] == 8)
        share = (folder / "xas").rename(folder / "lost")
        (folder / "xas").mkdir()
        time.sleep(4 * PACE.patience)
        (folder / "xas").rmdir()
        share.rename(folder / "xas")
        with operando.open(folder / "fed.zarr") as tree:
            assert tree[RAW].sizes["scan"] == 8, "an empty folder may be a share that is lost"
        (folder / "fed.zarr.lock").unlink()
        last.with_name("Ni_L3_0009.txt").write_bytes(data)
        watched.thread.join(60)
        assert isinstance(watched.error, LockLostError)
    with operando.open(folder / "fed.zarr") as tree:
        assert tree[RAW].sizes["scan"] == 8


@pytest.mark.faults
def test_a_store_is_the_same_after_kills_with_a_reader_that_never_sees_a_wrong_state(tmp_path):
    spec = importlib.util.spec_from_file_location("watch_under_fire", FIRE)
    fire = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fire)
    settings = {
        "source": str(SMALL),
        "techniques": ["xas"],
        "fit": False,
        "patience": 1.0,
        "report": 1e6,
        "later": 2.0,
        "judge": 0.5,
        "least_life": 1.5,
        "limit": 120.0,
        "scans": 30,
        "rate": 10.0,
        "kills": 1,
        "broken": 0.3,
        "seed": 7,
    }
    found = fire.trial(tmp_path, settings)
    assert (found["killed"], found["exit code"]) == (1, 3)
    assert (found["wrong states"], found["differences from one run"]) == ([], [])
    assert found["judged"] > 1
    assert found["told"] == found["broken"]
    assert len(found["broken"]) > 3


def test_a_log_shows_how_a_watch_stands_and_a_terminal_a_table():
    series = SeriesStatus("xas/Ni_K", 12, 3, 2, 1, 0, "xas/12.xdi at 3.712 V")
    status = Status("cell.zarr", [series], "log until 2026-03-01T08:00:00 UTC")
    plain = StringIO()
    view = WatchView(Console(file=plain, width=200))
    with view.shown():
        view.show(status)
        view.show(status)
    line = (
        "xas/Ni_K 12, 3 flagged, 2 waiting, 1 unfinished; last xas/12.xdi at 3.712 V; log until 2026-03-01T08:00:00 UTC"
    )
    assert plain.getvalue().splitlines() == [line]
    drawn = StringIO()
    view = WatchView(Console(file=drawn, width=120, force_terminal=True))
    with view.shown():
        view.warn("xas/13.xdi: expected data, got an empty file")
        view.show(status)
    for text in ("xas/12.xdi at 3.712 V", "unfinished", "an empty file", "Ctrl-C ends it"):
        assert text in drawn.getvalue()


def test_a_file_that_is_completed_between_a_look_and_its_reading_is_stored_with_its_own_checksum(folder, monkeypatch):
    late = sorted((folder / "xas").iterdir())[3]
    data, read, append, stored = late.read_bytes(), xas.read, Writer.append, []
    late.write_bytes(data[: len(data) // 2])

    def completed(path, **settings):
        if path == late and path.stat().st_size < len(data):
            late.write_bytes(data)
        return read(path, **settings)

    def told(writer, datasets):
        stored.extend(zip(*(map(str, datasets[RAW][name].values) for name in ("source", "checksum")), strict=True))
        append(writer, datasets)

    monkeypatch.setattr(xas, "read", completed)
    monkeypatch.setattr(Writer, "append", told)
    with Watched(folder) as watched:
        watched.until(lambda raw, _: raw.sizes["scan"] == 8)
    assert [known for source, known in stored if source == f"xas/{late.name}"] == [checksum(late)]


def test_ctrl_c_ends_a_watch_with_a_last_report(folder):
    for path in sorted((folder / "xas").iterdir())[2:]:
        path.unlink()
    code = "from operando.pipelines.cli import main; main()"
    arguments = [sys.executable, "-c", code, "watch", str(folder), "--settle", "0.1", "--report-every", "1000"]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not (folder / "fed.zarr" / RAW).exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 0, said
    assert "report.html" in said
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert not (folder / "fed.zarr.lock").exists()


def test_the_end_of_a_watch_takes_in_what_the_log_has_grown_by(folder, monkeypatch):
    monkeypatch.setattr("watched_folder.PACE", Pace(settle=0.1, patience=0.6, report_every=1e6, renew=1e6))
    monkeypatch.setattr("operando.pipelines.report_refresh.ReportRefresh.finish", lambda *_: None)
    log = min((folder / "echem").iterdir())
    whole = log.read_bytes()
    log.write_bytes(b"".join(whole.splitlines(keepends=True)[:200]))
    with Watched(folder) as watched:
        watched.until(
            lambda raw, _: raw.sizes["scan"] == 8 and bool((raw["flag"] & int(Flag.ec_outside | Flag.ec_gap)).any())
        )
        log.write_bytes(whole)
        watched.stop.at_once = False
    assert watched.error is None
    same_as_one_run(folder)


def test_sigterm_ends_a_watch_at_once_and_a_second_ctrl_c_drops_what_is_being_done():
    stop = Stop()
    with ended_by_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        assert stop.at_once
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        pytest.fail("a second Ctrl-C was passed over")
