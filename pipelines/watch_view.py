"""What a person sees of a watch: a live view on a terminal, plain lines in a log."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .progress import Counter, Silent, Terminal

_LINES_EVERY = 10.0
_TOLD = 6
"""Messages that stay in the live view."""


@dataclass(frozen=True)
class SeriesStatus:
    """How far a series is: scans stored and flagged, files that wait, are unfinished, or were refused."""

    name: str
    stored: int
    flagged: int
    waiting: int
    unfinished: int
    refused: int
    last: str


@dataclass(frozen=True)
class Status:
    """How a watch stands."""

    store: str
    series: list[SeriesStatus] = field(default_factory=list)
    log: str = ""
    report: str = ""
    state: str = "watching"

    def line(self) -> str:
        """Return it as one line of a log."""
        parts = [
            f"{one.name} {one.stored}"
            + "".join(
                f", {count} {what}"
                for count, what in (
                    (one.flagged, "flagged"),
                    (one.waiting, "waiting"),
                    (one.unfinished, "unfinished"),
                    (one.refused, "refused"),
                )
                if count
            )
            for one in self.series
        ]
        last = next((one.last for one in self.series if one.last), "")
        return "; ".join(part for part in (*parts, f"last {last}" if last else "", self.log) if part)


class WatchView(Terminal):
    """Tells a person how a watch stands; on a terminal in place, in a log a line now and then."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._live: Live | None = None
        self._messages: deque[Text] = deque(maxlen=_TOLD)
        self._line, self._told = "", -_LINES_EVERY

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the view while the block runs."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=False) as self._live:
            yield
        self._live = None

    def show(self, status: Status) -> None:
        """Show how things stand."""
        if self._live is not None:
            self._live.update(self._drawn(status), refresh=True)
        elif status.line() != self._line and monotonic() - self._told >= _LINES_EVERY:
            self._line, self._told = status.line(), monotonic()
            super().say(self._line)

    def say(self, text: str) -> None:
        """Tell one line."""
        if self._live is None:
            super().say(text)
        else:
            self._messages.append(Text(text))

    def warn(self, text: str) -> None:
        """Tell one line that stands out."""
        if self._live is None:
            super().warn(text)
        else:
            self._messages.append(Text(text, style="yellow"))

    @contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counter]:  # noqa: ARG002
        """Count nothing: the view shows how many wait."""
        yield Silent()

    def _drawn(self, status: Status) -> Group:
        table = Table("series", "last scan", title=f"{status.store}: {status.state}", title_justify="left")
        for title in ("stored", "flagged", "waiting", "unfinished", "refused"):
            table.add_column(title, justify="right")
        for one in status.series:
            counts = (one.stored, one.flagged, one.waiting, one.unfinished, one.refused)
            table.add_row(Text(one.name), Text(one.last), *map(str, counts))
        below = " · ".join(text for text in (status.log, status.report, "Ctrl-C ends it") if text)
        return Group(table, Text(below, style="dim"), *self._messages)
