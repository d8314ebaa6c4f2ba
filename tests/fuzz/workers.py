"""Processes that try one input after the other, and the one that watches them: none may hang, die or grow."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import damage
import trial
from targets import Target
from trial import Outcome

SECONDS, WAIT = 10.0, 60.0
"""CPU time that reading one input may take, and how long it may wait for something else, s."""
TRIES = 400
"""Inputs after which a process is replaced, so that what libraries leave behind does not add up."""


@dataclass
class Worker:
    """A forked process: it takes numbers from a pipe, and says when it begins to read and what came of it."""

    process: int
    numbers: int
    answers: int
    folder: Path
    unread: bytes = b""
    used: float = 0.0
    """CPU time of the process when it was last looked at, s."""

    def ask(self, number: int) -> tuple[Outcome | None, float]:
        """Return what came of a number, None if the process did not even get to reading, and the CPU time it took."""
        before = self.used
        outcome = self._asked(number)
        self.used = max(self.used, self._used())
        return outcome, self.used - before

    def _asked(self, number: int) -> Outcome | None:
        with suppress(BrokenPipeError):
            os.write(self.numbers, f"{number}\n".encode())
        said = self._line(2 * WAIT)
        if said is None or not said.startswith("begun"):
            return self._ended(said, "") if said and said.startswith("{") else None
        said, begun = said.removeprefix("begun ").strip(), self._used()
        answer, waited = self._line(SECONDS), SECONDS
        while answer is None and self._used() - begun < SECONDS and waited < WAIT and self._state() != "Z":
            # One that could work, but is not let, is not what waits.
            waited += self._state() != "R"
            answer = self._line(1.0)
        return self._ended(answer, said) if answer is not None else self._dead(said, self._used() - begun)

    def _used(self) -> float:
        """Return the CPU time of the process, s; 0 if it has ended."""
        with suppress(OSError, IndexError):
            fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
            return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def _state(self) -> str:
        """Return the state of the process as the system names it, such as R for one that works; Z if it has ended."""
        with suppress(OSError, IndexError):
            return Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()[0]
        return "Z"

    def _ended(self, answer: str, said: str) -> Outcome:
        return Outcome(**{**json.loads(answer), "damage": said})

    def _line(self, limit: float) -> str | None:
        """Return the next line that the process writes; None if there is none within the limit."""
        until = time.monotonic() + limit
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.answers], [], [], max(0.0, until - time.monotonic()))
            part = os.read(self.answers, 65536) if ready else b""
            if not part:
                return None
            self.unread += part
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode()

    def _dead(self, said: str, used: float) -> Outcome:
        """Return how a process ended, or that it did not."""
        time.sleep(0.05)
        self.used = max(self.used, self._used())
        process, status = os.waitpid(self.process, os.WNOHANG)
        if process == 0:
            self.stop()
            return Outcome("hang", f"no end after {used:.0f} s of CPU time", seconds=used, damage=said)
        self.process = 0
        ended = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"
        return Outcome("crash", ended, damage=said)

    def stop(self) -> None:
        """End the process, which may not listen any more."""
        if self.process:
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
            self.process = 0
        for end in (self.numbers, self.answers):
            with suppress(OSError):
                os.close(end)


def started(target: Target, folder: Path) -> Worker:
    """Fork a process that tries inputs of a reader in a folder of its own."""
    (takes, numbers), (answers, gives) = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        os.close(numbers)
        os.close(answers)
        with suppress(BaseException):
            _work(target, folder, takes, gives)
        os._exit(3)
    os.close(takes)
    os.close(gives)
    return Worker(process, numbers, answers, folder)


def _work(target: Target, folder: Path, takes: int, gives: int) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    _warmed(target, folder)
    trial.limit_memory()
    with os.fdopen(takes) as numbers:
        for line in numbers:
            _try(target, folder, int(line), gives)


def _warmed(target: Target, folder: Path) -> None:
    """Read the first sound input, so that what loads on first use is no part of a trial."""
    first = trial.seeds_of(target)[:1]
    for seed in first:
        path = damage.written(seed, trial.emptied(folder))
        trial.run(target, path, seed, trial.First())


def _try(target: Target, folder: Path, number: int, gives: int) -> None:
    try:
        path, seed, random, said = trial.prepared(target, number, trial.emptied(folder))
    except damage.GENERATING as error:
        outcome = Outcome("passed over", f"{type(error).__name__}: {error}"[:200])
        os.write(gives, (json.dumps(outcome.as_dict()) + "\n").encode())
        return
    os.write(gives, f"begun {said}\n".encode("utf-8", "replace"))
    outcome = trial.run(target, path, seed, random)
    os.write(gives, (json.dumps(outcome.as_dict()) + "\n").encode("utf-8", "replace"))


def tried(
    target: Target, folder: Path, first: int, seconds: float, wall: float = float("inf")
) -> Iterator[tuple[int, Outcome, float]]:
    """Yield what comes of one number after the other, and the CPU time that making and reading it took, s.

    It ends when ``seconds`` of these are used, or after ``wall`` by the clock: a reader that waits uses none.
    """
    worker, number, left = started(target, folder), first, TRIES
    until, used = time.monotonic() + wall, 0.0
    try:
        while used < seconds and time.monotonic() < until:
            outcome, took = worker.ask(number)
            used += took
            yield number, outcome or Outcome("passed over", "the damage could not be made"), took
            number, left = number + 1, left - 1
            if left == 0 or outcome is None or outcome.kind in ("crash", "hang", "memory"):
                worker.stop()
                worker, left = started(target, folder), TRIES
    finally:
        worker.stop()
