"""Time and peak memory of one piece of work, and the line of results it leaves."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "RESULTS.md"
HEADER = """# Measured

One row a run; the newest below. Ours and the peer run on the same input in one process, on one thread unless said, and
their answers are checked before the times count. Times are medians.

| date | work | peer | ratio | ours | peer's | agreement | peak memory | machine | versions |
|---|---|---|---|---|---|---|---|---|---|
"""


def one_thread() -> None:
    """Keep the libraries that read these variables to one thread; call it before they are imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"


def resident() -> int:
    """Return the bytes this process holds in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The largest memory within a ``with`` block above that at its start, looked at every 5 ms, and the time."""

    def __enter__(self) -> Peak:
        self.start, self.extra, self._done = resident(), 0, threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        self._clock = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._clock
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.extra = max(self.extra, resident() - self.start)


def median_time(work: Callable[[], Any], runs: int, before: Callable[[], Any] = lambda: None) -> float:
    """Return the median seconds of ``work``; ``before`` runs ahead of each and does not count."""
    times = []
    for _ in range(runs):
        before()
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[runs // 2]


def write_row(*cells: str, packages: tuple[str, ...]) -> None:
    """Append a row to the results, with the machine and the versions, and print it."""
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    row = "| " + " | ".join([time.strftime("%Y-%m-%d"), *cells, machine, versions]) + " |\n"
    if not RESULTS.exists():
        RESULTS.write_text(HEADER, encoding="utf-8")
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(row)
    print(row, end="")
