"""The report of a growing store, written again every so often by a process beside the one that watches."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from time import monotonic, time
from typing import IO

from .report import BREAKS_OFF

_SHARE = 3.0
"""Pause after a report, in units of the time that it took."""
_LONGEST = 900.0
"""Seconds after which a report is given up, since nothing that it reads may be replaced twice meanwhile."""


@dataclass
class ReportRefresh:
    """Keeps a page in step with a store, ``every`` so many seconds at most; the page is replaced as a whole.

    A report reads all of the store and takes seconds, so it is made by another process. ``tell`` gets what went wrong.
    """

    store: Path
    page: Path
    every: float
    tell: Callable[[str], None]
    clock: Callable[[], float] = monotonic
    started: float = 0.0
    written: float | None = None
    """When the page was last replaced, s of this process."""
    _next: float = 0.0
    _covers: int = -1
    _process: subprocess.Popen[bytes] | None = None
    _said: IO[bytes] | None = None
    _told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin where another watch left off: a page that is not old yet can wait until what arrived is stored."""
        with suppress(OSError):
            age = time() - self.page.stat().st_mtime
            self._next = self.clock() + min(max(self.every - age, 0.0), self.every)

    @property
    def running(self) -> bool:
        """Whether a report is being written."""
        return self._process is not None

    def tick(self, version: int, *, now: bool = False) -> None:
        """Begin a report of a store that has come to this version, if it is due, or end one that is done."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process.returncode)
        if self._process is not None and self.clock() - self.started > _LONGEST:
            self.stop()
            self._next = self.clock() + _LONGEST
            self.tell(f"{self.page}: the report took longer than {_LONGEST:.0f} s and was given up")
        if self._process is None and version != self._covers and (now or self.clock() >= self._next):
            self._begin(version)

    def finish(self, version: int) -> None:
        """Wait for a last report that covers this version."""
        while self.running or self._covers != version:
            self.tick(version, now=True)
            if self._process is not None:
                self._process.wait()
                self._ended(self._process.returncode)

    def stop(self) -> None:
        """End a report that is being written; the page before stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process, self._covers = None, -1
            self._close()

    def _begin(self, version: int) -> None:
        self.started, self._covers = self.clock(), version
        self._said = TemporaryFile()  # noqa: SIM115
        command = [sys.executable, "-m", "operando.pipelines.report", str(self.store), str(self.page)]
        # A group of its own: Ctrl-C on the terminal is for the one who watches. In a session of its own it would count
        # as much as the watch on systems that share the processors among sessions, nice or not.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said, process_group=0
        )

    def _ended(self, code: int) -> None:
        now = self.clock()
        self._process, self._next = None, max(self.started + self.every, now + _SHARE * (now - self.started))
        said = self._lines()
        if code == 0:
            self.written = now
            for line in said:
                if line.startswith(BREAKS_OFF) and line not in self._told:
                    self._told.add(line)
                    self.tell(f"{self.page}: {line}")
        else:
            reason = said[-1] if said else "no reason given"
            self.tell(f"{self.page}: the report could not be written ({reason}); it is tried again")
        self._close()

    def _lines(self) -> list[str]:
        """Return what the process has said."""
        if self._said is None:
            return []
        self._said.seek(0)
        return self._said.read().decode("utf-8", "replace").strip().splitlines()

    def _close(self) -> None:
        if self._said is not None:
            self._said.close()
            self._said = None
