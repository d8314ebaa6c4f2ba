"""Progress for people and for logs: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Reporter(Protocol):
    """What a run tells about itself."""

    def say(self, text: str) -> None:
        """Tell one line."""

    def warn(self, text: str) -> None:
        """Tell one line about something odd."""

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counter]:
        """Count to ``total`` while the block runs."""
        ...


class Counter(Protocol):
    """Counts what is done."""

    def add(self, count: int) -> None:
        """Count ``count`` more."""


class Silent:
    """Tells nothing; what a library call uses."""

    def say(self, text: str) -> None:
        """Tell nothing."""

    def warn(self, text: str) -> None:
        """Tell nothing."""

    def add(self, count: int) -> None:
        """Count nothing."""

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counter]:  # noqa: ARG002
        """Count nothing."""
        yield self


class Terminal:
    """Tells a person: bars where the output is a terminal, a line per tenth where it is a log."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Print one line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that stands out on a terminal."""
        self.console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counter]:
        """Show a bar, or lines in a log."""
        if not self.console.is_terminal:
            yield _Lines(self, what, total)
            return
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, console=self.console, transient=True) as bar:
            yield _Bar(bar, what, total)


class _Bar:
    def __init__(self, bar: Progress, what: str, total: int) -> None:
        self.bar, self.task = bar, bar.add_task(what, total=total)

    def add(self, count: int) -> None:
        self.bar.advance(self.task, count)


class _Lines:
    def __init__(self, terminal: Terminal, what: str, total: int) -> None:
        self.terminal, self.what, self.total, self.done = terminal, what, total, 0

    def add(self, count: int) -> None:
        before, self.done = self.done, self.done + count
        if self.done >= self.total or before * 10 // self.total < self.done * 10 // self.total:
            self.terminal.say(f"{self.what}: {self.done} of {self.total}")
