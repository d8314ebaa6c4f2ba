"""The harness sees crashes, hangs, memory, other errors and warnings, and makes an input again from its number."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from random import Random

import damage
import damage_hdf5
import h5py
import numpy as np
import pytest
import run
import trial
import workers
from seeds import Seed
from targets import Target

from operando.errors import FileError, OperandoError, OperandoWarning

SOUND = Seed("text", {"a.txt": b"energy mu\n" + b"1.5 2.5\n" * 30, "b.json": b'{"a": [1, 2], "b": "c"}'}, "a.txt")


def misbehave(path: Path, _seed, _random):
    """Do what the number in a file's name asks for."""
    number = int((path.parent / "number").read_text())
    raised = {
        4: KeyError("lost"),
        7: FileError(path, "a", "b"),
        8: FileError(path, "room", "MemoryError: unable to allocate"),
        9: OperandoError("unknown unit 'foo'"),
    }
    if number in raised:
        raise raised[number]
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    elif number == 2:
        while True:
            pass
    elif number == 3:
        return bytearray(b"x" * 60_000_000)
    elif number == 5:
        warnings.warn("odd", RuntimeWarning, stacklevel=1)
    elif number == 6:
        warnings.warn("told", OperandoWarning, stacklevel=1)
    return None


KINDS = ["read", "crash", "hang", "memory", "exception", "warning", "told", "refused", "memory", "nameless", "read"]


def test_every_misbehavior_is_told_and_none_stops_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "SECONDS", 0.3)
    monkeypatch.setattr(trial, "MOST_GROWTH", 2**25)
    monkeypatch.setattr(trial, "limit_memory", lambda: None)

    def prepared(_target, number, folder):
        path = damage.written(SOUND, folder)
        (folder / "number").write_text(str(number))
        return path, SOUND, trial.First(), ""

    monkeypatch.setattr(trial, "prepared", prepared)
    monkeypatch.setattr(workers, "_warmed", lambda *_: None)
    target = Target("misbehaving", lambda: [SOUND], misbehave, lambda _: [])
    found = workers.tried(target, tmp_path / "input", 0, float("inf"))
    assert [next(found)[1].kind for _ in KINDS] == KINDS
    found.close()


def test_time_is_what_the_processor_worked_and_one_that_only_waits_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "limit_memory", lambda: None)
    busy = Target("busy", lambda: [SOUND], lambda *_: sum(range(1_000_000)), lambda _: [])
    took = [took for _, _, took in workers.tried(busy, tmp_path / "busy", 0, 0.3)]
    assert 0.3 <= sum(took) < 0.6
    waits = Target("waits", lambda: [SOUND], lambda *_: time.sleep(0.2), lambda _: [])
    assert 1 <= len(list(workers.tried(waits, tmp_path / "waits", 0, 60.0, wall=0.3))) <= 2


def test_a_run_that_is_resumed_goes_on_to_the_same_goal(tmp_path):
    given = run.arguments(["--resume", "--folder", str(tmp_path), "--seconds", "10"])
    record = run.Record(tmp_path, "labels", resume=False)
    record.add(41, trial.Outcome("read"), 10.5, tmp_path)
    record.save()
    again = run.fuzz("labels", given)
    assert (again.next, again.seconds, again.counts) == (42, 10.5, {"read": 1})


def test_a_length_that_no_memory_holds_is_a_refusal_of_the_library_and_lists_that_fill_it_are_not():
    said = [f"memory allocation failed for {place}" for place in ("on disk image buffer", "vlen array")]
    assert [bool(trial._OF_MEMORY.search(text)) for text in said] == [False, True]


@pytest.mark.parametrize("found", [None, "species"])
def test_every_reader_is_asked_and_the_exit_code_says_whether_anything_was_found(tmp_path, monkeypatch, found):
    asked = []
    monkeypatch.setattr(run, "THREADS", ())
    monkeypatch.setattr(run, "_one", lambda name, given: asked.append((name, given.seconds)) or int(name == found))
    readers = [text for name in ("labels", "species", "recipe") for text in ("--reader", name)]
    monkeypatch.setattr(
        run.sys, "argv", ["run.py", "--seconds", "30", "--jobs", "2", "--folder", str(tmp_path), *readers]
    )
    assert run.main() == int(found is not None)
    assert sorted(asked) == [("labels", 30.0), ("recipe", 30.0), ("species", 30.0)]


@pytest.mark.parametrize("number", range(12))
def test_an_input_follows_from_its_number(tmp_path, number):
    target = Target("text", lambda: [SOUND], misbehave, lambda _: [])
    made = []
    for name in "ab":
        trial.prepared(target, number, trial.emptied(tmp_path / name))
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        made.append({path.name: path.read_bytes()[:100_000] for path in files if os.access(path, os.R_OK)})
    assert made[0] == made[1]


def test_damage_to_hdf5_writes_into_no_file_of_the_system(tmp_path):
    class Made(Random):
        def choice(self, seq):
            asked.extend(one for one in seq if isinstance(one, str) and one.startswith("/"))
            return seq[0]

        def random(self):
            return 0.0

    asked = []
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.zeros((40, 50), "u1")
        damage_hdf5.elsewhere(file, ["x"], Made())
        file["x"][...] = 7
    assert set(asked) == {str(damage_hdf5.outside()), "/dev/zero"}
