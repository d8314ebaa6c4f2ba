"""One writer at a time, whatever became of the last one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operando.errors import StoreError
from operando.pipelines import lock as locking
from operando.pipelines.lock import Lock, process_start, read


@pytest.fixture
def store(tmp_path):
    return tmp_path / "cell.zarr"


def held(store, **changes):
    """Write the lock of this very process, with changes."""
    with Lock(store) as lock:
        state = json.loads(lock.path.read_text())
    lock.path.write_text(json.dumps(state | changes))
    return lock.path


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_writer_is_told_who_holds_the_store(store):
    with (
        Lock(store),
        pytest.raises(StoreError, match=f"another run writes this store \\(process {os.getpid()} on ") as e,
    ):
        Lock(store).__enter__()
    assert "\n" not in str(e.value)


def test_the_lock_is_free_again_and_leaves_no_file(store):
    with Lock(store):
        pass
    with Lock(store):
        pass
    assert list(store.parent.iterdir()) == []


def test_the_lock_is_given_back_when_the_run_fails(store):
    with pytest.raises(ValueError, match="bad"), Lock(store):
        raise ValueError("bad")
    assert not list(store.parent.iterdir())


def test_the_lock_of_a_dead_process_is_taken_over(store):
    path = held(store, pid=dead_process())
    with Lock(store):
        assert read(path).pid == os.getpid()


def test_a_killed_process_does_not_keep_its_lock(store):
    code = (
        "import sys, time; from pathlib import Path; from operando.pipelines.lock import Lock\n"
        "with Lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root}
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"process {process.pid} on"):
            Lock(store).__enter__()
        process.kill()
        # Not yet waited for, the process is a zombie: it still has its id, but writes no more.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with Lock(store):
            pass


def test_a_reused_process_id_is_recognized_by_its_start(store):
    path = held(store, started="another boot 12345")
    with Lock(store):
        assert read(path).started == process_start(os.getpid())


def test_a_lock_of_another_host_is_never_taken_over(store):
    held(store, host="elsewhere", pid=dead_process())
    with pytest.raises(StoreError, match="on elsewhere"):
        Lock(store).__enter__()


def test_a_lock_that_names_nobody_is_left_to_the_user(store):
    path = held(store)
    path.write_text("")
    with pytest.raises(StoreError, match="names no process; remove it"):
        Lock(store).__enter__()


def test_a_hidden_process_counts_as_alive(store, monkeypatch):
    held(store, pid=os.getppid(), started="unknown")
    monkeypatch.setattr(locking, "process_start", lambda pid: "mine" if pid == os.getpid() else None)
    with pytest.raises(StoreError, match=f"process {os.getppid()} on"):
        Lock(store).__enter__()


def test_file_systems_without_hard_links_lock_as_well(store, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(locking.os, "link", no_links)
    with Lock(store), pytest.raises(StoreError, match="another run writes this store"):
        Lock(store).__enter__()
    assert list(store.parent.iterdir()) == []


def test_of_many_that_find_a_dead_lock_one_takes_it(store):
    for _ in range(20):
        path = held(store, pid=2**22 - 1)

        def attempt(_):
            try:
                Lock(store).__enter__()
            except StoreError:
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 1
        path.unlink()


def test_a_lock_taken_away_by_hand_is_not_removed_on_leaving(store):
    with Lock(store) as first:
        first.path.unlink()
        second = Lock(store)
        second.__enter__()
    assert second.path.exists()
    second.__exit__(None, None, None)
    assert not second.path.exists()


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="check that its folder exists"):
        Lock(tmp_path / "absent" / "cell.zarr").__enter__()
